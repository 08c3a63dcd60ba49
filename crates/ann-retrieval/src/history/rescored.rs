//! Codes propose, the behaviours themselves decide.

use std::sync::Arc;

use crate::coded::Codec;
use crate::error::{Error, Result};
use crate::flat::{Whole, WholeQuery};
use crate::history::{ExactHistory, History, HistoryIndex};
use crate::index::Neighbor;
use crate::top_k::TopK;

/// A history of codes whose best `factor · k` behaviours are scored again exactly.
#[derive(Clone, Debug)]
pub struct RescoredHistory<C> {
    codes: History<C>,
    exact: ExactHistory,
    factor: usize,
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
    /// If a row has another size, or holds a number that is not finite; nothing is appended then.
    pub fn extend(&mut self, events: &[f32]) -> Result<u64> {
        self.codes.extend(events)?;
        self.exact.extend(events)
    }

    fn rescore(&self, target: &WholeQuery, k: usize, found: Vec<Neighbor>) -> Vec<Neighbor> {
        let mut top = TopK::new(k.min(found.len()));
        for id in found.into_iter().map(|n| n.id) {
            if let Some(score) = self.exact.score(target, id) {
                top.push(!id, score);
            }
        }
        top.into_sorted().into_iter().map(|n| Neighbor { id: !n.id, score: n.score }).collect()
    }
}

impl<C: Codec> HistoryIndex for RescoredHistory<C> {
    type Target = (C::Query, WholeQuery);

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

    fn prepare(&self, target: &[f32], weights: &[f32]) -> Result<Self::Target> {
        Ok((self.codes.prepare(target, weights)?, self.exact.prepare(target, weights)?))
    }

    fn score(&self, target: &Self::Target, event: u64) -> Option<f32> {
        self.exact.score(&target.1, event)
    }

    fn top_k_many(&self, targets: &[Self::Target], k: usize) -> Vec<Vec<Neighbor>> {
        let coded: Vec<&C::Query> = targets.iter().map(|(coded, _)| coded).collect();
        let found = self.codes.top_k_refs(&coded, k.saturating_mul(self.factor));
        found.into_iter().zip(targets).map(|(found, (_, exact))| self.rescore(exact, k, found)).collect()
    }

    fn top_k(&self, (coded, exact): &Self::Target, k: usize) -> Vec<Neighbor> {
        self.rescore(exact, k, self.codes.top_k(coded, k.saturating_mul(self.factor)))
    }
}
