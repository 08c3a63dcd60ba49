//! Histories for weights that never change: the modalities of a behaviour become one vector when it arrives.

use std::sync::Arc;

use crate::coded::Codec;
use crate::error::{Error, Result};
use crate::flat::Whole;
use crate::history::{History, HistoryIndex, check_shape, check_weights, fuse};
use crate::index::{Neighbor, check};

/// A history of fused behaviours `Σ_j w_j k_j`, under weights that are fixed when the history is made. The inner history
/// has one modality.
#[derive(Clone, Debug)]
pub struct FusedHistory<C> {
    fused: History<C>,
    weights: Vec<f32>,
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
        Ok(Self { fused: History::new(codec, 1)?, weights: weights.to_vec() })
    }
}

impl<C: Codec> HistoryIndex for FusedHistory<C> {
    type Target = C::Query;

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
    fn prepare(&self, target: &[f32], weights: &[f32]) -> Result<C::Query> {
        check("the target", target, self.dim() * self.weights.len())?;
        if weights != self.weights {
            let message = format!("{weights:?} where the history was fused with {:?}", self.weights);
            return Err(Error::Config { field: "weights", message });
        }
        self.fused.prepare(&fuse(target, weights, self.dim()), &[1.0])
    }

    fn score(&self, target: &C::Query, event: u64) -> Option<f32> {
        self.fused.score(target, event)
    }

    fn top_k_many(&self, targets: &[C::Query], k: usize) -> Vec<Vec<Neighbor>> {
        self.fused.top_k_many(targets, k)
    }

    fn top_k(&self, target: &C::Query, k: usize) -> Vec<Neighbor> {
        self.fused.top_k(target, k)
    }
}
