//! Random vectors that the tests share.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::Vectors;

/// A number of the normal distribution.
#[allow(dead_code, reason = "not every test draws some")]
pub fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let (a, b): (f64, f64) = (rng.random(), rng.random());
    ((-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32
}

/// Vectors around a few centres.
#[allow(dead_code, reason = "not every test draws some")]
pub fn clustered(rows: usize, dim: usize, seed: u64) -> Vectors {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let centres: Vec<f32> = (0..8 * dim).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect();
    let numbers = (0..rows).flat_map(|row| {
        let centre = &centres[row % 8 * dim..][..dim];
        centre.iter().map(|c| c + 1.6 * (rng.random::<f32>() - 0.5)).collect::<Vec<_>>()
    });
    Vectors::new(dim, numbers.collect()).unwrap()
}
