//! What an encoder does.

use crate::error::Result;

/// Turns texts into vectors.
pub trait ItemEncoder {
    /// Width of the vectors.
    fn dim(&self) -> usize;

    /// One vector a text, row-major `[texts, dim]`. A text without any content gives a zero vector.
    ///
    /// # Errors
    /// If the encoder does not read texts, or its model fails.
    fn encode_texts(&self, texts: &[&str]) -> Result<Vec<f32>>;
}
