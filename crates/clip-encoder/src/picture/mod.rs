//! Opening image files that may be damaged or made to harm.

mod whole;

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, ImageReader, Limits};

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
/// Colours are those of Pillow's `Image.open(path).convert("RGB")`: of an animation the first picture; a palette's colour that is
/// declared transparent keeps its colour, like the transparent colour of a picture without an alpha channel. An alpha channel is
/// kept. The orientation in EXIF data is ignored: pictures are as they are stored, not turned. 16-bit greys are scaled to 8 bits
/// (Pillow cuts them off at 255).
///
/// # Errors
/// If the file cannot be read, is no image or is damaged; if it is cut off, that is, if what its format ends with is missing; if
/// its header claims more than 50 megapixels, or more than both 4 megapixels and 64 pixels per byte of the file.
pub fn open_image(path: &Path) -> Result<DynamicImage> {
    let fail = |message: String| Error::Image(format!("{}: {message}", path.display()));
    let bytes = std::fs::read(path).map_err(Error::io(path, "cannot open"))?;
    let format = image::guess_format(&bytes).map_err(|e| fail(e.to_string()))?;
    let reader = || ImageReader::with_format(Cursor::new(bytes.as_slice()), format);
    if !whole::ends(format, &bytes) {
        return Err(fail(format!(
            "cut off: the file ends after {} bytes, before its picture does",
            bytes.len()
        )));
    }
    let most = (bytes.len() as u64).saturating_mul(PIXELS_PER_BYTE).clamp(LEAST_PIXELS, MOST_PIXELS);
    let (width, height) = reader().into_dimensions().map_err(|e| fail(e.to_string()))?;
    if u64::from(width) * u64::from(height) > most {
        return Err(fail(format!(
            "{width} x {height} pixels are more than {most}, in {} bytes",
            bytes.len()
        )));
    }
    let mut reader = reader();
    let mut limits = Limits::default();
    limits.max_alloc = Some(most * BYTES_PER_PIXEL);
    reader.limits(limits);
    let image = reader.decode().map_err(|e| fail(e.to_string()))?;
    Ok(if declares_transparency(format, &bytes) { without_alpha(image) } else { image })
}

/// Whether alpha comes from one colour that is declared transparent, not from a channel: in GIFs, and in PNGs whose header
/// says that they have no such channel.
fn declares_transparency(format: ImageFormat, bytes: &[u8]) -> bool {
    /// Place of the kind of colours in a PNG's header.
    const COLOURS: usize = 25;
    match format {
        ImageFormat::Gif => true,
        ImageFormat::Png => matches!(bytes.get(COLOURS), Some(0 | 2 | 3)),
        _ => false,
    }
}

fn without_alpha(image: DynamicImage) -> DynamicImage {
    match image {
        DynamicImage::ImageLumaA8(_) | DynamicImage::ImageLumaA16(_) => image.to_luma8().into(),
        _ if image.color().has_alpha() => image.to_rgb8().into(),
        _ => image,
    }
}
