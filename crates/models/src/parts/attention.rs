//! The exact search unit (ESU): multi-head target attention over the selected events.
//!
//! In formulas:
//!
//! ```text
//! Q_h(t), K_h(x), V_h(x) = wQ_list[h](t), wK_list[h](x), wV_list[h](x)
//! s_hl      = Q_h(t) · K_h(x_l), and with biases + attention_distance[h, min(d, P)] + attention_elapsed[h, bucket(Δ)], d events and Δ seconds
//!             between event l and the request, bucket(Δ) = min(⌊ln(max(Δ, 1)) / 0.301⌋, 63), 64 where Δ is not known
//!             with rows by distance or time, x_l stands for x_l + 0.02 · attention_distance_rows[min(d, P')] + attention_elapsed_rows[bucket(Δ)]
//! p_hl      = softmax over the selected events l of s_hl / √D
//! o_h       = Σ_l p_hl · V_h(x_l)
//! ESU(t, S) = wO([o_1; …; o_H]), 0 for a user without events; S are the selected events, one set or a set per head
//! ```

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::events::Events;
use crate::init::Init;
use crate::parts::{PlacedRows, Recency, RecencyConfig, Selection};

/// The settings of a [`TargetAttention`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetAttentionConfig {
    /// D, the width of events, targets and each head; 64.
    pub dim: usize,
    /// H; 4.
    pub heads: usize,
    /// Q, K and V are trained; true. Published: they stay as drawn.
    pub trained: bool,
    /// Q, K and V start as the identity plus random numbers, and the output as a mean of heads; true. Published: random alone.
    pub identity_start: bool,
    /// P: distances to the request with a bias of their own, see [`Recency`]; 0: the order of events counts for nothing.
    pub distances: usize,
    /// The time to the request has a bias, see [`Recency`]; false.
    pub elapsed: bool,
    /// P': distances to the request with a row of their own, which keys and values see, see [`Recency`]; 0.
    pub distance_rows: usize,
    /// The time to the request has a row, which keys and values see, see [`Recency`]; false.
    pub elapsed_rows: bool,
    /// Padding is never attended to; true. Published: it enters as zero rows.
    pub mask_padding: bool,
    /// Seed of the initial weights; 42.
    pub seed: u64,
}

impl Default for TargetAttentionConfig {
    fn default() -> Self {
        Self {
            dim: 64,
            heads: 4,
            trained: true,
            identity_start: true,
            distances: 0,
            elapsed: false,
            distance_rows: 0,
            elapsed_rows: false,
            mask_padding: true,
            seed: 42,
        }
    }
}

impl TargetAttentionConfig {
    /// A unit with initial weights on `device`.
    pub fn init(&self, device: &Device) -> TargetAttention {
        self.draw(&mut Init::of_part("attention", self.seed, device))
    }

    pub(crate) fn draw(&self, init: &mut Init) -> TargetAttention {
        let mut heads = || -> Vec<Linear> {
            let layers = (0..self.heads).map(|_| init.search_layer(self.dim, self.identity_start));
            match self.trained {
                true => layers.collect(),
                false => layers.map(|layer| layer.no_grad()).collect(),
            }
        };
        let (query, key, value) = (heads(), heads(), heads());
        let output = init.normal(self.heads * self.dim, self.dim);
        let output = if self.identity_start { init.plus_identity(output) } else { output };
        let &Self { distances, elapsed, distance_rows, elapsed_rows, .. } = self;
        let recency = RecencyConfig { distances, elapsed, distance_rows, elapsed_rows };
        let recency = recency.draw(self.heads, self.dim, init);
        TargetAttention { query, key, value, output, recency, mask_padding: self.mask_padding }
    }
}

/// Heads of full width D: `s = Q(t) · K(x) / √D`, `p = softmax(s)` over the selected events, `o = p · V(x)`, and
/// `W_O [o₁ ; … ; o_H]`.
///
/// None of it needs a projected history. As `Q(t) · K(x) = (t W_Q W_Kᵀ + b_Q W_Kᵀ) · x + Q(t) · b_K`, keys are
/// absorbed into the unique targets; as the weights sum to 1, `p · V(x) W_O = (p · x) W_V W_O + b_V W_O`, and values
/// into the output. The history enters once, as `[B, L, D]`, for all heads and candidates, and is attended to
/// densely: events that were not selected get the weight zero. The numbers are those of gathering K projected rows
/// for each candidate and head.
#[derive(Module, Debug)]
pub struct TargetAttention {
    /// Q, a layer per head.
    pub query: Vec<Linear>,
    /// K.
    pub key: Vec<Linear>,
    /// V.
    pub value: Vec<Linear>,
    /// H·D to D.
    pub output: Linear,
    /// Biases by distance and time, if any.
    pub recency: Option<Recency>,
    mask_padding: bool,
}

/// Targets and history, ready for both stages.
#[derive(Clone, Debug)]
pub struct Projected {
    /// `W_K Q(t)`, `[B, C·H, D]`.
    target: Tensor<3>,
    /// `Q(t) · b_K`, `[B, C, H, 1]`.
    shift: Tensor<4>,
    /// x, `[B, L, D]`; of padded positions, the padding row.
    history: Tensor<3>,
    /// What distances and times add to scores.
    recency: Option<Tensor<4>>,
    /// What they add to events.
    rows: Option<PlacedRows>,
}

