//! The settings of batches.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::error::{Error, Result};
use crate::negatives::Sampling;

/// Which queries the candidates of an evaluation carry.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum TestMode {
    /// Candidates carry no query.
    #[default]
    Recommendation,
    /// All candidates carry the target event's query. On Amazon that query is made from the target item: it leaks.
    Search,
    /// Each candidate carries the query of its own item.
    Pair,
}

/// The settings of [`Batches`](super::Batches). The default does not have the defects of the published loader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchConfig {
    /// Users (examples) per batch.
    pub batch_size: usize,
    /// L: newest events of a history that are kept.
    pub history_length: usize,
    /// N: keywords of a query that are kept.
    pub query_length: usize,
    /// Targets per user and epoch in training. In one pass, targets of an example: all of a user's targets are in some example.
    pub targets_per_user: usize,
    /// Training examples are users with all their targets, each of which sees the events before it, in place of one target each.
    pub one_pass: bool,
    /// In one pass, targets of an example that get candidates with negatives of their own: the newest, and others drawn anew in each
    /// epoch. The shared negatives serve all targets. 0: all.
    pub compared_targets: usize,
    /// Items drawn uniformly that all targets of a training batch share as negatives; at least as many as there are items takes
    /// them all.
    pub shared_negatives: usize,
    /// Negatives per training example.
    pub training_negatives: usize,
    /// Negatives per user in evaluation.
    pub evaluation_negatives: usize,
    /// How training and evaluation negatives are drawn.
    pub sampling: Sampling,
    /// Seed of the order of examples, of negatives and of hiding.
    pub seed: u64,
    /// Share of training examples whose candidates carry no query, so that the model learns to do without.
    pub hide_query: f64,
    /// Queries of evaluation candidates.
    pub test_mode: TestMode,
    /// Reproduce the published loader. A training negative may be the EOS id, and carries one of the user's own queries.
    /// Validation uses the test negatives. The query of EOS holds the item id of EOS. Training shows users in the order
    /// and with the negatives of pretraining, as there both are separate runs from the same seed.
    pub published: bool,
}

/// Keyword ids of a batch at most: eight gigabytes.
const MOST_IDS: u128 = 1 << 31;

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            batch_size: 256,
            history_length: 100,
            query_length: 5,
            targets_per_user: 1,
            one_pass: false,
            compared_targets: 0,
            shared_negatives: 0,
            training_negatives: 1,
            evaluation_negatives: 99,
            sampling: Sampling::Uniform,
            seed: 42,
            hide_query: 0.5,
            test_mode: TestMode::Recommendation,
            published: false,
        }
    }
}

impl BatchConfig {
    /// The published loader, its defects included.
    pub fn published() -> Self {
        Self { hide_query: 0.0, published: true, ..Self::default() }
    }

    /// The settings that learn most on data of any kind: all targets of a user in one pass, and shared negatives.
    pub fn tuned() -> Self {
        Self {
            one_pass: true,
            batch_size: 128,
            compared_targets: 4,
            targets_per_user: 50,
            training_negatives: 4,
            shared_negatives: 2048,
            ..Self::default()
        }
    }

    /// Targets of an example in one pass at most: each sees at least one event.
    pub(super) fn targets_in_one_pass(&self) -> usize {
        self.targets_per_user.min(self.history_length)
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Config`] with the first field that cannot work.
    pub fn validate(&self) -> Result<()> {
        let positive: [(&'static str, usize); 5] = [
            ("batch_size", self.batch_size),
            ("history_length", self.history_length),
            ("query_length", self.query_length),
            ("targets_per_user", self.targets_per_user),
            ("training_negatives", self.training_negatives),
        ];
        for (field, value) in positive {
            if value == 0 {
                return Err(Error::Config { field, message: "must be at least 1".into() });
            }
        }
        let bounds: [(&'static str, usize, usize); 7] = [
            ("batch_size", self.batch_size, 1 << 24),
            ("history_length", self.history_length, 1 << 24),
            ("query_length", self.query_length, 1 << 16),
            ("targets_per_user", self.targets_per_user, 1 << 24),
            ("training_negatives", self.training_negatives, 1 << 24),
            ("evaluation_negatives", self.evaluation_negatives, 1 << 31),
            ("shared_negatives", self.shared_negatives, 1 << 24),
        ];
        for (field, value, most) in bounds {
            if value > most {
                return Err(Error::Config { field, message: format!("{value} is over {most}") });
            }
        }
        // Each keyword slot of a batch is a number; the bounds above keep the product within 128 bits.
        let targets = match (self.one_pass, self.compared_targets) {
            (false, _) => 1,
            (true, 0) => self.targets_in_one_pass(),
            (true, most) => most.min(self.targets_in_one_pass()),
        };
        let candidates = targets as u128 * (self.training_negatives as u128 + 1);
        let slots = self.batch_size as u128 * (self.history_length as u128 + candidates);
        let ids = slots * self.query_length as u128;
        if ids > MOST_IDS {
            let message = format!(
                "{} users with {} events and {} negatives of {} keywords are {ids} ids in a batch; {MOST_IDS} are the most",
                self.batch_size, self.history_length, self.training_negatives, self.query_length
            );
            return Err(Error::Config { field: "batch_size", message });
        }
        if self.one_pass && self.published {
            let message = "the published loader makes one example of each target".into();
            return Err(Error::Config { field: "one_pass", message });
        }
        if !(0.0..=1.0).contains(&self.hide_query) {
            let message = format!("{} is no probability", self.hide_query);
            return Err(Error::Config { field: "hide_query", message });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_absurd_memory_is_refused_by_its_name() {
        let refused = |change: fn(&mut BatchConfig)| {
            let mut config = BatchConfig::default();
            change(&mut config);
            match config.validate() {
                Err(Error::Config { field, message }) => (field, message),
                other => panic!("{other:?}"),
            }
        };
        BatchConfig { batch_size: 4096, history_length: 10_000, ..BatchConfig::default() }
            .validate()
            .unwrap();
        assert_eq!(refused(|c| c.batch_size = usize::MAX).0, "batch_size");
        assert_eq!(refused(|c| c.history_length = 1 << 40).0, "history_length");
        assert_eq!(refused(|c| c.query_length = 1 << 20).0, "query_length");
        assert_eq!(refused(|c| c.targets_per_user = usize::MAX).0, "targets_per_user");
        assert_eq!(refused(|c| c.training_negatives = usize::MAX).0, "training_negatives");
        assert_eq!(refused(|c| c.evaluation_negatives = usize::MAX).0, "evaluation_negatives");
        let (field, message) = refused(|c| (c.batch_size, c.history_length) = (1 << 20, 1 << 20));
        assert!(field == "batch_size" && message.contains("1048576 users with 1048576 events"), "{message}");
        for zero in [|c: &mut BatchConfig| c.batch_size = 0, |c: &mut BatchConfig| c.query_length = 0] {
            assert!(refused(zero).1.contains("at least 1"));
        }
    }
}
