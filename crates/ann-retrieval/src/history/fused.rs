//! Histories for weights that never change: the modalities of a behaviour become one vector when it arrives.

use std::sync::Arc;

use crate::coded::Codec;
use crate::error::{Error, Result};
use crate::flat::Whole;
use crate::history::{History, HistoryIndex, HistoryTarget, check_shape, check_weights, fuse};
use crate::index::{Neighbor, check};

/// A history of fused behaviours `Σ_j w_j k_j`, under weights that are fixed when the history is made. The inner history
/// has one modality.
#[derive(Clone, Debug)]
pub struct FusedHistory<C> {
    pub(super) fused: History<C>,
    pub(super) weights: Arc<[f32]>,
}

impl FusedHistory<Whole> {
    /// An empty history with one weight per modality.
    ///
    /// # Errors
    /// If there is no modality or no width, or a weight is not finite.
    pub fn exact(weights: &[f32], dim: usize) -> Result<Self> {
        check_shape(weights.len(), dim)?;
        Self::new(Arc::new(Whole::new(dim)), weights)
    }
}

impl<C: Codec> FusedHistory<C> {
    /// An empty history over a shared codec of `d` numbers.
    ///
    /// # Errors
    /// If there is no weight, or one is not finite.
    pub fn new(codec: Arc<C>, weights: &[f32]) -> Result<Self> {
        check_shape(weights.len(), codec.dim())?;
        check_weights(weights, weights.len())?;
        Ok(Self { fused: History::new(codec, 1)?, weights: weights.into() })
    }

    fn query<'a>(&self, target: &'a HistoryTarget<C>) -> Result<&'a C::Query> {
        target.query_of(&self.fused.codec, 1, Some(&self.weights))
    }
}

impl<C: Codec> HistoryIndex for FusedHistory<C> {
    type Target = HistoryTarget<C>;

    fn modalities(&self) -> usize {
        self.weights.len()
    }

    fn dim(&self) -> usize {
        self.fused.dim()
    }

    fn len(&self) -> usize {
        self.fused.len()
    }

    fn bytes(&self) -> usize {
        self.fused.bytes()
    }

    fn append(&mut self, event: &[f32]) -> Result<u64> {
        check("the behaviour", event, self.dim() * self.weights.len())?;
        self.fused.append(&fuse(event, &self.weights, self.dim()))
    }

    fn delete(&mut self, event: u64) -> Result<()> {
        self.fused.delete(event)
    }

    /// The weights must be those of the history.
    fn prepare(&self, target: &[f32], weights: &[f32]) -> Result<HistoryTarget<C>> {
        check("the target", target, self.dim() * self.weights.len())?;
        if *weights != *self.weights {
            let message = format!("{weights:?} where the history was fused with {:?}", self.weights);
            return Err(Error::Config { field: "weights", message });
        }
        let fused = self.fused.prepare(&fuse(target, weights, self.dim()), &[1.0])?;
        Ok(fused.of_fused(&self.weights))
    }

    fn score(&self, target: &HistoryTarget<C>, event: u64) -> Result<Option<f32>> {
        self.fused.score_query(self.query(target)?, event)
    }

    fn top_k_many(&self, targets: &[HistoryTarget<C>], k: usize) -> Result<Vec<Vec<Neighbor>>> {
        let queries: Vec<&C::Query> =
            targets.iter().map(|target| self.query(target)).collect::<Result<_>>()?;
        self.fused.top_k_queries(&queries, k)
    }

    fn top_k(&self, target: &HistoryTarget<C>, k: usize) -> Result<Vec<Neighbor>> {
        Ok(self.fused.top_k_queries(&[self.query(target)?], k)?.pop().unwrap_or_default())
    }
}
