//! Opening image files that may be damaged or made to harm.

use std::path::Path;

use image::{DynamicImage, ImageReader, Limits};

use crate::error::{Error, Result};

/// Most pixels of an image; larger ones are refused before they are unpacked.
const MOST_PIXELS: u64 = 50_000_000;
/// Pixels that a file of any length may unpack to.
const LEAST_PIXELS: u64 = 4_000_000;
/// Pixels that each byte of a file allows. The size in the header alone must not decide how much memory is taken.
/// Photographs have fewer than 10 pixels per byte.
const PIXELS_PER_BYTE: u64 = 64;
/// Most bytes that unpacking may take per allowed pixel.
const BYTES_PER_PIXEL: u64 = 12;

/// Opens an image of any supported format (PNG, JPEG, GIF, WebP, BMP), told by its content.
///
/// # Errors
/// If the file cannot be read, is no image or is damaged; if its header claims more than 50 megapixels, or more than both
/// 4 megapixels and 64 pixels per byte of the file.
pub fn open_image(path: &Path) -> Result<DynamicImage> {
    let fail = |message: String| Error::Image(format!("{}: {message}", path.display()));
    let reader = || {
        let reader = ImageReader::open(path).map_err(Error::io(path, "cannot open"))?;
        reader.with_guessed_format().map_err(Error::io(path, "cannot read"))
    };
    let length = std::fs::metadata(path).map_err(Error::io(path, "cannot open"))?.len();
    let most = length.saturating_mul(PIXELS_PER_BYTE).clamp(LEAST_PIXELS, MOST_PIXELS);
    let (width, height) = reader()?.into_dimensions().map_err(|e| fail(e.to_string()))?;
    if u64::from(width) * u64::from(height) > most {
        return Err(fail(format!("{width} x {height} pixels are more than {most}, in {length} bytes")));
    }
    let mut reader = reader()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(most * BYTES_PER_PIXEL);
    reader.limits(limits);
    reader.decode().map_err(|e| fail(e.to_string()))
}
