//! SASRec ([arXiv 1808.09781](https://arxiv.org/abs/1808.09781)): a causal transformer reads the newest events, and its last state is
//! compared with each candidate.
//!
//! ```text
//! tables ─ gate or sum ─ pair fusion ─ short-term tower ─ state · target
//! ```
//!
//! Departures from the paper are those of the [tower](crate::parts::ShortTerm). Side information and queries enter the item vectors,
//! which the paper does not have; `modalities: [id]` leaves them out. Cost per user: that of the tower; per candidate: D
//! multiply-adds.
//!
//! In formulas:
//!
//! ```text
//! logit = state at the newest event · t, 0 for a user without events
//! ```

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;
use crate::error::Result;
use crate::events::{Events, UniqueEvents};
use crate::init::Init;
use crate::kinds::{LossKind, ModalityKind};
use crate::model::{Scores, SequenceModel, Successors};
use crate::needs::Needs;
use crate::parts::{PairEncoder, ShortTerm, ShortTermConfig};

/// Embedding → short-term tower → inner product.
#[derive(Module, Debug)]
pub struct SasRec {
    /// Modalities to pairs.
    pub pair: PairEncoder,
    /// The tower.
    pub short_term: ShortTerm,
    #[module(skip)]
    config: ModelConfig,
}

impl SequenceModel for SasRec {
    type Config = ModelConfig;

    fn init(config: &ModelConfig, device: &Device) -> Result<Self> {
        config.validate(usize::MAX)?;
        let default = || ShortTermConfig { dropout: config.dropout, ..ShortTermConfig::default() };
        let tower = config.short_term.clone().unwrap_or_else(default);
        tower.validate(config.width)?;
        let init = &mut Init::new(config.seed, device);
        Ok(Self {
            pair: config.pair().draw(init),
            short_term: tower.draw(config.width, init),
            config: config.clone(),
        })
    }

    shared_methods!(self, items => self.pair.recommended(self.pair.items(items)));

    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.pair.encode(history, candidates);
        let states = self.short_term.forward(history, pairs.plain.clone());
        let logits = (states.users(candidates) * pairs.placed_targets()).sum_dim(2).squeeze_dim(2);
        Scores { states: Some(states), ..Scores::of_logits(logits) }
    }
}
