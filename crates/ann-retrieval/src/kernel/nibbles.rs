//! Sums of small tables over 4-bit codes, looked up inside registers (André, Kermarrec, Le Scouarnec 2015).
//!
//! A block holds 128 codes, sub-vector by sub-vector: 64 bytes each, whose byte `i` has row `i` in its low and row
//! `64 + i` in its high four bits. Table entries have at most seven bits, so that two of them add up in a byte.

/// Codes in a block.
pub(crate) const BLOCK: usize = 128;

/// Bytes of one sub-vector in a block.
pub(crate) const STRIDE: usize = 64;

/// Largest table entry.
pub(crate) const LARGEST: u8 = 127;

/// Sub-vectors whose entries are added in a byte.
const GROUP: usize = 2;

/// Appends the position of every code whose sum of entries of `tables` `[S, 16]` is at least `least`.
pub(crate) fn scan(tables: &[u8], blocks: &[u8], least: u16, hits: &mut Vec<u32>) {
    debug_assert!(tables.iter().all(|&entry| entry <= LARGEST) && tables.len() / 16 <= 512);
    debug_assert!(blocks.len().is_multiple_of(tables.len() / 16 * STRIDE));
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vbmi") {
            // SAFETY: the processor has just been found to have the features.
            return unsafe { x86::scan_avx512(tables, blocks, least, hits) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { x86::scan_avx2(tables, blocks, least, hits) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        // SAFETY: NEON belongs to every processor of this architecture.
        return unsafe { neon::scan(tables, blocks, least, hits) };
    }
    #[allow(unreachable_code, reason = "some architectures have returned")]
    scalar(tables, blocks, least, hits);
}

/// The 4-bit code of `row` among the bytes of one sub-vector of a block.
#[inline(always)]
pub(crate) fn code(sub: &[u8; STRIDE], row: usize) -> u8 {
    sub[row % STRIDE] >> (4 * (row / STRIDE % 2)) & 15
}

#[cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    allow(dead_code, reason = "the twin in tests")
)]
fn scalar(tables: &[u8], blocks: &[u8], least: u16, hits: &mut Vec<u32>) {
    let subs = tables.len() / 16;
    for (number, block) in blocks.chunks_exact(subs * STRIDE).enumerate() {
        for row in 0..BLOCK {
            let entries =
                (0..subs).map(|sub| tables[sub * 16 + code(&block.as_chunks().0[sub], row) as usize]);
            if entries.map(u16::from).sum::<u16>() >= least {
                hits.push((number * BLOCK + row) as u32);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BLOCK, GROUP, STRIDE};
    use crate::kernel::emit;

    /// Adds the entries of up to two sub-vectors; with a group of fixed length the loop unrolls.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    #[inline]
    fn add_group(tables: &[[u8; 16]], codes: &[[u8; STRIDE]], sums: &mut [__m512i; 4]) {
        let mut low = _mm512_setzero_si512();
        let mut high = _mm512_setzero_si512();
        for (table, codes) in tables.iter().zip(codes) {
            // SAFETY: 16 and 64 readable bytes; the loads ask for no alignment.
            let (table, codes) = unsafe {
                (_mm_loadu_si128(table.as_ptr().cast()), _mm512_loadu_si512(codes.as_ptr().cast()))
            };
            // The look-up takes six bits of each byte. With the table four times over, the upper two may be
            // anything, so the codes need not be masked.
            let table = _mm512_broadcast_i32x4(table);
            low = _mm512_add_epi8(low, _mm512_permutexvar_epi8(codes, table));
            high = _mm512_add_epi8(high, _mm512_permutexvar_epi8(_mm512_srli_epi16::<4>(codes), table));
        }
        for (sums, bytes) in sums.as_chunks_mut::<2>().0.iter_mut().zip([low, high]) {
            // Both bytes of a pair go into the first sum; what the odd one adds there is taken out at the end. The
            // odd one is picked by a product, as shifts wait for the same units as look-ups.
            sums[0] = _mm512_add_epi16(sums[0], bytes);
            sums[1] = _mm512_add_epi16(sums[1], _mm512_maddubs_epi16(bytes, _mm512_set1_epi16(256)));
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn scan_avx512(tables: &[u8], blocks: &[u8], least: u16, hits: &mut Vec<u32>) {
        let (tables, _) = tables.as_chunks::<16>();
        let least = _mm512_set1_epi16(least as i16);
        for (number, block) in blocks.chunks_exact(tables.len() * STRIDE).enumerate() {
            // Sums of the rows of the low and of the high four bits, at even and at odd bytes.
            let mut sums = [_mm512_setzero_si512(); 4];
            let (groups, rest) = block.as_chunks::<STRIDE>().0.as_chunks::<GROUP>();
            let (table_groups, table_rest) = tables.as_chunks::<GROUP>();
            let (unrolled, left) = groups.as_chunks::<4>();
            let (unrolled_tables, left_tables) = table_groups.as_chunks::<4>();
            for (tables, codes) in unrolled_tables.iter().zip(unrolled) {
                for (tables, codes) in tables.iter().zip(codes) {
                    add_group(tables, codes, &mut sums);
                }
            }
            for (tables, codes) in left_tables.iter().zip(left) {
                add_group(tables, codes, &mut sums);
            }
            if !rest.is_empty() {
                add_group(table_rest, rest, &mut sums);
            }
            for pair in sums.as_chunks_mut::<2>().0 {
                pair[0] = _mm512_sub_epi16(pair[0], _mm512_slli_epi16::<8>(pair[1]));
            }
            let masks = sums.map(|sums| _mm512_cmpge_epu16_mask(sums, least));
            if masks != [0; 4] {
                let base = (number * BLOCK) as u32;
                for (mask, start) in masks.into_iter().zip([0, 1, 64, 65]) {
                    emit(mask.into(), base + start, 2, hits);
                }
            }
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn scan_avx2(tables: &[u8], blocks: &[u8], least: u16, hits: &mut Vec<u32>) {
        let (tables, _) = tables.as_chunks::<16>();
        let low_bits = _mm256_set1_epi8(15);
        let low_bytes = _mm256_set1_epi16(255);
        let least = _mm256_set1_epi16(least as i16);
        for (number, block) in blocks.chunks_exact(tables.len() * STRIDE).enumerate() {
            for half in 0..2 {
                let mut sums = [_mm256_setzero_si256(); 4];
                let codes = block.as_chunks::<STRIDE>().0.chunks(GROUP);
                for (tables, codes) in tables.chunks(GROUP).zip(codes) {
                    let mut low = _mm256_setzero_si256();
                    let mut high = _mm256_setzero_si256();
                    for (table, codes) in tables.iter().zip(codes) {
                        let codes = &codes.as_chunks::<32>().0[half];
                        // SAFETY: 16 and 32 readable bytes; the loads ask for no alignment.
                        let (table, codes) = unsafe {
                            (
                                _mm_loadu_si128(table.as_ptr().cast()),
                                _mm256_loadu_si256(codes.as_ptr().cast()),
                            )
                        };
                        let table = _mm256_broadcastsi128_si256(table);
                        let lower = _mm256_and_si256(codes, low_bits);
                        let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), low_bits);
                        low = _mm256_add_epi8(low, _mm256_shuffle_epi8(table, lower));
                        high = _mm256_add_epi8(high, _mm256_shuffle_epi8(table, upper));
                    }
                    for (sums, bytes) in sums.as_chunks_mut::<2>().0.iter_mut().zip([low, high]) {
                        sums[0] = _mm256_add_epi16(sums[0], _mm256_and_si256(bytes, low_bytes));
                        sums[1] = _mm256_add_epi16(sums[1], _mm256_srli_epi16::<8>(bytes));
                    }
                }
                let base = (number * BLOCK + half * 32) as u32;
                for (sums, start) in sums.into_iter().zip([0, 1, 64, 65]) {
                    // sums >= least, unsigned: the larger of the two is the sum. The mask has two bits per sum; one is
                    // kept.
                    let reached = _mm256_cmpeq_epi16(_mm256_max_epu16(sums, least), sums);
                    let mask = _mm256_movemask_epi8(reached) as u32 & 0x5555_5555;
                    emit(mask.into(), base + start, 1, hits);
                }
            }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::*;

    use super::{BLOCK, GROUP, STRIDE};

    #[target_feature(enable = "neon")]
    pub(super) fn scan(tables: &[u8], blocks: &[u8], least: u16, hits: &mut Vec<u32>) {
        let (tables, _) = tables.as_chunks::<16>();
        for (number, block) in blocks.chunks_exact(tables.len() * STRIDE).enumerate() {
            for quarter in 0..4 {
                // Sums of the rows of the low and of the high four bits, lower and upper eight bytes.
                let mut sums = [vdupq_n_u16(0); 4];
                let codes = block.as_chunks::<STRIDE>().0.chunks(GROUP);
                for (tables, codes) in tables.chunks(GROUP).zip(codes) {
                    let (mut low, mut high) = (vdupq_n_u8(0), vdupq_n_u8(0));
                    for (table, codes) in tables.iter().zip(codes) {
                        let codes = &codes.as_chunks::<16>().0[quarter];
                        // SAFETY: 16 readable bytes each; the loads ask for no alignment.
                        let (table, codes) = unsafe { (vld1q_u8(table.as_ptr()), vld1q_u8(codes.as_ptr())) };
                        low = vaddq_u8(low, vqtbl1q_u8(table, vandq_u8(codes, vdupq_n_u8(15))));
                        high = vaddq_u8(high, vqtbl1q_u8(table, vshrq_n_u8::<4>(codes)));
                    }
                    sums[0] = vaddw_u8(sums[0], vget_low_u8(low));
                    sums[1] = vaddw_u8(sums[1], vget_high_u8(low));
                    sums[2] = vaddw_u8(sums[2], vget_low_u8(high));
                    sums[3] = vaddw_u8(sums[3], vget_high_u8(high));
                }
                for (sums, start) in sums.into_iter().zip([0, 8, 64, 72]) {
                    if vmaxvq_u16(sums) >= least {
                        let mut values = [0u16; 8];
                        // SAFETY: 16 writable bytes; the store asks for no alignment.
                        unsafe { vst1q_u16(values.as_mut_ptr(), sums) };
                        let base = (number * BLOCK + quarter * 16 + start) as u32;
                        let reached = (base..).zip(values).filter(|&(_, sum)| sum >= least);
                        hits.extend(reached.map(|(row, _)| row));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Scan = fn(&[u8], &[u8], u16, &mut Vec<u32>);

    fn sorted(scan: Scan, tables: &[u8], blocks: &[u8], least: u16) -> Vec<u32> {
        let mut hits = Vec::new();
        scan(tables, blocks, least, &mut hits);
        hits.sort_unstable();
        hits
    }

    proptest::proptest! {
        /// Every threshold gives the same hits, so the sums are the same.
        #[test]
        fn every_width_equals_the_twin(subs in 1usize..11, blocks in 1usize..3, seed in proptest::num::u64::ANY) {
            let byte = |i: usize| ((i as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u8;
            let tables: Vec<u8> = (0..subs * 16).map(|i| byte(i) % (LARGEST + 1)).collect();
            let codes: Vec<u8> = (0..blocks * subs * STRIDE).map(|i| byte(i + 1_000_003)).collect();
            for least in (0..=(subs * 128) as u16).step_by(5) {
                let expected = sorted(scalar, &tables, &codes, least);
                proptest::prop_assert_eq!(&sorted(scan, &tables, &codes, least), &expected);
                #[cfg(target_arch = "x86_64")]
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has the feature.
                    let avx2: Scan = |t, b, l, h| unsafe { x86::scan_avx2(t, b, l, h) };
                    proptest::prop_assert_eq!(&sorted(avx2, &tables, &codes, least), &expected);
                }
            }
        }
    }

    #[test]
    fn the_largest_sums_fit() {
        let (tables, codes) = (vec![LARGEST; 512 * 16], vec![7; 512 * STRIDE]);
        assert_eq!(sorted(scan, &tables, &codes, 512 * 127).len(), BLOCK);
        assert_eq!(sorted(scan, &tables, &codes, 512 * 127 + 1).len(), 0);
    }
}
