//! Codes propose, the behaviours themselves decide.

use std::sync::Arc;

use crate::coded::Codec;
use crate::error::{Error, Result};
use crate::flat::Whole;
use crate::history::{ExactHistory, History, HistoryIndex, HistoryTarget, finite};
use crate::index::Neighbor;
use crate::top_k::TopK;

/// A history of codes whose best `factor · k` behaviours are scored again exactly.
#[derive(Clone, Debug)]
pub struct RescoredHistory<C> {
    pub(super) codes: History<C>,
    pub(super) exact: ExactHistory,
    pub(super) factor: usize,
}

/// A target of a [`RescoredHistory`]: for the codes and for the behaviours themselves.
#[derive(Debug)]
pub struct RescoredTarget<C: Codec> {
    codes: HistoryTarget<C>,
    exact: HistoryTarget<Whole>,
}

impl<C: Codec> RescoredHistory<C> {
    /// An empty history.
    ///
    /// # Errors
    /// If the modalities do not divide the codec's width, or the factor is 0.
    pub fn new(codec: Arc<C>, modalities: usize, factor: usize) -> Result<Self> {
        if factor == 0 {
            return Err(Error::Config { field: "factor", message: "must be at least 1".into() });
        }
        let exact = ExactHistory::new(Arc::new(Whole::new(codec.dim())), modalities)?;
        Ok(Self { codes: History::new(codec, modalities)?, exact, factor })
    }

    /// Appends many behaviours `[n, M, d]`, encoding them on all threads; returns the number of the first.
    ///
    /// # Errors
    /// As [`HistoryIndex::append`]; nothing is appended then.
    pub fn extend(&mut self, events: &[f32]) -> Result<u64> {
        self.codes.extend(events)?;
        self.exact.extend(events)
    }

    fn rescore(&self, target: &RescoredTarget<C>, k: usize, found: Vec<Neighbor>) -> Result<Vec<Neighbor>> {
        let mut top = TopK::new(k.min(found.len()));
        for id in found.into_iter().map(|n| n.id) {
            if let Some(score) = self.exact.score(&target.exact, id)? {
                top.push(!id, score);
            }
        }
        finite(top.into_sorted().into_iter().map(|n| Neighbor { id: !n.id, score: n.score }).collect())
    }
}

impl<C: Codec> HistoryIndex for RescoredHistory<C> {
    type Target = RescoredTarget<C>;

    fn modalities(&self) -> usize {
        self.codes.modalities()
    }

    fn dim(&self) -> usize {
        self.codes.dim()
    }

    fn len(&self) -> usize {
        self.codes.len()
    }

    fn bytes(&self) -> usize {
        self.codes.bytes() + self.exact.bytes()
    }

    fn append(&mut self, event: &[f32]) -> Result<u64> {
        self.codes.append(event)?;
        self.exact.append(event)
    }

    fn delete(&mut self, event: u64) -> Result<()> {
        self.codes.delete(event)?;
        self.exact.delete(event)
    }

    fn prepare(&self, target: &[f32], weights: &[f32]) -> Result<RescoredTarget<C>> {
        let codes = self.codes.prepare(target, weights)?;
        Ok(RescoredTarget { codes, exact: self.exact.prepare(target, weights)? })
    }

    fn score(&self, target: &RescoredTarget<C>, event: u64) -> Result<Option<f32>> {
        self.exact.score(&target.exact, event)
    }

    fn top_k_many(&self, targets: &[RescoredTarget<C>], k: usize) -> Result<Vec<Vec<Neighbor>>> {
        let (codec, modalities) = (&self.codes.codec, self.codes.modalities);
        let queries = targets.iter().map(|target| target.codes.query(codec, modalities));
        let found =
            self.codes.top_k_queries(&queries.collect::<Result<Vec<_>>>()?, k.saturating_mul(self.factor))?;
        found.into_iter().zip(targets).map(|(found, target)| self.rescore(target, k, found)).collect()
    }

    fn top_k(&self, target: &RescoredTarget<C>, k: usize) -> Result<Vec<Neighbor>> {
        self.rescore(target, k, self.codes.top_k(&target.codes, k.saturating_mul(self.factor))?)
    }
}
