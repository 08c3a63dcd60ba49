//! SIM with soft search (arXiv 2006.05639): a learned inner product picks K events, attention reads them.
//!
//! The general search unit has a head and a loss of its own. Cost per candidate: `L·D` multiply-adds for
//! the search, `H·L·D` twice for the attention.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

use crate::config::{ModalityKind, ModelConfig};
use crate::events::Events;
use crate::init::Init;
use crate::model::{Scores, SequenceModel};
use crate::parts::stage_one::{Product, StageOne};
use crate::parts::{Head, PairEncoder, TargetAttention, search_layer};
use crate::two_stage::{pooled, presence, search_and_attend};

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

    /// The search's own vector: events weighted by their relevance `[B, C, 1, L]`, and its logits `[B, C]`.
    fn stage_one(
        &self,
        relevance: Tensor<4>,
        history: &Events,
        pairs: Tensor<2>,
        targets: Tensor<3>,
    ) -> Tensor<2> {
        let weights = if self.normalised {
            let (any, padding) = presence(history);
            softmax(relevance / (pairs.dims()[1] as f64).sqrt() + padding, 3) * any
        } else {
            relevance
        };
        self.search_head.forward(pooled(weights, history, pairs), targets)
    }
}

impl SequenceModel for Sim {
    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.pair.pairs(&history.rows);
        let targets = self.pair.pairs(&candidates.rows);
        let placed = candidates.place(targets.clone());
        // `W_K x_l · W_Q t`, not scaled.
        let (queries, keys) =
            (self.search_query.forward(targets.clone()), self.search_key.forward(pairs.clone()));
        let search = search_and_attend(
            &self.attention,
            [history, candidates],
            [pairs.clone(), targets],
            &StageOne::Product(Product::new(queries, keys)),
            self.top_k,
            self.mask_padding,
        );
        let relevance = search.relevance.clone();
        let stage_one = relevance.map(|scores| self.stage_one(scores, history, pairs, placed.clone()));
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
