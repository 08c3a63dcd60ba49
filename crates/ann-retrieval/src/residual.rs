//! Residual quantisation: each stage codes what the stages before it left over (Chen, Guan, Wang 2010).

use rayon::prelude::*;

use crate::coded::{Codec, Coded, StoredCodec};
use crate::error::{Error, Result};
use crate::kernel::bytes;
use crate::kernel::float::{Term, dot};
use crate::kernel::nearest::Panels;
use crate::kmeans::KMeansConfig;
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::pq::ENOUGH;
use crate::tables::{ScoreTables, sum_entries};
use crate::vectors::Vectors;

/// Residual codes, scored with tables of the query.
pub type Residual = Coded<ResidualCodes>;

/// The settings of a residual quantiser.
#[derive(Clone, Debug, PartialEq)]
pub struct ResidualConfig {
    /// R: number of stages, of one byte each.
    pub stages: usize,
    /// Centroids per stage, at most 256.
    pub centroids: usize,
    /// Rounds of k-means.
    pub iterations: usize,
    /// Seed of k-means.
    pub seed: u64,
    /// Most rows that k-means sees, evenly spaced among all.
    pub sample: usize,
}

impl Default for ResidualConfig {
    fn default() -> Self {
        Self { stages: 8, centroids: 256, iterations: 25, seed: 0, sample: 1 << 16 }
    }
}

impl ResidualConfig {
    /// Trains the stages and encodes all rows.
    ///
    /// # Errors
    /// Settings that do not fit, or no rows.
    pub fn build(&self, rows: &Vectors, metric: Metric) -> Result<Residual> {
        let scaled = metric.prepare_rows(rows)?;
        Coded::from_rows(self.train(&scaled, metric)?, metric, rows)
    }

    /// Trains the stages by k-means on what is left over.
    ///
    /// # Errors
    /// As [`ResidualConfig::build`].
    pub fn train(&self, rows: &Vectors, metric: Metric) -> Result<ResidualCodes> {
        if !(1..=255).contains(&self.stages) {
            return Err(Error::Config {
                field: "stages",
                message: format!("{} is not 1 to 255", self.stages),
            });
        }
        if !(1..=bytes::ENTRIES).contains(&self.centroids) {
            let message = format!("{} is not 1 to {}", self.centroids, bytes::ENTRIES);
            return Err(Error::Config { field: "centroids", message });
        }
        let rows = rows.sample(self.sample);
        let mut left = rows.clone().into_owned();
        let mut books = Vec::with_capacity(self.stages);
        for stage in 0..self.stages as u64 {
            let seed = self.seed.wrapping_add(stage);
            let config = KMeansConfig { clusters: self.centroids, iterations: self.iterations, seed };
            let book = config.fit(&left)?.centroids;
            let panels = Panels::new(rows.dim(), book.as_slice());
            let mut numbers = left.as_slice().to_vec();
            numbers.par_chunks_exact_mut(rows.dim()).for_each(|row| {
                subtract_nearest(&panels, &book, row);
            });
            left = Vectors::new(rows.dim(), numbers)?;
            books.push(book);
        }
        let mut codes = ResidualCodes::new(books, Vec::new());
        if metric == Metric::L2 {
            codes.norms = codes.learn_norms(&rows)?;
        }
        Ok(codes)
    }
}

/// Subtracts the nearest centroid; returns its number.
fn subtract_nearest(panels: &Panels, book: &Vectors, row: &mut [f32]) -> u8 {
    let mut nearest = [(0, 0.0)];
    panels.nearest(row, &mut nearest);
    row.iter_mut().zip(book.row(nearest[0].0 as usize)).for_each(|(x, c)| *x -= c);
    nearest[0].0 as u8
}

/// One byte per stage, and under L2 one for the squared length of the decoded vector.
#[derive(Clone, Debug, PartialEq)]
pub struct ResidualCodes {
    books: Vec<Vectors>,
    panels: Vec<Panels>,
    /// Levels of the squared length, ascending; none where the metric does not need it.
    norms: Vec<f32>,
}

