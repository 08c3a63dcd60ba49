//! SEMINAR ([arXiv 2407.10714](https://arxiv.org/abs/2407.10714)): TWIN's consistent search over pairs of queries and multi-modal items, pretrained.
//!
//! ```text
//! tables ─ PSU space ─ G_id G_query G_text G_image ─ gate ─ fusion ─ GSU (mhta | lsh | multi_pq), top K ─ ESU ─ head
//!              └─ alignment, relevance (pretraining)            └─ next pair (pretraining)
//! ```
//!
//! In formulas:
//!
//! ```text
//! q, e_m   = G_query(q), and of each modality G_item_id(e_id), G_item_text(e_text), G_item_img(e_image), G_item_attribute(e_attribute)
//! x, t     = fusion(q, gate(e_id, …)) of these, for events and candidates
//! mhta     r_hl = Q_h(t) · K_h(x_l), as in TWIN: a set of events per head
//! lsh      r_l  = how many of bits(x_l) and bits(t) are equal
//! multi_pq r_l  = t · x'_l, x' made as x of what codebook_emb[0] says for q and codebook_emb[m] for the m-th e_m: each sub-vector
//!          is replaced by its nearest centroid
//! S        = the K events of largest r, of equal ones the more recent
//! logit    = head(ESU(t, S), t)
//! ```

mod codes;
mod pretrain;
mod projection;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

pub use codes::{Codebooks, CodebooksConfig};
pub use projection::{Projection, ProjectionConfig};

use crate::config::ModelConfig;
use crate::error::Result;
use crate::events::{Events, UniqueEvents};
use crate::gsu::{Bits, Heads, Product};
use crate::init::Init;
use crate::kinds::{LossKind, ModalityKind, SoftSearch};
use crate::model::{PretrainBatch, PretrainLosses, Retrieval, Scores, SequenceModel, Successors};
use crate::needs::Needs;
use crate::parts::{HashBits, Head, ModalityRows, PairEncoder, Pairs, ShortTerm, TargetAttention};

/// The model of the publication.
#[derive(Module, Debug)]
pub struct Seminar {
    /// Modalities to pairs.
    pub pair: PairEncoder,
    /// From the pretraining search unit's space to the search units'.
    pub projection: Projection,
    /// Bits of the `lsh` search.
    pub hash: Option<HashBits>,
    /// Codebooks of the `multi_pq` search.
    pub codebooks: Option<Codebooks>,
    /// Search and attention.
    pub attention: TargetAttention,
    /// The short-term tower, if any.
    pub short_term: Option<ShortTerm>,
    /// The output.
    pub head: Head,
    #[module(skip)]
    config: ModelConfig,
}

/// Unique events on their way through the model.
struct Encoded {
    query: Tensor<2>,
    modalities: Vec<ModalityRows>,
    pairs: Tensor<2>,
    /// Pairs without dropout.
    plain: Tensor<2>,
}

impl Seminar {
    /// The full path: every modality and the query projected, gated, fused.
    fn encode(&self, events: &Events) -> Encoded {
        let modalities = self.projection.modalities(self.pair.modalities(&events.unique));
        let query = self.projection.query.forward(events.unique.query.clone());
        let item = self.pair.mix(&modalities);
        // As published, fine-tuning takes the weighted average whatever kind of fusion is set.
        let (plain, pairs) = match self.config.switches.mask_padding {
            true => {
                let plain = self.pair.fuse_all(query.clone(), item);
                (plain.clone(), self.pair.dropout.forward(plain))
            }
            false => {
                let plain = self.pair.fusion.weighted_average(query.clone(), item);
                (plain.clone(), plain)
            }
        };
        Encoded { query, modalities, pairs, plain }
    }

    /// Pair vectors of unique events as the search units see them, `[U, D]`.
    pub fn encode_pairs(&self, events: &Events) -> Tensor<2> {
        self.encode(events).pairs
    }

    /// What the pair vectors are the sum of, `[U, D]` each: the query, in a model with queries, then each item modality,
    /// projected and weighed. Behaviours for a multi-modal history index whose modalities all weigh 1, where fusion is the
    /// weighted average.
    pub fn encode_modalities(&self, events: &Events) -> Vec<Tensor<2>> {
        let Encoded { query, modalities, .. } = self.encode(events);
        self.pair.terms(query, &modalities)
    }

    /// The general search unit: by hash bits, by codes, or as the attention does.
    fn gsu(&self, history: &Encoded, targets: &Encoded) -> SoftGsu {
        if let Some(hash) = &self.hash {
            return SoftGsu::Lsh(Bits::of(hash, &targets.pairs, &history.pairs));
        }
        match &self.codebooks {
            Some(codebooks) => SoftGsu::MultiPq(self.quantised(codebooks, history, targets)),
            None => SoftGsu::Mhta,
        }
    }

