//! Splits: which event of a user is the target, and what its history is. Each user's last events are held back, or those that the
//! corpus says.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::corpus::Corpus;

/// The four uses of a user's events e1 … en. The history is always everything before the target. This is the rule where the
/// corpus has no [split](Corpus::split) of its own:
///
/// | split | target | needs |
/// |---|---|---|
/// | `Test` | e(n) | 3 events |
/// | `Valid` | e(n−1) | 3 |
/// | `Train` | e(n−2), with several targets also earlier ones | 4 |
/// | `Pretrain` | e(n−3), after a history that ends in EOS | 5 |
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Split {
    /// Next-pair pretraining.
    Pretrain,
    /// Training.
    Train,
    /// Validation.
    Valid,
    /// Test.
    Test,
}

/// One example: a user and the position of the target among the user's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// User, from 0.
    pub user: u32,
    /// Position of the target; the history is the events before it.
    pub target: u32,
}

impl Split {
    /// The newest target of a user with `events` events, or `None` if that is too few.
    pub fn target(self, events: usize) -> Option<usize> {
        let (needed, back) = match self {
            Self::Test => (3, 1),
            Self::Valid => (3, 2),
            Self::Train => (4, 3),
            Self::Pretrain => (5, 4),
        };
        (events >= needed).then(|| events - back)
    }

    /// The position of the target among a user's events; `None` if the user has none.
    ///
    /// In a corpus with a [split](Corpus::split) of its own, the target of `Valid` and `Test` is the first event of that part, the
    /// one of `Train` the last event to train on, and the one of `Pretrain` the event before. A target needs an event before it.
    ///
    /// # Panics
    /// If there is no such user.
    pub fn target_of(self, corpus: &Corpus, user: usize) -> Option<usize> {
        let events = corpus.history(user).items.len();
        let Some([train, valid]) = corpus.split(user) else { return self.target(events) };
        let target = match self {
            Self::Test => Some(valid).filter(|&at| at < events),
            Self::Valid => Some(train).filter(|&at| at < valid),
            Self::Train => train.checked_sub(1),
            Self::Pretrain => train.checked_sub(2),
        };
        target.filter(|&at| at > 0)
    }

    /// All examples of a split, in user order: for training up to `targets_per_user` per user, newest first.
    pub fn examples(self, corpus: &Corpus, targets_per_user: usize) -> Vec<Example> {
        let several = if self == Self::Train { targets_per_user.max(1) } else { 1 };
        let mut examples = Vec::with_capacity(corpus.user_count());
        for user in 0..corpus.user_count() {
            let Some(newest) = self.target_of(corpus, user) else { continue };
            // A target needs at least one event before it.
            let targets = (1..=newest).rev().take(several);
            examples.extend(targets.map(|target| Example { user: user as u32, target: target as u32 }));
        }
        examples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_users_are_in_fewer_splits() {
        let splits = [Split::Pretrain, Split::Train, Split::Valid, Split::Test];
        let targets = |n| splits.map(|s| s.target(n));
        assert_eq!(targets(2), [None; 4]);
        assert_eq!(targets(3), [None, None, Some(1), Some(2)]);
        assert_eq!(targets(4), [None, Some(1), Some(2), Some(3)]);
        assert_eq!(targets(5), [Some(1), Some(2), Some(3), Some(4)]);
    }
}
