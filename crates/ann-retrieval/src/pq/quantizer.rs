//! Codebooks: their training, coding and decoding.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::kernel::float::Term;
use crate::kernel::nearest::Panels;
use crate::kmeans::KMeansConfig;
use crate::persist::{Reader, Writer};
use crate::vectors::Vectors;

/// Rows that are coded together.
const CHUNK: usize = 256;

/// Rows per centroid that are enough to train codebooks.
pub(crate) const ENOUGH: usize = 8;

/// The settings of a product quantiser.
#[derive(Clone, Debug, PartialEq)]
pub struct PqConfig {
    /// M: sub-vectors per vector; must divide the width. 16 by default.
    pub sub_vectors: usize,
    /// ksub: centroids per sub-vector, 1 to 65,536: 256 by default. Codes of 4 bits have 16, whatever stands here.
    pub centroids: usize,
    /// Rounds of k-means: 25 by default.
    pub iterations: usize,
    /// Seed of k-means.
    pub seed: u64,
    /// Most rows that k-means sees, evenly spaced among all, at least 1: 65,536 by default.
    pub sample: usize,
}

impl Default for PqConfig {
    fn default() -> Self {
        Self { sub_vectors: 16, centroids: 256, iterations: 25, seed: 0, sample: 1 << 16 }
    }
}

/// A trained codebook.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductQuantizer {
    /// One table of centroids per sub-vector, each `[ksub, dsub]`.
    codebooks: Vec<Vectors>,
    /// The same, arranged for comparison.
    panels: Vec<Panels>,
    dim: usize,
}

impl PqConfig {
    /// Trains a codebook.
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
        if self.sample == 0 {
            return Err(Error::Config { field: "sample", message: "must be at least 1".into() });
        }
        let dsub = dim / m;
        let rows = rows.sample(self.sample);
        let codebooks = (0..m).map(|sub| {
            let own = (0..rows.len()).flat_map(|row| rows.row(row)[sub * dsub..][..dsub].iter().copied());
            let own = Vectors::new(dsub, own.collect())?;
            let seed = self.seed.wrapping_add(sub as u64);
            let config = KMeansConfig { clusters: self.centroids, iterations: self.iterations, seed };
            Ok(config.fit(&own)?.centroids)
        });
        ProductQuantizer::new(codebooks.collect::<Result<_>>()?)
    }
}

impl ProductQuantizer {
    /// A quantiser with given codebooks: one table `[ksub, dsub]` per sub-vector.
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
        let panels = codebooks.iter().map(|book| Panels::new(dsub, book.as_slice())).collect();
        Ok(Self { dim: dsub * codebooks.len(), codebooks, panels })
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

    /// The quantiser for rows that are `factor` times as long as those it was trained on: trained anew from them where they are
    /// enough, scaled where they are not.
    pub(crate) fn adapted(mut self, factor: f32, rows: &Vectors) -> Self {
        let (sub_vectors, centroids) = (self.sub_vectors(), self.ksub());
        if rows.len() >= ENOUGH * centroids
            && let Ok(trained) = (PqConfig { sub_vectors, centroids, ..PqConfig::default() }).train(rows)
        {
            return trained;
        }
        for (book, panels) in self.codebooks.iter_mut().zip(&mut self.panels) {
            book.scale(factor);
            *panels = Panels::new(book.dim(), book.as_slice());
        }
        self
    }

    /// Reads back a code for each sub-vector. As in the tables of a scan, a code without a centroid is taken for the first.
    pub(crate) fn decode_into(&self, codes: impl Iterator<Item = u8>, row: &mut [f32]) {
        let dsub = self.dim / self.sub_vectors();
        for ((part, book), code) in row.chunks_exact_mut(dsub).zip(&self.codebooks).zip(codes) {
            part.copy_from_slice(book.row_or_first(code));
        }
    }

    /// Width of the vectors.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// M: codes per vector.
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
        let m = self.sub_vectors();
        let mut codes = vec![0; rows.len() * m];
        let chunks = codes.par_chunks_mut(CHUNK * m).zip(rows.as_slice().par_chunks(CHUNK * self.dim));
        chunks.for_each(|(codes, rows)| {
            self.encode_each(rows, |row, sub, code| codes[row * m + sub] = code);
        });
        Ok(codes)
    }

    /// Hands over the code of each sub-vector of each row of `[n, dim]`: row, sub-vector, code.
    pub(crate) fn encode_each(&self, rows: &[f32], mut put: impl FnMut(usize, usize, u16)) {
        let dsub = self.dim / self.sub_vectors();
        let mut own = [(0, 0.0); CHUNK];
        let mut sub_rows = Vec::with_capacity(CHUNK * dsub);
        for (chunk, rows) in rows.chunks(CHUNK * self.dim).enumerate() {
            let count = rows.len() / self.dim;
            for (sub, panels) in self.panels.iter().enumerate() {
                sub_rows.clear();
                rows.chunks_exact(self.dim)
                    .for_each(|row| sub_rows.extend_from_slice(&row[sub * dsub..][..dsub]));
                panels.nearest(&sub_rows, &mut own[..count]);
                own[..count]
                    .iter()
                    .enumerate()
                    .for_each(|(row, &(code, _))| put(chunk * CHUNK + row, sub, code as u16));
            }
        }
    }

    /// Compares a vector with all centroids: a table of `out.len() / M` numbers per sub-vector.
    pub(crate) fn compare(&self, term: Term, row: &[f32], out: &mut [f32]) {
        let (entries, dsub) = (out.len() / self.sub_vectors(), self.dim / self.sub_vectors());
        let parts = self.panels.iter().zip(row.chunks_exact(dsub)).zip(out.chunks_exact_mut(entries));
        parts.for_each(|((panels, part), out)| panels.compare(term, part, out));
    }

    /// ksub: centroids per sub-vector.
    pub fn ksub(&self) -> usize {
        self.codebooks[0].len()
    }

    /// Bytes of the centroids, both arrangements.
    pub(crate) fn bytes(&self) -> usize {
        2 * self.codebooks.iter().map(|book| size_of_val(book.as_slice())).sum::<usize>()
    }

    /// A quantiser for concatenated vectors: first those of `parts[0]`, then those of `parts[1]` …
    ///
    /// # Errors
    /// If their sub-vectors differ in width or number of centroids, or there is none.
    pub fn concatenate(parts: &[&Self]) -> Result<Self> {
        Self::new(parts.iter().flat_map(|part| &part.codebooks).cloned().collect())
    }

    pub(crate) fn write<'a>(&'a self, out: &mut Writer<'a>) {
        let centroids: Vec<f32> = self.centroids().collect();
        out.put_own(
            "books",
            &[self.sub_vectors() as u64, self.ksub() as u64, (self.dim / self.sub_vectors()) as u64],
        );
        out.put_own("centroids", &centroids);
    }

    pub(crate) fn read(from: &Reader) -> Result<Self> {
        Self::new(Vectors::read_books(from)?).map_err(|error| from.damaged(format!("codebooks: {error}")))
    }

    /// Decodes `[rows, M]` codes into vectors `[rows, dim]`.
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
            crate::kernel::float::squared_distance(&decoded, rows.as_slice()) / rows.len() as f32
        };
        let (coarse, fine) = (error(4), error(64));
        assert!(fine < coarse / 4.0 && coarse < 8.0 / 12.0, "{coarse} {fine}");
    }
}
