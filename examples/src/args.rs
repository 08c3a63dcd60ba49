//! Flags that several binaries share.

use clap::ValueEnum;
use seminar_dataset::{Split, TestMode};
use seminar_trainer::metrics::Ties;

/// Queries of the candidates of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Queries {
    /// None.
    Recommendation,
    /// The answer's, for all of them.
    Search,
    /// Each its own.
    Pair,
}

impl From<Queries> for TestMode {
    fn from(queries: Queries) -> Self {
        match queries {
            Queries::Recommendation => Self::Recommendation,
            Queries::Search => Self::Search,
            Queries::Pair => Self::Pair,
        }
    }
}

/// What is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Held {
    /// The last event but one of each user.
    Valid,
    /// The last one.
    Test,
}

impl From<Held> for Split {
    fn from(held: Held) -> Self {
        match held {
            Held::Valid => Self::Valid,
            Held::Test => Self::Test,
        }
    }
}

/// Where an answer stands that ties with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TiePolicy {
    /// In the middle of them.
    Mean,
    /// Before them.
    Optimistic,
    /// Behind them.
    Pessimistic,
}

impl From<TiePolicy> for Ties {
    fn from(policy: TiePolicy) -> Self {
        match policy {
            TiePolicy::Mean => Self::Mean,
            TiePolicy::Optimistic => Self::Optimistic,
            TiePolicy::Pessimistic => Self::Pessimistic,
        }
    }
}
