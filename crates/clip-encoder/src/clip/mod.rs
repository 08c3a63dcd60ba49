//! CLIP (Radford et al. 2021): an image tower and a text tower that end in one space.

mod block;
mod config;
mod resnet;
mod settings;
mod text;
mod vision;

use burn::tensor::{Device, Tensor, TensorData};
use image::DynamicImage;
use rayon::prelude::*;

pub use config::{ClipConfig, VisionConfig};
pub use settings::{Activation, ClipSettings};

use crate::bpe::{END, Tokenizer};
use crate::checkpoint::Weights;
use crate::encoder::ItemEncoder;
use crate::error::{Error, Result};
use crate::preprocess::preprocess;
use resnet::ResNet;
use text::TextTower;
use vision::VisionTower;

/// Texts that go through the tower together.
const TEXTS: usize = 64;
/// Images that go through the tower together.
const IMAGES: usize = 32;

/// A loaded model. Sizes come from the weights: OpenAI's ViT-B/32, B/16, L/14 and L/14@336, RN50, RN101, RN50x4, x16 and x64,
/// and models of the same architecture, such as LAION's ViT-B/32 to ViT-bigG/14.
///
/// What sizes do not tell is in [`ClipSettings`]: models that were trained with GELU have the shapes of OpenAI's, which were
/// trained with QuickGELU, and give other vectors when they are run with it.
#[derive(Debug)]
pub struct Clip {
    config: ClipConfig,
    /// Whether nothing said which activation the model was trained with.
    assumed: bool,
    text: TextTower,
    image: ImageTower,
    device: Device,
}

#[derive(Debug)]
enum ImageTower {
    Transformer(Box<VisionTower>),
    ResNet(Box<ResNet>),
}

impl Clip {
    /// Builds the model from its weights, with the settings of the configuration beside their file if there is one.
    ///
    /// # Errors
    /// If a weight is missing or has a shape that does not fit the others; if a tower has a width that no published model has,
    /// and nothing says how many heads it is split into. Says which.
    pub fn new(weights: &Weights, device: &Device) -> Result<Self> {
        Self::with_settings(weights, ClipSettings::default(), device)
    }

    /// The same with settings that go before those of the configuration beside the file.
    ///
    /// # Errors
    /// As [`Clip::new`]; also if a tower cannot be split into the given number of heads.
    pub fn with_settings(weights: &Weights, settings: ClipSettings, device: &Device) -> Result<Self> {
        let settings = settings.or(weights.settings());
        let config = ClipConfig::of(weights, &settings)?;
        let image = match &config.vision {
            VisionConfig::Transformer { .. } => {
                ImageTower::Transformer(VisionTower::new(&config, weights, device)?.into())
            }
            VisionConfig::ResNet { .. } => ImageTower::ResNet(ResNet::new(&config, weights, device)?.into()),
        };
        Ok(Self {
            text: TextTower::new(&config, weights, device)?,
            image,
            config,
            assumed: settings.activation.is_none(),
            device: device.clone(),
        })
    }

    /// What was assumed for want of a word, for a log; `None` if the settings or a configuration beside the file said it.
    pub fn assumption(&self) -> Option<&'static str> {
        self.assumed.then_some(
            "the file does not say which activation its model was trained with: QuickGELU is assumed, as in OpenAI's models. Models \
             trained with GELU, such as LAION's, come out wrong with it: put their config.json or open_clip_config.json beside the \
             file, or set the activation (--clip-activation gelu of the examples)",
        )
    }

    /// The sizes and settings.
    pub fn config(&self) -> &ClipConfig {
        &self.config
    }

    /// Embeddings `[n, dim]` of pixels `[n, 3, size, size]` that [`preprocess`] made; not normalised.
    ///
    /// # Errors
    /// If the pixels are no whole number of images.
    pub fn encode_pixels(&self, pixels: Vec<f32>) -> Result<Vec<f32>> {
        let size = self.config.resolution();
        let count = pixels.len() / (3 * size * size);
        if count == 0 || pixels.len() != count * 3 * size * size {
            return Err(Error::Image(format!("{} numbers are no images of {size} x {size}", pixels.len())));
        }
        let pixels = Tensor::<4>::from_data(TensorData::new(pixels, [count, 3, size, size]), &self.device);
        let embedded = match &self.image {
            ImageTower::Transformer(tower) => tower.forward(pixels),
            ImageTower::ResNet(tower) => tower.forward(pixels),
        };
        numbers(embedded)
    }
}

impl ItemEncoder for Clip {
    fn dim(&self) -> usize {
        self.config.embedding
    }

    fn encode_texts(&self, texts: &[&str]) -> Result<Vec<f32>> {
        let tokenizer = Tokenizer::published();
        // A text is read at its first end token, as published; one that holds the word `<|endoftext|>` has several. Tokens
        // behind it do not change its output, so they are left out, and a batch is only as long as its longest text. Texts
        // of similar length go into one batch.
        let tokens = |text: &&str| {
            let mut tokens = tokenizer.encode(text, self.config.context);
            tokens
                .truncate(tokens.iter().position(|&token| token == END).map_or(tokens.len(), |end| end + 1));
            tokens
        };
        let tokens: Vec<Vec<u32>> = texts.par_iter().map(tokens).collect();
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        order.sort_by_key(|&text| tokens[text].len());
        let mut out = vec![0.0; texts.len() * self.dim()];
        for batch in order.chunks(TEXTS) {
            let own: Vec<&[u32]> = batch.iter().map(|&text| tokens[text].as_slice()).collect();
            let rows = numbers(self.text.forward(&own, &self.device))?;
            for (&text, row) in batch.iter().zip(rows.chunks_exact(self.dim())) {
                out[text * self.dim()..][..self.dim()].copy_from_slice(row);
            }
        }
        Ok(out)
    }

    fn encode_images(&self, images: &[DynamicImage]) -> Result<Vec<f32>> {
        let mut out = Vec::with_capacity(images.len() * self.dim());
        for batch in images.chunks(IMAGES) {
            let size = self.config.resolution();
            let pixels: Vec<Vec<f32>> =
                batch.par_iter().map(|image| preprocess(image, size)).collect::<Result<_>>()?;
            out.extend(self.encode_pixels(pixels.concat())?);
        }
        Ok(out)
    }
}

fn numbers(rows: Tensor<2>) -> Result<Vec<f32>> {
    rows.into_data_as::<f32>().try_into_vec().map_err(|e| Error::Model(format!("{e:?}")))
}
