//! The output head: a logit from what was attended to and the target.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use crate::config::ModelConfig;
use crate::init::Init;

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
    pub(crate) fn new(config: &ModelConfig, init: &mut Init) -> Self {
        let width = config.width;
        Self {
            hidden: init.uniform(2 * width, width, true),
            output: init.uniform(width, 1, true),
            interaction: config.switches.interaction,
        }
    }

    /// Logits `[B, C]` of user vectors and targets, both `[B, C, D]`.
    pub fn forward(&self, user: Tensor<3>, target: Tensor<3>) -> Tensor<2> {
        let both = Tensor::cat(vec![user.clone(), target.clone()], 2);
        let logits = self.output.forward(relu(self.hidden.forward(both)));
        let logits = if self.interaction { logits + (user * target).sum_dim(2) } else { logits };
        logits.squeeze_dim(2)
    }
}
