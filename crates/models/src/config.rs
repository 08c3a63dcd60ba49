//! One configuration for all models, and the switches between published and repaired behaviour.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::init::Init;
use crate::kinds::{FusionKind, GateKind, LossKind, ModalityKind, SoftSearch};
use crate::needs::Needs;
use crate::parts::{
    HashBitsConfig, HeadConfig, PairEncoderConfig, ShortTerm, ShortTermConfig, TargetAttentionConfig,
};

/// Which repairs of the published code are on. Each field names what `true` does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Q, K and V of the attention are trained; published: they stay as drawn.
    pub train_attention: bool,
    /// Padding is never selected nor attended to; published: it competes, and enters as zero rows.
    pub mask_padding: bool,
    /// Relevance is InfoNCE; published: pos / neg is minimised, which pushes matching pairs apart.
    pub contrastive_relevance: bool,
    /// Alignment is symmetric InfoNCE over real rows; published: soft targets over all rows.
    pub contrastive_alignment: bool,
    /// SEMINAR's projections start at the identity, and all are used in pretraining; published: random ones, and
    /// text and image enter pretraining unprojected.
    pub identity_projections: bool,
    /// Search and attention start as a comparison of embeddings: identity added to the random Q, K, V, and a mean of
    /// heads to the output; published: random alone, which takes thousands of steps to see anything.
    pub identity_attention: bool,
    /// SIM's stage one is a softmax over real rows; published: raw scores over all rows.
    pub normalised_stage_one: bool,
    /// QIN attends over pairs and learns its stage one; published: ids only, a random stage one.
    pub pair_query_network: bool,
    /// Codebooks are trained and targets are not quantised; published: random codes, equal codes counted.
    pub trained_codebooks: bool,
    /// The head adds the inner product of user vector and target to its logit, which a layer of 64 units on their
    /// concatenation learns slowly; published: the layer alone.
    pub interaction: bool,
    /// Cross-entropy of logits; published: sigmoid first, logarithms clamped at −100.
    pub logits_loss: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self::all(true)
    }
}

impl Switches {
    /// The published code, bug for bug.
    pub fn reference() -> Self {
        Self::all(false)
    }

    fn all(on: bool) -> Self {
        Self {
            train_attention: on,
            mask_padding: on,
            contrastive_relevance: on,
            contrastive_alignment: on,
            identity_projections: on,
            identity_attention: on,
            normalised_stage_one: on,
            pair_query_network: on,
            trained_codebooks: on,
            interaction: on,
            logits_loss: on,
        }
    }
}

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

