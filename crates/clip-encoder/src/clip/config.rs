//! The sizes of a model, read off the shapes of its weights.

use crate::bpe::VOCABULARY;
use crate::checkpoint::Weights;
use crate::clip::settings::{Activation, ClipSettings, Tower};
use crate::error::Result;

/// All sizes, and what the sizes do not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipConfig {
    /// Width of the common space.
    pub embedding: usize,
    /// Most tokens of a text, start and end included.
    pub context: usize,
    /// Width of the text tower.
    pub text_width: usize,
    /// Its layers.
    pub text_layers: usize,
    /// Its attention heads.
    pub text_heads: usize,
    /// The image tower.
    pub vision: VisionConfig,
    /// Attention heads of the image tower; of its pooling if it is a ResNet.
    pub image_heads: usize,
    /// Activation of both transformers.
    pub activation: Activation,
}

/// The sizes of an image tower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VisionConfig {
    /// Vision transformer.
    Transformer {
        /// Side of the image.
        resolution: usize,
        /// Side of a patch.
        patch: usize,
        /// Width of the tower.
        width: usize,
        /// Its layers.
        layers: usize,
    },
    /// ResNet with attention pooling.
    ResNet {
        /// Side of the image.
        resolution: usize,
        /// Width of the first layer.
        width: usize,
        /// Bottlenecks of the four layers.
        layers: [usize; 4],
    },
}

impl ClipConfig {
    pub(super) fn of(weights: &Weights, settings: &ClipSettings) -> Result<Self> {
        let count = |prefix: &str| {
            let numbers = weights
                .arrays()
                .keys()
                .filter_map(|name| name.strip_prefix(prefix)?.split('.').next()?.parse().ok());
            numbers.max().map_or(0usize, |last: usize| last.saturating_add(1))
        };
        let sides = |name: &str, sides| weights.get(name, sides).map(|array| array.shape.clone());
        let positions = sides("positional_embedding", 2)?;
        let [vocabulary, text_width] = sides("token_embedding.weight", 2)?[..] else {
            return Err(weights.fail("`token_embedding.weight` has not two sides"));
        };
        if vocabulary != VOCABULARY {
            return Err(
                weights.fail(format!("a vocabulary of {vocabulary} words; the tokenizer has {VOCABULARY}"))
            );
        }
        let embedding = sides("text_projection", 2)?[1];
        let vision = if weights.has("visual.proj") {
            let kernel = sides("visual.conv1.weight", 4)?;
            let grid = root(sides("visual.positional_embedding", 2)?[0].saturating_sub(1));
            VisionConfig::Transformer {
                resolution: grid * kernel[3],
                patch: kernel[3],
                width: kernel[0],
                layers: count("visual.transformer.resblocks."),
            }
        } else {
            let grid = root(sides("visual.attnpool.positional_embedding", 2)?[0].saturating_sub(1));
            VisionConfig::ResNet {
                resolution: grid * 32,
                width: sides("visual.layer1.0.conv1.weight", 4)?[0],
                layers: [1, 2, 3, 4].map(|layer| count(&format!("visual.layer{layer}."))),
            }
        };
        let (tower, width) = match vision {
            VisionConfig::Transformer { width, .. } => (Tower::Image, width),
            VisionConfig::ResNet { width, .. } => (Tower::Pooling, width * 32),
        };
        let heads = |tower: Tower, width, told| tower.heads(width, told).map_err(|e| weights.fail(e));
        let config = Self {
            embedding,
            context: positions[0],
            text_width,
            text_layers: count("transformer.resblocks."),
            text_heads: heads(Tower::Text, text_width, settings.text_heads)?,
            image_heads: heads(tower, width, settings.image_heads)?,
            vision,
            activation: settings.activation.unwrap_or(Activation::QuickGelu),
        };
        if config.context < 2 || config.resolution() == 0 {
            return Err(weights.fail(format!("sizes that no model of this kind has: {config:?}")));
        }
        Ok(config)
    }

    /// Side of the images that the model sees.
    pub fn resolution(&self) -> usize {
        match self.vision {
            VisionConfig::Transformer { resolution, .. } | VisionConfig::ResNet { resolution, .. } => {
                resolution
            }
        }
    }
}

/// The whole square root.
fn root(n: usize) -> usize {
    (n as f64).sqrt().round() as usize
}
