//! Targets that know which histories they fit.

use std::sync::Arc;

use crate::coded::Codec;
use crate::error::{Error, Result};
use crate::history::{check_weights, fuse};
use crate::index::check;
use crate::metric::Metric;

/// A target `[M, d]` under the weights of a request, in the form that scans need.
///
/// It fits every history of the same shape, codes and, where a history is fused, weights; the codec is compared by
/// address first and then by value. Others refuse it with [`Error::Config`].
pub struct HistoryTarget<C: Codec> {
    codec: Arc<C>,
    modalities: usize,
    /// The weights of a fused history; none where modalities are kept apart.
    fused: Option<Arc<[f32]>>,
    query: C::Query,
}

impl<C: Codec> std::fmt::Debug for HistoryTarget<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shape = (self.modalities, self.codec.dim() / self.modalities);
        f.debug_struct("HistoryTarget")
            .field("shape", &shape)
            .field("fused", &self.fused)
            .finish_non_exhaustive()
    }
}

impl<C: Codec> HistoryTarget<C> {
    /// Weighs a target: the query is `w_j Σ_i w_i q_i` for each modality `j`.
    ///
    /// # Errors
    /// If a size is wrong, a number is not finite, or scores under these weights may not be.
    pub(super) fn new(codec: &Arc<C>, modalities: usize, target: &[f32], weights: &[f32]) -> Result<Self> {
        check("the target", target, codec.dim())?;
        check_weights(weights, modalities)?;
        let fused = fuse(target, weights, codec.dim() / modalities);
        let query: Vec<f32> = weights.iter().flat_map(|&w| fused.iter().map(move |x| w * x)).collect();
        ensure_finite_scores(&query)?;
        let query = codec.prepare(&query, Metric::InnerProduct);
        Ok(Self { codec: codec.clone(), modalities, fused: None, query })
    }

    /// Marks a target that was prepared under a history's own weights.
    pub(super) fn of_fused(self, weights: &Arc<[f32]>) -> Self {
        Self { fused: Some(weights.clone()), ..self }
    }

    /// The query alone.
    pub(super) fn into_query(self) -> C::Query {
        self.query
    }

    /// The query, if it was prepared for histories like the asking one.
    pub(super) fn query(&self, codec: &Arc<C>, modalities: usize) -> Result<&C::Query> {
        self.query_of(codec, modalities, None)
    }

    /// The same for fused histories.
    pub(super) fn query_of(
        &self,
        codec: &Arc<C>,
        modalities: usize,
        fused: Option<&Arc<[f32]>>,
    ) -> Result<&C::Query> {
        let shapes = [(self.modalities, self.codec.dim()), (modalities, codec.dim())];
        let message = if shapes[0] != shapes[1] {
            let [own, asked] = shapes.map(|(m, width)| format!("{m} x {}", width / m));
            format!("was prepared for histories of {own} numbers, this one has {asked}")
        } else if !Arc::ptr_eq(&self.codec, codec) && *self.codec != **codec {
            "was prepared for histories of other codes than this one".into()
        } else if self.fused.as_ref() != fused {
            format!("was prepared for histories fused with {:?}, this one is with {fused:?}", self.fused)
        } else {
            return Ok(&self.query);
        };
        Err(Error::Config { field: "target", message })
    }
}

/// Refuses a query so long that an inner product with a row may not be finite. Rows are held to the same length, so
/// the product of two lengths, which no inner product exceeds, is finite.
fn ensure_finite_scores(query: &[f32]) -> Result<()> {
    if squared_length_is_finite(query) {
        return Ok(());
    }
    let message = "the square of the weighted target's length is not finite, so scores may not be either; scale \
                   the weights or the target down";
    Err(Error::Config { field: "weights", message: message.into() })
}

/// Refuses behaviours `[n, width]` of finite numbers whose squared lengths are not. Histories know inner products alone, so no room is
/// needed for the distances of other indexes.
pub(super) fn ensure_short(events: &[f32], width: usize) -> Result<()> {
    match events.chunks_exact(width).position(|row| !squared_length_is_finite(row)) {
        Some(row) => Err(Error::TooLarge { row }),
        None => Ok(()),
    }
}

fn squared_length_is_finite(row: &[f32]) -> bool {
    row.iter().map(|x| x * x).sum::<f32>().is_finite()
}
