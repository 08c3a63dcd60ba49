//! One bit per dimension, with bounds (RaBitQ: Gao, Long 2024, arXiv 2405.12497).
//!
//! A row `x` is taken relative to the mean `c` of all rows and rotated at random: `o = P (x − c)`, of `D` components.
//! Its code is the signs `b`, as a unit vector `u = b / √D`, with two numbers: the projection `a = ⟨o, u⟩ = |o|₁ / √D` and
//! the residual `ρ = |o − a u|`. For a query `v = P q` (under L2 `v = P (q − c)`) and `g = ⟨v, u⟩`:
//!
//! ```text
//! estimate   ⟨v, o⟩ ≈ g |o|² / a           unbiased over rotations
//! bounds     |⟨v, o⟩ − a g| ≤ ρ √(|v|² − g²)    always: Cauchy–Schwarz on the parts orthogonal to u
//! ```
//! The estimate is the score of a row. The paper's bound holds with a chosen probability and falls with `1/√D`; the one
//! here is wider, but certain, as a proof needs. A scan counts bits: it rounds the components of `v` to four bits and a
//! sign, and proposes rows that could reach the threshold.

mod bounds;
mod query;

pub use bounds::{Bounded, Interval};
pub use query::OneBitQuery;

use rayon::prelude::*;

use crate::coded::{Codec, Coded, StoredCodec};
use crate::error::Result;
use crate::kernel::float::{self, Term};
use crate::kernel::planes::{self, BLOCK};
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::rotation::random_orthogonal;
use crate::vectors::Vectors;

/// Sign codes with bounds, scanned by counting bits.
pub type RaBitQ = Coded<OneBitCodes>;

/// The settings of sign codes with bounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RaBitQConfig {
    /// Seed of the rotation.
    pub seed: u64,
}

impl RaBitQConfig {
    /// Encodes all rows.
    ///
    /// # Errors
    /// As [`RaBitQConfig::train`].
    pub fn build(&self, rows: &Vectors, metric: Metric) -> Result<RaBitQ> {
        let scaled = metric.prepare_rows(rows)?;
        Coded::from_rows(self.train(&scaled)?, metric, rows)
    }

    /// Draws the rotation and takes the mean of the rows, zeros if there are none.
    ///
    /// # Errors
    /// If the mean is not finite.
    pub fn train(&self, rows: &Vectors) -> Result<OneBitCodes> {
        let dim = rows.dim();
        let centroid = mean(rows)?;
        // The first columns of a larger rotation keep lengths as well.
        let width = dim.next_multiple_of(64);
        let rotation = random_orthogonal(width, self.seed);
        let rotation = rotation.chunks_exact(width).flat_map(|row| &row[..dim]).copied().collect();
        Ok(OneBitCodes::new(Vectors::new(dim, rotation)?, centroid))
    }
}

/// The mean of the rows, zeros if there are none.
fn mean(rows: &Vectors) -> Result<Vectors> {
    let mut sums = vec![0.0f64; rows.dim()];
    for row in rows.as_slice().chunks_exact(rows.dim()) {
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    Vectors::new(rows.dim(), sums.iter().map(|sum| (sum / rows.len().max(1) as f64) as f32).collect())
}

/// A bit per dimension (rounded up to a multiple of 64), and eight bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct OneBitCodes {
    /// P, `[D, dim]`.
    rotation: Vectors,
    /// c, one row.
    centroid: Vectors,
    /// |PᵀP − 1|: how far P is from keeping inner products, relative to the lengths.
    skew: f64,
}

/// Inner product in f64; sums side by side.
fn dot(a: &[f64], b: &[f32]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        (0..8).for_each(|lane| sums[lane] += a[lane] * f64::from(b[lane]));
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, &b)| a * f64::from(b)).sum();
    sums.iter().sum::<f64>() + rest
}

