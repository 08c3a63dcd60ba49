//! SIM with soft search ([arXiv 2006.05639](https://arxiv.org/abs/2006.05639)): a learned inner product picks K events, attention
//! reads them.
//!
//! ```text
//! tables ─ gate ─ pair fusion ─ GSU: W_K x · W_Q t, top K ─ ESU ─ head
//!                                └─ events weighted by relevance ─ head of its own (auxiliary loss)
//! ```
//!
//! This follows SEMINAR's re-implementation. Of the paper it leaves out the hard search by category and the time intervals. Cost per
//! candidate: `L·D` multiply-adds for the search, `H·L·D` twice for the attention.
//!
//! In formulas:
//!
//! ```text
//! r_l   = wK(x_l) · wQ(t)
//! S     = the K events of largest r_l, of equal ones the more recent
//! logit = head(ESU(t, S), t)
//! gsu   = the same head with gsu_deep_layers, on Σ_l softmax(r_l / √D) · x_l; its loss is added in training
//! ```

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;
use crate::error::Result;
use crate::events::{Events, UniqueEvents};
use crate::gsu::Product;
use crate::init::Init;
use crate::kinds::{LossKind, ModalityKind};
use crate::model::{Scores, SequenceModel, Successors};
use crate::needs::Needs;
use crate::parts::{Head, PairEncoder, Pairs, ShortTerm, TargetAttention};
use crate::pooling::{pooled, presence};

/// Embedding → inner product, top K → exact search unit → head; and a head on the search itself.
#[derive(Module, Debug)]
pub struct Sim {
    /// Modalities to pairs.
    pub pair: PairEncoder,
    /// W_Q of the search, on targets.
    pub search_query: Linear,
    /// W_K of the search, on history events.
    pub search_key: Linear,
    /// The exact search unit.
    pub attention: TargetAttention,
    /// The short-term tower, if any.
    pub short_term: Option<ShortTerm>,
    /// The output.
    pub head: Head,
    /// The output of the search alone.
    pub search_head: Head,
    #[module(skip)]
    config: ModelConfig,
}

impl Sim {
    /// The general search unit: `W_K x · W_Q t`, not scaled.
    fn gsu(&self, pairs: &Pairs<'_>) -> Product {
        let targets = self.search_query.forward(pairs.targets.clone());
        Product::new(targets, self.search_key.forward(pairs.events.clone()))
    }

    /// Logits of the search alone, `[B, C]`: a head on the events weighted by their relevance `[B, C, 1, L]`.
    fn gsu_logits(&self, relevance: Tensor<4>, pairs: &Pairs<'_>, targets: Tensor<3>) -> Tensor<2> {
        let weights = if self.config.switches.normalised_stage_one {
            let (any, padding) = presence(pairs);
            softmax(relevance / (self.config.width as f64).sqrt() + padding, 3) * any
        } else {
            relevance
        };
        self.search_head.forward(pooled(weights, pairs.history, pairs.events.clone()), targets)
    }
}

impl SequenceModel for Sim {
    type Config = ModelConfig;

    fn init(config: &ModelConfig, device: &Device) -> Result<Self> {
        config.validate(usize::MAX)?;
        let init = &mut Init::new(config.seed, device);
        let (dim, identity) = (config.width, config.switches.identity_attention);
        Ok(Self {
            pair: config.pair().draw(init),
            search_query: init.search_layer(dim, identity),
            search_key: init.search_layer(dim, identity),
            attention: config.attention().draw(init),
            head: config.head().draw(init),
            search_head: config.search_head().draw(init),
            short_term: config.short_term(init),
            config: config.clone(),
        })
    }

    shared_methods!(self, items => self.pair.recommended(self.pair.items(items)));

    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.pair.encode(history, candidates);
        let gsu = self.gsu(&pairs);
        let retrieval = self.attention.attend_top_k(&gsu, &pairs, self.config.top_k);
        let gsu_logits = pairs.events.device().is_autodiff().then(|| {
            let relevance = retrieval.relevance.clone().unwrap_or_else(|| gsu.relevance(history, candidates));
            self.gsu_logits(relevance, &pairs, pairs.placed_targets())
        });
        let states = ShortTerm::read(&self.short_term, &pairs);
        let logits = self.head.answer(retrieval.attended.clone(), states.as_ref(), &pairs);
        Scores { logits, gsu_logits, retrieval: Some(retrieval), states }
    }

    fn attention_weights(&self, history: &Events, candidates: &Events) -> Option<Tensor<3>> {
        let pairs = self.pair.encode(history, candidates);
        Some(self.attention.weights_top_k(&self.gsu(&pairs), &pairs, self.config.top_k))
    }
}
