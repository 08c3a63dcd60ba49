//! Product quantisation: a vector as one small code a sub-vector (Jégou, Douze, Schmid 2011).

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::kmeans::KMeansConfig;
use crate::metric::squared_distance;
use crate::vectors::Vectors;

/// The settings of a product quantiser.
#[derive(Clone, Debug, PartialEq)]
pub struct PqConfig {
    /// M: sub-vectors a vector is cut into; must divide the width.
    pub sub_vectors: usize,
    /// ksub: centroids a sub-vector, at most 65,536.
    pub centroids: usize,
    /// Rounds of k-means.
    pub iterations: usize,
    /// Seed of k-means.
    pub seed: u64,
}

impl Default for PqConfig {
    fn default() -> Self {
        Self { sub_vectors: 16, centroids: 256, iterations: 25, seed: 0 }
    }
}

/// A trained codebook.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductQuantizer {
    /// One table of centroids a sub-vector, each `[ksub, dsub]`.
    codebooks: Vec<Vectors>,
    dim: usize,
}

impl PqConfig {
    /// Trains on all rows.
    ///
    /// # Errors
    /// Settings that do not fit the rows, or no rows.
    pub fn train(&self, rows: &Vectors) -> Result<ProductQuantizer> {
        let (dim, m) = (rows.dim(), self.sub_vectors);
        if m == 0 || !dim.is_multiple_of(m) {
            let message = format!("{m} does not divide the width {dim}");
            return Err(Error::Config { field: "sub_vectors", message });
        }
        if self.centroids == 0 || self.centroids > 1 << 16 {
            let message = format!("{} is not between 1 and 65536", self.centroids);
            return Err(Error::Config { field: "centroids", message });
        }
        let dsub = dim / m;
        let codebooks = (0..m).map(|sub| {
            let own = (0..rows.len()).flat_map(|row| rows.row(row)[sub * dsub..][..dsub].iter().copied());
            let own = Vectors::new(dsub, own.collect())?;
            let seed = self.seed.wrapping_add(sub as u64);
            let config = KMeansConfig { clusters: self.centroids, iterations: self.iterations, seed };
            Ok(config.fit(&own)?.centroids)
        });
        Ok(ProductQuantizer { codebooks: codebooks.collect::<Result<_>>()?, dim })
    }
}

impl ProductQuantizer {
    /// A quantiser with given codebooks: one table `[ksub, dsub]` a sub-vector.
    ///
    /// # Errors
    /// If there is none, or they differ in size.
    pub fn new(codebooks: Vec<Vectors>) -> Result<Self> {
        let Some(first) = codebooks.first() else {
            return Err(Error::Config { field: "codebooks", message: "at least one is needed".into() });
        };
        let (len, dsub) = (first.len(), first.dim());
        if len == 0 || len > 1 << 16 || codebooks.iter().any(|book| (book.len(), book.dim()) != (len, dsub)) {
            let message = "all have the same number of centroids, 1 to 65536, of the same width".into();
            return Err(Error::Config { field: "codebooks", message });
        }
        Ok(Self { dim: dsub * codebooks.len(), codebooks })
    }

    /// All centroids, `[M, ksub, dsub]`.
    pub fn centroids(&self) -> impl Iterator<Item = f32> {
        self.codebooks.iter().flat_map(|book| book.as_slice().iter().copied())
    }

    /// The quantiser with each codebook changed in place.
    ///
    /// # Errors
    /// If a changed number is not finite.
    pub fn map_centroids(self, change: impl Fn(&mut [f32])) -> Result<Self> {
        let changed = self.codebooks.into_iter().map(|book| {
            let mut rows = book.as_slice().to_vec();
            change(&mut rows);
            Vectors::new(book.dim(), rows)
        });
        Self::new(changed.collect::<Result<_>>()?)
    }

    /// Width of the vectors.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// M: codes a vector.
    pub fn sub_vectors(&self) -> usize {
        self.codebooks.len()
    }

    /// The nearest centroid of each sub-vector, `[rows, M]`.
    ///
    /// # Errors
    /// If the rows have another width.
    pub fn encode(&self, rows: &Vectors) -> Result<Vec<u16>> {
        if rows.dim() != self.dim {
            return Err(Error::Dimension { what: "the rows", expected: self.dim, found: rows.dim() });
        }
        let dsub = self.dim / self.sub_vectors();
        let code = |vector: &[f32], book: &Vectors| {
            let mut best = (0, f32::INFINITY);
            for index in 0..book.len() {
                let distance = squared_distance(vector, book.row(index));
                if distance < best.1 {
                    best = (index as u16, distance);
                }
            }
            best.0
        };
        let encoded = (0..rows.len()).into_par_iter().flat_map_iter(|row| {
            self.codebooks.iter().zip(rows.row(row).chunks_exact(dsub)).map(|(book, sub)| code(sub, book))
        });
        Ok(encoded.collect())
    }

    /// The vectors that codes stand for, `[rows, dim]`.
    ///
    /// # Panics
    /// If a code is not one of this quantiser's.
    pub fn decode(&self, codes: &[u16]) -> Vec<f32> {
        let pairs = codes.iter().zip(self.codebooks.iter().cycle());
        pairs.flat_map(|(&code, book)| book.row(code as usize)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn decoding_comes_near_and_nearest_codes_are_nearest() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let rows = Vectors::new(8, (0..8 * 600).map(|_| rng.random::<f32>()).collect()).unwrap();
        let error = |centroids| {
            let pq = PqConfig { sub_vectors: 4, centroids, ..Default::default() }.train(&rows).unwrap();
            let decoded = pq.decode(&pq.encode(&rows).unwrap());
            let again = Vectors::new(8, decoded.clone()).unwrap();
            assert_eq!(pq.decode(&pq.encode(&again).unwrap()), decoded, "a decoded vector encodes to itself");
            squared_distance(&decoded, rows.as_slice()) / rows.len() as f32
        };
        let (coarse, fine) = (error(4), error(64));
        assert!(fine < coarse / 4.0 && coarse < 8.0 / 12.0, "{coarse} {fine}");
    }
}
