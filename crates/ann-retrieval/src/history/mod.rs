//! A user's history: behaviours with several modalities, of which a request wants the few most relevant.
//!
//! A behaviour is a row `[M, d]`: one vector per modality, such as query, attributes, text and image. A target is a row
//! of the same kind, and a request weighs the modalities: `S(l) = Σ_i Σ_j w_i w_j ⟨q_i, k_lj⟩`. As `Σ_i w_i q_i` is
//! known before any behaviour is read, one look at each modality of a behaviour is enough.

mod fused;
mod rescored;
mod saved;
mod store;
mod target;
mod two_stage;
mod unfused;

pub use fused::FusedHistory;
pub use rescored::{RescoredHistory, RescoredTarget};
pub use store::{HistoryStore, Kept, StoreLimits, StoreSizes, StoreTarget, UserHistory};
pub use target::HistoryTarget;
pub use two_stage::{TwoStage, TwoStageFound};
pub use unfused::{ExactHistory, History, NibbleHistory, PqHistory};

use crate::error::{Error, Result};
use crate::index::Neighbor;

/// A live history of one user.
///
/// A behaviour has a vector `k_m` of each of M modalities, and so has a target, `q_m`, with a weight `w_m` for each. The score of a
/// behaviour is `Σ_i Σ_j w_i w_j ⟨q_i, k_j⟩`: each modality of the target meets each one of the behaviour.
///
/// Behaviours are numbered in the order of arrival; a number is never given twice. Of equal scores the newest comes
/// first. After any appends and deletes, searches give the same result as in a history that only ever held the
/// remaining behaviours.
pub trait HistoryIndex: Send + Sync {
    /// A target in the form that scans need, such as tables.
    type Target: Send + Sync;

    /// M: modalities of a behaviour.
    fn modalities(&self) -> usize;

    /// d: width of each modality.
    fn dim(&self) -> usize;

    /// Number of behaviours.
    fn len(&self) -> usize;

    /// Bytes of this user's memory; codebooks that users share are not counted.
    fn bytes(&self) -> usize;

    /// Appends a behaviour `[M, d]` and returns its number.
    ///
    /// # Errors
    /// If the row has another size, holds a number that is not finite, or is so long that the square of its length is
    /// not.
    fn append(&mut self, event: &[f32]) -> Result<u64>;

    /// Deletes a behaviour.
    ///
    /// # Errors
    /// If it is not there.
    fn delete(&mut self, event: u64) -> Result<()>;

    /// Prepares a target `[M, d]` under a weight for each modality.
    ///
    /// # Errors
    /// If a size is wrong, a number is not finite, or scores under these weights may not be.
    fn prepare(&self, target: &[f32], weights: &[f32]) -> Result<Self::Target>;

    /// The score of one behaviour, if it is there.
    ///
    /// # Errors
    /// If the target was prepared for histories of another shape, codec or fixed weights, or the score is not finite.
    fn score(&self, target: &Self::Target, event: u64) -> Result<Option<f32>>;

    /// The `k` most relevant behaviours for each of many targets, in one pass, best first.
    ///
    /// # Errors
    /// As [`HistoryIndex::score`].
    fn top_k_many(&self, targets: &[Self::Target], k: usize) -> Result<Vec<Vec<Neighbor>>>;

    /// The `k` most relevant behaviours, best first.
    ///
    /// # Errors
    /// As [`HistoryIndex::score`].
    fn top_k(&self, target: &Self::Target, k: usize) -> Result<Vec<Neighbor>>;

    /// Whether there is no behaviour.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// `Σ_i w_i q_i` of a target `[M, d]`.
fn fuse(target: &[f32], weights: &[f32], dim: usize) -> Vec<f32> {
    let mut fused = vec![0.0; dim];
    for (modality, &weight) in target.chunks_exact(dim).zip(weights) {
        fused.iter_mut().zip(modality).for_each(|(sum, x)| *sum = weight.mul_add(*x, *sum));
    }
    fused
}

/// Passes on scores that are finite. Codebooks of a caller's own may hold numbers that no length bounds.
fn finite(scores: Vec<Neighbor>) -> Result<Vec<Neighbor>> {
    match scores.iter().all(|found| found.score.is_finite()) {
        true => Ok(scores),
        false => Err(Error::NotFinite { what: "a score" }),
    }
}

/// Checks a request's weights.
fn check_weights(weights: &[f32], modalities: usize) -> Result<()> {
    crate::index::check("the weights", weights, modalities)
}

/// Checks a history's shape.
fn check_shape(modalities: usize, dim: usize) -> Result<()> {
    for (field, value) in [("modalities", modalities), ("dim", dim)] {
        if value == 0 {
            return Err(Error::Config { field, message: "must be at least 1".into() });
        }
    }
    Ok(())
}
