//! Opening image files that may be damaged or made to harm.

use std::path::Path;

use image::{DynamicImage, ImageReader, Limits};

use crate::error::{Error, Result};

/// Most pixels of an image; larger ones are refused before they are unpacked.
const MOST_PIXELS: u64 = 50_000_000;
/// Pixels that any file may unpack to, and those that each of its bytes allows: what a file claims must not decide alone how
/// much memory is taken. Photographs have fewer than 10 pixels a byte.
const LEAST_PIXELS: u64 = 4_000_000;
const PIXELS_A_BYTE: u64 = 64;
/// Most bytes that unpacking may take, a pixel allowed.
const BYTES_A_PIXEL: u64 = 12;

/// Opens an image of any supported format (PNG, JPEG, GIF, WebP, BMP), told by its content.
///
/// # Errors
/// If the file cannot be read, is no image, is damaged, or claims more than 50 megapixels, or more than 4 and 64 pixels a byte.
pub fn open_image(path: &Path) -> Result<DynamicImage> {
    let fail = |message: String| Error::Image(format!("{}: {message}", path.display()));
    let reader = || {
        let reader = ImageReader::open(path).map_err(|e| fail(e.to_string()))?;
        reader.with_guessed_format().map_err(|e| fail(e.to_string()))
    };
    let length = std::fs::metadata(path).map_err(|e| fail(e.to_string()))?.len();
    let most = length.saturating_mul(PIXELS_A_BYTE).clamp(LEAST_PIXELS, MOST_PIXELS);
    let (width, height) = reader()?.into_dimensions().map_err(|e| fail(e.to_string()))?;
    if u64::from(width) * u64::from(height) > most {
        return Err(fail(format!("{width} x {height} pixels are more than {most}, in {length} bytes")));
    }
    let mut reader = reader()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(most * BYTES_A_PIXEL);
    reader.limits(limits);
    reader.decode().map_err(|e| fail(e.to_string()))
}
