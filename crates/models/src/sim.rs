//! SIM with soft search (arXiv 2006.05639): a learned inner product picks K events, attention reads them.
//!
//! The general search unit has a head and a loss of its own. Cost per candidate: `L·D` multiply-adds for
//! the search, `H·L·D` twice for the attention.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;
use crate::events::Events;
use crate::init::Init;
use crate::model::{Scores, SequenceModel};
use crate::parts::{Head, PairEncoder, Selection, TargetAttention, search_layer, select_top_k};
use crate::two_stage::{attend_shared, pooled};

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
    /// The output.
    pub head: Head,
    /// The output of the search alone.
    pub search_head: Head,
    top_k: usize,
    mask_padding: bool,
    normalised: bool,
    logits_loss: bool,
}

impl Sim {
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
            mask_padding: config.switches.mask_padding,
            normalised: config.switches.normalised_stage_one,
            logits_loss: config.switches.logits_loss,
        }
    }

    /// `W_K x_l · W_Q t`, `[B, C, 1, L]`, not scaled.
    fn relevance(
        &self,
        history: &Events,
        pairs: Tensor<2>,
        candidates: &Events,
        targets: Tensor<2>,
    ) -> Tensor<4> {
        let queries = candidates.place(self.search_query.forward(targets));
        let keys = history.place(self.search_key.forward(pairs));
        queries.matmul(keys.swap_dims(1, 2)).unsqueeze_dim(2)
    }
}

impl SequenceModel for Sim {
    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.pair.pairs(&history.rows);
        let targets = self.pair.pairs(&candidates.rows);
        let placed = candidates.place(targets.clone());

        let relevance = self.relevance(history, pairs.clone(), candidates, targets.clone());
        let weights = match self.normalised {
            true => {
                let width = pairs.dims()[1] as f64;
                let any = history.mask().max_dim(1).reshape([-1, 1, 1, 1]);
                softmax(relevance.clone() / width.sqrt() + Selection::real(history).bias, 3) * any
            }
            false => relevance.clone(),
        };
        let stage_one = self.search_head.forward(pooled(weights, history, pairs.clone()), placed.clone());

        let selection = select_top_k(&relevance, history, self.top_k, self.mask_padding, None);
        let events = [history, candidates];
        let search =
            attend_shared(&self.attention, events, [pairs, targets], relevance, selection, self.mask_padding);
        let logits = self.head.forward(search.attended.clone(), placed);
        Scores { logits, stage_one: Some(stage_one), search: Some(search) }
    }

    fn logits_loss(&self) -> bool {
        self.logits_loss
    }
}
