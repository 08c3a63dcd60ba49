//! One vector of a query and an item.
//!
//! In formulas:
//!
//! ```text
//! weighted_average  fusion = a · q + (1 − a) · i, a = query_weight
//! add               fusion = q + i
//! softmax_gate      fusion = γ₁ · q + γ₂ · i, γ = softmax(pair_fusion_gate(i))
//! gumbel_gate       the same; while training, Gumbel noise is added before the softmax
//! ```

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Distribution, Tensor};
use serde::{Deserialize, Serialize};

use crate::init::Init;
use crate::kinds::FusionKind;

/// The settings of a [`PairFusion`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairFusionConfig {
    /// D; 64.
    pub dim: usize,
    /// How queries and items are fused; by a weighted average.
    pub kind: FusionKind,
    /// a: weight of the query in a weighted average; 0.5.
    pub query_weight: f64,
    /// Seed of the initial weights of a gate; 42.
    pub seed: u64,
}

impl Default for PairFusionConfig {
    fn default() -> Self {
        Self { dim: 64, kind: FusionKind::WeightedAverage, query_weight: 0.5, seed: 42 }
    }
}

impl PairFusionConfig {
    /// A fusion with initial weights on `device`.
    pub fn init(&self, device: &Device) -> PairFusion {
        self.draw(&mut Init::of_part("fusion", self.seed, device))
    }

    pub(crate) fn draw(&self, init: &mut Init) -> PairFusion {
        let gated = matches!(self.kind, FusionKind::SoftmaxGate | FusionKind::GumbelGate);
        let gate = gated.then(|| init.uniform(self.dim, 2, true));
        PairFusion { gate, query_weight: self.query_weight, kind: self.kind }
    }
}

/// Pair fusion (section 2.3 of the reference page): weighted average, sum, or gates from the item.
#[derive(Module, Debug)]
pub struct PairFusion {
    /// D to 2, where the kind of fusion has gates.
    pub gate: Option<Linear>,
    query_weight: f64,
    #[module(skip)]
    kind: FusionKind,
}

impl PairFusion {
    /// The weighted average, whatever the configured kind.
    pub fn weighted_average(&self, query: Tensor<2>, item: Tensor<2>) -> Tensor<2> {
        query * self.query_weight + item * (1.0 - self.query_weight)
    }

    /// Fuses queries and items, `[U, D]` each, to `[U, D]`.
    pub fn forward(&self, query: Tensor<2>, item: Tensor<2>) -> Tensor<2> {
        let Some(gate) = &self.gate else {
            return match self.kind {
                FusionKind::Add => query + item,
                _ => self.weighted_average(query, item),
            };
        };
        let mut logits = gate.forward(item.clone());
        if self.kind == FusionKind::GumbelGate && logits.device().is_autodiff() {
            let uniform = logits.random_like(Distribution::Uniform(1e-6, 1.0 - 1e-6));
            logits = logits - uniform.log().neg().log();
        }
        let gates = softmax(logits, 1);
        query * gates.clone().narrow(1, 0, 1) + item * gates.narrow(1, 1, 1)
    }
}
