//! k-means with a k-means++ start and repair of empty clusters.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::kernel::float::{self, Term};
use crate::kernel::nearest::Panels;
use crate::vectors::Vectors;

/// Rows whose sums are formed together; fixed, so that results do not depend on the number of threads.
const CHUNK: usize = 1024;

/// Least number of chunks per thread: waking a thread takes longer than a few chunks of short rows.
const WORTH: usize = 8;

/// The settings of k-means.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeansConfig {
    /// Number of centroids.
    pub clusters: usize,
    /// Most rounds; it stops earlier when no row changes its cluster.
    pub iterations: usize,
    /// Seed of the start.
    pub seed: u64,
}

impl Default for KMeansConfig {
    fn default() -> Self {
        Self { clusters: 256, iterations: 25, seed: 0 }
    }
}

/// Trained centroids.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeans {
    /// One row per cluster.
    pub centroids: Vectors,
    /// Sum of squared distances of the rows to their centroids.
    pub inertia: f64,
}

impl KMeansConfig {
    /// Trains on all rows. With fewer rows than clusters, centroids repeat.
    ///
    /// # Errors
    /// If there is no row or no cluster.
    pub fn fit(&self, rows: &Vectors) -> Result<KMeans> {
        if self.clusters == 0 {
            return Err(Error::Config { field: "clusters", message: "must be at least 1".into() });
        }
        if rows.is_empty() {
            return Err(Error::Config { field: "rows", message: "k-means needs at least one".into() });
        }
        let mut centroids = self.start(rows);
        let mut nearest = assign(rows, &centroids);
        for _ in 0..self.iterations {
            centroids = means(rows, &nearest, &centroids);
            let next = assign(rows, &centroids);
            let settled = next.iter().zip(&nearest).all(|(a, b)| a.0 == b.0);
            nearest = next;
            if settled {
                break;
            }
        }
        let inertia = nearest.iter().map(|&(_, distance)| f64::from(distance)).sum();
        Ok(KMeans { centroids: Vectors::new(rows.dim(), centroids)?, inertia })
    }

    /// k-means++: each next start is a row drawn in proportion to its squared distance to those chosen, from at most
    /// 64 rows per cluster.
    fn start(&self, rows: &Vectors) -> Vec<f32> {
        let rows = rows.sample(self.clusters.saturating_mul(64));
        let dim = rows.dim();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut chosen = rows.row(rng.random_range(0..rows.len())).to_vec();
        let mut nearest: Vec<f32> = vec![f32::INFINITY; rows.len()];
        for cluster in 1..self.clusters {
            let last = &chosen[(cluster - 1) * dim..];
            let chunks = nearest.par_chunks_mut(CHUNK).zip(rows.as_slice().par_chunks(CHUNK * dim));
            chunks.with_min_len(WORTH).for_each(|(nearest, rows)| {
                let mut distance = [0.0; CHUNK];
                let distance = &mut distance[..nearest.len()];
                float::rows(Term::SquaredDifference, last, rows, distance);
                nearest.iter_mut().zip(distance).for_each(|(n, d)| *n = n.min(*d));
            });
            let total: f64 = nearest.iter().map(|&d| f64::from(d)).sum();
            let mut point = rng.random::<f64>() * total;
            let drawn = nearest.iter().position(|&d| {
                point -= f64::from(d);
                point < 0.0
            });
            // All rows are chosen already, or rounding ran past the end: any row will do.
            let row = drawn.unwrap_or_else(|| rng.random_range(0..rows.len()));
            chosen.extend_from_slice(rows.row(row));
        }
        chosen
    }
}

/// The nearest centroid of each row, and the squared distance to it; ties go to the first.
fn assign(rows: &Vectors, centroids: &[f32]) -> Vec<(u32, f32)> {
    let dim = rows.dim();
    let panels = Panels::new(dim, centroids);
    let mut nearest = vec![(0, 0.0); rows.len()];
    let chunks = nearest.par_chunks_mut(CHUNK).zip(rows.as_slice().par_chunks(CHUNK * dim));
    chunks.with_min_len(WORTH).for_each(|(nearest, rows)| panels.nearest(rows, nearest));
    nearest
}

/// Cluster means; an empty cluster moves to the row that is farthest from its centroid.
fn means(rows: &Vectors, nearest: &[(u32, f32)], old: &[f32]) -> Vec<f32> {
    let dim = rows.dim();
    let clusters = old.len() / dim;
    let partial: Vec<(Vec<f64>, Vec<u32>)> = nearest
        .par_chunks(CHUNK)
        .with_min_len(WORTH)
        .enumerate()
        .map(|(chunk, own)| {
            let (mut sums, mut counts) = (vec![0.0; old.len()], vec![0; clusters]);
            for (row, &(cluster, _)) in (chunk * CHUNK..).zip(own) {
                counts[cluster as usize] += 1;
                let sum = &mut sums[cluster as usize * dim..][..dim];
                sum.iter_mut().zip(rows.row(row)).for_each(|(s, &x)| *s += f64::from(x));
            }
            (sums, counts)
        })
        .collect();
    let (mut sums, mut counts) = (vec![0.0; old.len()], vec![0u32; clusters]);
    for (own_sums, own_counts) in &partial {
        sums.iter_mut().zip(own_sums).for_each(|(s, x)| *s += x);
        counts.iter_mut().zip(own_counts).for_each(|(c, n)| *c += n);
    }
    let mut farthest: Vec<usize> = Vec::new();
    if counts.contains(&0) {
        farthest = (0..rows.len()).collect();
        farthest.sort_by(|&a, &b| nearest[b].1.total_cmp(&nearest[a].1).then(a.cmp(&b)));
    }
    let mut spare = farthest.into_iter();
    let mut centroids = Vec::with_capacity(old.len());
    for cluster in 0..clusters {
        match counts[cluster] {
            0 => centroids
                .extend_from_slice(spare.next().map_or(&old[cluster * dim..][..dim], |row| rows.row(row))),
            n => centroids.extend(sums[cluster * dim..][..dim].iter().map(|s| (s / f64::from(n)) as f32)),
        }
    }
    centroids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs(per_blob: usize) -> Vectors {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let rows = (0..4 * per_blob).flat_map(|i| {
            let centre = [(i % 2) as f32 * 10.0, (i / 2 % 2) as f32 * 10.0];
            centre.map(|c| c + rng.random::<f32>())
        });
        Vectors::new(2, rows.collect()).unwrap()
    }

    #[test]
    fn finds_separate_blobs_with_any_number_of_threads() {
        let rows = blobs(500);
        let config = KMeansConfig { clusters: 4, ..Default::default() };
        let fits: Vec<KMeans> = [1, 2, 3]
            .map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| config.fit(&rows).unwrap())
            })
            .into();
        assert!(fits[0].inertia < 2000.0 * 0.2, "{}", fits[0].inertia);
        assert!(fits[0] == fits[1] && fits[1] == fits[2]);
    }

    #[test]
    fn more_clusters_than_distinct_rows() {
        let rows = Vectors::new(1, vec![1.0, 1.0, 5.0]).unwrap();
        let fit = KMeansConfig { clusters: 8, ..Default::default() }.fit(&rows).unwrap();
        assert_eq!(fit.inertia, 0.0);
        assert_eq!(fit.centroids.len(), 8);
    }
}