impl ResidualCodes {
    fn new(books: Vec<Vectors>, norms: Vec<f32>) -> Self {
        let panels = books.iter().map(|book| Panels::new(book.dim(), book.as_slice())).collect();
        Self { books, panels, norms }
    }

    /// The code of a row, without its length, and the decoded vector.
    fn code(&self, row: &[f32], code: &mut [u8]) -> Vec<f32> {
        let mut left = row.to_vec();
        for ((panels, book), code) in self.panels.iter().zip(&self.books).zip(code) {
            *code = subtract_nearest(panels, book, &mut left);
        }
        row.iter().zip(left).map(|(x, left)| x - left).collect()
    }

    fn learn_norms(&self, rows: &Vectors) -> Result<Vec<f32>> {
        let norm = |row: &[f32]| {
            let decoded = self.code(row, &mut vec![0; self.books.len()]);
            dot(&decoded, &decoded)
        };
        let norms: Vec<f32> = rows.as_slice().par_chunks_exact(rows.dim()).map(norm).collect();
        let config = KMeansConfig { clusters: bytes::ENTRIES, ..Default::default() };
        let mut levels = config.fit(&Vectors::new(1, norms)?)?.centroids.as_slice().to_vec();
        levels.sort_by(f32::total_cmp);
        Ok(levels)
    }
}

impl Codec for ResidualCodes {
    const BLOCK: usize = bytes::BLOCK;
    type Query = ScoreTables;
    type Scratch = ();

    fn dim(&self) -> usize {
        self.books[0].dim()
    }

    fn code_len(&self) -> usize {
        self.books.len() + usize::from(!self.norms.is_empty())
    }

    fn bytes(&self) -> usize {
        2 * self.books.iter().map(|book| size_of_val(book.as_slice())).sum::<usize>() + self.norms.len() * 4
    }

    fn encode(&self, rows: &[f32], codes: &mut [u8]) {
        for (row, code) in rows.chunks_exact(self.dim()).zip(codes.chunks_exact_mut(self.code_len())) {
            let decoded = self.code(row, code);
            if !self.norms.is_empty() {
                let norm = dot(&decoded, &decoded);
                let above = self.norms.partition_point(|&level| level < norm);
                let below = above.saturating_sub(1);
                let above = above.min(self.norms.len() - 1);
                let nearer = if (self.norms[above] - norm).abs() < (norm - self.norms[below]).abs() {
                    above
                } else {
                    below
                };
                code[self.books.len()] = nearer as u8;
            }
        }
    }

    fn decode(&self, code: &[u8], row: &mut [f32]) -> bool {
        row.fill(0.0);
        for (book, &code) in self.books.iter().zip(code) {
            row.iter_mut().zip(book.row_or_first(code)).for_each(|(x, part)| *x += part);
        }
        true
    }

    fn adapted(self, factor: f32, rows: &Vectors) -> Self {
        let (stages, centroids) = (self.books.len(), self.books[0].len());
        let metric = if self.norms.is_empty() { Metric::InnerProduct } else { Metric::L2 };
        if rows.len() >= ENOUGH * centroids
            && let Ok(trained) =
                (ResidualConfig { stages, centroids, ..ResidualConfig::default() }).train(rows, metric)
        {
            return trained;
        }
        let mut books = self.books;
        books.iter_mut().for_each(|book| book.scale(factor));
        let norms = self.norms.iter().map(|norm| (norm * factor * factor).min(f32::MAX));
        Self::new(books, norms.collect())
    }

    fn put(&self, block: &mut [u8], lane: usize, code: &[u8]) {
        block.chunks_exact_mut(Self::BLOCK).zip(code).for_each(|(bytes, &code)| bytes[lane] = code);
    }

