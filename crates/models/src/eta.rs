//! ETA (arXiv 2209.12212): equal bits of a random projection pick K events, attention reads them.
//!
//! Cost per candidate: `bits·L` comparisons for the search, `H·L·D` multiply-adds for the attention.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::{ModalityKind, ModelConfig};
use crate::events::Events;
use crate::init::Init;
use crate::model::{Scores, SequenceModel};
use crate::parts::stage_one::{Product, StageOne};
use crate::parts::{HashBits, Head, PairEncoder, TargetAttention};
use crate::two_stage::search_and_attend;

/// Embedding → hash, top K → exact search unit → head.
#[derive(Module, Debug)]
pub struct Eta {
    /// Modalities to pairs.
    pub pair: PairEncoder,
    /// The projection, never trained.
    pub hash: HashBits,
    /// The exact search unit.
    pub attention: TargetAttention,
    /// The output.
    pub head: Head,
    top_k: usize,
    mask_padding: bool,
    logits_loss: bool,
}

impl Eta {
    /// A model with initial weights. The configuration must be valid.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let init = &mut Init::new(config.seed, device);
        Self {
            pair: PairEncoder::new(config, init),
            hash: HashBits::new(config.width, config.hash_bits, init),
            attention: TargetAttention::new(config, init),
            head: Head::new(config, init),
            top_k: config.top_k,
            mask_padding: config.switches.mask_padding,
            logits_loss: config.switches.logits_loss,
        }
    }
}

impl SequenceModel for Eta {
    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.pair.pairs(&history.rows);
        let targets = self.pair.pairs(&candidates.rows);
        let stage_one =
            StageOne::Bits(Product::new(self.hash.bits(targets.clone()), self.hash.bits(pairs.clone())));
        let both = [pairs, targets.clone()];
        let events = [history, candidates];
        let search =
            search_and_attend(&self.attention, events, both, &stage_one, self.top_k, self.mask_padding);
        let logits = self.head.forward(search.attended.clone(), candidates.place(targets));
        Scores { logits, stage_one: None, search: Some(search) }
    }

    fn project(&self, kind: ModalityKind, rows: Tensor<2>) -> Option<Tensor<2>> {
        self.pair.project(kind, rows)
    }

    fn logits_loss(&self) -> bool {
        self.logits_loss
    }
}