    /// By codes. Default: the target's pair vector against the decoded history, fused with the same weights
    /// (asymmetric, all modality pairs folded into one product). As published: equal codes counted.
    fn quantised(&self, codebooks: &Codebooks, history: &Encoded, targets: &Encoded) -> Product {
        if !self.config.switches.trained_codebooks {
            return codebooks.equal_codes(history.published(), targets.published(), &self.config);
        }
        let mut modalities = history.modalities.clone();
        for (index, modality) in modalities.iter_mut().enumerate() {
            modality.rows = codebooks.decoded(1 + index, &modality.rows);
        }
        let query = codebooks.decoded(0, &history.query);
        Product::new(targets.pairs.clone(), self.pair.fuse(query, self.pair.mix(&modalities)))
    }
}

impl Encoded {
    /// The two modalities that the published quantiser sees: query and id.
    fn published(&self) -> [Tensor<2>; 2] {
        [self.query.clone(), self.modalities[0].rows.clone()]
    }
}

/// SEMINAR's choice of general search units.
#[allow(clippy::large_enum_variant, reason = "one lives at a time")]
enum SoftGsu {
    Mhta,
    Lsh(Bits),
    MultiPq(Product),
}

impl SoftGsu {
    fn attend_top_k(&self, attention: &TargetAttention, pairs: &Pairs<'_>, k: usize) -> Retrieval {
        match self {
            Self::Mhta => attention.attend_top_k(&Heads, pairs, k),
            Self::Lsh(bits) => attention.attend_top_k(bits, pairs, k),
            Self::MultiPq(product) => attention.attend_top_k(product, pairs, k),
        }
    }

    fn weights_top_k(&self, attention: &TargetAttention, pairs: &Pairs<'_>, k: usize) -> Tensor<3> {
        match self {
            Self::Mhta => attention.weights_top_k(&Heads, pairs, k),
            Self::Lsh(bits) => attention.weights_top_k(bits, pairs, k),
            Self::MultiPq(product) => attention.weights_top_k(product, pairs, k),
        }
    }
}

impl SequenceModel for Seminar {
    type Config = ModelConfig;

    fn init(config: &ModelConfig, device: &Device) -> Result<Self> {
        config.validate(usize::MAX)?;
        let init = &mut Init::new(config.seed, device);
        let lsh = config.soft_search == SoftSearch::Lsh;
        let pq = config.soft_search == SoftSearch::MultiPq;
        Ok(Self {
            pair: config.pair().draw(init),
            projection: ProjectionConfig::of(config).draw(init),
            attention: config.attention().draw(init),
            head: config.head().draw(init),
            hash: lsh.then(|| config.hash().draw(init)),
            codebooks: pq.then(|| CodebooksConfig::of(config).draw(init)),
            short_term: config.short_term(init),
            config: config.clone(),
        })
    }

    shared_methods!(self, items => self.pair.recommended(self.pair.mix(&self.projection.modalities(self.pair.modalities(items)))));

    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let (past, targets) = (self.encode(history), self.encode(candidates));
        let gsu = self.gsu(&past, &targets);
        let pairs =
            Pairs { history, candidates, events: past.pairs, plain: past.plain, targets: targets.pairs };
        let retrieval = gsu.attend_top_k(&self.attention, &pairs, self.config.top_k);
        let states = ShortTerm::read(&self.short_term, &pairs);
        let logits = self.head.answer(retrieval.attended.clone(), states.as_ref(), &pairs);
        Scores { logits, gsu_logits: None, retrieval: Some(retrieval), states }
    }

    fn attention_weights(&self, history: &Events, candidates: &Events) -> Option<Tensor<3>> {
        let (past, targets) = (self.encode(history), self.encode(candidates));
        let gsu = self.gsu(&past, &targets);
        let pairs =
            Pairs { history, candidates, events: past.pairs, plain: past.plain, targets: targets.pairs };
        Some(gsu.weights_top_k(&self.attention, &pairs, self.config.top_k))
    }

    fn pretrain_losses(&self, batch: &PretrainBatch) -> Option<PretrainLosses> {
        // Without any loss there is nothing to go back from.
        let any = self.config.pretrain_weights.iter().any(|&weight| weight > 0.0);
        any.then(|| self.pretraining(batch))
    }

    fn fine_tune(mut self) -> Self {
        if self.config.freeze_projections {
            self.projection = self.projection.no_grad();
        }
        if self.config.freeze_modal_projections {
            self.pair.text = self.pair.text.map(Module::no_grad);
            self.pair.image = self.pair.image.map(Module::no_grad);
        }
        self
    }

    fn refresh(mut self, sample: &Events) -> Result<Self> {
        if let Some(codebooks) = self.codebooks.take() {
            let encoded = self.encode(sample);
            let rows = std::iter::once(encoded.query).chain(encoded.modalities.into_iter().map(|m| m.rows));
            let refreshed = match self.config.switches.trained_codebooks {
                true => codebooks.retrained(rows, &self.config)?,
                false => codebooks,
            };
            self.codebooks = Some(refreshed);
        }
        Ok(self)
    }
}
