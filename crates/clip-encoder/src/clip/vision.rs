//! The vision transformer: patches and one class token, read at the class token.

use burn::tensor::{Device, Tensor};

use crate::checkpoint::Weights;
use crate::clip::block::{Form, LayerNorm, Transformer, tensor};
use crate::clip::config::{ClipConfig, VisionConfig};
use crate::error::Result;

#[derive(Debug)]
pub(super) struct VisionTower {
    /// `[3 · patch², width]`: the first convolution, whose windows do not overlap, as a product.
    patches: Tensor<2>,
    class: Tensor<1>,
    positions: Tensor<2>,
    before: LayerNorm,
    transformer: Transformer,
    after: LayerNorm,
    projection: Tensor<2>,
    patch: usize,
}

impl VisionTower {
    pub(super) fn new(config: &ClipConfig, w: &Weights, device: &Device) -> Result<Self> {
        let VisionConfig::Transformer { resolution, patch, width, layers } = config.vision else {
            return Err(w.fail("holds no vision transformer"));
        };
        let form = Form { width, layers, heads: config.image_heads, activation: config.activation };
        let grid = resolution / patch;
        let kernel = tensor::<4>(w.shaped("visual.conv1.weight", [width, 3, patch, patch])?, device);
        let kernel = kernel.reshape([width, 3 * patch * patch]).transpose();
        Ok(Self {
            patches: Tensor::from_data(kernel.into_data(), device),
            class: tensor(w.shaped("visual.class_embedding", [width])?, device),
            positions: tensor(w.shaped("visual.positional_embedding", [grid * grid + 1, width])?, device),
            before: LayerNorm::new(w, "visual.ln_pre", width, device)?,
            transformer: Transformer::new(w, "visual.transformer", form, device)?,
            after: LayerNorm::new(w, "visual.ln_post", width, device)?,
            projection: tensor(w.shaped("visual.proj", [width, config.embedding])?, device),
            patch,
        })
    }

    /// Pixels `[batch, 3, size, size]` to embeddings `[batch, dim]`.
    pub(super) fn forward(&self, pixels: Tensor<4>) -> Tensor<2> {
        let [batch, channels, size, _] = pixels.dims();
        let (patch, grid) = (self.patch, size / self.patch);
        let [_, width] = self.positions.dims();
        let windows = pixels
            .reshape([batch, channels, grid, patch, grid, patch])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch * grid * grid, channels * patch * patch]);
        let tokens = windows.matmul(self.patches.clone()).reshape([batch, grid * grid, width]);
        let class = self.class.clone().reshape([1, 1, width]).repeat_dim(0, batch);
        let x = Tensor::cat(vec![class, tokens], 1) + self.positions.clone().unsqueeze();
        let length = grid * grid + 1;
        let x = self.before.forward(x.reshape([batch * length, width])).reshape([batch, length, width]);
        let x = self.transformer.forward(x, None);
        self.after.forward(x.narrow(1, 0, 1).reshape([batch, width])).matmul(self.projection.clone())
    }
}
