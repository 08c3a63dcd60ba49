//! QIN (arXiv 2310.06444): the query picks K1 events, the target item picks K of those, attention reads them.
//!
//! As published, the model sees item ids only and neither search layer learns. By default it sees pairs, a
//! request without a query goes straight to the second stage, and a head on the search trains both layers.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::config::{ModalityKind, ModelConfig};
use crate::events::{Events, Rows};
use crate::init::Init;
use crate::model::{Scores, SequenceModel};
use crate::parts::stage_one::{Product, StageOne};
use crate::parts::{Head, PairEncoder, Selection, TargetAttention, search_layer};
use crate::two_stage::{pooled, presence, search_and_attend};

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
    /// The output.
    pub head: Head,
    /// The output of the search alone; not used as published.
    pub search_head: Head,
    top_k: usize,
    stage_one_top_k: usize,
    mask_padding: bool,
    pairs: bool,
    logits_loss: bool,
}

impl Qin {
    /// A model with initial weights. The configuration must be valid.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let init = &mut Init::new(config.seed, device);
        Self {
            pair: PairEncoder::new(config, init),
            search_query: search_layer(config, init),
            search_key: search_layer(config, init),
            attention: TargetAttention::new(config, init),
            head: Head::new(config, init),
            search_head: Head::new(config, init),
            top_k: config.top_k,
            stage_one_top_k: config.stage_one_top_k,
            mask_padding: config.switches.mask_padding,
            pairs: config.switches.pair_query_network,
            logits_loss: config.switches.logits_loss,
        }
    }

    fn items(&self, rows: &Rows) -> Tensor<2> {
        if self.pairs { self.pair.items(rows) } else { rows.item.clone() }
    }

    fn seen(&self, rows: &Rows) -> Tensor<2> {
        if self.pairs { self.pair.pairs(rows) } else { rows.item.clone() }
    }

    /// The two searches, of the candidates' queries and of their items, among history items.
    ///
    /// As published, an event is scored in stage two after its padding was zeroed: its key is then the bias.
    pub(crate) fn searches(&self, history: &Rows, candidates: &Rows) -> StageOne {
        let keys = self.search_key.forward(self.items(history));
        let against = |rows: Tensor<2>| Product::new(self.search_query.forward(rows), keys.clone());
        let mut by_item = against(self.items(candidates));
        if !self.mask_padding {
            by_item.padding = self.search_key.bias.as_ref().map(|bias| bias.val().unsqueeze_dim(0));
        }
        StageOne::QueryThenItem {
            by_query: against(candidates.query.clone()),
            by_item,
            keep: self.stage_one_top_k,
            asked: self.pairs.then(|| candidates.asked.clone()),
        }
    }

    /// Relevance of history items for the candidates' queries, and for the candidates' items, `[B, C, 1, L]`; and
    /// what the first of them keeps.
    pub fn stages(&self, history: &Events, candidates: &Events) -> ([Tensor<4>; 2], Selection) {
        let searches = self.searches(&history.rows, &candidates.rows);
        let kept = searches.query_stage(history, candidates, self.mask_padding);
        let StageOne::QueryThenItem { by_query, by_item, .. } = searches else {
            unreachable!("made just above")
        };
        ([by_query, by_item].map(|product| product.relevance(history, candidates)), kept)
    }

    /// A head on both searches trains them: events weighted by their relevance, logits `[B, C]`.
    ///
    /// `by_item` is the second search's relevance, `[B, C, 1, L]`.
    fn stage_one(
        &self,
        searches: &StageOne,
        by_item: Tensor<4>,
        [history, candidates]: [&Events; 2],
        seen: Tensor<2>,
        targets: Tensor<3>,
    ) -> Option<Tensor<2>> {
        let StageOne::QueryThenItem { by_query, asked: Some(asked), .. } = searches else {
            return None;
        };
        let [batch, count] = candidates.dims();
        let asked = candidates.place(asked.clone()).reshape([batch, count, 1, 1]);
        let (any, padding) = presence(history);
        let scale = (seen.dims()[1] as f64).sqrt();
        let scores = by_query.relevance(history, candidates) * asked + by_item;
        let weights = softmax(scores / scale + padding, 3) * any;
        Some(self.search_head.forward(pooled(weights, history, seen), targets))
    }
}

impl SequenceModel for Qin {
    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let seen = self.seen(&history.rows);
        let targets = self.seen(&candidates.rows);
        let placed = candidates.place(targets.clone());
        let searches = self.searches(&history.rows, &candidates.rows);
        let events = [history, candidates];
        let search = search_and_attend(
            &self.attention,
            events,
            [seen.clone(), targets],
            &searches,
            self.top_k,
            self.mask_padding,
        );
        let by_item = search.relevance.clone();
        let stage_one =
            by_item.and_then(|scores| self.stage_one(&searches, scores, events, seen, placed.clone()));
        let logits = self.head.forward(search.attended.clone(), placed);
        Scores { logits, stage_one, search: Some(search) }
    }

    fn project(&self, kind: ModalityKind, rows: Tensor<2>) -> Option<Tensor<2>> {
        self.pair.project(kind, rows)
    }

    fn logits_loss(&self) -> bool {
        self.logits_loss
    }
}
