//! Opening image files that may be damaged or made to harm.

use std::path::Path;

use image::{DynamicImage, ImageReader, Limits};

use crate::error::{Error, Result};

/// Most pixels of an image; larger ones are refused before they are unpacked.
const MOST_PIXELS: u64 = 50_000_000;
/// Most bytes that unpacking may take.
const MOST_BYTES: u64 = 512 << 20;

/// Opens an image of any supported format (PNG, JPEG, GIF, WebP, BMP), told by its content.
///
/// # Errors
/// If the file cannot be read, is no image, is damaged, or claims more than 50 megapixels.
pub fn open_image(path: &Path) -> Result<DynamicImage> {
    let fail = |message: String| Error::Image(format!("{}: {message}", path.display()));
    let reader = || {
        let reader = ImageReader::open(path).map_err(|e| fail(e.to_string()))?;
        reader.with_guessed_format().map_err(|e| fail(e.to_string()))
    };
    let (width, height) = reader()?.into_dimensions().map_err(|e| fail(e.to_string()))?;
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(fail(format!("{width} x {height} pixels are more than {MOST_PIXELS}")));
    }
    let mut reader = reader()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    reader.decode().map_err(|e| fail(e.to_string()))
}
