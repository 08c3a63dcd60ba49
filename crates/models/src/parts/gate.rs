//! The weights of an item's modalities.
//!
//! In formulas:
//!
//! ```text
//! c    = multi_modal_fusion_channel_emb, or with the gate per_event the mean of the e_m
//! g    = softmax of multi_modal_fusion_gating_projection(c) over those m that the item has
//! gate = Σ_m g_m · e_m, m in the order id, image, text, attribute
//! ```

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::init::Init;
use crate::kinds::GateKind;
use crate::parts::ModalityRows;

/// The settings of a [`ModalityGate`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModalityGateConfig {
    /// D; 64.
    pub dim: usize,
    /// M, the number of item modalities; 2.
    pub modalities: usize,
    /// Where the weights come from; one trained vector for all events.
    pub kind: GateKind,
    /// The weight of a modality that an item lacks goes to the others; true. Published: it does not.
    pub mask_missing: bool,
    /// Seed of the initial weights; 42.
    pub seed: u64,
}

impl Default for ModalityGateConfig {
    fn default() -> Self {
        Self { dim: 64, modalities: 2, kind: GateKind::Global, mask_missing: true, seed: 42 }
    }
}

impl ModalityGateConfig {
    /// A gate with initial weights on `device`.
    pub fn init(&self, device: &Device) -> ModalityGate {
        self.draw(&mut Init::of_part("gate", self.seed, device))
    }

    pub(crate) fn draw(&self, init: &mut Init) -> ModalityGate {
        ModalityGate {
            channel: init.row(self.dim),
            gating: init.normal(self.dim, self.modalities),
            per_event: self.kind == GateKind::PerEvent,
            mask_missing: self.mask_missing,
        }
    }
}

/// `g = softmax(lin(context))` over the modalities: one trained context for all events, or the mean of the event's own
/// modalities.
#[derive(Module, Debug)]
pub struct ModalityGate {
    /// The trained context of the global gate, `[1, D]`. Checkpoints know it under this name.
    pub channel: Param<Tensor<2>>,
    /// D to M.
    pub gating: Linear,
    per_event: bool,
    mask_missing: bool,
}

impl ModalityGate {
    /// `Σ g_m e_m`, `[U, D]`. Where an item lacks a modality its weight goes to the others, unless published.
    pub fn forward(&self, modalities: &[ModalityRows]) -> Tensor<2> {
        let weights = self.weights(modalities);
        let parts =
            modalities.iter().enumerate().map(|(m, c)| c.rows.clone() * weights.clone().narrow(1, m, 1));
        parts.reduce(|sum, part| sum + part).expect("the configuration names a modality")
    }

    /// g, `[U, M]`.
    pub fn weights(&self, modalities: &[ModalityRows]) -> Tensor<2> {
        let events = modalities[0].rows.dims()[0];
        let logits = if self.per_event {
            let sum = modalities.iter().map(|c| c.rows.clone()).reduce(|a, b| a + b).expect("at least one");
            self.gating.forward(sum / modalities.len() as f64)
        } else {
            self.gating.forward(self.channel.val()).repeat_dim(0, events)
        };
        if !self.mask_missing {
            return softmax(logits, 1);
        }
        let present = Tensor::cat(modalities.iter().map(|c| c.present.clone()).collect(), 1);
        softmax(logits + (present - 1.0) * 1e9, 1)
    }
}
