//! Scoring without a tape: what evaluation and recommendation share.

use burn::tensor::{Device, Tensor};
use seminar_dataset::{Batch, IdBlock};
use seminar_models::{Events, SequenceModel, integers};

use crate::embed::{Sources, embed, unique_events};
use crate::host::host;

/// A matrix product of few rows takes another way through memory and adds in another order than one of many. With at least so
/// many candidates, the bits of a score do not depend on which others are scored beside it.
const MIN_CANDIDATES: usize = 288;

/// Everything but the model that scoring needs; shared by threads.
#[derive(Clone)]
pub(crate) struct Scorer<'a> {
    sources: Sources<'a>,
    device: Device,
}

/// Candidates that all users of a block share.
pub(crate) struct Shared<'a> {
    /// Item ids.
    pub items: &'a [u32],
    /// The keywords of the query that an item is asked for with; none for a recommendation.
    pub query: &'a dyn Fn(u32) -> &'a [u32],
}

impl<'a> Scorer<'a> {
    /// Rows must be up to date. `device` may record gradients, scoring does not.
    pub fn new(sources: Sources<'a>, device: &Device) -> Self {
        Self { sources, device: device.clone().inner() }
    }

    /// Logits `[B, C]` of a batch whose users have candidates of their own.
    pub fn score<M: SequenceModel>(&self, model: &M, batch: &Batch) -> Vec<f32> {
        let embedded = embed(&self.sources, batch, &self.device);
        host(model.score(&embedded.history, &embedded.candidates).logits)
    }

    /// Logits `[B, C]` of candidates that all users share: each candidate is embedded once.
    ///
    /// The bits of a logit depend on the user's own history and on the candidate alone.
    pub fn score_shared<M: SequenceModel>(
        &self,
        model: &M,
        histories: &IdBlock,
        candidates: &Shared<'_>,
    ) -> Vec<f32> {
        let history = unique_events(&self.sources, histories, &self.device);
        let padded = self.candidates(candidates, histories);
        let width = padded.dims()[1];
        let logits = host(model.score(&history, &padded).logits);
        logits.chunks_exact(width).flat_map(|row| &row[..candidates.items.len()]).copied().collect()
    }

    /// The attention weights `[C, L]` of one user's events, see [`SequenceModel::attention_weights`].
    pub fn attention_weights<M: SequenceModel>(
        &self,
        model: &M,
        history: &IdBlock,
        candidates: &Shared<'_>,
    ) -> Option<Vec<f32>> {
        let events = unique_events(&self.sources, history, &self.device);
        let padded = self.candidates(candidates, history);
        let mut weights = host(model.attention_weights(&events, &padded)?);
        weights.truncate(candidates.items.len() * history.width);
        Some(weights)
    }

    /// Vectors of items `[n, D]`, see [`SequenceModel::item_vectors`].
    pub fn item_vectors<M: SequenceModel>(&self, model: &M, items: &[u32]) -> Tensor<2> {
        let mut block = IdBlock::new(1, items.len().max(MIN_CANDIDATES), 1);
        block.items[..items.len()].copy_from_slice(items);
        let vectors = model.item_vectors(&unique_events(&self.sources, &block, &self.device).unique);
        vectors.narrow(0, 0, items.len())
    }

    /// The candidates for every row of `histories`, padded to the least number.
    fn candidates(&self, candidates: &Shared<'_>, histories: &IdBlock) -> Events {
        let Shared { items, query } = candidates;
        let width = items.len().max(MIN_CANDIDATES);
        let mut block = IdBlock::new(1, width, histories.query_length);
        for (column, &item) in items.iter().enumerate() {
            block.set(0, column, item, query(item));
        }
        let events = unique_events(&self.sources, &block, &self.device);
        let inverse: Vec<u32> = (0..width as u32).collect();
        Events {
            unique: events.unique,
            inverse: integers([histories.rows, width], &inverse.repeat(histories.rows), &self.device),
            mask: events.mask.repeat_dim(0, histories.rows),
            sees: None,
            times: None,
        }
    }
}
