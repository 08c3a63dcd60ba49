//! One vector of a query and an item.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Distribution, Tensor};

use crate::config::{FusionKind, ModelConfig};
use crate::init::Init;

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
    pub(crate) fn new(config: &ModelConfig, init: &mut Init) -> Self {
        let gated = matches!(config.fusion, FusionKind::SoftmaxGate | FusionKind::GumbelGate);
        let gate = gated.then(|| init.uniform(config.width, 2, true));
        Self { gate, query_weight: config.query_weight, kind: config.fusion }
    }

    /// The weighted average, whatever the configured kind.
    pub fn weighted_average(&self, query: Tensor<2>, item: Tensor<2>) -> Tensor<2> {
        query * self.query_weight + item * (1.0 - self.query_weight)
    }

    /// Fuses `[U, D]` queries and items.
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
