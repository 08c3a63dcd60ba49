//! CLIP's preparation of an image, with Pillow's arithmetic: short side to the model's size by bicubic interpolation,
//! centre crop, RGB, mean and standard deviation.

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};

use crate::error::{Error, Result};

/// Mean of each channel over CLIP's training images.
pub(crate) const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Standard deviation of each channel.
pub(crate) const DEVIATION: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// Reach of the bicubic kernel, in pixels of the coarser side.
const REACH: f64 = 2.0;

/// The input of a model of this image size, `[3, size, size]`: as published, the short side is resized to `size`, and the centre
/// is cut out. Only the part of the image that the centre shows is resized, so memory does not grow with its longer side.
///
/// # Errors
/// If the image has no pixel, or `size` is 0.
pub fn preprocess(image: &DynamicImage, size: usize) -> Result<Vec<f32>> {
    let (width, height) = (image.width(), image.height());
    let short = width.min(height);
    if short == 0 || size == 0 {
        return Err(Error::Image(format!("{width} x {height} pixels cannot be resized to {size}")));
    }
    let [across, down] = [width, height].map(|side| Axis::new(side, short, size));
    let centre = if across.unchanged && down.unchanged {
        // Pillow leaves an image of the right size as it is, the colours under transparency included.
        image.crop_imm(across.start, down.start, across.length, down.length)
    } else {
        let seen = image.crop_imm(across.start, down.start, across.length, down.length);
        resize(&seen, &across, &down, [size as u32; 2])?
    };
    let centre = centre.to_rgb8();
    let mut pixels = vec![0.0; 3 * size * size];
    for (channel, plane) in pixels.chunks_exact_mut(size * size).enumerate() {
        for (value, pixel) in plane.iter_mut().zip(centre.pixels()) {
            *value = (f32::from(pixel.0[channel]) / 255.0 - MEAN[channel]) / DEVIATION[channel];
        }
    }
    Ok(pixels)
}

/// What the centre takes of one side of an image.
struct Axis {
    /// First pixel that the centre depends on.
    start: u32,
    /// Number of pixels that it depends on.
    length: u32,
    /// Where it begins, in pixels from `start`.
    offset: f64,
    /// How many pixels it covers.
    covered: f64,
    /// Whether the side keeps its length.
    unchanged: bool,
}

impl Axis {
    fn new(side: u32, short: u32, size: usize) -> Self {
        // As torchvision computes it: the long side is cut down to a whole number.
        let new = size as u64 * u64::from(side) / u64::from(short);
        // Python's rounding of halves: to the even number.
        let first = ((new - size as u64) as f64 / 2.0).round_ties_even();
        let scale = f64::from(side) / new as f64;
        let (begin, end) = (first * scale, (first + size as f64) * scale);
        if new == u64::from(side) {
            let (start, length) = (first as u32, size as u32);
            return Self { start, length, offset: 0.0, covered: f64::from(length), unchanged: true };
        }
        // One pixel more than the kernel reaches, against rounding.
        let margin = REACH * scale.max(1.0) + 1.0;
        let start = (begin - margin).floor().max(0.0) as u32;
        let last = ((end + margin).ceil() as u32).min(side);
        let offset = begin - f64::from(start);
        let length = last - start;
        // Rounding may carry the end a last bit beyond the image.
        let covered = (end - begin).min(f64::from(length) - offset);
        Self { start, length, offset, covered, unchanged: false }
    }
}

/// Resizes what both sides cover to this width and height.
fn resize(
    image: &DynamicImage,
    across: &Axis,
    down: &Axis,
    [width, height]: [u32; 2],
) -> Result<DynamicImage> {
    // An image is resized in its own channels and only then turned to RGB: transparency takes part in the averages.
    let (pixel, mut bytes) = match image {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageLuma16(_) => {
            (PixelType::U8, image.to_luma8().into_raw())
        }
        _ if image.color().has_alpha() => (PixelType::U8x4, image.to_rgba8().into_raw()),
        _ => (PixelType::U8x3, image.to_rgb8().into_raw()),
    };
    let transparent = pixel == PixelType::U8x4;
    if transparent {
        bytes.as_chunks_mut().0.iter_mut().for_each(premultiply);
    }
    let fail = |what: &dyn std::fmt::Display| Error::Image(what.to_string());
    let source = Image::from_vec_u8(across.length, down.length, bytes, pixel).map_err(|e| fail(&e))?;
    let options =
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom)).use_alpha(false);
    // Across first, then down, as Pillow does it: in between, overshoot is cut to bytes, so the order shows.
    let mut narrow = Image::new(width, down.length, pixel);
    let part = options.crop(across.offset, 0.0, across.covered, f64::from(down.length));
    Resizer::new().resize(&source, &mut narrow, &part).map_err(|e| fail(&e))?;
    let mut target = Image::new(width, height, pixel);
    let part = options.crop(0.0, down.offset, f64::from(width), down.covered);
    Resizer::new().resize(&narrow, &mut target, &part).map_err(|e| fail(&e))?;
    if transparent {
        target.buffer_mut().as_chunks_mut().0.iter_mut().for_each(unmultiply);
    }
    let bytes = target.into_vec();
    let resized = match pixel {
        PixelType::U8 => GrayImage::from_raw(width, height, bytes).map(DynamicImage::from),
        PixelType::U8x4 => RgbaImage::from_raw(width, height, bytes).map(DynamicImage::from),
        _ => RgbImage::from_raw(width, height, bytes).map(DynamicImage::from),
    };
    resized.ok_or_else(|| Error::Image(format!("{width} x {height} pixels of a resized image are missing")))
}

