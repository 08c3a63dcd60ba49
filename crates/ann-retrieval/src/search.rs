//! What a search asks for, and what it answers.

use std::ops::Deref;

use crate::filter::Filter;
use crate::index::Neighbor;

/// What a search asks for.
///
/// ```
/// use seminar_ann_retrieval::{AnnIndex, Flat, Metric, Search, Vectors};
/// let rows = Vectors::new(1, vec![3.0, 2.0, 1.0])?;
/// let index = Flat::build(&rows, Metric::InnerProduct)?;
/// let odd = |id: u64| id % 2 == 1;
/// let hits = index.hits(&[1.0], &Search::new(2).filter(&odd))?;
/// assert!(hits.len() == 1 && hits.exhausted);
/// let hits = index.hits(&[1.0], &Search::new(2).least_score(2.5))?;
/// assert_eq!(hits[0].id, 0);
/// # Ok::<(), seminar_ann_retrieval::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// Most vectors to return.
    pub k: usize,
    /// Which ids may be returned; all without one.
    pub filter: Option<&'a dyn Filter>,
    /// Only vectors whose score is at least this.
    pub least_score: Option<f32>,
}

impl<'a> Search<'a> {
    /// The `k` nearest, whatever their ids and scores.
    pub fn new(k: usize) -> Self {
        Self { k, filter: None, least_score: None }
    }

    /// Only ids that the filter accepts.
    #[must_use]
    pub fn filter(mut self, filter: &'a dyn Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Only vectors of at least this score.
    #[must_use]
    pub fn least_score(mut self, score: f32) -> Self {
        self.least_score = Some(score);
        self
    }
}

/// What a search found; it can be read as the list of neighbours.
#[derive(Clone, Debug, PartialEq)]
pub struct Hits {
    /// Best first, ties by id.
    pub found: Vec<Neighbor>,
    /// Whether a larger `k` would return nothing more.
    pub exhausted: bool,
}

impl Deref for Hits {
    type Target = [Neighbor];

    fn deref(&self) -> &[Neighbor] {
        &self.found
    }
}
