//! The flags of a CLIP checkpoint, and its loading.

use std::path::{Path, PathBuf};

use clap::Args;
use seminar_clip_encoder::{Activation, Clip, ClipSettings, ItemEncoder, Weights};

use crate::device::DeviceKind;

/// A CLIP checkpoint, and what its file may not say.
#[derive(Args, Clone, Debug)]
pub struct Checkpoint {
    /// File of CLIP weights: OpenAI's `.pt` archive, a state dict, or safetensors. Without it, offline encoders are used.
    #[arg(long)]
    pub checkpoint: Option<PathBuf>,
    /// Activation that the model was trained with: `quick-gelu` (OpenAI's) or `gelu` (LAION's). By default what config.json or
    /// open_clip_config.json beside the file says; `quick-gelu` if there is none.
    #[arg(long, requires = "checkpoint")]
    pub clip_activation: Option<Activation>,
    /// Attention heads of the text tower. By default as the configuration beside the file says, or as published for its width.
    #[arg(long, requires = "checkpoint")]
    pub clip_text_heads: Option<usize>,
    /// Attention heads of the image tower. By default as for the text tower.
    #[arg(long, requires = "checkpoint")]
    pub clip_image_heads: Option<usize>,
}

impl Checkpoint {
    /// The model of `--checkpoint`, if there is one. Logs its sizes, and what was assumed about it.
    ///
    /// # Errors
    /// If the file cannot be used, or the device cannot be opened.
    pub fn load(&self, device: DeviceKind) -> anyhow::Result<Option<(&Path, Clip)>> {
        let Some(path) = &self.checkpoint else { return Ok(None) };
        let settings = ClipSettings {
            activation: self.clip_activation,
            text_heads: self.clip_text_heads,
            image_heads: self.clip_image_heads,
        };
        let clip = Clip::with_settings(&Weights::read(path)?, settings, &device.open()?)?;
        let config = clip.config();
        tracing::info!(
            "{:?}, embedding dimension {}, {:?}, {} and {} heads (text, image)",
            config.vision,
            clip.dim(),
            config.activation,
            config.text_heads,
            config.image_heads
        );
        if let Some(assumption) = clip.assumption() {
            tracing::warn!("{}: {assumption}", path.display());
        }
        Ok(Some((path, clip)))
    }
}
