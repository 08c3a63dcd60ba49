//! The pretraining search unit: next pair, alignment, relevance (section 3.2).

use burn::tensor::{Int, Tensor};

use super::Seminar;
use crate::events::{Events, integers};
use crate::gsu::Heads;
use crate::kinds::ModalityKind;
use crate::losses;
use crate::model::{PretrainBatch, PretrainLosses};
use crate::parts::{ModalityRows, Pairs};

/// Chunks that the published alignment cuts its rows into.
pub(crate) const PUBLISHED_CHUNKS: usize = 1000;

impl Seminar {
    pub(super) fn pretraining(&self, batch: &PretrainBatch) -> PretrainLosses {
        self.pretraining_in_chunks(batch, PUBLISHED_CHUNKS)
    }

    /// The losses, with the published alignment's number of chunks as an argument.
    pub fn pretraining_in_chunks(&self, batch: &PretrainBatch, chunks: usize) -> PretrainLosses {
        let [next, align, relate] = self.config.pretrain_weights;
        let zero = || Tensor::zeros([1], &batch.labels.device());
        let modalities = self.pair.modalities(&batch.history.unique);
        let next_pair = if next > 0.0 { self.next_pair(batch) } else { zero() };
        let alignment =
            if align > 0.0 { self.alignment(&batch.history, &modalities, chunks) } else { zero() };
        let relevance = if relate > 0.0 { self.relevance(batch, &modalities) } else { zero() };
        let mut joint = next_pair.clone() * next + alignment.clone() * align + relevance.clone() * relate;
        if next == 0.0 && relate == 0.0 {
            // A batch may hold nothing to align. Its loss is 0, but the step has to find a way back to the rows.
            joint = joint + self.pair.mix(&modalities).sum() * 0.0;
        }
        PretrainLosses { next_pair, alignment, relevance, joint }
    }

    /// The early path: as published, only id and query are projected; by default it is the full path.
    pub fn encode_early(&self, events: &Events) -> Tensor<2> {
        if self.config.switches.identity_projections {
            return self.encode(events).pairs;
        }
        let mut modalities = self.pair.modalities(&events.unique);
        for modality in &mut modalities {
            if modality.kind == ModalityKind::Id {
                modality.rows = self.projection.id.forward(modality.rows.clone());
            }
        }
        let query = self.projection.query.forward(events.unique.query.clone());
        self.pair.fuse(query, self.pair.mix(&modalities))
    }

    fn next_pair(&self, batch: &PretrainBatch) -> Tensor<1> {
        let PretrainBatch { history, candidates, .. } = batch;
        let (events, targets) = (self.encode_early(history), self.encode_early(candidates));
        let pairs = Pairs::new(history, candidates, events, targets);
        let retrieval = self.attention.attend_top_k(&Heads, &pairs, self.config.top_k);
        // Histories end in EOS here, which the short-term tower never meets later: it is trained afterwards.
        let short = self.short_term.as_ref().map(|_| retrieval.attended.zeros_like());
        let logits = self.head.forward_with(retrieval.attended, short, pairs.placed_targets());
        let from_logits = self.config.switches.logits_loss;
        losses::cross_entropy(logits, &batch.labels, &batch.candidates.mask, from_logits)
    }

    /// Mean over every two modalities. As published: id, text, image over all positions, padding included.
    fn alignment(&self, history: &Events, modalities: &[ModalityRows], chunks: usize) -> Tensor<1> {
        let order = [ModalityKind::Id, ModalityKind::Text, ModalityKind::Image, ModalityKind::Attribute];
        let ordered: Vec<&ModalityRows> =
            order.iter().filter_map(|&kind| modalities.iter().find(|c| c.kind == kind)).collect();
        let temperature = self.config.temperature;
        let mut losses_of_pairs = Vec::new();
        for (index, x) in ordered.iter().enumerate() {
            for y in &ordered[index + 1..] {
                if self.config.switches.contrastive_alignment {
                    let rows = real_rows(history, x, y);
                    let part = |c: &ModalityRows| c.rows.clone().select(0, rows.clone());
                    losses_of_pairs.extend(losses::alignment(
                        &part(x),
                        &part(y),
                        self.config.alignment_rows,
                        temperature,
                    ));
                } else {
                    let all = |c: &ModalityRows| history.place(c.rows.clone()).flatten(0, 1);
                    losses_of_pairs.push(losses::published_alignment(&all(x), &all(y), chunks, temperature));
                }
            }
        }
        let count = losses_of_pairs.len().max(1) as f64;
        let sum = losses_of_pairs.into_iter().reduce(|a, b| a + b);
        sum.map_or_else(|| Tensor::zeros([1], &history.inverse.device()), |s| s / count)
    }

    /// Queries and items of the same event, unprojected.
    fn relevance(&self, batch: &PretrainBatch, modalities: &[ModalityRows]) -> Tensor<1> {
        let history = &batch.history;
        let query = history.place(history.unique.query.clone());
        let item = history.place(self.pair.mix(modalities));
        let temperature = self.config.temperature;
        if !self.config.switches.contrastive_relevance {
            return losses::published_relevance(&query, &item, &batch.negatives, temperature);
        }
        let events = history.float_mask();
        let has_query = history.place(history.unique.has_query.clone()).squeeze_dim::<2>(2);
        losses::relevance(
            &query,
            &item,
            &batch.negatives,
            &(has_query * events.clone()),
            &events,
            temperature,
        )
    }
}

/// Unique events that stand at a real position and have both modalities, ascending.
fn real_rows(history: &Events, x: &ModalityRows, y: &ModalityRows) -> Tensor<1, Int> {
    let index: Vec<i64> = history.inverse.to_data_as::<i64>().try_into_vec().expect("converted to i64");
    let mask: Vec<bool> = history.mask.to_data_as::<bool>().try_into_vec().expect("converted to bool");
    let both = x.present.clone() * y.present.clone();
    let both: Vec<f32> = both.into_data_as::<f32>().try_into_vec().expect("converted to f32");
    let mut stands = vec![false; both.len()];
    index.iter().zip(&mask).for_each(|(&row, &event)| stands[row as usize] |= event);
    let rows: Vec<u32> = (0..both.len()).filter(|&r| stands[r] && both[r] > 0.0).map(|r| r as u32).collect();
    integers([rows.len()], &rows, &history.inverse.device())
}
