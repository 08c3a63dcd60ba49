//! Base: attention over the K most recent events, no search.
//!
//! ```text
//! tables ─ gate ─ pair fusion ─ last K ─ ESU ─ head
//! ```
//!
//! Cost per candidate: `H·L·D` multiply-adds for the scores, and as many for the values.
//!
//! In formulas:
//!
//! ```text
//! S     = the K most recent events
//! logit = head(ESU(t, S), t)
//! ```

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;
use crate::error::Result;
use crate::events::{Events, UniqueEvents};
use crate::gsu::Recent;
use crate::init::Init;
use crate::kinds::{LossKind, ModalityKind};
use crate::model::{Scores, SequenceModel, Successors};
use crate::needs::Needs;
use crate::parts::{Head, PairEncoder, ShortTerm, TargetAttention};

/// Embedding → last K → exact search unit → head.
#[derive(Module, Debug)]
pub struct Base {
    /// Modalities to pairs.
    pub pair: PairEncoder,
    /// The exact search unit.
    pub attention: TargetAttention,
    /// The short-term tower, if any.
    pub short_term: Option<ShortTerm>,
    /// The output.
    pub head: Head,
    #[module(skip)]
    config: ModelConfig,
}

impl SequenceModel for Base {
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
        let retrieval = self.attention.attend_top_k(&Recent, &pairs, self.config.top_k);
        let states = ShortTerm::read(&self.short_term, &pairs);
        let logits = self.head.answer(retrieval.attended.clone(), states.as_ref(), &pairs);
        Scores { logits, gsu_logits: None, retrieval: Some(retrieval), states }
    }

    fn attention_weights(&self, history: &Events, candidates: &Events) -> Option<Tensor<3>> {
        let pairs = self.pair.encode(history, candidates);
        Some(self.attention.weights_top_k(&Recent, &pairs, self.config.top_k))
    }
}
