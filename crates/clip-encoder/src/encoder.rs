//! The trait of encoders.

use image::DynamicImage;

use crate::error::{Error, Result};

/// Turns texts and images into vectors.
pub trait ItemEncoder {
    /// Width of the vectors.
    fn dim(&self) -> usize;

    /// One vector per text, row-major `[texts, dim]`. The offline encoder gives a zero vector for a text without content.
    ///
    /// # Errors
    /// If the encoder does not read texts, or its model fails.
    fn encode_texts(&self, texts: &[&str]) -> Result<Vec<f32>>;

    /// One vector per image, row-major `[images, dim]`.
    ///
    /// # Errors
    /// If the encoder does not read images, or an image cannot be prepared.
    fn encode_images(&self, _images: &[DynamicImage]) -> Result<Vec<f32>> {
        Err(Error::Unsupported("images"))
    }
}
