//! The weights of an item's modalities.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use crate::config::GateKind;
use crate::init::Init;
use crate::parts::Channel;

/// `g = softmax(lin(channel))` over the modalities: one `channel` for all events, or the event's own.
#[derive(Module, Debug)]
pub struct ModalityGate {
    /// The trained input of the global gate, `[1, D]`.
    pub channel: Param<Tensor<2>>,
    /// D to M.
    pub gating: Linear,
    per_event: bool,
    mask_missing: bool,
}

impl ModalityGate {
    pub(crate) fn new(
        width: usize,
        modalities: usize,
        kind: GateKind,
        mask_missing: bool,
        init: &mut Init,
    ) -> Self {
        Self {
            channel: init.row(width),
            gating: init.normal(width, modalities),
            per_event: kind == GateKind::PerEvent,
            mask_missing,
        }
    }

    /// `Σ g_m e_m`, `[U, D]`. Where an item lacks a modality its weight goes to the others, unless published.
    pub fn forward(&self, channels: &[Channel]) -> Tensor<2> {
        let weights = self.weights(channels);
        let parts =
            channels.iter().enumerate().map(|(m, c)| c.rows.clone() * weights.clone().narrow(1, m, 1));
        parts.reduce(|sum, part| sum + part).expect("the configuration names a modality")
    }

    /// g, `[U, M]`.
    pub fn weights(&self, channels: &[Channel]) -> Tensor<2> {
        let events = channels[0].rows.dims()[0];
        let logits = if self.per_event {
            let sum = channels.iter().map(|c| c.rows.clone()).reduce(|a, b| a + b).expect("at least one");
            self.gating.forward(sum / channels.len() as f64)
        } else {
            self.gating.forward(self.channel.val()).repeat_dim(0, events)
        };
        if !self.mask_missing {
            return softmax(logits, 1);
        }
        let present = Tensor::cat(channels.iter().map(|c| c.present.clone()).collect(), 1);
        softmax(logits + (present - 1.0) * 1e9, 1)
    }
}
