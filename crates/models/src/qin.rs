//! QIN ([arXiv 2310.06444](https://arxiv.org/abs/2310.06444)): the query picks K1 events, the target item picks K of those,
//! attention reads them.
//!
//! ```text
//! tables ─ gate ─ pair fusion ─ relevance search unit: query, top K1 ─ item, top K ─ ESU ─ head
//!                                └─ events weighted by relevance ─ head of its own (auxiliary loss)
//! ```
//!
//! This follows SEMINAR's re-implementation: its two searches are the paper's relevance search unit; the paper's fused attention
//! unit, which attends by id and by attributes and fuses both by engagement, is not there. As published, the model gets item ids
//! only and neither search layer learns. By default it gets pairs, a request without a query goes straight to the second stage, and
//! a head on the search trains both layers.
//!
//! In formulas:
//!
//! ```text
//! a_l   = wK(i_l) · wQ(q of the candidate); r_l = wK(i_l) · wQ(i of the candidate)
//! S₁    = the K1 events of largest a_l; all events where the candidate has no query
//! S     = the K events of S₁ of largest r_l, of equal ones the more recent
//! logit = head(ESU(t, S), t)
//! gsu   = the same head with gsu_deep_layers, on Σ_l softmax((a_l + r_l) / √D) · x_l, without a_l where the candidate has no query
//! ```

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;
use crate::error::Result;
use crate::events::{Events, UniqueEvents};
use crate::gsu::{Product, QueryThenItem};
use crate::init::Init;
use crate::kinds::{LossKind, ModalityKind};
use crate::model::{Scores, SequenceModel, Successors};
use crate::needs::Needs;
use crate::parts::{Head, PairEncoder, Pairs, ShortTerm, TargetAttention};
use crate::pooling::{pooled, presence};

/// Embedding → query stage → item stage → exact search unit → head.
#[derive(Module, Debug)]
pub struct Qin {
    /// Modalities to pairs.
    pub pair: PairEncoder,
    /// W_Q of both stages, on queries and target items.
    pub search_query: Linear,
    /// W_K of both stages, on history items.
    pub search_key: Linear,
    /// The exact search unit.
    pub attention: TargetAttention,
    /// The short-term tower, if any.
    pub short_term: Option<ShortTerm>,
    /// The output.
    pub head: Head,
    /// The output of the search alone; not used as published.
    pub search_head: Head,
    #[module(skip)]
    config: ModelConfig,
}

impl Qin {
    /// Item vectors `[U, D]`; as published, of ids alone.
    fn items(&self, unique: &UniqueEvents) -> Tensor<2> {
        match self.config.switches.pair_query_network {
            true => self.pair.items(unique),
            false => unique.item.clone(),
        }
    }

    /// Embedding layer: pair vectors; as published, ids alone.
    fn encode<'a>(&self, history: &'a Events, candidates: &'a Events) -> Pairs<'a> {
        match self.config.switches.pair_query_network {
            true => self.pair.encode(history, candidates),
            false => {
                let (events, targets) = (history.unique.item.clone(), candidates.unique.item.clone());
                Pairs::new(history, candidates, events, targets)
            }
        }
    }

    /// The general search unit: of the candidates' queries, then of their items, among history items.
    ///
    /// As published, an event is scored in stage two after its padding was zeroed: its key is then the bias.
    pub fn gsu(&self, history: &UniqueEvents, candidates: &UniqueEvents) -> QueryThenItem {
        let keys = self.search_key.forward(self.items(history));
        let against = |rows: Tensor<2>| Product::new(self.search_query.forward(rows), keys.clone());
        let mut by_item = against(self.items(candidates));
        if !self.config.switches.mask_padding {
            by_item.padding = self.search_key.bias.as_ref().map(|bias| bias.val().unsqueeze_dim(0));
        }
        QueryThenItem {
            by_query: against(candidates.query.clone()),
            by_item,
            keep: self.config.stage_one_top_k,
            has_query: self.config.switches.pair_query_network.then(|| candidates.has_query.clone()),
        }
    }

    /// Logits of both searches, `[B, C]`, which train them: a head on the events weighted by their relevance.
    ///
    /// `by_item` is the second search's relevance, `[B, C, 1, L]`.
    fn gsu_logits(
        &self,
        gsu: &QueryThenItem,
        by_item: Tensor<4>,
        pairs: &Pairs<'_>,
        targets: Tensor<3>,
    ) -> Option<Tensor<2>> {
        let Pairs { history, candidates, events, .. } = pairs;
        let [batch, count] = candidates.dims();
        let has_query = candidates.place(gsu.has_query.clone()?).reshape([batch, count, 1, 1]);
        let (any, padding) = presence(pairs);
        let scale = (self.config.width as f64).sqrt();
        let scores = gsu.by_query.relevance(history, candidates) * has_query + by_item;
        let weights = softmax(scores / scale + padding, 3) * any;
        Some(self.search_head.forward(pooled(weights, history, events.clone()), targets))
    }
}

impl SequenceModel for Qin {
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

    shared_methods!(self, items => self.pair.recommended(self.items(items)));

    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.encode(history, candidates);
        let gsu = self.gsu(&history.unique, &candidates.unique);
        let retrieval = self.attention.attend_top_k(&gsu, &pairs, self.config.top_k);
        let taped = pairs.events.device().is_autodiff();
        let by_item = || gsu.by_item.relevance(history, candidates);
        let by_item = taped.then(|| retrieval.relevance.clone().unwrap_or_else(by_item));
        let gsu_logits =
            by_item.and_then(|by_item| self.gsu_logits(&gsu, by_item, &pairs, pairs.placed_targets()));
        let states = ShortTerm::read(&self.short_term, &pairs);
        let logits = self.head.answer(retrieval.attended.clone(), states.as_ref(), &pairs);
        Scores { logits, gsu_logits, retrieval: Some(retrieval), states }
    }

    fn attention_weights(&self, history: &Events, candidates: &Events) -> Option<Tensor<3>> {
        let pairs = self.encode(history, candidates);
        let gsu = self.gsu(&history.unique, &candidates.unique);
        Some(self.attention.weights_top_k(&gsu, &pairs, self.config.top_k))
    }
}
