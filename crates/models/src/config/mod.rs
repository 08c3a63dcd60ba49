//! One configuration for all models, and the switches between published and repaired behaviour.

mod limits;
mod switches;

use serde::{Deserialize, Serialize};

pub use self::switches::Switches;
use crate::init::Init;
use crate::kinds::{FusionKind, GateKind, LossKind, ModalityKind, SoftSearch};
use crate::needs::Needs;
use crate::parts::{
    HashBitsConfig, HeadConfig, PairEncoderConfig, ShortTerm, ShortTermConfig, TargetAttentionConfig,
};

/// The settings of every model. A model ignores what it has no part for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// D, the embedding dimension, and the width of each attention head.
    pub width: usize,
    /// H.
    pub heads: usize,
    /// P: distances to the request that have a bias of their own in the attention; 0: the order of events counts for nothing there.
    pub distance_bias: usize,
    /// The time from an event to the request has a bias in the attention. Off: a model that knows when the target was is not to be compared
    /// with one that does not.
    pub time_bias: bool,
    /// P': distances to the request with a vector of their own, which the attention adds to events; 0: none.
    pub distance_rows: usize,
    /// The time from an event to the request has a vector, which the attention adds to the event. Off, as the bias.
    pub time_rows: bool,
    /// K: events that the exact search unit attends to.
    pub top_k: usize,
    /// K1: events that QIN's first stage keeps.
    pub stage_one_top_k: usize,
    /// The input modalities.
    pub modalities: Vec<ModalityKind>,
    /// Width of the frozen text embeddings.
    pub text_width: usize,
    /// Width of the frozen image embeddings.
    pub image_width: usize,
    /// How queries and items are fused.
    pub fusion: FusionKind,
    /// a: weight of the query in a weighted average.
    pub query_weight: f64,
    /// Where modality weights come from.
    pub gate: GateKind,
    /// Bits of ETA's and SEMINAR's hash.
    pub hash_bits: usize,
    /// G, SDIM's signatures of an event.
    pub signatures: usize,
    /// R, bits of a signature.
    pub signature_bits: usize,
    /// SEMINAR's search.
    pub soft_search: SoftSearch,
    /// Sub-vectors and centroids of SEMINAR's quantiser.
    pub sub_vectors: usize,
    /// Centroids per sub-vector.
    pub centroids: usize,
    /// τ of SEMINAR's alignment and relevance.
    pub temperature: f64,
    /// Share of the components of event and target vectors that training drops.
    pub dropout: f64,
    /// With summed modalities: share of items with text or image whose own vector training leaves out, so that the frozen one learns to
    /// stand in for it.
    pub id_dropout: f64,
    /// Rows that alignment compares with each other.
    pub alignment_rows: usize,
    /// Weights of next pair, alignment and relevance in the pretraining loss; 0 switches one off.
    pub pretrain_weights: [f64; 3],
    /// SEMINAR's projections G are trained in pretraining only, as in the published Amazon run.
    pub freeze_projections: bool,
    /// SEMINAR's projections of text and image are trained in pretraining only.
    pub freeze_modal_projections: bool,
    /// The short-term tower beside the search, if any. SASRec without one takes the default tower with this configuration's dropout.
    pub short_term: Option<ShortTermConfig>,
    /// What the candidates of a target are compared by in training.
    pub loss: LossKind,
    /// Weight of the tower's own loss over what follows each event.
    pub tower_weight: f64,
    /// Seed of the initial weights.
    pub seed: u64,
    /// Repairs of the published code.
    pub switches: Switches,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            width: 64,
            heads: 4,
            distance_bias: 0,
            time_bias: false,
            distance_rows: 0,
            time_rows: false,
            top_k: 50,
            stage_one_top_k: 80,
            modalities: vec![ModalityKind::Id, ModalityKind::Query],
            text_width: 512,
            image_width: 512,
            fusion: FusionKind::WeightedAverage,
            query_weight: 0.5,
            gate: GateKind::Global,
            hash_bits: 256,
            signatures: 16,
            signature_bits: 3,
            soft_search: SoftSearch::Mhta,
            sub_vectors: 16,
            centroids: 256,
            temperature: 0.05,
            dropout: 0.0,
            id_dropout: 0.0,
            alignment_rows: 256,
            pretrain_weights: [1.0; 3],
            freeze_projections: true,
            freeze_modal_projections: false,
            short_term: None,
            loss: LossKind::Bce,
            tower_weight: 1.0,
            seed: 42,
            switches: Switches::default(),
        }
    }
}

