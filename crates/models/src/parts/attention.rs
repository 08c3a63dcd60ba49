//! The exact search unit: multi-head target attention over the selected events.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use crate::config::ModelConfig;
use crate::events::Events;
use crate::init::Init;
use crate::parts::Selection;

/// Heads of full width D: `s = Q(t) · K(x) / √D`, `p = softmax(s)` over the selected events, `o = p · V(x)`, and
/// `W_O [o₁ ; … ; o_H]`.
///
/// The history is projected once a user, whatever the number of candidates, and attended to densely: events
/// that were not selected get the weight zero. That is the same result as gathering K rows a candidate, for
/// `C` times fewer projections.
#[derive(Module, Debug)]
pub struct TargetAttention {
    /// Q, a layer a head.
    pub query: Vec<Linear>,
    /// K.
    pub key: Vec<Linear>,
    /// V.
    pub value: Vec<Linear>,
    /// H·D to D.
    pub output: Linear,
    mask_padding: bool,
}

/// Targets and history after the heads' projections.
#[derive(Clone, Debug)]
pub struct Projected {
    /// `[B, H, C, D]`.
    pub query: Tensor<4>,
    /// `[B, H, L, D]`; of padded positions, what the padding row gives.
    pub key: Tensor<4>,
    /// `[B, H, L, D]`.
    pub value: Tensor<4>,
}

impl Projected {
    /// `Q(t) · K(x)`, not scaled, `[B, H, C, L]`: TWIN's relevance.
    pub fn relevance(&self) -> Tensor<4> {
        self.query.clone().matmul(self.key.clone().swap_dims(2, 3))
    }
}

impl TargetAttention {
    pub(crate) fn new(config: &ModelConfig, init: &mut Init) -> Self {
        let width = config.width;
        let mut heads = || -> Vec<Linear> {
            let layers = (0..config.heads).map(|_| init.uniform(width, width, true));
            match config.switches.train_attention {
                true => layers.collect(),
                false => layers.map(|layer| layer.no_grad()).collect(),
            }
        };
        let (query, key, value) = (heads(), heads(), heads());
        let output = init.normal(config.heads * width, width);
        Self { query, key, value, output, mask_padding: config.switches.mask_padding }
    }

    /// Projects distinct events and places them: `history_rows` `[U, D]`, `target_rows` `[V, D]`.
    pub fn project(
        &self,
        history: &Events,
        history_rows: Tensor<2>,
        candidates: &Events,
        target_rows: Tensor<2>,
    ) -> Projected {
        Projected {
            query: self.split_heads(candidates.place(all_heads(&self.query, target_rows))),
            key: self.split_heads(history.place(all_heads(&self.key, history_rows.clone()))),
            value: self.split_heads(history.place(all_heads(&self.value, history_rows))),
        }
    }

    /// Attends to the selected events: `[B, C, D]`. Users without any event get a zero vector.
    pub fn attend(
        &self,
        projected: Projected,
        relevance: Option<Tensor<4>>,
        selection: &Selection,
        history: &Events,
    ) -> Tensor<3> {
        let [_, heads, _, width] = projected.query.dims();
        let scores = relevance.unwrap_or_else(|| projected.relevance());
        let weights = softmax(scores / (width as f64).sqrt() + selection.bias.clone(), 3);
        let attended = weights.matmul(projected.value);
        let [batch, _, candidates, _] = attended.dims();
        let concatenated = attended.swap_dims(1, 2).reshape([batch, candidates, heads * width]);
        let output = self.output.forward(concatenated);
        if !self.mask_padding {
            return output;
        }
        let any: Tensor<3> = history.mask().max_dim(1).unsqueeze_dim(2);
        output * any
    }

    /// As published: selected padding takes part as a zero row, whose key and value are the biases.
    pub fn with_zero_rows(&self, projected: Projected, history: &Events) -> Projected {
        let [batch, length] = history.dims();
        let mask = history.mask().reshape([batch, 1, length, 1]);
        let empty = mask.clone().neg() + 1.0;
        let biased = |rows: Tensor<4>, layers: &[Linear]| {
            let bias = layers.iter().map(|l| l.bias.as_ref().expect("heads have a bias").val());
            let bias = Tensor::cat(bias.collect(), 0).reshape([1, layers.len() as i32, 1, -1]);
            rows * mask.clone() + empty.clone() * bias
        };
        Projected {
            query: projected.query,
            key: biased(projected.key, &self.key),
            value: biased(projected.value, &self.value),
        }
    }

    /// `[B, L, H·D]` to `[B, H, L, D]`.
    fn split_heads(&self, rows: Tensor<3>) -> Tensor<4> {
        let [batch, length, width] = rows.dims();
        let heads = self.query.len();
        rows.reshape([batch, length, heads, width / heads]).swap_dims(1, 2)
    }
}

/// All heads of a projection as one product: `[U, D]` to `[U, H·D]`.
fn all_heads(layers: &[Linear], rows: Tensor<2>) -> Tensor<2> {
    let weight = Tensor::cat(layers.iter().map(|l| l.weight.val()).collect(), 1);
    let bias = layers.iter().map(|l| l.bias.as_ref().expect("heads have a bias").val());
    rows.matmul(weight) + Tensor::cat(bias.collect(), 0).unsqueeze_dim(0)
}