impl Projected {
    /// `Q(t) · K(x)`, not scaled, `[B, C, H, L]`: TWIN's relevance.
    pub fn relevance(&self) -> Tensor<4> {
        let [batch, candidates, heads, _] = self.shift.dims();
        let length = self.history.dims()[1];
        let products = self.target.clone().matmul(self.history.clone().swap_dims(1, 2));
        let scores = products.reshape([batch, candidates, heads, length]) + self.shift.clone();
        let scores = match &self.recency {
            Some(bias) => scores + bias.clone(),
            None => scores,
        };
        match &self.rows {
            Some(rows) => scores + rows.scores(&self.target, heads),
            None => scores,
        }
    }

    /// As published: padding is a zero row, whose key and value are the biases.
    pub fn with_zero_rows(self, history: &Events) -> Self {
        let mask = history.float_mask().unsqueeze_dim(2);
        Self { history: self.history * mask, ..self }
    }
}

impl TargetAttention {
    /// Whether padding is never attended to.
    pub(crate) fn masks_padding(&self) -> bool {
        self.mask_padding
    }

    /// Keys absorbed into unique targets `[V, D]`: `W_K Q(t)` of all heads `[V, H·D]`, and `Q(t) · b_K`, `[V, H]`.
    pub fn absorb(&self, targets: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let per_head = self.query.iter().zip(&self.key);
        let (absorbed, shifts): (Vec<_>, Vec<_>) = per_head
            .map(|(query, key)| {
                let weight = key.weight.val();
                let absorbed = query.weight.val().matmul(weight.clone().transpose());
                let offset = row(bias(query)).matmul(weight.transpose());
                let key_bias = row(bias(key)).transpose();
                let shift = targets.clone().matmul(query.weight.val().matmul(key_bias.clone()))
                    + row(bias(query)).matmul(key_bias);
                (targets.clone().matmul(absorbed) + offset, shift)
            })
            .unzip();
        (Tensor::cat(absorbed, 1), Tensor::cat(shifts, 1))
    }

    /// Takes unique events, `history_rows` `[U, D]` and `target_rows` `[V, D]`, to their positions.
    pub fn project(
        &self,
        history: &Events,
        history_rows: Tensor<2>,
        candidates: &Events,
        target_rows: Tensor<2>,
    ) -> Projected {
        let heads = self.query.len();
        let width = target_rows.dims()[1];
        let [batch, count] = candidates.dims();
        let (targets, shifts) = self.absorb(&target_rows);
        Projected {
            target: candidates.place(targets).reshape([batch, count * heads, width]),
            shift: candidates.place(shifts).reshape([batch, count, heads, 1]),
            history: history.place(history_rows),
            recency: self.recency.as_ref().and_then(|recency| recency.bias(history, candidates)),
            rows: self.recency.as_ref().and_then(|recency| recency.rows(history, candidates)),
        }
    }

    /// Attends to the selected events: `[B, C, D]`. `any` is 1 for users with an event, `[B, 1, 1]`, or for candidates that see one,
    /// `[B, C, 1]`; the others get a zero vector.
    ///
    /// `relevance` saves computing [`Projected::relevance`] again.
    pub fn attend(
        &self,
        projected: Projected,
        relevance: Option<Tensor<4>>,
        selection: &Selection,
        any: Tensor<3>,
    ) -> Tensor<3> {
        let [batch, length, width] = projected.history.dims();
        let scores = relevance.unwrap_or_else(|| projected.relevance());
        let [_, candidates, heads, _] = scores.dims();
        let weights = weights(scores, width, selection);
        let added = projected.rows.map(|rows| rows.means(&weights));
        let means = weights.reshape([batch, candidates * heads, length]).matmul(projected.history);
        let means = match added {
            Some(added) => means + added,
            None => means,
        };
        self.combine(means.reshape([batch * candidates, heads * width]), any)
    }

    /// From the heads' weighted means of events, `[B·C, H·D]`, to the unit's output, `[B, C, D]`; `any` as for [`Self::attend`].
    pub(crate) fn combine(&self, means: Tensor<2>, any: Tensor<3>) -> Tensor<3> {
        let [rows, columns] = means.dims();
        let width = columns / self.query.len();
        let [batch, ..] = any.dims();
        let (weight, offset) = self.values_and_output(width);
        let output = (means.matmul(weight) + offset).reshape([batch, rows / batch, width]);
        if self.mask_padding { output * any } else { output }
    }

    /// `W_V W_O` of all heads, `[H·D, D]`, and what their biases add up to, `[1, D]`.
    pub(crate) fn values_and_output(&self, width: usize) -> (Tensor<2>, Tensor<2>) {
        let output = self.output.weight.val();
        let part = |head: usize| output.clone().narrow(0, head * width, width);
        let weights = self.value.iter().enumerate().map(|(head, v)| v.weight.val().matmul(part(head)));
        let weight = Tensor::cat(weights.collect(), 0);
        let offsets = self.value.iter().enumerate().map(|(head, v)| row(bias(v)).matmul(part(head)));
        let offset = offsets.fold(row(bias(&self.output)), |sum, next| sum + next);
        (weight, offset)
    }
}

/// `softmax(s / √D)` over the selected events, `[B, C, H, L]`.
pub(crate) fn weights(scores: Tensor<4>, width: usize, selection: &Selection) -> Tensor<4> {
    softmax(scores / (width as f64).sqrt() + selection.bias.clone(), 3)
}

fn bias(layer: &Linear) -> Tensor<1> {
    layer.bias.as_ref().expect("attention layers have a bias").val()
}

fn row(values: Tensor<1>) -> Tensor<2> {
    values.unsqueeze_dim(0)
}
