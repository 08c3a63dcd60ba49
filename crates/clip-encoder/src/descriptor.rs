//! The offline default for images: histograms of colours and of edges, projected at random.
//!
//! It is no vision model: only images of similar colours and outlines are near each other. Tables of results list it
//! under its own name, not as CLIP.

use image::{DynamicImage, imageops::FilterType};
use rayon::prelude::*;

use crate::encoder::ItemEncoder;
use crate::error::{Error, Result};
use crate::hashed_text::mix;

/// Side to which images are brought.
const SIDE: usize = 64;
/// Sides beyond which an image is shortened before it is resized; longer than those of photographs.
const LONGEST: u32 = 16_384;
/// Levels of each colour.
const LEVELS: usize = 4;
/// Directions of edges.
const DIRECTIONS: usize = 8;
/// Cells along a side, each with its own histogram of edges.
const CELLS: usize = 4;

/// Histograms of colours over the whole image and of edges over sixteen cells.
#[derive(Clone, Debug)]
pub struct ColourAndEdges {
    dim: usize,
    seed: u64,
}

impl ColourAndEdges {
    /// A descriptor of this width.
    pub fn new(dim: usize, seed: u64) -> Self {
        Self { dim, seed }
    }

    fn encode(&self, image: &DynamicImage, out: &mut [f32]) {
        let mut histogram = histogram(image);
        // Roots, so that one large area does not outweigh everything else.
        histogram.iter_mut().for_each(|x| *x = x.sqrt());
        for (bin, &weight) in histogram.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            let mut bits = 0;
            for (d, x) in out.iter_mut().enumerate() {
                if d % 64 == 0 {
                    bits = mix(mix(bin as u64) ^ mix(self.seed.wrapping_add(d as u64)));
                }
                *x += if bits & 1 == 0 { weight } else { -weight };
                bits >>= 1;
            }
        }
        let norm = out.iter().map(|x| x * x).sum::<f32>().sqrt();
        if norm > 0.0 {
            out.iter_mut().for_each(|x| *x /= norm);
        }
    }
}

impl ItemEncoder for ColourAndEdges {
    fn dim(&self) -> usize {
        self.dim
    }

    fn encode_texts(&self, _: &[&str]) -> Result<Vec<f32>> {
        Err(Error::Unsupported("texts"))
    }

    fn encode_images(&self, images: &[DynamicImage]) -> Result<Vec<f32>> {
        let mut out = vec![0.0; images.len() * self.dim];
        out.par_chunks_mut(self.dim.max(1)).zip(images).for_each(|(row, image)| self.encode(image, row));
        Ok(out)
    }
}

fn histogram(image: &DynamicImage) -> Vec<f32> {
    let colours = LEVELS * LEVELS * LEVELS;
    let mut bins = vec![0.0; colours + CELLS * CELLS * DIRECTIONS];
    // Resizing keeps a column of numbers for each column of the image: a long one is shortened first.
    let long = image.width().max(image.height()) > LONGEST;
    let shortened =
        long.then(|| image.thumbnail_exact(image.width().min(LONGEST), image.height().min(LONGEST)));
    let image = shortened.as_ref().unwrap_or(image);
    let small = image.resize_exact(SIDE as u32, SIDE as u32, FilterType::Triangle);
    let (rgb, gray) = (small.to_rgb8(), small.to_luma8());
    for pixel in rgb.pixels() {
        let bin = pixel.0.iter().fold(0, |bin, &c| bin * LEVELS + usize::from(c) * LEVELS / 256);
        bins[bin] += 1.0 / (SIDE * SIDE) as f32;
    }
    let light = |x: usize, y: usize| f32::from(gray.get_pixel(x as u32, y as u32).0[0]) / 255.0;
    for y in 1..SIDE - 1 {
        for x in 1..SIDE - 1 {
            let (dx, dy) = (light(x + 1, y) - light(x - 1, y), light(x, y + 1) - light(x, y - 1));
            // Light and dark side of an edge do not matter, so directions go half round.
            let turn = dy.atan2(dx).rem_euclid(std::f32::consts::PI) / std::f32::consts::PI;
            let direction = ((turn * DIRECTIONS as f32) as usize).min(DIRECTIONS - 1);
            let cell = y * CELLS / SIDE * CELLS + x * CELLS / SIDE;
            bins[colours + cell * DIRECTIONS + direction] +=
                (dx * dx + dy * dy).sqrt() / (SIDE * SIDE) as f32;
        }
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    #[test]
    fn like_images_are_near() {
        let plain = |c: [u8; 3]| DynamicImage::ImageRgb8(RgbImage::from_pixel(90, 40, Rgb(c)));
        let stripes = |width: u32, down: bool| {
            DynamicImage::ImageRgb8(RgbImage::from_fn(80, 80, |x, y| {
                Rgb([if ((if down { y } else { x }) / width).is_multiple_of(2) { 250 } else { 5 }; 3])
            }))
        };
        let images = [
            plain([250, 10, 10]),
            plain([240, 20, 5]),
            plain([10, 10, 250]),
            stripes(8, true),
            stripes(9, true),
            stripes(8, false),
        ];
        let rows = ColourAndEdges::new(512, 7).encode_images(&images).unwrap();
        let dot = |a: usize, b: usize| (0..512).map(|d| rows[a * 512 + d] * rows[b * 512 + d]).sum::<f32>();
        assert!(dot(0, 1) > 0.9 && dot(0, 2) < 0.3, "{} {}", dot(0, 1), dot(0, 2));
        assert!(dot(3, 4) > dot(3, 5) && dot(3, 0) < 0.3);
    }
}
