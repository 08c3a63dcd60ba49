//! The output head: a logit from what was attended to and the target.
//!
//! In formulas:
//!
//! ```text
//! head(u, t)    = final_deep_layers.2(relu(final_deep_layers.0([u; t]))) + u · t
//! head(u, s, t) = final_deep_layers.2(relu(final_deep_layers.0([u; t; s; s ⊙ t]))) + u · t + s · t, s the state of a short-term tower
//! ```

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::init::Init;
use crate::parts::{Pairs, States};

/// The settings of a [`Head`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadConfig {
    /// D, the width of user vectors and targets; 64.
    pub dim: usize,
    /// Adds the inner product of user vector and target to the logit; true. Published: the layers alone.
    pub interaction: bool,
    /// The head reads the state of a short-term tower, too; false.
    pub short_term: bool,
    /// Seed of the initial weights; 42.
    pub seed: u64,
}

impl Default for HeadConfig {
    fn default() -> Self {
        Self { dim: 64, interaction: true, short_term: false, seed: 42 }
    }
}

impl HeadConfig {
    /// A head with initial weights on `device`.
    pub fn init(&self, device: &Device) -> Head {
        self.draw(&mut Init::of_part("head", self.seed, device))
    }

    pub(crate) fn draw(&self, init: &mut Init) -> Head {
        let inputs = if self.short_term { 4 } else { 2 };
        Head {
            hidden: init.uniform(inputs * self.dim, self.dim, true),
            output: init.uniform(self.dim, 1, true),
            interaction: self.interaction,
        }
    }
}

/// `logit = W₂ relu(W₁ [u ; t] + b₁) + b₂`, and `⟨u, t⟩` with interaction.
#[derive(Module, Debug)]
pub struct Head {
    /// 2D to D; 4D to D with a short-term tower.
    pub hidden: Linear,
    /// D to 1.
    pub output: Linear,
    interaction: bool,
}

impl Head {
    /// Logits `[B, C]` of what was attended to, `[B, C, D]`, and of the states of a short-term tower where the head was made for one.
    ///
    /// With a tower the first layer is taken apart, `W₁ [u; t; s; s ⊙ t] = W_u u + W_t t + W_s s + W_p (s ⊙ t)`: what depends on the target
    /// or the user alone is computed once for each of them.
    pub(crate) fn answer(
        &self,
        attended: Tensor<3>,
        states: Option<&States>,
        pairs: &Pairs<'_>,
    ) -> Tensor<2> {
        let targets = pairs.placed_targets();
        let Some(states) = states else { return self.forward(attended, targets) };
        let [batch, count, width] = targets.dims();
        let part = |number: usize| self.hidden.weight.val().narrow(0, number * width, width);
        let apart = |rows: Tensor<3>, number: usize| {
            rows.reshape([batch * count, width]).matmul(part(number)).reshape([batch, count, width])
        };
        let by_target = pairs.candidates.place(pairs.targets.clone().matmul(part(1)));
        let by_short = states.each(states.rows.clone().matmul(part(2)), pairs.candidates);
        let product = states.each(states.rows.clone(), pairs.candidates) * targets.clone();
        let mut hidden = apart(attended.clone(), 0) + apart(product.clone(), 3) + by_target + by_short;
        if let Some(bias) = &self.hidden.bias {
            hidden = hidden + bias.val().reshape([1, 1, width]);
        }
        let logits = self.output.forward(relu(hidden)) + product.sum_dim(2);
        let logits = if self.interaction { logits + (attended * targets).sum_dim(2) } else { logits };
        logits.squeeze_dim(2)
    }

    /// Logits `[B, C]` of user vectors and targets, both `[B, C, D]`.
    pub fn forward(&self, user: Tensor<3>, target: Tensor<3>) -> Tensor<2> {
        self.forward_with(user, None, target)
    }

    /// The same where a short-term tower says `short`, `[B, C, D]`, of the user as well.
    pub fn forward_with(&self, user: Tensor<3>, short: Option<Tensor<3>>, target: Tensor<3>) -> Tensor<2> {
        let mut inputs = vec![user.clone(), target.clone()];
        let product = short.map(|short| {
            let product = short.clone() * target.clone();
            inputs.extend([short, product.clone()]);
            product.sum_dim(2)
        });
        let logits = self.output.forward(relu(self.hidden.forward(Tensor::cat(inputs, 2))));
        let logits = if self.interaction { logits + (user * target).sum_dim(2) } else { logits };
        let logits = match product {
            Some(product) => logits + product,
            None => logits,
        };
        logits.squeeze_dim(2)
    }
}
