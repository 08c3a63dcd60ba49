//! The settings of training.

use std::path::PathBuf;

use seminar_dataset::BatchConfig;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::schedule::{Decay, Schedule};
use crate::table::AdamConfig;

/// What [`Trainer`](crate::Trainer) does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainConfig {
    /// Passes over the training examples.
    pub epochs: u64,
    /// Stop after so many validations in a row without a better metric, and go back to the best; 0 never validates. With
    /// [`Decay::Plateau`] after so many in all.
    pub patience: u64,
    /// Validate after an epoch if this many steps were taken since the last time, so that few users do not decide by chance; 0:
    /// after every epoch.
    pub validate_every: u64,
    /// The metric that early stopping watches.
    pub watch: String,
    /// Tables stay as they are after pretraining.
    pub freeze_tables: bool,
    /// The optimiser of dense weights and tables alike.
    pub adam: AdamConfig,
    /// Batches, negatives and hidden queries.
    pub batches: BatchConfig,
    /// D: width of the tables.
    pub width: usize,
    /// Standard deviation of initial table rows; 0.02 as published.
    pub initial_deviation: f32,
    /// Published tables: random padding rows, and query means over padding words.
    pub published_tables: bool,
    /// Rows of the keyword table; 0 takes what the corpus needs.
    pub keyword_rows: usize,
    /// Tables of more bytes are mapped from a nameless file.
    pub map_above_bytes: usize,
    /// Where such a file is made; the system's temporary folder by default. It decides nothing of the result and is not stored.
    #[serde(skip)]
    pub table_folder: Option<PathBuf>,
    /// Users per batch of an evaluation; 0 chooses by catalogue size and test mode.
    pub evaluation_batch: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 1,
            patience: 0,
            validate_every: 0,
            watch: "MRR".into(),
            freeze_tables: false,
            adam: AdamConfig::default(),
            batches: BatchConfig::default(),
            width: 64,
            initial_deviation: 0.1,
            published_tables: false,
            keyword_rows: 0,
            map_above_bytes: 8 << 30,
            table_folder: None,
            evaluation_batch: 0,
        }
    }
}

impl TrainConfig {
    /// The settings that learn most on data of any kind: all targets in one pass, with a learning rate that falls whenever validation
    /// does not improve, until that does not help either.
    pub fn tuned() -> Self {
        let schedule = Schedule { decay: Decay::Plateau, ..Schedule::default() };
        Self {
            epochs: 1000,
            patience: 3,
            validate_every: 128,
            initial_deviation: 0.02,
            adam: AdamConfig { schedule, ..AdamConfig::default() },
            batches: BatchConfig::tuned(),
            ..Self::default()
        }
    }

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
        if !crate::metrics::names().any(|name| name == self.watch) {
            return fail("watch", &format!("`{}` is no metric", self.watch));
        }
        let amounts = [
            ("weight_decay", self.adam.weight_decay),
            ("clip_norm", self.adam.clip_norm),
            ("initial_deviation", self.initial_deviation),
        ];
        if let Some((field, value)) = amounts.iter().find(|(_, value)| !(*value >= 0.0 && value.is_finite()))
        {
            return fail(field, &format!("{value} is negative or not finite"));
        }
        let schedule = &self.adam.schedule;
        if schedule.decay.has_end() && schedule.total <= schedule.warmup {
            let (end, warmup) = (schedule.total, schedule.warmup);
            let message = format!(
                "the learning rate is 0 from step {end} on, and the warm-up ends at step {warmup}: nothing is trained; a decay has to end after the warm-up"
            );
            return fail("decay_steps", &message);
        }
        if self.width == 0 {
            return fail("width", "must be at least 1");
        }
        for (field, value, most) in
            [("width", self.width, 1 << 13), ("keyword_rows", self.keyword_rows, u32::MAX as usize)]
        {
            if value > most {
                return fail(field, &format!("{value} is over {most}"));
            }
        }
        Ok(())
    }
}
