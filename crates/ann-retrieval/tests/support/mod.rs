//! Random vectors that the tests share.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::Vectors;

/// Vectors around a few centres.
pub fn clustered(rows: usize, dim: usize, seed: u64) -> Vectors {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let centres: Vec<f32> = (0..8 * dim).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect();
    let numbers = (0..rows).flat_map(|row| {
        let centre = &centres[row % 8 * dim..][..dim];
        centre.iter().map(|c| c + 1.6 * (rng.random::<f32>() - 0.5)).collect::<Vec<_>>()
    });
    Vectors::new(dim, numbers.collect()).unwrap()
}
