//! The offline default: hashed word and character n-grams, weighted by rarity, projected at random.
//!
//! It is no language model: only texts that share rare words or spellings are near each other. Tables of results list it
//! under its own name, not as CLIP.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use crate::encoder::ItemEncoder;
use crate::error::Result;

/// Weight of a character n-gram beside a whole word.
const CHARACTER_WEIGHT: f32 = 0.3;
/// Length of character n-grams, word boundaries included.
const CHARACTERS: usize = 4;

/// Hashed n-grams with inverse document frequencies of the texts it was fitted on.
#[derive(Clone, Debug)]
pub struct HashedText {
    dim: usize,
    seed: u64,
    texts: f32,
    /// Number of texts that each n-gram occurs in.
    frequency: HashMap<u64, u32>,
}

impl HashedText {
    /// Counts the n-grams of all texts that will be compared.
    pub fn fit<'a>(texts: impl IntoIterator<Item = &'a str>, dim: usize, seed: u64) -> Self {
        let mut frequency = HashMap::new();
        let mut count = 0;
        for text in texts {
            count += 1;
            for gram in grams(text).into_keys() {
                *frequency.entry(gram).or_insert(0) += 1;
            }
        }
        Self { dim, seed, texts: count as f32, frequency }
    }

    /// `ln((texts + 1) / (frequency + 1)) + 1`.
    fn rarity(&self, gram: u64) -> f32 {
        let frequency = self.frequency.get(&gram).copied().unwrap_or(0) as f32;
        ((self.texts + 1.0) / (frequency + 1.0)).ln() + 1.0
    }

    /// Each n-gram has a random direction of ±1, made from its hash: the matrix is never stored.
    fn encode(&self, text: &str, out: &mut [f32]) {
        // Ordered, so that sums round the same way every time.
        for (gram, weight) in grams(text) {
            let weight = weight * self.rarity(gram);
            let mut bits = 0;
            for (d, x) in out.iter_mut().enumerate() {
                if d % 64 == 0 {
                    bits = mix(gram ^ mix(self.seed.wrapping_add(d as u64)));
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

impl ItemEncoder for HashedText {
    fn dim(&self) -> usize {
        self.dim
    }

    fn encode_texts(&self, texts: &[&str]) -> Result<Vec<f32>> {
        let mut out = vec![0.0; texts.len() * self.dim];
        out.par_chunks_mut(self.dim.max(1)).zip(texts).for_each(|(row, text)| self.encode(text, row));
        Ok(out)
    }
}

/// Words and character n-grams of a text with their weights.
fn grams(text: &str) -> BTreeMap<u64, f32> {
    let mut grams = BTreeMap::new();
    let lower = text.to_lowercase();
    for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
        *grams.entry(hash(word.chars(), 1)).or_insert(0.0) += 1.0;
        let bounded: Vec<char> = std::iter::once(' ').chain(word.chars()).chain([' ']).collect();
        for window in bounded.windows(CHARACTERS) {
            *grams.entry(hash(window.iter().copied(), 2)).or_insert(0.0) += CHARACTER_WEIGHT;
        }
    }
    grams
}

fn hash(chars: impl Iterator<Item = char>, kind: u64) -> u64 {
    chars.fold(kind, |state, c| mix(state.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(u32::from(c))))
}

pub(crate) fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_words_are_nearer_and_rare_ones_more_so() {
        let texts = [
            "red gift card",
            "blue gift card",
            "red umbrella",
            "xylophone gift card",
            "xylophone lesson",
            "",
        ];
        let encoder = HashedText::fit(texts, 512, 3);
        let rows = encoder.encode_texts(&texts).unwrap();
        let row = |i: usize| &rows[i * 512..][..512];
        let dot = |a: usize, b: usize| row(a).iter().zip(row(b)).map(|(x, y)| x * y).sum::<f32>();
        assert!(dot(0, 1) > dot(0, 2) && dot(0, 2) > dot(1, 2));
        assert!(dot(3, 4) > dot(1, 2) + 0.2);
        assert!((dot(0, 0) - 1.0).abs() < 1e-5 && row(5).iter().all(|&x| x == 0.0));
    }

    #[test]
    fn different_texts_have_independent_directions() {
        let encoder = HashedText::fit(["alpha", "omega"], 512, 3);
        let rows = encoder.encode_texts(&["alpha", "omega"]).unwrap();
        let dot: f32 = (0..512).map(|d| rows[d] * rows[512 + d]).sum();
        assert!(dot.abs() < 0.2, "{dot}");
    }
}