    fn take(&self, block: &[u8], lane: usize, code: &mut [u8]) {
        block.chunks_exact(Self::BLOCK).zip(code).for_each(|(bytes, code)| *code = bytes[lane]);
    }

    fn prepare(&self, query: &[f32], metric: Metric) -> ScoreTables {
        let mut exact = vec![0.0; self.code_len() * bytes::ENTRIES];
        for ((panels, book), table) in
            self.panels.iter().zip(&self.books).zip(exact.chunks_exact_mut(bytes::ENTRIES))
        {
            panels.compare(Term::Product, query, table);
            let first = table[0];
            table[book.len()..].fill(first);
        }
        if metric == Metric::L2 {
            // -|q - x|² = 2⟨q, x⟩ - |x|² - |q|²; the last part goes into the table of lengths.
            exact.iter_mut().for_each(|x| *x *= 2.0);
            let own = dot(query, query);
            let last = self.books.len() * bytes::ENTRIES;
            exact[last..].iter_mut().zip(&self.norms).for_each(|(x, norm)| *x = -norm - own);
        }
        ScoreTables::new(exact, bytes::ENTRIES, u8::MAX)
    }

    fn scan(&self, query: &ScoreTables, (): &mut (), blocks: &[u8], threshold: f32, hits: &mut Vec<u32>) {
        query.scan_bytes(blocks, threshold, hits);
    }

    fn score(&self, query: &ScoreTables, block: &[u8], lane: usize) -> f32 {
        sum_entries::<{ bytes::ENTRIES }, { bytes::BLOCK }>(query.exact(), block, |stage| {
            stage[lane % bytes::BLOCK]
        })
    }
}

impl StoredCodec for ResidualCodes {
    const KIND: [u8; 8] = *b"residual";

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        let centroids: Vec<f32> = self.books.iter().flat_map(|book| book.as_slice()).copied().collect();
        out.put_own("books", &[self.books.len() as u64, self.books[0].len() as u64, self.dim() as u64]);
        out.put_own("centroids", &centroids);
        out.put("norms", &self.norms);
    }

    fn read(from: &Reader) -> Result<Self> {
        let (books, norms) = (Vectors::read_books(from)?, from.numbers::<f32>("norms")?);
        let fits = books.len() <= 255 && books[0].len() <= bytes::ENTRIES;
        let finite = norms.iter().all(|x| x.is_finite());
        from.ensure(fits && finite && (norms.is_empty() || norms.len() == bytes::ENTRIES), "stages")?;
        Ok(Self::new(books, norms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::AnnIndex;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn more_stages_lose_less_and_scores_are_those_of_the_decoded_vectors() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let rows = Vectors::new(8, (0..8 * 900).map(|_| rng.random::<f32>() - 0.5).collect()).unwrap();
        let query = rows.row(17);
        let error = |stages, metric| {
            let config = ResidualConfig { stages, centroids: 32, ..Default::default() };
            let index = config.build(&rows, metric).unwrap();
            let decoded = index.codec().code(query, &mut vec![0; stages]);
            let found = index.search(query, 900).unwrap();
            let own = found.iter().find(|n| n.id == 17).unwrap();
            let expected = metric.between_prepared(query, &decoded);
            // Under L2 the decoded length is rounded to one of 256 levels.
            let tolerance = if metric == Metric::L2 { 0.02 } else { 1e-5 };
            assert!((own.score - expected).abs() < tolerance, "{} {expected}", own.score);
            rows.as_slice()
                .chunks_exact(8)
                .map(|row| {
                    crate::kernel::float::squared_distance(
                        row,
                        &index.codec().code(row, &mut vec![0; stages]),
                    )
                })
                .sum::<f32>()
        };
        for metric in [Metric::InnerProduct, Metric::L2] {
            assert!(error(4, metric) < 0.5 * error(1, metric));
        }
        assert!(ResidualConfig { stages: 0, ..Default::default() }.build(&rows, Metric::L2).is_err());
    }
}
