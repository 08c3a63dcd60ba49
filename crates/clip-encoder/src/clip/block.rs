//! A residual attention block, and the layers it is made of.

use burn::tensor::{Device, Tensor, TensorData, activation};

use crate::checkpoint::{Array, Weights};
use crate::clip::settings::Activation;
use crate::error::Result;

/// An array as a tensor.
pub(super) fn tensor<const N: usize>(array: &Array, device: &Device) -> Tensor<N> {
    Tensor::from_data(TensorData::new(array.values.clone(), array.shape.clone()), device)
}

/// `x Wᵀ + b`.
#[derive(Debug)]
pub(super) struct Linear {
    /// `[in, out]`.
    weight: Tensor<2>,
    bias: Tensor<1>,
}

impl Linear {
    /// A layer whose weights are stored `[out, in]`, as PyTorch does.
    pub(super) fn new(
        w: &Weights,
        weight: &str,
        bias: &str,
        from: usize,
        to: usize,
        device: &Device,
    ) -> Result<Self> {
        let weight = tensor::<2>(w.shaped(weight, [to, from])?, device).transpose();
        // A transposed view would be laid out anew at every product.
        let weight = Tensor::from_data(weight.into_data(), device);
        Ok(Self { weight, bias: tensor(w.shaped(bias, [to])?, device) })
    }

    /// Rows `[n, in]` to `[n, out]`.
    pub(super) fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        rows.matmul(self.weight.clone()) + self.bias.clone().unsqueeze()
    }
}

/// Layer normalisation over the last side.
#[derive(Debug)]
pub(super) struct LayerNorm {
    scale: Tensor<1>,
    shift: Tensor<1>,
}

impl LayerNorm {
    pub(super) fn new(w: &Weights, name: &str, width: usize, device: &Device) -> Result<Self> {
        Ok(Self {
            scale: tensor(w.shaped(&format!("{name}.weight"), [width])?, device),
            shift: tensor(w.shaped(&format!("{name}.bias"), [width])?, device),
        })
    }

    /// Rows `[n, width]`.
    pub(super) fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        let centred = rows.clone() - rows.mean_dim(1);
        let variance = centred.clone().square().mean_dim(1);
        centred / (variance + 1e-5).sqrt() * self.scale.clone().unsqueeze() + self.shift.clone().unsqueeze()
    }
}

impl Activation {
    fn apply(self, rows: Tensor<2>) -> Tensor<2> {
        match self {
            Self::QuickGelu => rows.clone() * activation::sigmoid(rows * 1.702),
            Self::Gelu => activation::gelu(rows),
        }
    }
}

/// `x + attention(norm x)`, then `x + mlp(norm x)`.
#[derive(Debug)]
struct Block {
    attention_norm: LayerNorm,
    into: Linear,
    out: Linear,
    mlp_norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
}

/// The form of a stack of blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) activation: Activation,
}

/// A stack of blocks.
#[derive(Debug)]
pub(super) struct Transformer {
    blocks: Vec<Block>,
    form: Form,
}

impl Transformer {
    pub(super) fn new(w: &Weights, name: &str, form: Form, device: &Device) -> Result<Self> {
        let width = form.width;
        let block = |layer| -> Result<Block> {
            let at = format!("{name}.resblocks.{layer}");
            let linear = |weight: &str, bias: &str, from, to| {
                Linear::new(w, &format!("{at}.{weight}"), &format!("{at}.{bias}"), from, to, device)
            };
            // Four times the width in most models, a little more in the largest ones.
            let inner = w.get(&format!("{at}.mlp.c_fc.weight"), 2)?.shape[0];
            Ok(Block {
                attention_norm: LayerNorm::new(w, &format!("{at}.ln_1"), width, device)?,
                into: linear("attn.in_proj_weight", "attn.in_proj_bias", width, 3 * width)?,
                out: linear("attn.out_proj.weight", "attn.out_proj.bias", width, width)?,
                mlp_norm: LayerNorm::new(w, &format!("{at}.ln_2"), width, device)?,
                widen: linear("mlp.c_fc.weight", "mlp.c_fc.bias", width, inner)?,
                narrow: linear("mlp.c_proj.weight", "mlp.c_proj.bias", inner, width)?,
            })
        };
        Ok(Self { blocks: (0..form.layers).map(block).collect::<Result<_>>()?, form })
    }

    /// `[batch, length, width]`, under a mask `[length, length]` that is added to the scores, if there is one.
    pub(super) fn forward(&self, x: Tensor<3>, mask: Option<&Tensor<2>>) -> Tensor<3> {
        let [batch, length, width] = x.dims();
        let mut rows = x.reshape([batch * length, width]);
        for block in &self.blocks {
            let joined = block.into.forward(block.attention_norm.forward(rows.clone()));
            let mixed = self.attend(joined.reshape([batch, length, 3 * width]), mask);
            rows = rows + block.out.forward(mixed.reshape([batch * length, width]));
            let wide = block.widen.forward(block.mlp_norm.forward(rows.clone()));
            let wide = self.form.activation.apply(wide);
            rows = rows + block.narrow.forward(wide);
        }
        rows.reshape([batch, length, width])
    }

    /// Scaled dot-product attention of all heads; queries, keys and values lie side by side.
    fn attend(&self, joined: Tensor<3>, mask: Option<&Tensor<2>>) -> Tensor<3> {
        let [batch, length, _] = joined.dims();
        let Form { width, heads, .. } = self.form;
        let head = width / heads;
        let part = |which: usize| {
            let own = joined.clone().narrow(2, which * width, width);
            own.reshape([batch, length, heads, head]).swap_dims(1, 2)
        };
        let scores = (part(0) * (head as f64).powf(-0.5)).matmul(part(1).transpose());
        let scores = match mask {
            Some(mask) => scores + mask.clone().unsqueeze(),
            None => scores,
        };
        let mixed = activation::softmax(scores, 3).matmul(part(2));
        mixed.swap_dims(1, 2).reshape([batch, length, width])
    }
}
