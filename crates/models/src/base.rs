//! Base: attention over the K most recent events, no search.
//!
//! Cost per candidate: `H·L·D` multiply-adds for the scores, and as many for the values.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::{ModalityKind, ModelConfig};
use crate::events::Events;
use crate::init::Init;
use crate::model::{Scores, SequenceModel};
use crate::parts::stage_one::StageOne;
use crate::parts::{Head, PairEncoder, TargetAttention};
use crate::two_stage::search_and_attend;

/// Embedding → last K → exact search unit → head.
#[derive(Module, Debug)]
pub struct Base {
    /// Modalities to pairs.
    pub pair: PairEncoder,
    /// The exact search unit.
    pub attention: TargetAttention,
    /// The output.
    pub head: Head,
    top_k: usize,
    mask_padding: bool,
    logits_loss: bool,
}

impl Base {
    /// A model with initial weights. The configuration must be valid.
    pub fn new(config: &ModelConfig, device: &Device) -> Self {
        let init = &mut Init::new(config.seed, device);
        Self {
            pair: PairEncoder::new(config, init),
            attention: TargetAttention::new(config, init),
            head: Head::new(config, init),
            top_k: config.top_k,
            mask_padding: config.switches.mask_padding,
            logits_loss: config.switches.logits_loss,
        }
    }
}

impl SequenceModel for Base {
    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.pair.pairs(&history.rows);
        let targets = self.pair.pairs(&candidates.rows);
        let both = [pairs, targets.clone()];
        let events = [history, candidates];
        let search = search_and_attend(
            &self.attention,
            events,
            both,
            &StageOne::Recent,
            self.top_k,
            self.mask_padding,
        );
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
