//! The trait that a model implements, and what it returns.

use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::events::{Events, UniqueEvents};
use crate::kinds::{LossKind, ModalityKind};
use crate::losses;
use crate::needs::Needs;
use crate::parts::{Selection, States};

/// A model that scores candidates against histories.
///
/// Implement it for a model of your own and train that with the same trainer. Shapes: B users, L events of history, C
/// candidates per user, D width, U unique events.
pub trait SequenceModel: Module {
    /// Everything that decides the model's structure and initial weights. It is saved beside the weights, as a JSON object:
    /// a struct with named fields.
    type Config: Clone + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// A model with initial weights on `device`.
    ///
    /// # Errors
    /// If a setting cannot work; names its field.
    fn init(config: &Self::Config, device: &Device) -> Result<Self>;

    /// The configuration that the model was made with.
    fn config(&self) -> Self::Config;

    /// Names of those fields of the configuration that decide how weights are learned, but not what given weights score. Weights
    /// may be used under other values of them; every other field has to be as it was. By default none.
    fn training_only() -> &'static [&'static str] {
        &[]
    }

    /// What the model needs of tables and batches; compared once, before anything is computed. By default nothing.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Scores every candidate `[B, C]` of every history `[B, L]` in one pass: logits `[B, C]`, larger is better.
    ///
    /// Row `b` of the result depends on row `b` of history and candidates alone.
    ///
    /// # Panics
    /// If the events lack what [`SequenceModel::needs`] names, or the two have different numbers of users.
    fn score(&self, history: &Events, candidates: &Events) -> Scores;

    /// The weight of each event of the history in each candidate's score, `[B, C, L]`: what the exact search unit attends to,
    /// a mean over heads. It is 0 for events that were not kept. `None` for models that do not attend.
    fn attention_weights(&self, _history: &Events, _candidates: &Events) -> Option<Tensor<3>> {
        None
    }

    /// Vectors by which unique items are compared with each other, `[U, D]`: by default the id's.
    fn item_vectors(&self, items: &UniqueEvents) -> Tensor<2> {
        items.item.clone()
    }

    /// Frozen embeddings `[n, width]` as [`SequenceModel::score`] projects them, `[n, D]`: lets a caller do once for each
    /// item what is otherwise done for each event. `None` if the model projects nothing of this kind.
    fn project(&self, _kind: ModalityKind, _rows: Tensor<2>) -> Option<Tensor<2>> {
        None
    }

    /// Whether the loss is taken from logits; published: from clamped logarithms of a sigmoid.
    fn logits_loss(&self) -> bool {
        true
    }

    /// Vectors of items as candidates of a recommendation, `[U, D]`, which a user's vector is compared with: by default those of
    /// [`SequenceModel::item_vectors`].
    fn target_vectors(&self, items: &UniqueEvents) -> Tensor<2> {
        self.item_vectors(items)
    }

    /// What the candidates of a target are compared by in training.
    fn loss_kind(&self) -> LossKind {
        LossKind::Bce
    }

    /// The loss of the short-term tower over what follows each event, weighted; `None` for models without a tower.
    fn successor_loss(&self, _scores: &Scores, _batch: &Successors<'_>) -> Option<Tensor<1>> {
        None
    }

    /// A further objective: by default the cross-entropy of the GSU's logits, where the model has any. `labels` and `mask`
    /// are `[B, C]`.
    fn auxiliary_loss(
        &self,
        scores: &Scores,
        labels: &Tensor<2>,
        mask: &Tensor<2, Bool>,
    ) -> Option<Tensor<1>> {
        let gsu_logits = scores.gsu_logits.clone()?;
        Some(losses::cross_entropy(gsu_logits, labels, mask, self.logits_loss()))
    }

    /// What training minimises: cross-entropy of the logits, and the auxiliary loss where there is one.
    ///
    /// `labels` and `mask` are `[B, C]`; candidates that `mask` leaves out are padding and count for nothing. A user may have several
    /// targets, each with as many candidates, the target first.
    fn loss(&self, scores: &Scores, labels: &Tensor<2>, mask: &Tensor<2, Bool>) -> Tensor<1> {
        let logits = scores.logits.clone();
        let loss = match self.loss_kind() {
            LossKind::Bce => losses::cross_entropy(logits, labels, mask, self.logits_loss()),
            LossKind::Softmax => losses::grouped_softmax(logits, mask, losses::group_size(labels)),
        };
        match self.auxiliary_loss(scores, labels, mask) {
            Some(auxiliary) => loss + auxiliary,
            None => loss,
        }
    }

    /// The pretraining losses of a batch; `None` for models that are not pretrained.
    fn pretrain_losses(&self, _batch: &PretrainBatch) -> Option<PretrainLosses> {
        None
    }

    /// Called whenever training begins or goes on, pretrained or not, so possibly more than once: time to freeze what only
    /// pretraining trains.
    fn fine_tune(self) -> Self {
        self
    }

    /// Called with a sample of embedded events before the first batch of each training epoch, but not in pretraining nor where
    /// an epoch is resumed midway: time to retrain codebooks.
    ///
    /// # Errors
    /// If the model cannot use the sample.
    fn refresh(self, _sample: &Events) -> Result<Self> {
        Ok(self)
    }
}

/// What a model returns.
#[derive(Clone, Debug)]
pub struct Scores {
    /// `[B, C]`; larger is better.
    pub logits: Tensor<2>,
    /// Logits of the general search unit alone, `[B, C]`, where a model trains on them and gradients are recorded.
    pub gsu_logits: Option<Tensor<2>>,
    /// What the search found, for tests and recall reports.
    pub retrieval: Option<Retrieval>,
    /// The states of the short-term tower, where the model has one.
    pub states: Option<States>,
}

impl Scores {
    /// Logits `[B, C]` alone.
    pub fn of_logits(logits: Tensor<2>) -> Self {
        Self { logits, gsu_logits: None, retrieval: None, states: None }
    }
}

/// The inside of a two-stage model.
#[derive(Clone, Debug)]
pub struct Retrieval {
    /// The vector that the exact search unit made of the kept events, `[B, C, D]`.
    pub attended: Tensor<3>,
    /// Relevance of each event for each candidate, `[B, C, H or 1, L]`; only where gradients are recorded by tensor operators, see
    /// [`fused`](crate::fused): one pass over each user's events never holds it.
    pub relevance: Option<Tensor<4>>,
    /// Which events were kept; likewise.
    pub selection: Option<Selection>,
}

/// What follows the events of a batch, and what they are compared with.
#[derive(Debug)]
pub struct Successors<'a> {
    /// Histories `[B, L]`.
    pub history: &'a Events,
    /// Candidates, of which the first of each user follows the newest event.
    pub candidates: &'a Events,
    /// Items that serve as negatives of all events.
    pub negatives: &'a UniqueEvents,
    /// For each unique event of histories and of candidates the negative that is the same item.
    pub same: [Vec<Option<u32>>; 2],
    /// The loss looks at so many positions of each history, the newest ones.
    pub newest: usize,
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
