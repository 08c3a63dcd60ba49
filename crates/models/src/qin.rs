//! QIN (arXiv 2310.06444): the query picks K1 events, the target item picks K of those, attention reads them.
//!
//! As published, the model sees item ids only and neither search layer learns. By default it sees pairs, a
//! request without a query goes straight to the second stage, and a head on the search trains both layers.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;
use crate::events::{Events, Rows};
use crate::init::Init;
use crate::model::{Scores, SequenceModel};
use crate::parts::{Head, PairEncoder, Selection, TargetAttention, search_layer, select_top_k};
use crate::two_stage::{attend_shared, pooled};

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

    /// Relevance of history items for the candidates' queries, and for the candidates' items, `[B, C, 1, L]`.
    ///
    /// As published, an event is scored in stage two after its padding was zeroed: its key is then the bias.
    pub fn relevance(&self, history: &Events, candidates: &Events) -> [Tensor<4>; 2] {
        let keys = history.place(self.search_key.forward(self.items(&history.rows)));
        let against = |keys: Tensor<3>, rows: Tensor<2>| -> Tensor<4> {
            let queries = candidates.place(self.search_query.forward(rows));
            queries.matmul(keys.swap_dims(1, 2)).unsqueeze_dim(2)
        };
        let zeroed = if self.mask_padding {
            keys.clone()
        } else {
            let mask: Tensor<3> = history.mask().unsqueeze_dim(2);
            let bias = self.search_key.bias.as_ref().expect("the layer has a bias").val().reshape([1, 1, -1]);
            keys.clone() * mask.clone() + (mask.neg() + 1.0) * bias
        };
        [against(keys, candidates.rows.query.clone()), against(zeroed, self.items(&candidates.rows))]
    }

    /// Stage one's selection; candidates without a query keep every event.
    pub fn query_stage(&self, by_query: &Tensor<4>, history: &Events, candidates: &Events) -> Selection {
        let kept = select_top_k(by_query, history, self.stage_one_top_k, self.mask_padding, None);
        if !self.pairs {
            return kept;
        }
        let [batch, count] = candidates.dims();
        let asked = candidates.place(candidates.rows.asked.clone()).reshape([batch, count, 1, 1]);
        let everything = Selection::real(history).bias;
        Selection { bias: kept.bias * asked.clone() + everything * (asked.neg() + 1.0) }
    }
}

impl SequenceModel for Qin {
    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let seen = self.seen(&history.rows);
        let targets = self.seen(&candidates.rows);
        let placed = candidates.place(targets.clone());

        let [by_query, by_item] = self.relevance(history, candidates);
        let first = self.query_stage(&by_query, history, candidates);
        let selection = select_top_k(&by_item, history, self.top_k, self.mask_padding, Some(&first));
        let stage_one = self.pairs.then(|| {
            let [batch, count] = candidates.dims();
            let asked = candidates.place(candidates.rows.asked.clone()).reshape([batch, count, 1, 1]);
            let any = history.mask().max_dim(1).reshape([-1, 1, 1, 1]);
            let scale = (seen.dims()[1] as f64).sqrt();
            let scores = (by_query * asked + by_item.clone()) / scale + Selection::real(history).bias;
            self.search_head.forward(pooled(softmax(scores, 3) * any, history, seen.clone()), placed.clone())
        });

        let both = [seen, targets];
        let search = attend_shared(
            &self.attention,
            [history, candidates],
            both,
            by_item,
            selection,
            self.mask_padding,
        );
        let logits = self.head.forward(search.attended.clone(), placed);
        Scores { logits, stage_one, search: Some(search) }
    }

    fn logits_loss(&self) -> bool {
        self.logits_loss
    }
}