impl ModelConfig {
    /// Fields that only training looks at: given weights score alike whatever they are.
    pub const TRAINING_ONLY: &[&str] = &[
        "seed",
        "dropout",
        "id_dropout",
        "temperature",
        "alignment_rows",
        "pretrain_weights",
        "freeze_projections",
        "freeze_modal_projections",
        "loss",
        "tower_weight",
    ];

    /// The published models, bug for bug.
    pub fn reference() -> Self {
        Self { hash_bits: 16, centroids: 512, switches: Switches::reference(), ..Self::default() }
    }

    /// The settings that learn most on data of any kind: a short-term tower beside the search, side information summed into items, and
    /// a softmax over the candidates.
    pub fn tuned() -> Self {
        Self {
            gate: GateKind::Sum,
            short_term: Some(ShortTermConfig::default()),
            loss: LossKind::Softmax,
            tower_weight: 10.0,
            id_dropout: 0.5,
            ..Self::default()
        }
    }

    /// Whether events are seen through this modality.
    pub fn has(&self, modality: ModalityKind) -> bool {
        self.modalities.contains(&modality)
    }

    /// What these settings need of tables and batches.
    pub fn needs(&self) -> Needs {
        let of = |kind, width| self.has(kind).then_some(width);
        Needs {
            width: Some(self.width),
            history_length: self.top_k,
            modalities: self.modalities.iter().copied().filter(|&kind| kind != ModalityKind::Id).collect(),
            text_width: of(ModalityKind::Text, self.text_width),
            image_width: of(ModalityKind::Image, self.image_width),
        }
    }

    pub(crate) fn pair(&self) -> PairEncoderConfig {
        PairEncoderConfig {
            dim: self.width,
            modalities: self.modalities.clone(),
            text_dim: self.text_width,
            image_dim: self.image_width,
            fusion: self.fusion,
            query_weight: self.query_weight,
            gate: self.gate,
            dropout: self.dropout,
            id_dropout: self.id_dropout,
            mask_missing: self.switches.mask_padding,
            seed: self.seed,
        }
    }

    pub(crate) fn attention(&self) -> TargetAttentionConfig {
        TargetAttentionConfig {
            dim: self.width,
            heads: self.heads,
            trained: self.switches.train_attention,
            identity_start: self.switches.identity_attention,
            distances: self.distance_bias,
            elapsed: self.time_bias,
            distance_rows: self.distance_rows,
            elapsed_rows: self.time_rows,
            mask_padding: self.switches.mask_padding,
            seed: self.seed,
        }
    }

    /// The head of a search alone.
    pub(crate) fn search_head(&self) -> HeadConfig {
        HeadConfig {
            dim: self.width,
            interaction: self.switches.interaction,
            short_term: false,
            seed: self.seed,
        }
    }

    /// The head of the model's output.
    pub(crate) fn head(&self) -> HeadConfig {
        HeadConfig { short_term: self.short_term.is_some(), ..self.search_head() }
    }

    pub(crate) fn short_term(&self, init: &mut Init) -> Option<ShortTerm> {
        self.short_term.as_ref().map(|tower| tower.draw(self.width, init))
    }

    pub(crate) fn hash(&self) -> HashBitsConfig {
        HashBitsConfig { dim: self.width, bits: self.hash_bits, seed: self.seed }
    }

    pub(crate) fn signature_hash(&self) -> HashBitsConfig {
        HashBitsConfig { bits: self.signatures * self.signature_bits, ..self.hash() }
    }

    /// Modalities of items; queries are apart.
    pub fn item_modalities(&self) -> usize {
        self.modalities.iter().filter(|&&kind| kind != ModalityKind::Query).count()
    }
}
