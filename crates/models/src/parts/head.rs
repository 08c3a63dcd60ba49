//! The output head: a logit from what was attended to and the target.
//!
//! In formulas:
//!
//! ```text
//! head(u, t) = final_deep_layers.2(relu(final_deep_layers.0([u; t]))) + u · t
//! ```

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::init::Init;

/// The settings of a [`Head`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadConfig {
    /// D, the width of user vectors and targets; 64.
    pub dim: usize,
    /// Adds the inner product of user vector and target to the logit; true. Published: the layers alone.
    pub interaction: bool,
    /// Seed of the initial weights; 42.
    pub seed: u64,
}

impl Default for HeadConfig {
    fn default() -> Self {
        Self { dim: 64, interaction: true, seed: 42 }
    }
}

impl HeadConfig {
    /// A head with initial weights on `device`.
    pub fn init(&self, device: &Device) -> Head {
        self.draw(&mut Init::of_part("head", self.seed, device))
    }

    pub(crate) fn draw(&self, init: &mut Init) -> Head {
        Head {
            hidden: init.uniform(2 * self.dim, self.dim, true),
            output: init.uniform(self.dim, 1, true),
            interaction: self.interaction,
        }
    }
}

/// `logit = W₂ relu(W₁ [u ; t] + b₁) + b₂`, and `⟨u, t⟩` with interaction.
#[derive(Module, Debug)]
pub struct Head {
    /// 2D to D.
    pub hidden: Linear,
    /// D to 1.
    pub output: Linear,
    interaction: bool,
}

impl Head {
    /// Logits `[B, C]` of user vectors and targets, both `[B, C, D]`.
    pub fn forward(&self, user: Tensor<3>, target: Tensor<3>) -> Tensor<2> {
        let both = Tensor::cat(vec![user.clone(), target.clone()], 2);
        let logits = self.output.forward(relu(self.hidden.forward(both)));
        let logits = if self.interaction { logits + (user * target).sum_dim(2) } else { logits };
        logits.squeeze_dim(2)
    }
}
