//! Products of sign codes with a query of 4-bit magnitudes, by counting bits. A block holds eight rows: their codes word
//! by word, `[words, 8]`, then eight projections and eight residuals in f32.

/// Rows in a block.
pub(crate) const BLOCK: usize = 8;

/// A query's rounded components: 64 in each word.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planes {
    /// A set bit is a component that is not negative.
    pub(crate) signs: Vec<u64>,
    /// The bits of the rounded magnitudes, lowest first.
    pub(crate) bits: Vec<[u64; 4]>,
}

/// Which rows a scan proposes: those with `scale · f · (most − step · n) − square · |o|² ≥ least`, where `n` is the
/// sum of the magnitudes whose signs differ, `|o|² = a² + ρ²` and `f = |o|² / a`; also where that is not a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) most: f32,
    pub(crate) step: f32,
    pub(crate) scale: f32,
    pub(crate) square: f32,
    pub(crate) least: f32,
}

/// The eight projections `a` and the eight residuals `ρ` at the end of a block.
#[inline(always)]
pub(crate) fn factors(block: &[u64]) -> [&[f32; BLOCK]; 2] {
    let (_, factors) = block.split_at(block.len() - BLOCK);
    let (factors, _) = bytemuck::cast_slice::<u64, f32>(factors).as_chunks::<BLOCK>();
    [&factors[0], &factors[1]]
}

/// Appends the position of every row that the limits accept.
pub(crate) fn scan(query: &Planes, limits: Limits, blocks: &[u64], hits: &mut Vec<u32>) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has just been found to have the feature.
        return unsafe { x86::scan(query, limits, blocks, hits) };
    }
    scalar(query, limits, blocks, hits);
}

/// Sums of the magnitudes whose signs differ, for each row of a block.
#[inline(always)]
pub(crate) fn differing(query: &Planes, block: &[u64]) -> [u32; BLOCK] {
    let mut sums = [0; BLOCK];
    for ((sign, bits), words) in query.signs.iter().zip(&query.bits).zip(block.as_chunks::<BLOCK>().0) {
        for (sum, word) in sums.iter_mut().zip(words) {
            let differ = word ^ sign;
            let counts = bits.map(|plane| (differ & plane).count_ones());
            *sum += counts[0] + 2 * counts[1] + 4 * counts[2] + 8 * counts[3];
        }
    }
    sums
}

#[inline(always)]
fn scalar(query: &Planes, limits: Limits, blocks: &[u64], hits: &mut Vec<u32>) {
    let Limits { most, step, scale, square, least } = limits;
    for (number, block) in blocks.chunks_exact((query.signs.len() + 1) * BLOCK).enumerate() {
        let sums = differing(query, block);
        let [a, rho] = factors(block);
        let mut below = [false; BLOCK];
        for row in 0..BLOCK {
            // In this form squares of small numbers do not vanish.
            let factor = a[row] + rho[row] * (rho[row] / a[row]);
            let product = scale * factor * (most - step * sums[row] as f32);
            below[row] = product - square * (a[row] * a[row] + rho[row] * rho[row]) < least;
        }
        if below != [true; BLOCK] {
            let reached = (0u32..).zip(below).filter(|&(_, below)| !below);
            hits.extend(reached.map(|(row, _)| (number * BLOCK) as u32 + row));
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Limits, Planes};

    #[target_feature(enable = "popcnt")]
    pub(super) fn scan(query: &Planes, limits: Limits, blocks: &[u64], hits: &mut Vec<u32>) {
        super::scalar(query, limits, blocks, hits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn equals_its_twin_and_adds_magnitudes(
            words in 1usize..4, blocks in 0usize..4, seed in proptest::num::u64::ANY, least in -99f32..99.0,
        ) {
            let word = |i: usize| (i as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
            let bits = (0..words).map(|w| [1, 2, 3, 4].map(|bit| word(97 * w + bit))).collect();
            let query = Planes { signs: (0..words).map(|w| word(1000 + w)).collect(), bits };
            let mut codes: Vec<u64> = (0..blocks * (words + 1) * BLOCK).map(|i| word(5000 + i)).collect();
            for block in codes.chunks_exact_mut((words + 1) * BLOCK) {
                let factors = bytemuck::cast_slice_mut::<u64, f32>(&mut block[words * BLOCK..]);
                factors.iter_mut().enumerate().for_each(|(i, x)| *x = (word(i + 77) % 100) as f32 / 25.0);
            }
            let limits = Limits { most: 300.0, step: 1.5, scale: 1.0, square: 0.5, least };
            let (mut fast, mut slow) = (Vec::new(), Vec::new());
            scan(&query, limits, &codes, &mut fast);
            scalar(&query, limits, &codes, &mut slow);
            proptest::prop_assert_eq!(fast, slow);
            for block in codes.chunks_exact((words + 1) * BLOCK) {
                for (row, sum) in differing(&query, block).into_iter().enumerate() {
                    let magnitude = |i: usize| (0..4).map(|bit| (query.bits[i / 64][bit] >> (i % 64) & 1) << bit).sum::<u64>();
                    let differs = |i: &usize| (block[i / 64 * BLOCK + row] ^ query.signs[i / 64]) >> (i % 64) & 1 == 1;
                    let expected: u64 = (0..64 * words).filter(differs).map(magnitude).sum();
                    proptest::prop_assert_eq!(u64::from(sum), expected);
                }
            }
        }
    }
}