impl OneBitCodes {
    fn new(rotation: Vectors, centroid: Vectors) -> Self {
        let squares = (0..rotation.dim()).into_par_iter().map(|i| {
            let mut products = vec![0.0; rotation.dim()];
            for row in rotation.as_slice().chunks_exact(rotation.dim()) {
                let own = f64::from(row[i]);
                products.iter_mut().zip(row).for_each(|(sum, &x)| *sum += own * f64::from(x));
            }
            products[i] -= 1.0;
            products.iter().map(|error| error * error).sum::<f64>()
        });
        let squares: Vec<f64> = squares.collect();
        let skew = squares.iter().sum::<f64>().sqrt();
        Self { rotation, centroid, skew }
    }

    fn width(&self) -> usize {
        self.rotation.len()
    }

    fn words(&self) -> usize {
        self.width() / 64
    }

    /// Bits of a row `[dim]`, its projection and its residual. The residual is at least `|o − a u|` for the stored `a`.
    fn code(&self, row: &[f32]) -> (Vec<u64>, f32, f32) {
        let centred: Vec<f32> = row.iter().zip(self.centroid.as_slice()).map(|(x, c)| x - c).collect();
        let mut rotated = vec![0.0; self.width()];
        float::rows(Term::Product, &centred, self.rotation.as_slice(), &mut rotated);
        let word = |part: &[f32]| part.iter().rev().fold(0, |bits, &x| bits << 1 | u64::from(x >= 0.0));
        let bits = rotated.chunks_exact(64).map(word).collect();
        let root = (self.width() as f64).sqrt();
        let projection = (rotated.iter().map(|&x| f64::from(x.abs())).sum::<f64>() / root) as f32;
        let level = f64::from(projection) / root;
        let residual = rotated.iter().map(|&x| (f64::from(x.abs()) - level).powi(2)).sum::<f64>().sqrt();
        // Rounded up.
        (bits, projection, (residual * (1.0 + 1e-6)) as f32)
    }
}

impl Codec for OneBitCodes {
    const BLOCK: usize = BLOCK;
    type Query = OneBitQuery;
    type Scratch = ();

    fn dim(&self) -> usize {
        self.rotation.dim()
    }

    fn code_len(&self) -> usize {
        8 * self.words() + 8
    }

    fn bytes(&self) -> usize {
        size_of_val(self.rotation.as_slice()) + size_of_val(self.centroid.as_slice())
    }

    fn encode(&self, rows: &[f32], codes: &mut [u8]) {
        for (row, code) in rows.chunks_exact(self.dim()).zip(codes.chunks_exact_mut(self.code_len())) {
            let (bits, projection, residual) = self.code(row);
            let (words, factors) = code.split_at_mut(8 * self.words());
            words
                .as_chunks_mut::<8>()
                .0
                .iter_mut()
                .zip(bits)
                .for_each(|(out, word)| *out = word.to_le_bytes());
            let (projections, residuals) = factors.split_at_mut(4);
            projections.copy_from_slice(&projection.to_le_bytes());
            residuals.copy_from_slice(&residual.to_le_bytes());
        }
    }

    /// The part of a row along its signs: `c + Pᵀ a u`.
    fn decode(&self, code: &[u8], row: &mut [f32]) -> bool {
        let (words, factors) = code.split_at(8 * self.words());
        let projection = f32::from_le_bytes([factors[0], factors[1], factors[2], factors[3]]);
        let level = projection / (self.width() as f32).sqrt();
        row.copy_from_slice(self.centroid.as_slice());
        for (bit, axis) in self.rotation.as_slice().chunks_exact(self.dim()).enumerate() {
            let level = if words[bit / 8] >> (bit % 8) & 1 == 1 { level } else { -level };
            row.iter_mut().zip(axis).for_each(|(x, part)| *x += level * part);
        }
        true
    }

    fn adapted(self, _: f32, rows: &Vectors) -> Self {
        match mean(rows) {
            Ok(centroid) => Self { centroid, ..self },
            Err(_) => self,
        }
    }

    fn put(&self, block: &mut [u8], lane: usize, code: &[u8]) {
        let (words, factors) = code.split_at(8 * self.words());
        let (own, own_factors) = block.split_at_mut(8 * self.words() * BLOCK);
        for (row, word) in own.chunks_exact_mut(8 * BLOCK).zip(words.as_chunks::<8>().0) {
            row[8 * lane..][..8].copy_from_slice(word);
        }
        for (row, factor) in own_factors.chunks_exact_mut(4 * BLOCK).zip(factors.as_chunks::<4>().0) {
            row[4 * lane..][..4].copy_from_slice(factor);
        }
    }

