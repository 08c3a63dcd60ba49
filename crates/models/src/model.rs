//! The traits that a model implements, and what it answers.

use burn::module::Module;
use burn::tensor::{Bool, Tensor};

use crate::config::ModalityKind;
use crate::events::Events;
use crate::losses;
use crate::parts::Selection;

/// A model that scores candidates against histories.
///
/// Implement it for a model of your own and train that with the same trainer.
pub trait SequenceModel: Module {
    /// Scores every candidate of every user in one pass: logits `[B, C]`.
    fn score(&self, history: &Events, candidates: &Events) -> Scores;

    /// Frozen embeddings `[n, width]` as [`SequenceModel::score`] projects them, `[n, D]`: lets a caller do once for each
    /// item what is otherwise done for each event. `None` if the model projects nothing of this kind.
    fn project(&self, _kind: ModalityKind, _rows: Tensor<2>) -> Option<Tensor<2>> {
        None
    }

    /// Whether the loss is taken from logits, or as published from clamped logarithms of a sigmoid.
    fn logits_loss(&self) -> bool {
        true
    }

    /// A further objective: by default the cross-entropy of the stage-one logits, where the model has any.
    fn auxiliary_loss(
        &self,
        scores: &Scores,
        labels: &Tensor<2>,
        real: &Tensor<2, Bool>,
    ) -> Option<Tensor<1>> {
        let stage_one = scores.stage_one.clone()?;
        Some(losses::cross_entropy(stage_one, labels, real, self.logits_loss()))
    }

    /// What training minimises: cross-entropy of the logits, and the auxiliary loss where there is one.
    ///
    /// `labels` and `real` are `[B, C]`; candidates that are not real count for nothing.
    fn loss(&self, scores: &Scores, labels: &Tensor<2>, real: &Tensor<2, Bool>) -> Tensor<1> {
        let loss = losses::cross_entropy(scores.logits.clone(), labels, real, self.logits_loss());
        match self.auxiliary_loss(scores, labels, real) {
            Some(auxiliary) => loss + auxiliary,
            None => loss,
        }
    }

    /// The pretraining losses of a batch; `None` for models that are not pretrained.
    fn pretrain_losses(&self, _batch: &PretrainBatch) -> Option<PretrainLosses> {
        None
    }

    /// Called once between pretraining and training: time to freeze what only pretraining trains.
    fn fine_tune(self) -> Self {
        self
    }

    /// Called before each epoch with a sample of embedded events: time to retrain codebooks.
    ///
    /// # Errors
    /// If the model cannot use the sample.
    fn refresh(self, _sample: &Events) -> crate::Result<Self> {
        Ok(self)
    }
}

/// The answer of a model.
#[derive(Clone, Debug)]
pub struct Scores {
    /// `[B, C]`; larger is better.
    pub logits: Tensor<2>,
    /// Logits of the general search unit alone, `[B, C]`, where a model trains on them and gradients are recorded.
    pub stage_one: Option<Tensor<2>>,
    /// What the search found, for tests and recall reports.
    pub search: Option<Search>,
}

/// The inside of a two-stage model.
#[derive(Clone, Debug)]
pub struct Search {
    /// The vector that the exact search unit made of the kept events, `[B, C, D]`.
    pub attended: Tensor<3>,
    /// Relevance of each event for each candidate, `[B, C, H or 1, L]`; only where gradients are recorded, as
    /// scoring without a tape never holds it.
    pub relevance: Option<Tensor<4>>,
    /// Which events were kept; likewise.
    pub selection: Option<Selection>,
}

/// A batch for pretraining.
#[derive(Clone, Debug)]
pub struct PretrainBatch {
    /// Histories that end in EOS, `[B, L]`.
    pub history: Events,
    /// The next pair and sampled negatives, `[B, C]`.
    pub candidates: Events,
    /// 1 for the next pair, `[B, C]`.
    pub labels: Tensor<2>,
    /// For each position, the positions of the same user that serve as relevance negatives; shared by the batch.
    pub negatives: Vec<Vec<u32>>,
}

/// The pretraining objectives (section 3.2 of the publication), each already an average.
#[derive(Clone, Debug)]
pub struct PretrainLosses {
    /// Next query-item pair.
    pub next_pair: Tensor<1>,
    /// Alignment of modalities.
    pub alignment: Tensor<1>,
    /// Relevance of queries and items.
    pub relevance: Tensor<1>,
    /// The weighted sum that is minimised.
    pub joint: Tensor<1>,
}
