//! The settings of training.

use seminar_dataset::BatchConfig;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::table::AdamConfig;

/// What [`Trainer`](crate::Trainer) does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainConfig {
    /// Passes over the training examples.
    pub epochs: u64,
    /// Stop after so many epochs without a better validation MRR, and go back to the best; 0 never stops.
    pub patience: u64,
    /// The optimiser of dense weights and tables alike.
    pub adam: AdamConfig,
    /// Batches, negatives and hidden queries.
    pub batches: BatchConfig,
    /// D: width of the tables.
    pub width: usize,
    /// Deviation of initial table rows; 0.02 as published.
    pub initial_deviation: f32,
    /// Published tables: random padding rows, and query means over padding words.
    pub published_tables: bool,
    /// Rows of the keyword table; 0 takes what the corpus needs.
    pub keyword_rows: usize,
    /// Evaluation users a batch.
    pub evaluation_batch: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 1,
            patience: 0,
            adam: AdamConfig::default(),
            batches: BatchConfig::default(),
            width: 64,
            initial_deviation: 0.1,
            published_tables: false,
            keyword_rows: 0,
            evaluation_batch: 128,
        }
    }
}

impl TrainConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// Names the field that cannot work.
    pub fn validate(&self) -> Result<()> {
        self.batches.validate()?;
        let fail = |field, message: &str| Err(Error::Config { field, message: message.into() });
        let rate = self.adam.learning_rate;
        if !(rate > 0.0 && rate.is_finite()) {
            return fail("learning_rate", "must be above 0 and finite");
        }
        if self.width == 0 || self.evaluation_batch == 0 {
            return fail("width", "width and evaluation_batch must be at least 1");
        }
        Ok(())
    }
}
