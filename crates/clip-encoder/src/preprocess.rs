//! CLIP's preparation of an image, with Pillow's arithmetic: short side to the model's size by bicubic interpolation,
//! centre crop, RGB, mean and standard deviation.

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::DynamicImage;

use crate::error::{Error, Result};

/// Mean of each channel over CLIP's training images.
pub(crate) const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Standard deviation of each channel.
pub(crate) const DEVIATION: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// The input of a model of this image size, `[3, size, size]`.
///
/// # Errors
/// If the image has no pixel, or a side so much longer than the other that the resized image would not fit in memory.
pub fn preprocess(image: &DynamicImage, size: usize) -> Result<Vec<f32>> {
    let (width, height) = (image.width(), image.height());
    let short = width.min(height);
    // As torchvision computes it: the long side is cut down to a whole number.
    let scaled = |side: u32| (size as u64 * u64::from(side) / u64::from(short.max(1))) as u32;
    let (new_width, new_height) = (scaled(width), scaled(height));
    if short == 0 || size == 0 || u64::from(new_width) * u64::from(new_height) > 1 << 28 {
        return Err(Error::Image(format!("{width} x {height} pixels cannot be resized to {size}")));
    }
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
    let source = Image::from_vec_u8(width, height, bytes, pixel).map_err(|e| fail(&e))?;
    let options =
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom)).use_alpha(false);
    // Across first, then down, as Pillow does it: in between, overshoot is cut to bytes, so the order shows.
    let mut across = Image::new(new_width, height, pixel);
    Resizer::new().resize(&source, &mut across, &options).map_err(|e| fail(&e))?;
    let mut target = Image::new(new_width, new_height, pixel);
    Resizer::new().resize(&across, &mut target, &options).map_err(|e| fail(&e))?;
    if transparent {
        target.buffer_mut().as_chunks_mut().0.iter_mut().for_each(unmultiply);
    }
    // Python's rounding of halves: to the even number.
    let start = |long: u32| ((long as usize - size) as f64 / 2.0).round_ties_even() as usize;
    let (left, top) = (start(new_width), start(new_height));
    let channels = pixel.size();
    let mut pixels = vec![0.0; 3 * size * size];
    for (channel, plane) in pixels.chunks_exact_mut(size * size).enumerate() {
        for (y, row) in plane.chunks_exact_mut(size).enumerate() {
            for (x, value) in row.iter_mut().enumerate() {
                let at = ((top + y) * new_width as usize + left + x) * channels;
                let byte = target.buffer()[at + channel.min(channels - 1)];
                *value = (f32::from(byte) / 255.0 - MEAN[channel]) / DEVIATION[channel];
            }
        }
    }
    Ok(pixels)
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
        let image = DynamicImage::ImageRgb8(image::RgbImage::from_pixel(50, 31, image::Rgb([255, 0, 51])));
        let pixels = preprocess(&image, 16).unwrap();
        for (channel, value) in [1.0, 0.0, 0.2].into_iter().enumerate() {
            let expected = (value - MEAN[channel]) / DEVIATION[channel];
            assert!(pixels[channel * 256..][..256].iter().all(|x| (x - expected).abs() < 1e-5));
        }
        assert!(preprocess(&DynamicImage::new_rgb8(0, 4), 16).is_err());
        assert!(preprocess(&DynamicImage::new_luma8(1, 60_000), 4096).is_err());
    }
}
