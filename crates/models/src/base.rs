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
use crate::kinds::ModalityKind;
use crate::model::{Scores, SequenceModel};
use crate::needs::Needs;
use crate::parts::{Head, PairEncoder, TargetAttention};

/// Embedding → last K → exact search unit → head.
#[derive(Module, Debug)]
pub struct Base {
    /// Modalities to pairs.
    pub pair: PairEncoder,
    /// The exact search unit.
    pub attention: TargetAttention,
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
            config: config.clone(),
        })
    }

    shared_methods!();

    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.pair.encode(history, candidates);
        let retrieval = self.attention.attend_top_k(&Recent, &pairs, self.config.top_k);
        let logits = self.head.forward(retrieval.attended.clone(), pairs.placed_targets());
        Scores { logits, gsu_logits: None, retrieval: Some(retrieval) }
    }

    fn attention_weights(&self, history: &Events, candidates: &Events) -> Option<Tensor<3>> {
        let pairs = self.pair.encode(history, candidates);
        Some(self.attention.weights_top_k(&Recent, &pairs, self.config.top_k))
    }
}
