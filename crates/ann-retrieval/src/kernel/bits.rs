//! Hamming distances of bit codes. A block holds eight codes, word by word: `[words, 8]`.

/// Codes in a block.
pub(crate) const BLOCK: usize = 8;

/// Appends the position of every code that differs from `query` in at most `most` bits.
pub(crate) fn scan(query: &[u64], blocks: &[u64], most: u32, hits: &mut Vec<u32>) {
    debug_assert!(blocks.len().is_multiple_of(query.len() * BLOCK));
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq") {
            // SAFETY: the processor has just been found to have the features.
            return unsafe { x86::scan_avx512(query, blocks, most, hits) };
        }
        if is_x86_feature_detected!("popcnt") {
            // SAFETY: as above.
            return unsafe { x86::scan_popcnt(query, blocks, most, hits) };
        }
    }
    scalar(query, blocks, most, hits);
}

/// The number of differing bits of the code in `lane` of a block.
pub(crate) fn distance(query: &[u64], block: &[u64], lane: usize) -> u32 {
    query.iter().zip(block.chunks_exact(BLOCK)).map(|(q, words)| (q ^ words[lane]).count_ones()).sum()
}

#[inline(always)]
fn scalar(query: &[u64], blocks: &[u64], most: u32, hits: &mut Vec<u32>) {
    for (number, block) in blocks.chunks_exact(query.len() * BLOCK).enumerate() {
        let mut counts = [0; BLOCK];
        for (q, words) in query.iter().zip(block.as_chunks::<BLOCK>().0) {
            counts.iter_mut().zip(words).for_each(|(count, word)| *count += (q ^ word).count_ones());
        }
        let near = (0u32..).zip(counts).filter(|&(_, count)| count <= most);
        hits.extend(near.map(|(lane, _)| (number * BLOCK) as u32 + lane));
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::BLOCK;

    #[target_feature(enable = "popcnt")]
    pub(super) fn scan_popcnt(query: &[u64], blocks: &[u64], most: u32, hits: &mut Vec<u32>) {
        super::scalar(query, blocks, most, hits);
    }

    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    pub(super) fn scan_avx512(query: &[u64], blocks: &[u64], most: u32, hits: &mut Vec<u32>) {
        let most = _mm512_set1_epi64(i64::from(most));
        for (number, block) in blocks.chunks_exact(query.len() * BLOCK).enumerate() {
            let mut counts = _mm512_setzero_si512();
            for (&q, words) in query.iter().zip(block.as_chunks::<BLOCK>().0) {
                // SAFETY: `words` is 64 readable bytes; the load asks for no alignment.
                let words = unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
                let differing = _mm512_xor_si512(_mm512_set1_epi64(q as i64), words);
                counts = _mm512_add_epi64(counts, _mm512_popcnt_epi64(differing));
            }
            let near = _mm512_cmple_epu64_mask(counts, most);
            crate::kernel::emit(near.into(), (number * BLOCK) as u32, 1, hits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn equals_its_twin_and_counts(
            query in proptest::collection::vec(proptest::num::u64::ANY, 1..6),
            blocks in 0usize..5, most in 0u32..200, seed in proptest::num::u64::ANY,
        ) {
            let words = query.len() * BLOCK * blocks;
            let codes: Vec<u64> = (0..words as u64).map(|i| (i ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
            let (mut fast, mut slow) = (Vec::new(), Vec::new());
            scan(&query, &codes, most, &mut fast);
            scalar(&query, &codes, most, &mut slow);
            proptest::prop_assert_eq!(&fast, &slow);
            let near = |&row: &u32| {
                let block = &codes[row as usize / BLOCK * query.len() * BLOCK..];
                distance(&query, block, row as usize % BLOCK) <= most
            };
            let expected: Vec<u32> = (0..(blocks * BLOCK) as u32).filter(near).collect();
            proptest::prop_assert_eq!(fast, expected);
        }
    }
}
