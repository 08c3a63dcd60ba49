//! TWIN ([arXiv 2302.02352](https://arxiv.org/abs/2302.02352)): the search uses the attention's own heads, so both stages agree
//! on what is relevant.
//!
//! ```text
//! tables ─ gate ─ pair fusion ─ GSU: Q(t)·K(x) of each head, top K per head ─ ESU: the same heads ─ head
//! ```
//!
//! This follows SEMINAR's re-implementation. Of the paper it leaves out the split of K into inherent features, computed once per
//! event, and cross features of user and event. Cost per candidate: `H·L·D` multiply-adds for the scores, which both stages share,
//! and as many for the values.
//!
//! In formulas:
//!
//! ```text
//! r_hl  = s_hl of the exact search unit
//! S_h   = for each head the K events of largest r_hl, of equal ones the more recent
//! logit = head(ESU(t, S), t)
//! ```

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;
use crate::error::Result;
use crate::events::{Events, UniqueEvents};
use crate::gsu::Heads;
use crate::init::Init;
use crate::kinds::{LossKind, ModalityKind};
use crate::model::{Scores, SequenceModel, Successors};
use crate::needs::Needs;
use crate::parts::{Head, PairEncoder, ShortTerm, TargetAttention};

/// Embedding → multi-head search, top K per head → the same heads' attention → head.
#[derive(Module, Debug)]
pub struct Twin {
    /// Modalities to pairs.
    pub pair: PairEncoder,
    /// Search and attention.
    pub attention: TargetAttention,
    /// The short-term tower, if any.
    pub short_term: Option<ShortTerm>,
    /// The output.
    pub head: Head,
    #[module(skip)]
    config: ModelConfig,
}

impl SequenceModel for Twin {
    type Config = ModelConfig;

    fn init(config: &ModelConfig, device: &Device) -> Result<Self> {
        config.validate(usize::MAX)?;
        let init = &mut Init::new(config.seed, device);
        Ok(Self {
            pair: config.pair().draw(init),
            attention: config.attention().draw(init),
            head: config.head().draw(init),
            short_term: config.short_term(init),
            config: config.clone(),
        })
    }

    shared_methods!(self, items => self.pair.recommended(self.pair.items(items)));

    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.pair.encode(history, candidates);
        let retrieval = self.attention.attend_top_k(&Heads, &pairs, self.config.top_k);
        let states = ShortTerm::read(&self.short_term, &pairs);
        let logits = self.head.answer(retrieval.attended.clone(), states.as_ref(), &pairs);
        Scores { logits, gsu_logits: None, retrieval: Some(retrieval), states }
    }

    fn attention_weights(&self, history: &Events, candidates: &Events) -> Option<Tensor<3>> {
        let pairs = self.pair.encode(history, candidates);
        Some(self.attention.weights_top_k(&Heads, &pairs, self.config.top_k))
    }
}
