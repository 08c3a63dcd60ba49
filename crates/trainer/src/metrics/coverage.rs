//! Whom an evaluation ranks, and among how many candidates.

use serde::{Deserialize, Serialize};

use super::Metrics;

/// Whom an evaluation ranks, and among how many candidates.
///
/// A target is easier to find among few candidates. So an evaluation's metrics are those of users with the full number of
/// negatives. The others are counted here: none is left out in silence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Coverage {
    /// Negatives asked for, for each user. `None`: all items that the user never touched, however many.
    pub negatives: Option<u64>,
    /// Number of users of whom the ranked ones are a random sample. `None`: no sample was drawn.
    pub sample_of: Option<u64>,
    /// Users with fewer negatives than asked for, reported apart.
    pub short: Option<Short>,
    /// Users who know every item: no negative is left, and they are in no metric.
    pub without_negatives: u64,
    /// Users with too few events for the split: they have no target.
    pub too_few_events: u64,
}

/// Users with fewer negatives than asked for, but at least one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Short {
    /// How many users.
    pub users: u64,
    /// Smallest number of negatives.
    pub fewest: u64,
    /// Largest number of negatives.
    pub most: u64,
    /// Mean number of negatives.
    pub mean: f64,
    /// Metrics of these users.
    #[serde(with = "super::json")]
    pub metrics: Metrics,
}
