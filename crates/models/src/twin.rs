//! TWIN (arXiv 2302.02352): the search uses the attention's own heads, so both stages agree on what is relevant.
//!
//! Each head picks its own K events. Cost per candidate: `H·L·D` multiply-adds for the scores, which
//! both stages share, and as many for the values.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;
use crate::events::Events;
use crate::init::Init;
use crate::model::{Scores, Search, SequenceModel};
use crate::parts::{Head, PairEncoder, TargetAttention, select_top_k};

/// Embedding → multi-head search, top K a head → the same heads' attention → head.
#[derive(Module, Debug)]
pub struct Twin {
    /// Modalities to pairs.
    pub pair: PairEncoder,
    /// Search and attention.
    pub attention: TargetAttention,
    /// The output.
    pub head: Head,
    top_k: usize,
    mask_padding: bool,
    logits_loss: bool,
}

impl Twin {
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

/// Multi-head search and attention over pairs `[U, D]` for targets `[V, D]`; SEMINAR's `mhta` is the same.
pub(crate) fn consistent_search(
    attention: &TargetAttention,
    [history, candidates]: [&Events; 2],
    [pairs, targets]: [Tensor<2>; 2],
    top_k: usize,
    mask_padding: bool,
) -> Search {
    let projected = attention.project(history, pairs, candidates, targets);
    let relevance = projected.relevance();
    let selection = select_top_k(&relevance, history, top_k, mask_padding, None);
    let attended = if mask_padding {
        attention.attend(projected, Some(relevance.clone()), &selection, history)
    } else {
        attention.attend(projected.with_zero_rows(history), None, &selection, history)
    };
    Search { relevance, selection, attended }
}

impl SequenceModel for Twin {
    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        let pairs = self.pair.pairs(&history.rows);
        let targets = self.pair.pairs(&candidates.rows);
        let both = [pairs, targets.clone()];
        let search =
            consistent_search(&self.attention, [history, candidates], both, self.top_k, self.mask_padding);
        let logits = self.head.forward(search.attended.clone(), candidates.place(targets));
        Scores { logits, stage_one: None, search: Some(search) }
    }

    fn logits_loss(&self) -> bool {
        self.logits_loss
    }
}
