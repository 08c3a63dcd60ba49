//! Behaviours and targets as a trained SEMINAR sees them.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Context;
use burn::tensor::Tensor;
use seminar_dataset::{BatchConfig, Batches, Corpus, Split, TestMode};
use seminar_models::{AnyModel, Events, Seminar};
use seminar_trainer::Trainer;

use super::data::UserData;

/// Users per batch.
const BATCH: usize = 64;

/// Vectors of several users.
#[derive(Clone, Debug)]
pub struct Trained {
    /// M: the query and each item modality.
    pub modalities: usize,
    /// d: embedding dimension of a modality.
    pub dim: usize,
    /// The users.
    pub users: Vec<UserData>,
}

/// Builds long histories from the test histories of consecutive users: each joins them until it has `length` different
/// behaviours (pairs of item and query). Its targets are positive items of those users, with their queries. A small corpus gives
/// one shorter history. The vectors contain the model's own modality weights: their sum is the pair vector that its search
/// units compare, so each modality has weight 1 in a search.
///
/// # Errors
/// If the model is not SEMINAR, or no user has a test event.
pub fn trained(
    trainer: &mut Trainer<AnyModel>,
    corpus: &Arc<Corpus>,
    batches: &BatchConfig,
    [users, length, targets]: [usize; 3],
) -> anyhow::Result<Trained> {
    let config = BatchConfig {
        batch_size: BATCH,
        // Only the positive item is a target.
        evaluation_negatives: 1,
        test_mode: TestMode::Search,
        ..batches.clone()
    };
    let batches = Batches::new(corpus.clone(), Split::Test, config)?;
    let mut found = Trained { modalities: 0, dim: 0, users: Vec::new() };
    let empty = UserData { history: Vec::new(), targets: Vec::new() };
    let (mut open, mut seen) = (empty.clone(), HashSet::new());
    for batch in batches.epoch(0).prefetch(0) {
        let embedded = trainer.embed(&batch)?;
        let AnyModel::Seminar(model) = trainer.model() else { anyhow::bail!("only SEMINAR has modalities") };
        let (history, targets_placed) =
            (Placed::of(model, &embedded.history)?, Placed::of(model, &embedded.candidates)?);
        (found.modalities, found.dim) = (history.modalities, history.dim);
        let width = found.modalities * found.dim;
        for user in 0..batch.users.len() {
            targets_placed.copy(user, 0, &mut open.targets);
            for at in 0..batch.history.width {
                // Equal behaviours tie: which of them a search returns has no meaning.
                let (item, query) = batch.history.pair(user, at);
                if seen.insert((item, query.to_vec())) {
                    history.copy(user, at, &mut open.history);
                }
                if open.history.len() == length * width {
                    open.targets.truncate(targets * width);
                    found.users.push(std::mem::replace(&mut open, empty.clone()));
                    seen.clear();
                    break;
                }
            }
            if found.users.len() == users {
                return Ok(found);
            }
        }
    }
    if found.users.is_empty() {
        open.targets.truncate(targets * found.modalities * found.dim);
        found.users.push(open);
    }
    Ok(found)
}

/// The modalities of a batch's unique events, and the inverse index of their positions.
struct Placed {
    modalities: usize,
    dim: usize,
    /// `[U, M, d]`.
    rows: Vec<f32>,
    /// `[B, L]`.
    inverse: Vec<i64>,
    mask: Vec<bool>,
    length: usize,
}

impl Placed {
    fn of(model: &Seminar, events: &Events) -> anyhow::Result<Self> {
        let parts = model.encode_modalities(events);
        let modalities = parts.len();
        let rows: Tensor<3> = Tensor::stack(parts, 1);
        let [_, _, dim] = rows.dims();
        let [_, length] = events.dims();
        Ok(Self {
            modalities,
            dim,
            rows: rows.into_data().convert::<f32>().try_into_vec().context("vectors are numbers")?,
            inverse: events
                .inverse
                .to_data()
                .convert::<i64>()
                .try_into_vec()
                .context("positions are numbers")?,
            mask: events.mask.to_data().convert::<bool>().try_into_vec().context("masks are flags")?,
            length,
        })
    }

    /// Appends the event at a position; nothing where it is padding.
    fn copy(&self, row: usize, column: usize, out: &mut Vec<f32>) {
        let (at, width) = (row * self.length + column, self.modalities * self.dim);
        if self.mask[at] {
            out.extend_from_slice(&self.rows[self.inverse[at] as usize * width..][..width]);
        }
    }
}
