//! ETA's search, and SEMINAR's `lsh`: the number of equal hash bits.

use burn::tensor::Tensor;
use pulp::Simd;

use super::scan::{best, host_rows};
use super::unit::{Candidate, Gsu, HostGsu, Scene, Seen};
use crate::events::Events;
use crate::parts::{HashBits, Selection, select_top_k};

/// Bits of targets and events, as 0 and 1; see [`HashBits::bits`].
#[derive(Clone, Debug)]
pub struct Bits {
    /// `[V, bits]`.
    pub targets: Tensor<2>,
    /// `[U, bits]`.
    pub keys: Tensor<2>,
}

impl Bits {
    /// The bits of unique targets `[V, D]` and events `[U, D]`.
    pub fn of(hash: &HashBits, targets: &Tensor<2>, events: &Tensor<2>) -> Self {
        Self { targets: hash.bits(targets.clone()), keys: hash.bits(events.clone()) }
    }
}

impl Gsu for Bits {
    type Host = Codes;

    fn select(&self, scene: &Scene<'_>, k: usize) -> (Tensor<4>, Selection) {
        let place = |events: &Events, bits: &Tensor<2>| events.place(bits.clone());
        let (targets, keys) = (place(scene.candidates, &self.targets), place(scene.history, &self.keys));
        let relevance = HashBits::equal_bits(targets, keys);
        let selection = select_top_k(&relevance, scene.history, k, scene.mask_padding, scene.seen);
        (relevance, selection)
    }

    fn host(&self) -> Codes {
        let bits = self.keys.dims()[1];
        let words = bits.div_ceil(64);
        let pack = |rows: Vec<f32>| -> Vec<u64> {
            let word =
                |bits: &[f32]| bits.iter().rev().fold(0, |word, &bit| word << 1 | u64::from(bit > 0.0));
            rows.chunks_exact(bits).flat_map(|row| row.chunks(64).map(word)).collect()
        };
        Codes { bits, words, targets: pack(host_rows(&self.targets)), keys: pack(host_rows(&self.keys)) }
    }
}

/// [`Bits`] packed into words.
#[derive(Debug)]
pub struct Codes {
    pub(super) bits: usize,
    pub(super) words: usize,
    pub(super) targets: Vec<u64>,
    pub(super) keys: Vec<u64>,
}

impl Codes {
    /// How many bits are equal, for one target and each of the given rows.
    #[inline(always)]
    fn equal(&self, target: u32, rows: &[u32], out: &mut [f32]) {
        let own = |row: u32| row as usize * self.words..(row as usize + 1) * self.words;
        let target = &self.targets[own(target)];
        for (&row, out) in rows.iter().zip(out) {
            let key = &self.keys[own(row)];
            let unequal: u32 = target.iter().zip(key).map(|(a, b)| (a ^ b).count_ones()).sum();
            *out = (self.bits - unequal as usize) as f32;
        }
    }
}

impl HostGsu for Codes {
    type Scratch = Vec<f32>;

    fn enter(&self, seen: &Seen<'_>, found: &mut Vec<f32>) {
        found.resize(seen.len(), 0.0);
    }

    #[inline(always)]
    fn keep<S: Simd>(
        &self,
        simd: S,
        &Candidate { seen, target, k, .. }: &Candidate<'_>,
        found: &mut Vec<f32>,
        kept: &mut [u32],
    ) -> usize {
        self.equal(target, seen.rows, found);
        // Counts are whole numbers, which the cut finds faster.
        best(simd, &found[..seen.len()], k, true, kept)
    }
}