    fn take(&self, block: &[u8], lane: usize, code: &mut [u8]) {
        let (words, factors) = code.split_at_mut(8 * self.words());
        let (own, own_factors) = block.split_at(8 * self.words() * BLOCK);
        for (row, word) in own.chunks_exact(8 * BLOCK).zip(words.as_chunks_mut::<8>().0) {
            word.copy_from_slice(&row[8 * lane..][..8]);
        }
        for (row, factor) in own_factors.chunks_exact(4 * BLOCK).zip(factors.as_chunks_mut::<4>().0) {
            factor.copy_from_slice(&row[4 * lane..][..4]);
        }
    }

    fn prepare(&self, query: &[f32], metric: Metric) -> OneBitQuery {
        OneBitQuery::new(self, query, metric)
    }

    fn scan(&self, query: &OneBitQuery, (): &mut (), blocks: &[u8], threshold: f32, hits: &mut Vec<u32>) {
        planes::scan(query.planes(), query.limits(threshold), bytemuck::cast_slice(blocks), hits);
    }

    fn score(&self, query: &OneBitQuery, block: &[u8], lane: usize) -> f32 {
        query.score(bytemuck::cast_slice(block), lane)
    }
}

impl StoredCodec for OneBitCodes {
    const KIND: [u8; 8] = *b"rabitq  ";

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        self.rotation.write("rotation", out);
        self.centroid.write("centroid", out);
    }

    fn read(from: &Reader) -> Result<Self> {
        let (rotation, centroid) = (Vectors::read("rotation", from)?, Vectors::read("centroid", from)?);
        let width = rotation.dim().next_multiple_of(64);
        let fits = rotation.len() == width && centroid.dim() == rotation.dim() && centroid.len() == 1;
        from.ensure(fits, "rotation")?;
        Ok(Self::new(rotation, centroid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn estimates_are_unbiased_and_near() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let rows = Vectors::new(100, (0..100 * 400).map(|_| rng.random::<f32>() - 0.4).collect()).unwrap();
        for metric in [Metric::InnerProduct, Metric::Cosine, Metric::L2] {
            let (mut sum, mut squares, mut all) = (0.0, 0.0, 0.0);
            for seed in 0..6 {
                let index = RaBitQConfig { seed }.build(&rows, metric).unwrap();
                for query in (0..10).map(|row| rows.row(row)) {
                    let prepared = index.prepare(query).unwrap();
                    for id in 10..400u64 {
                        let exact = metric.similarity(query, rows.row(id as usize));
                        let error = f64::from(index.score(&prepared, id).unwrap() - exact);
                        (sum, squares, all) = (sum + error, squares + error * error, all + 1.0);
                    }
                }
            }
            let (mean, deviation) = (sum / all, (squares / all).sqrt());
            // A vector of this kind has squared length 100 / 12 about the mean.
            let scale = match metric {
                Metric::InnerProduct => 8.3,
                Metric::Cosine => 1.0,
                Metric::L2 => 16.6,
            };
            assert!(mean.abs() < 0.005 * scale && deviation < 0.15 * scale, "{metric:?} {mean} {deviation}");
        }
    }

    #[test]
    fn a_code_comes_back_from_any_lane() {
        let codes = RaBitQConfig::default().train(&Vectors::new(70, vec![0.5; 70]).unwrap()).unwrap();
        let mut block = vec![0; BLOCK * codes.code_len()];
        let code = |lane: usize| (0..codes.code_len()).map(|i| (31 * i + 7 * lane) as u8).collect::<Vec<_>>();
        (0..BLOCK).for_each(|lane| codes.put(&mut block, lane, &code(lane)));
        for lane in 0..BLOCK {
            let mut own = vec![0; codes.code_len()];
            codes.take(&block, lane, &mut own);
            assert_eq!(own, code(lane));
        }
    }
}
