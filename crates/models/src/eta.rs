//! ETA ([arXiv 2108.04468](https://arxiv.org/abs/2108.04468)): equal bits of a random projection pick K events, attention reads
//! them. Its successor ETA-Net is [arXiv 2209.12212](https://arxiv.org/abs/2209.12212).
//!
//! ```text
//! tables ─ gate ─ pair fusion ─ GSU: hash, equal bits, top K ─ ESU ─ head
//! ```
//!
//! This follows SEMINAR's re-implementation: the hash is drawn once and never trained. Cost per candidate: `bits·L` comparisons for
//! the search, `H·L·D` multiply-adds for the attention.
//!
//! In formulas:
//!
//! ```text
//! r_l   = how many of bits(x_l) and bits(t) are equal
//! S     = the K events of largest r_l, of equal ones the more recent
//! logit = head(ESU(t, S), t)
//! ```

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;
use crate::error::Result;
use crate::events::{Events, UniqueEvents};
use crate::gsu::Bits;
use crate::init::Init;
use crate::kinds::{LossKind, ModalityKind};
use crate::model::{Scores, SequenceModel, Successors};
use crate::needs::Needs;
use crate::parts::{HashBits, Head, PairEncoder, Pairs, ShortTerm, TargetAttention};

/// Embedding → hash, top K → exact search unit → head.
#[derive(Module, Debug)]
pub struct Eta {
    /// Modalities to pairs.
    pub pair: PairEncoder,
    /// The projection, never trained.
    pub hash: HashBits,
    /// The exact search unit.
    pub attention: TargetAttention,
    /// The short-term tower, if any.
    pub short_term: Option<ShortTerm>,
    /// The output.
    pub head: Head,
    #[module(skip)]
    config: ModelConfig,
}

impl Eta {
    /// The general search unit: equal bits.
    fn gsu(&self, pairs: &Pairs<'_>) -> Bits {
        Bits::of(&self.hash, &pairs.targets, &pairs.events)
    }
}

impl SequenceModel for Eta {
    type Config = ModelConfig;

    fn init(config: &ModelConfig, device: &Device) -> Result<Self> {
        config.validate(usize::MAX)?;
        let init = &mut Init::new(config.seed, device);
        Ok(Self {
            pair: config.pair().draw(init),
            hash: config.hash().draw(init),
            attention: config.attention().draw(init),
            head: config.head().draw(init),
            short_term: config.short_term(init),
            config: config.clone(),
        })
    }

    shared_methods!(self, items => self.pair.recommended(self.pair.items(items)));

    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.pair.encode(history, candidates);
        let retrieval = self.attention.attend_top_k(&self.gsu(&pairs), &pairs, self.config.top_k);
        let states = ShortTerm::read(&self.short_term, &pairs);
        let logits = self.head.answer(retrieval.attended.clone(), states.as_ref(), &pairs);
        Scores { logits, gsu_logits: None, retrieval: Some(retrieval), states }
    }

    fn attention_weights(&self, history: &Events, candidates: &Events) -> Option<Tensor<3>> {
        let pairs = self.pair.encode(history, candidates);
        Some(self.attention.weights_top_k(&self.gsu(&pairs), &pairs, self.config.top_k))
    }
}
