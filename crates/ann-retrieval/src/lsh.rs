//! Locality-sensitive hashing: the signs of random projections, compared by counting equal bits (Charikar 2002).

use crate::coded::{Codec, Coded, StoredCodec};
use crate::error::{Error, Result};
use crate::kernel::bits;
use crate::kernel::float::{self, Term};
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::rotation::random_orthogonal;
use crate::vectors::Vectors;

/// Sign codes, scanned by Hamming distance.
pub type Lsh = Coded<Signs>;

/// The settings of sign codes.
#[derive(Clone, Debug, PartialEq)]
pub struct LshConfig {
    /// Bits per vector, a multiple of 64 up to 65,536.
    pub bits: usize,
    /// Seed of the projections.
    pub seed: u64,
}

impl Default for LshConfig {
    fn default() -> Self {
        Self { bits: 256, seed: 0 }
    }
}

impl LshConfig {
    /// Hashes all rows. The score of a vector is the estimated cosine, `cos(π · differing bits / bits)`.
    ///
    /// # Errors
    /// If the number of bits is not a positive multiple of 64.
    pub fn build(&self, rows: &Vectors) -> Result<Lsh> {
        Coded::from_rows(self.signs(rows.dim())?, Metric::Cosine, rows)
    }

    /// The projections for vectors of a width.
    ///
    /// # Errors
    /// As [`LshConfig::build`].
    pub fn signs(&self, dim: usize) -> Result<Signs> {
        if self.bits == 0 || !self.bits.is_multiple_of(64) || self.bits > 1 << 16 {
            let message = format!("{} is not a multiple of 64 up to 65536", self.bits);
            return Err(Error::Config { field: "bits", message });
        }
        // Projections that are orthogonal among `dim` of them share no information: fewer errors for the same bits.
        let blocks = (0..self.bits.div_ceil(dim) as u64)
            .flat_map(|block| random_orthogonal(dim, self.seed.wrapping_mul(1 << 16).wrapping_add(block)));
        let projections = blocks.take(self.bits * dim).collect();
        Ok(Signs::new(Vectors::new(dim, projections)?))
    }
}

/// The signs of projections, one bit each.
#[derive(Clone, Debug, PartialEq)]
pub struct Signs {
    /// `[bits, dim]`.
    projections: Vectors,
    /// The estimated cosine for each number of differing bits.
    cosines: Vec<f32>,
}

impl Signs {
    fn new(projections: Vectors) -> Self {
        let bits = projections.len();
        let cosine = |differing| (std::f64::consts::PI * f64::from(differing) / bits as f64).cos() as f32;
        Self { projections, cosines: (0..=bits as u32).map(cosine).collect() }
    }

    fn words(&self) -> usize {
        self.projections.len() / 64
    }

    fn hash(&self, row: &[f32]) -> impl Iterator<Item = u64> {
        let mut products = vec![0.0; self.projections.len()];
        float::rows(Term::Product, row, self.projections.as_slice(), &mut products);
        (0..self.words()).map(move |word| {
            let signs = products[word * 64..][..64].iter();
            signs.rev().fold(0, |bits, &product| bits << 1 | u64::from(product >= 0.0))
        })
    }
}

impl Codec for Signs {
    const BLOCK: usize = bits::BLOCK;
    type Query = Vec<u64>;
    type Scratch = ();

    fn dim(&self) -> usize {
        self.projections.dim()
    }

    fn code_len(&self) -> usize {
        self.words() * 8
    }

    fn bytes(&self) -> usize {
        size_of_val(self.projections.as_slice())
    }

    fn encode(&self, rows: &[f32], codes: &mut [u8]) {
        for (row, code) in rows.chunks_exact(self.dim()).zip(codes.chunks_exact_mut(self.code_len())) {
            for (bytes, word) in code.as_chunks_mut::<8>().0.iter_mut().zip(self.hash(row)) {
                *bytes = word.to_le_bytes();
            }
        }
    }

    fn put(&self, block: &mut [u8], lane: usize, code: &[u8]) {
        for (words, word) in
            block.as_chunks_mut::<{ 8 * bits::BLOCK }>().0.iter_mut().zip(code.as_chunks::<8>().0)
        {
            words[lane * 8..][..8].copy_from_slice(word);
        }
    }

    fn take(&self, block: &[u8], lane: usize, code: &mut [u8]) {
        for (words, word) in
            block.as_chunks::<{ 8 * bits::BLOCK }>().0.iter().zip(code.as_chunks_mut::<8>().0)
        {
            word.copy_from_slice(&words[lane * 8..][..8]);
        }
    }

    fn prepare(&self, query: &[f32], _: Metric) -> Vec<u64> {
        self.hash(query).collect()
    }

    fn scan(&self, query: &Vec<u64>, (): &mut (), blocks: &[u8], threshold: f32, hits: &mut Vec<u32>) {
        // The scores fall with the distance, so the largest distance that still reaches the threshold decides.
        let reaching = self.cosines.partition_point(|&cosine| cosine >= threshold);
        if let Some(most) = reaching.checked_sub(1) {
            bits::scan(query, bytemuck::cast_slice(blocks), most as u32, hits);
        }
    }

    fn score(&self, query: &Vec<u64>, block: &[u8], lane: usize) -> f32 {
        self.cosines[bits::distance(query, bytemuck::cast_slice(block), lane) as usize]
    }
}

impl StoredCodec for Signs {
    const KIND: [u8; 8] = *b"lsh     ";

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        self.projections.write("projections", out);
    }

    fn read(from: &Reader) -> Result<Self> {
        let projections = Vectors::read("projections", from)?;
        let bits = projections.len();
        from.ensure(bits > 0 && bits.is_multiple_of(64) && bits <= 1 << 16, "projections")?;
        Ok(Self::new(projections))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::AnnIndex;

    #[test]
    fn estimates_the_cosine() {
        let rows = Vectors::new(2, vec![1.0, 0.0, 1.0, 1.0, 0.0, 5.0, -2.0, 0.0]).unwrap();
        let lsh = LshConfig { bits: 4096, seed: 3 }.build(&rows).unwrap();
        let found = lsh.search(&[7.0, 0.0], 4).unwrap();
        assert_eq!(found.iter().map(|n| n.id).collect::<Vec<_>>(), [0, 1, 2, 3]);
        for (found, cosine) in found.iter().zip([1.0, 0.5f32.sqrt(), 0.0, -1.0]) {
            assert!((found.score - cosine).abs() < 0.05, "{} {cosine}", found.score);
        }
        assert!(LshConfig { bits: 100, seed: 0 }.build(&rows).is_err());
    }
}
