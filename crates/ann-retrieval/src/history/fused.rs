//! Histories for weights that never change: the modalities of a behaviour become one vector when it arrives.

use std::sync::Arc;

use crate::coded::{CodeList, Codec};
use crate::error::{Error, Result};
use crate::flat::Whole;
use crate::history::unfused::top_k;
use crate::history::{HistoryIndex, check_shape, check_weights, fuse};
use crate::index::{Neighbor, check};
use crate::metric::Metric;

/// A history of fused behaviours `Σ_j w_j k_j`, under the weights it was made with.
#[derive(Clone, Debug)]
pub struct FusedHistory<C> {
    codec: Arc<C>,
    list: CodeList<C>,
    weights: Vec<f32>,
    next: u64,
}

impl FusedHistory<Whole> {
    /// An empty history with one weight a modality.
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
        Ok(Self { codec, list: CodeList::new(), weights: weights.to_vec(), next: 0 })
    }
}

impl<C: Codec> HistoryIndex for FusedHistory<C> {
    type Target = C::Query;

    fn modalities(&self) -> usize {
        self.weights.len()
    }

    fn dim(&self) -> usize {
        self.codec.dim()
    }

    fn len(&self) -> usize {
        self.list.ids().len()
    }

    fn bytes(&self) -> usize {
        self.list.bytes()
    }

    fn append(&mut self, event: &[f32]) -> Result<u64> {
        check("the behaviour", event, self.dim() * self.weights.len())?;
        let mut code = vec![0; self.codec.code_len()];
        self.codec.encode(&fuse(event, &self.weights, self.dim()), &mut code);
        let id = self.next;
        self.list.extend(&self.codec, std::iter::once(id), &code)?;
        self.next += 1;
        Ok(id)
    }

    fn delete(&mut self, event: u64) -> Result<()> {
        if self.list.remove(&self.codec, event) { Ok(()) } else { Err(Error::Unknown(event)) }
    }

    /// The weights must be those of the history.
    fn prepare(&self, target: &[f32], weights: &[f32]) -> Result<C::Query> {
        check("the target", target, self.dim() * self.weights.len())?;
        if weights != self.weights {
            let message = format!("{weights:?} where the history was fused with {:?}", self.weights);
            return Err(Error::Config { field: "weights", message });
        }
        Ok(self.codec.prepare(&fuse(target, weights, self.dim()), Metric::InnerProduct))
    }

    fn score(&self, target: &C::Query, event: u64) -> Option<f32> {
        self.list.score(&self.codec, target, event)
    }

    fn top_k_many(&self, targets: &[C::Query], k: usize) -> Vec<Vec<Neighbor>> {
        top_k(&self.list, &self.codec, &targets.iter().collect::<Vec<_>>(), k)
    }

    fn top_k(&self, target: &C::Query, k: usize) -> Vec<Neighbor> {
        top_k(&self.list, &self.codec, &[target], k).pop().unwrap_or_default()
    }
}
