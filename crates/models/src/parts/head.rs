//! The output head: a logit from what was attended to and the target.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::init::Init;

/// `logit = W₂ relu(W₁ [u ; t] + b₁) + b₂`.
#[derive(Module, Debug)]
pub struct Head {
    /// 2D to D.
    pub hidden: Linear,
    /// D to 1.
    pub output: Linear,
}

impl Head {
    pub(crate) fn new(width: usize, init: &mut Init) -> Self {
        Self { hidden: init.uniform(2 * width, width, true), output: init.uniform(width, 1, true) }
    }

    /// Logits `[B, C]` of user vectors and targets, both `[B, C, D]`.
    pub fn forward(&self, user: Tensor<3>, target: Tensor<3>) -> Tensor<2> {
        let both = Tensor::cat(vec![user, target], 2);
        self.output.forward(relu(self.hidden.forward(both))).squeeze_dim(2)
    }

    /// A head with random weights.
    pub fn init(width: usize, seed: u64, device: &Device) -> Self {
        Self::new(width, &mut Init::new(seed, device))
    }
}