/// Colours times opacity, rounded as Pillow does.
fn premultiply(pixel: &mut [u8; 4]) {
    let alpha = u32::from(pixel[3]);
    for colour in &mut pixel[..3] {
        let product = u32::from(*colour) * alpha + 128;
        *colour = (((product >> 8) + product) >> 8) as u8;
    }
}

/// Colours divided by opacity, cut as Pillow does.
fn unmultiply(pixel: &mut [u8; 4]) {
    let alpha = u32::from(pixel[3]);
    if alpha != 0 && alpha != 255 {
        pixel[..3].iter_mut().for_each(|colour| *colour = (255 * u32::from(*colour) / alpha).min(255) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_colour_stays_that_colour() {
        let image = DynamicImage::ImageRgb8(RgbImage::from_pixel(50, 31, image::Rgb([255, 0, 51])));
        let pixels = preprocess(&image, 16).unwrap();
        for (channel, value) in [1.0, 0.0, 0.2].into_iter().enumerate() {
            let expected = (value - MEAN[channel]) / DEVIATION[channel];
            assert!(pixels[channel * 256..][..256].iter().all(|x| (x - expected).abs() < 1e-5));
        }
        assert!(preprocess(&DynamicImage::new_rgb8(0, 4), 16).is_err());
        assert!(preprocess(&image, 0).is_err());
    }

    #[test]
    fn the_window_stays_inside_the_image() {
        for (side, size) in (1..3_000u32).flat_map(|side| [16, 224, 336].map(|size| (side, size))) {
            for short in [1, 7, 31, 300, side].into_iter().filter(|&short| short <= side) {
                let axis = Axis::new(side, short, size);
                assert!(axis.start + axis.length <= side && axis.offset >= 0.0, "{side}, {short} to {size}");
                assert!(axis.offset + axis.covered <= f64::from(axis.length), "{side}, {short} to {size}");
            }
        }
    }

    /// A picture of noise over slopes, in the given channels.
    fn noise(width: u32, height: u32, channels: u32) -> DynamicImage {
        let value = |x: u32, y: u32, c: u32| {
            let noise = (x * 7919 + y * 104_729 + c * 31).wrapping_mul(2_654_435_761) >> 24;
            ((noise + x * 3 + y * 5) % 256) as u8
        };
        match channels {
            1 => GrayImage::from_fn(width, height, |x, y| image::Luma([value(x, y, 0)])).into(),
            3 => {
                RgbImage::from_fn(width, height, |x, y| image::Rgb([0, 1, 2].map(|c| value(x, y, c)))).into()
            }
            _ => RgbaImage::from_fn(width, height, |x, y| {
                image::Rgba([0, 1, 2, 3].map(|c| value(x, y, c) | if c == 3 { 0x80 } else { 0 }))
            })
            .into(),
        }
    }

    /// The published order: the whole image is resized, then cut.
    fn whole_then_cut(image: &DynamicImage, size: usize) -> Vec<f32> {
        let (width, height) = (image.width(), image.height());
        let scaled = |side: u32| (size as u64 * u64::from(side) / u64::from(width.min(height))) as u32;
        let (new_width, new_height) = (scaled(width), scaled(height));
        let whole = |side, new| Axis {
            start: 0,
            length: side,
            offset: 0.0,
            covered: f64::from(side),
            unchanged: side == new,
        };
        let resized = if (new_width, new_height) == (width, height) {
            image.clone()
        } else {
            resize(image, &whole(width, new_width), &whole(height, new_height), [new_width, new_height])
                .unwrap()
        };
        let start = |long: u32| ((long as usize - size) as f64 / 2.0).round_ties_even() as u32;
        let centre =
            resized.crop_imm(start(new_width), start(new_height), size as u32, size as u32).to_rgb8();
        let value = |at: usize| {
            let (channel, place) = (at / (size * size), at % (size * size));
            (f32::from(centre.as_raw()[place * 3 + channel]) / 255.0 - MEAN[channel]) / DEVIATION[channel]
        };
        (0..3 * size * size).map(value).collect()
    }

    #[test]
    fn cutting_first_gives_what_cutting_last_gives() {
        let mut compared = 0;
        for channels in [1, 3, 4] {
            for (width, height) in [
                (1, 1),
                (2, 7),
                (50, 31),
                (31, 50),
                (97, 16),
                (16, 97),
                (640, 33),
                (33, 640),
                (300, 299),
                (1, 400),
                (400, 1),
                (15, 1000),
                (16, 16),
                (48, 48),
                (16, 33),
            ] {
                let image = noise(width, height, channels);
                for size in [16, 32] {
                    let found = preprocess(&image, size).unwrap();
                    let expected = whole_then_cut(&image, size);
                    // Kernels are rounded to as many bits as the largest weight of a pass allows, and that may lie outside the
                    // window: some values come out one level of 255 beside, as they may beside Pillow's. Dividing by an
                    // opacity of a half or more makes four of it. On noise, a shift of a tenth of a pixel gives many levels.
                    let levels = if channels == 4 { 4.001 } else { 1.001 };
                    let most = levels / 255.0 / DEVIATION[1];
                    let near = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= most);
                    let other = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
                    assert!(
                        near && other * 10 <= found.len(),
                        "{width} x {height} to {size}: {other} differ"
                    );
                    compared += 1;
                }
            }
        }
        assert_eq!(compared, 90);
    }
}
