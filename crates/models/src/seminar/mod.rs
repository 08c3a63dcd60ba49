//! SEMINAR (arXiv 2407.10714): TWIN's consistent search over pairs of queries and multi-modal items, pretrained.
//!
//! ```text
//! tables ─ PSU space ─ G_id G_query G_text G_image ─ gate ─ fusion ─ GSU (mhta | lsh | multi_pq), top K ─ ESU ─ head
//!              └─ alignment, relevance (pretraining)            └─ next pair (pretraining)
//! ```

mod codes;
mod pretrain;
mod projection;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

pub use codes::Codebooks;
pub use projection::Projection;

use crate::config::{ModalityKind, ModelConfig, SoftSearch};
use crate::error::Result;
use crate::events::Events;
use crate::init::Init;
use crate::model::{PretrainBatch, PretrainLosses, Scores, SequenceModel};
use crate::parts::stage_one::{Product, StageOne};
use crate::parts::{Channel, HashBits, Head, PairEncoder, TargetAttention};
use crate::two_stage::search_and_attend;

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
    /// The output.
    pub head: Head,
    #[module(skip)]
    config: ModelConfig,
}

/// Distinct events on their way through the model.
struct Encoded {
    query: Tensor<2>,
    channels: Vec<Channel>,
    pairs: Tensor<2>,
}

impl Seminar {
    /// A model with initial weights. The configuration must be valid.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let init = &mut Init::new(config.seed, device);
        let lsh = config.soft_search == SoftSearch::Lsh;
        let pq = config.soft_search == SoftSearch::MultiPq;
        Self {
            pair: PairEncoder::new(config, init),
            projection: Projection::new(config, init),
            attention: TargetAttention::new(config, init),
            head: Head::new(config, init),
            hash: lsh.then(|| HashBits::new(config.width, config.hash_bits, init)),
            codebooks: pq.then(|| Codebooks::new(config, init)),
            config: config.clone(),
        }
    }

    /// The full path: every modality and the query projected, gated, fused.
    fn encode(&self, events: &Events) -> Encoded {
        let channels = self.projection.channels(self.pair.channels(&events.rows));
        let query = self.projection.query.forward(events.rows.query.clone());
        let item = self.pair.mix(&channels);
        // As published, fine-tuning takes the weighted average whatever kind of fusion is set.
        let pairs = match self.config.switches.mask_padding {
            true => self.pair.fuse(query.clone(), item),
            false => self.pair.fusion.weighted_average(query.clone(), item),
        };
        Encoded { query, channels, pairs }
    }

    /// Pair vectors of distinct events as the search units see them, `[U, D]`.
    pub fn encode_pairs(&self, events: &Events) -> Tensor<2> {
        self.encode(events).pairs
    }

    /// What the pair vectors are the sum of, `[U, D]` each: the query, in a model with queries, then each item modality,
    /// projected and weighed. Behaviours for a multi-modal history index whose modalities all weigh 1, where fusion is the
    /// weighted average.
    pub fn encode_modalities(&self, events: &Events) -> Vec<Tensor<2>> {
        let Encoded { query, channels, .. } = self.encode(events);
        self.pair.terms(query, &channels)
    }

    /// How the general search unit compares: by hash bits, by codes, or as the attention does.
    fn stage_one(&self, history: &Encoded, targets: &Encoded) -> StageOne {
        if let Some(hash) = &self.hash {
            return StageOne::Bits(Product::new(
                hash.bits(targets.pairs.clone()),
                hash.bits(history.pairs.clone()),
            ));
        }
        match &self.codebooks {
            Some(codebooks) => StageOne::Product(self.quantised(codebooks, history, targets)),
            None => StageOne::Heads,
        }
    }

    /// By codes. Default: the target's pair vector against the decoded history, fused with the same weights
    /// (asymmetric, all modality pairs folded into one product). As published: equal codes counted.
    fn quantised(&self, codebooks: &Codebooks, history: &Encoded, targets: &Encoded) -> Product {
        if !self.config.switches.trained_codebooks {
            return codebooks.equal_codes(history.published(), targets.published(), &self.config);
        }
        let mut channels = history.channels.clone();
        for (index, channel) in channels.iter_mut().enumerate() {
            channel.rows = codebooks.decoded(1 + index, &channel.rows);
        }
        let query = codebooks.decoded(0, &history.query);
        Product::new(targets.pairs.clone(), self.pair.fuse(query, self.pair.mix(&channels)))
    }
}

impl Encoded {
    /// The two modalities that the published quantiser sees: query and id.
    fn published(&self) -> [Tensor<2>; 2] {
        [self.query.clone(), self.channels[0].rows.clone()]
    }
}

impl SequenceModel for Seminar {
    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let (past, targets) = (self.encode(history), self.encode(candidates));
        let search = search_and_attend(
            &self.attention,
            [history, candidates],
            [past.pairs.clone(), targets.pairs.clone()],
            &self.stage_one(&past, &targets),
            self.config.top_k,
            self.config.switches.mask_padding,
        );
        let logits = self.head.forward(search.attended.clone(), candidates.place(targets.pairs));
        Scores { logits, stage_one: None, search: Some(search) }
    }

    fn project(&self, kind: ModalityKind, rows: Tensor<2>) -> Option<Tensor<2>> {
        self.pair.project(kind, rows)
    }

    fn logits_loss(&self) -> bool {
        self.config.switches.logits_loss
    }

    fn pretrain_losses(&self, batch: &PretrainBatch) -> Option<PretrainLosses> {
        Some(self.pretraining(batch))
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
            let rows = std::iter::once(encoded.query).chain(encoded.channels.into_iter().map(|c| c.rows));
            let refreshed = match self.config.switches.trained_codebooks {
                true => codebooks.retrained(rows, &self.config)?,
                false => codebooks,
            };
            self.codebooks = Some(refreshed);
        }
        Ok(self)
    }
}
