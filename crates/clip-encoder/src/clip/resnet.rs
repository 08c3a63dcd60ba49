//! CLIP's ResNet: a stem of three convolutions, bottlenecks that average before they stride, attention pooling.

use burn::tensor::module::{avg_pool2d, conv2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions};
use burn::tensor::{Device, Tensor, activation};

use crate::checkpoint::{Array, Weights};
use crate::clip::block::{Linear, tensor};
use crate::clip::config::{ClipConfig, VisionConfig};
use crate::error::Result;

/// A convolution and the batch normalisation after it: at inference, one factor and one shift per channel.
#[derive(Debug)]
struct ConvNorm {
    weight: Tensor<4>,
    bias: Tensor<1>,
    stride: usize,
    padding: usize,
}

impl ConvNorm {
    fn new(w: &Weights, conv: &str, norm: &str, stride: usize, device: &Device) -> Result<Self> {
        let kernel = w.get(&format!("{conv}.weight"), 4)?;
        let channels = kernel.shape[0];
        let of = |part: &str| w.shaped(&format!("{norm}.{part}"), [channels]).map(|array| &array.values);
        let (scale, shift, mean, variance) =
            (of("weight")?, of("bias")?, of("running_mean")?, of("running_var")?);
        let factors: Vec<f32> = scale.iter().zip(variance).map(|(s, v)| s / (v + 1e-5).sqrt()).collect();
        let window = kernel.values.len() / channels.max(1);
        let values =
            kernel.values.iter().enumerate().map(|(at, x)| x * factors[at / window.max(1)]).collect();
        let bias = shift.iter().zip(mean).zip(&factors).map(|((shift, mean), f)| shift - mean * f).collect();
        Ok(Self {
            weight: tensor(&Array { shape: kernel.shape.clone(), values }, device),
            bias: tensor(&Array { shape: vec![channels], values: bias }, device),
            stride,
            padding: kernel.shape[2] / 2,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let options = ConvOptions::new([self.stride; 2], [self.padding; 2], [1; 2], 1);
        conv2d(x, self.weight.clone(), Some(self.bias.clone()), options)
    }
}

/// 1×1, 3×3 and 1×1 convolutions around a shortcut.
#[derive(Debug)]
struct Bottleneck {
    convolutions: [ConvNorm; 3],
    shortcut: Option<ConvNorm>,
    stride: usize,
}

impl Bottleneck {
    fn new(w: &Weights, at: &str, stride: usize, device: &Device) -> Result<Self> {
        let conv = |n: usize| ConvNorm::new(w, &format!("{at}.conv{n}"), &format!("{at}.bn{n}"), 1, device);
        let shortcut = w.has(&format!("{at}.downsample.0.weight"));
        let shortcut = shortcut.then(|| {
            ConvNorm::new(w, &format!("{at}.downsample.0"), &format!("{at}.downsample.1"), 1, device)
        });
        Ok(Self { convolutions: [conv(1)?, conv(2)?, conv(3)?], shortcut: shortcut.transpose()?, stride })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let pool = |x: Tensor<4>| match self.stride {
            1 => x,
            stride => avg_pool2d(x, AvgPoolOptions::new([stride; 2])),
        };
        let [first, second, third] = &self.convolutions;
        let inner = activation::relu(first.forward(x.clone()));
        let inner = pool(activation::relu(second.forward(inner)));
        let shortcut = match &self.shortcut {
            Some(shortcut) => shortcut.forward(pool(x)),
            None => x,
        };
        activation::relu(third.forward(inner) + shortcut)
    }
}

#[derive(Debug)]
pub(super) struct ResNet {
    stem: [ConvNorm; 3],
    bottlenecks: Vec<Bottleneck>,
    positions: Tensor<2>,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
}

impl ResNet {
    pub(super) fn new(config: &ClipConfig, w: &Weights, device: &Device) -> Result<Self> {
        let VisionConfig::ResNet { resolution, width, layers } = config.vision else {
            return Err(w.fail("holds no ResNet"));
        };
        let stem = |n: usize, stride| {
            ConvNorm::new(w, &format!("visual.conv{n}"), &format!("visual.bn{n}"), stride, device)
        };
        let mut bottlenecks = Vec::new();
        for (layer, &count) in (1..).zip(&layers) {
            for number in 0..count {
                let stride = if layer > 1 && number == 0 { 2 } else { 1 };
                bottlenecks.push(Bottleneck::new(
                    w,
                    &format!("visual.layer{layer}.{number}"),
                    stride,
                    device,
                )?);
            }
        }
        let wide = width * 32;
        let linear = |name: &str, to: usize| {
            let at = format!("visual.attnpool.{name}");
            Linear::new(w, &format!("{at}.weight"), &format!("{at}.bias"), wide, to, device)
        };
        let places = (resolution / 32).pow(2) + 1;
        Ok(Self {
            stem: [stem(1, 2)?, stem(2, 1)?, stem(3, 1)?],
            bottlenecks,
            positions: tensor(w.shaped("visual.attnpool.positional_embedding", [places, wide])?, device),
            query: linear("q_proj", wide)?,
            key: linear("k_proj", wide)?,
            value: linear("v_proj", wide)?,
            out: linear("c_proj", config.embedding)?,
            heads: config.image_heads,
        })
    }

    /// Pixels `[batch, 3, size, size]` to embeddings `[batch, dim]`.
    pub(super) fn forward(&self, pixels: Tensor<4>) -> Tensor<2> {
        let stem = self.stem.iter().fold(pixels, |x, conv| activation::relu(conv.forward(x)));
        let stem = avg_pool2d(stem, AvgPoolOptions::new([2; 2]));
        self.pool(self.bottlenecks.iter().fold(stem, |x, bottleneck| bottleneck.forward(x)))
    }

    /// Attention pooling: the mean over all positions is the query.
    fn pool(&self, x: Tensor<4>) -> Tensor<2> {
        let [batch, wide, height, across] = x.dims();
        let (heads, head, places) = (self.heads, wide / self.heads, height * across + 1);
        let x = x.reshape([batch, wide, height * across]).swap_dims(1, 2);
        let x = Tensor::cat(vec![x.clone().mean_dim(1), x], 1) + self.positions.clone().unsqueeze();
        let mean = x.clone().narrow(1, 0, 1).reshape([batch, wide]);
        let all = x.reshape([batch * places, wide]);
        let split =
            |rows: Tensor<2>, places: usize| rows.reshape([batch, places, heads, head]).swap_dims(1, 2);
        let query = split(self.query.forward(mean), 1) * (head as f64).powf(-0.5);
        let weights =
            activation::softmax(query.matmul(split(self.key.forward(all.clone()), places).transpose()), 3);
        let mixed = weights.matmul(split(self.value.forward(all), places));
        self.out.forward(mixed.swap_dims(1, 2).reshape([batch, wide]))
    }
}