/// Weights of a model at most, its tables apart: a gigabyte.
const MOST_WEIGHTS: usize = 1 << 28;

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

    /// Checks that pretraining has a loss to minimise.
    ///
    /// # Errors
    /// If all weights are 0, or alignment alone is left and there are no two modalities to align.
    pub fn validate_pretraining(&self) -> Result<()> {
        let fail = |message: &str| Err(Error::Config { field: "pretrain_weights", message: message.into() });
        let [next, align, relate] = self.pretrain_weights;
        match (next > 0.0 || relate > 0.0, align > 0.0) {
            (false, false) => {
                fail("all three are 0, so pretraining has no loss: set one, or pretrain for 0 epochs")
            }
            (false, true) if self.item_modalities() < 2 => {
                fail("nothing to align: alignment compares the modalities of an item, and there is one only")
            }
            _ => Ok(()),
        }
    }

    /// Modalities of items; queries are apart.
    pub fn item_modalities(&self) -> usize {
        self.modalities.iter().filter(|&&kind| kind != ModalityKind::Query).count()
    }

    /// The largest values: far beyond what is of use, so that a wrong or forged setting is an error and no lack of memory.
    fn bounds(&self) -> [(&'static str, usize, usize); 14] {
        [
            ("width", self.width, 1 << 13),
            ("heads", self.heads, 1 << 8),
            ("distance_bias", self.distance_bias, 1 << 16),
            ("distance_rows", self.distance_rows, 1 << 16),
            ("top_k", self.top_k, 1 << 24),
            ("stage_one_top_k", self.stage_one_top_k, 1 << 24),
            ("hash_bits", self.hash_bits, 1 << 16),
            ("signatures", self.signatures, 1 << 10),
            ("signature_bits", self.signature_bits, 1 << 3),
            ("text_width", self.text_width, 1 << 16),
            ("image_width", self.image_width, 1 << 16),
            ("sub_vectors", self.sub_vectors, 1 << 13),
            ("centroids", self.centroids, 1 << 16),
            ("alignment_rows", self.alignment_rows, 1 << 14),
        ]
    }

    /// How many weights a model of these settings has at most, its tables apart. Each factor is within its bound.
    fn most_weights(&self) -> usize {
        let width = self.width;
        let attention = self.heads * (4 * width * width + self.distance_bias + 66);
        let frozen = [(ModalityKind::Text, self.text_width), (ModalityKind::Image, self.image_width)];
        let inputs = frozen.iter().filter(|(kind, _)| self.has(*kind)).map(|(_, width)| width).sum::<usize>();
        let codes = match self.soft_search {
            SoftSearch::MultiPq => self.centroids * (1 + self.modalities.len()),
            SoftSearch::Mhta | SoftSearch::Lsh => 0,
        };
        let tower = self
            .short_term
            .as_ref()
            .map_or(0, |tower| tower.layers * (12 * width + tower.heads * tower.events));
        // Projections and heads: a dozen layers of D×D.
        attention
            + width
                * (inputs
                    + self.hash_bits
                    + self.signatures * self.signature_bits
                    + codes
                    + self.distance_rows
                    + 66
                    + tower
                    + 14 * width)
    }

    /// Checks the settings against each other and against the history's length L.
    ///
    /// # Errors
    /// Names the field that cannot work.
    pub fn validate(&self, history_length: usize) -> Result<()> {
        let fail = |field, message: String| Err(Error::Config { field, message });
        let positive = [
            ("width", self.width),
            ("heads", self.heads),
            ("top_k", self.top_k),
            ("stage_one_top_k", self.stage_one_top_k),
            ("hash_bits", self.hash_bits),
            ("signatures", self.signatures),
            ("signature_bits", self.signature_bits),
            ("text_width", self.text_width),
            ("image_width", self.image_width),
            ("centroids", self.centroids),
            ("alignment_rows", self.alignment_rows),
        ];
        if let Some((field, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return fail(field, "must be at least 1".into());
        }
        for (field, value, most) in self.bounds() {
            if value > most {
                return fail(field, format!("{value} is over {most}"));
            }
        }
        if let Some(tower) = &self.short_term {
            tower.validate(self.width)?;
        }
        let weights = self.most_weights();
        if weights > MOST_WEIGHTS {
            let message = format!(
                "{} with {} heads asks for a model of {weights} weights; {MOST_WEIGHTS} are the most",
                self.width, self.heads
            );
            return fail("width", message);
        }
        if self.top_k > history_length {
            return fail(
                "top_k",
                format!("{} is more than the history's {history_length} events", self.top_k),
            );
        }
        if self.stage_one_top_k < self.top_k {
            let (first, second) = (self.stage_one_top_k, self.top_k);
            return fail(
                "stage_one_top_k",
                format!("{first} is fewer than the {second} that stage two keeps"),
            );
        }
        if self.modalities.iter().all(|&m| m == ModalityKind::Query) {
            return fail("modalities", "one of id, text, image and attribute is needed".into());
        }
        if (1..self.modalities.len()).any(|i| self.modalities[..i].contains(&self.modalities[i])) {
            return fail("modalities", "one is named twice".into());
        }
        if !(0.0..=1.0).contains(&self.query_weight) {
            return fail("query_weight", format!("{} is not between 0 and 1", self.query_weight));
        }
        if !self.switches.mask_padding && (self.distance_rows > 0 || self.time_rows) {
            return fail("distance_rows", "rows by distance or time need the switch mask_padding".into());
        }
        let quantised = self.soft_search == SoftSearch::MultiPq;
        if quantised && (self.sub_vectors == 0 || !self.width.is_multiple_of(self.sub_vectors)) {
            return fail(
                "sub_vectors",
                format!("{} does not divide the width {}", self.sub_vectors, self.width),
            );
        }
        for (field, share) in [("dropout", self.dropout), ("id_dropout", self.id_dropout)] {
            if !(0.0..1.0).contains(&share) {
                return fail(field, format!("{share} is not between 0 and 1"));
            }
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return fail("temperature", format!("{} is not above 0 and finite", self.temperature));
        }
        if !(self.tower_weight.is_finite() && self.tower_weight >= 0.0) {
            return fail("tower_weight", format!("{} is negative or not finite", self.tower_weight));
        }
        if self.pretrain_weights.iter().any(|w| !(w.is_finite() && *w >= 0.0)) {
            return fail("pretrain_weights", "weights are finite and not negative".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pretraining_needs_a_loss() {
        use ModalityKind::{Id, Query, Text};
        let check = |pretrain_weights, modalities: &[ModalityKind]| {
            let modalities = modalities.to_vec();
            ModelConfig { pretrain_weights, modalities, ..ModelConfig::default() }.validate_pretraining()
        };
        for weights in [[1.0; 3], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]] {
            check(weights, &[Id, Query]).unwrap();
        }
        check([0.0, 1.0, 0.0], &[Id, Query, Text]).unwrap();
        let nothing = check([0.0, 1.0, 0.0], &[Id, Query]).unwrap_err().to_string();
        assert!(nothing.contains("nothing to align"), "{nothing}");
        assert!(check([0.0; 3], &[Id, Text]).is_err());
    }

    #[test]
    fn errors_name_their_field() {
        let field_of = |change: fn(&mut ModelConfig)| {
            let mut config = ModelConfig::default();
            change(&mut config);
            match config.validate(100) {
                Err(Error::Config { field, .. }) => field,
                other => panic!("{other:?}"),
            }
        };
        assert!(ModelConfig::default().validate(100).is_ok());
        assert_eq!(field_of(|c| c.top_k = 101), "top_k");
        assert_eq!(field_of(|c| c.heads = 0), "heads");
        assert_eq!(field_of(|c| c.modalities = vec![ModalityKind::Query]), "modalities");
        assert_eq!(field_of(|c| c.stage_one_top_k = 3), "stage_one_top_k");
        assert_eq!(field_of(|c| c.query_weight = 1.5), "query_weight");
        assert_eq!(field_of(|c| c.heads = 1 << 40), "heads");
        assert_eq!(field_of(|c| c.text_width = usize::MAX), "text_width");
        assert_eq!(field_of(|c| c.hash_bits = 1 << 30), "hash_bits");
        assert_eq!(field_of(|c| c.centroids = 1 << 20), "centroids");
        assert_eq!(field_of(|c| c.alignment_rows = usize::MAX), "alignment_rows");
        for width in [1 << 20, usize::MAX] {
            let wide = ModelConfig { width, ..ModelConfig::default() };
            assert!(wide.validate(100).unwrap_err().to_string().contains(&width.to_string()));
        }
        // Each within its bound, but not together.
        let large = ModelConfig { width: 8192, heads: 200, ..ModelConfig::default() };
        let error = large.validate(100).unwrap_err().to_string();
        assert!(error.contains("weights") && error.contains("8192") && error.contains("200"), "{error}");
        let large = ModelConfig { width: 1024, heads: 16, text_width: 4096, ..ModelConfig::default() };
        large.validate(100).unwrap();
        let uneven = |c: &mut ModelConfig| {
            c.soft_search = SoftSearch::MultiPq;
            c.sub_vectors = 7;
        };
        assert_eq!(field_of(uneven), "sub_vectors");
        assert_eq!(field_of(|c| c.temperature = f64::INFINITY), "temperature");
    }
}
