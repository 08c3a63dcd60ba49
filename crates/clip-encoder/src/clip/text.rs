//! The text tower: a causal transformer, read at the end token.

use burn::tensor::{Device, Tensor, TensorData};

use crate::checkpoint::Weights;
use crate::clip::block::{Form, LayerNorm, Transformer, tensor};
use crate::clip::config::ClipConfig;
use crate::error::Result;

#[derive(Debug)]
pub(super) struct TextTower {
    /// `[vocabulary, width]`, outside the device: a batch needs a few rows of it.
    words: Vec<f32>,
    positions: Tensor<2>,
    transformer: Transformer,
    norm: LayerNorm,
    projection: Tensor<2>,
    width: usize,
}

impl TextTower {
    pub(super) fn new(config: &ClipConfig, w: &Weights, device: &Device) -> Result<Self> {
        let width = config.text_width;
        let form = Form {
            width,
            layers: config.text_layers,
            heads: config.text_heads,
            activation: config.activation,
        };
        Ok(Self {
            words: w.get("token_embedding.weight", 2)?.values.clone(),
            positions: tensor(w.shaped("positional_embedding", [config.context, width])?, device),
            transformer: Transformer::new(w, "transformer", form, device)?,
            norm: LayerNorm::new(w, "ln_final", width, device)?,
            projection: tensor(w.shaped("text_projection", [width, config.embedding])?, device),
            width,
        })
    }

    /// Embeddings `[texts, dim]` of token lists, each with its end token last.
    pub(super) fn forward(&self, texts: &[&[u32]], device: &Device) -> Tensor<2> {
        let length = texts.iter().map(|tokens| tokens.len()).max().unwrap_or(1);
        let mut rows = vec![0.0; texts.len() * length * self.width];
        for (tokens, rows) in texts.iter().zip(rows.chunks_exact_mut(length * self.width)) {
            for (&token, row) in tokens.iter().zip(rows.chunks_exact_mut(self.width)) {
                row.copy_from_slice(&self.words[token as usize * self.width..][..self.width]);
            }
        }
        let shape = [texts.len(), length, self.width];
        let x = Tensor::<3>::from_data(TensorData::new(rows, shape), device);
        let x = x + self.positions.clone().narrow(0, 0, length).unsqueeze();
        let future = |at: usize| if at % length > at / length { f32::NEG_INFINITY } else { 0.0 };
        let mask: Vec<f32> = (0..length * length).map(future).collect();
        let mask = Tensor::from_data(TensorData::new(mask, [length, length]), device);
        let x = self.transformer.forward(x, Some(&mask));
        let ends = texts.iter().enumerate().map(|(text, tokens)| {
            x.clone().slice([text..text + 1, tokens.len() - 1..tokens.len()]).reshape([1, self.width])
        });
        self.norm.forward(Tensor::cat(ends.collect(), 0)).matmul(self.projection.clone())
    }
}
