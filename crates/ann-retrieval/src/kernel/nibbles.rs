//! Sums of small tables over 4-bit codes, looked up inside registers (André, Kermarrec, Le Scouarnec 2015 and 2019).
//!
//! A block holds 128 codes, sub-vector by sub-vector: 64 bytes each, whose byte `i` has row `i` in its low and row
//! `64 + i` in its high four bits. Entries are added in bytes that stop at 255. Of more than [`NARROW`] sub-vectors, the
//! sums of each [`GROUP`] stop there, and are added in 16 bits.

/// Codes in a block.
pub(crate) const BLOCK: usize = 128;

/// Bytes of one sub-vector in a block.
pub(crate) const STRIDE: usize = 64;

/// Most sub-vectors whose entries are all added in one byte.
const NARROW: usize = 32;

/// Sub-vectors whose entries are added in one byte where there are more.
const GROUP: usize = 8;

/// The largest sum that tells rows apart: where it is the limit, most rows above it come to 255 in some group.
pub(crate) fn limit(subs: usize) -> f64 {
    if subs <= NARROW { 254.0 } else { 127.0 * subs.div_ceil(GROUP) as f64 }
}

/// Appends the position of every code whose sum of entries of `tables` `[S, 16]` is at most `most`, which is less than
/// 255 for up to [`NARROW`] sub-vectors.
pub(crate) fn scan(tables: &[u8], blocks: &[u8], most: u16, hits: &mut Vec<u32>) {
    let subs = tables.len() / 16;
    debug_assert!(
        subs <= 512 && blocks.len().is_multiple_of(subs * STRIDE) && f64::from(most) <= limit(subs)
    );
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vbmi") {
            // SAFETY: the processor has just been found to have the features.
            return unsafe { x86::scan_avx512(tables, blocks, most, hits) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { x86::scan_avx2(tables, blocks, most, hits) };
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        // SAFETY: NEON belongs to every processor of this architecture.
        return unsafe { neon::scan(tables, blocks, most, hits) };
    }
    #[allow(unreachable_code, reason = "some architectures have returned")]
    scalar(tables, blocks, most, hits);
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
fn scalar(tables: &[u8], blocks: &[u8], most: u16, hits: &mut Vec<u32>) {
    let (tables, _) = tables.as_chunks::<16>();
    let group = if tables.len() <= NARROW { NARROW } else { GROUP };
    for (number, block) in blocks.chunks_exact(tables.len() * STRIDE).enumerate() {
        let (subs, _) = block.as_chunks::<STRIDE>();
        for row in 0..BLOCK {
            let groups = tables.chunks(group).zip(subs.chunks(group)).map(|(tables, subs)| {
                let entries = tables.iter().zip(subs).map(|(table, sub)| table[code(sub, row) as usize]);
                u16::from(entries.fold(0, u8::saturating_add))
            });
            if groups.sum::<u16>() <= most {
                hits.push((number * BLOCK + row) as u32);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BLOCK, GROUP, NARROW, STRIDE};
    use crate::kernel::emit;

    /// Adds the entries of one sub-vector to the sums of the rows of the low and of the high four bits.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    #[inline]
    fn add_avx512([low, high]: [__m512i; 2], table: &[u8; 16], codes: &[u8; STRIDE]) -> [__m512i; 2] {
        // SAFETY: 16 and 64 readable bytes; the loads ask for no alignment.
        let (table, codes) =
            unsafe { (_mm_loadu_si128(table.as_ptr().cast()), _mm512_loadu_si512(codes.as_ptr().cast())) };
        // The look-up takes six bits of each byte. With the table four times over, the upper two may be
        // anything, so the codes need not be masked.
        let table = _mm512_broadcast_i32x4(table);
        let upper = _mm512_srli_epi16::<4>(codes);
        [
            _mm512_adds_epu8(low, _mm512_permutexvar_epi8(codes, table)),
            _mm512_adds_epu8(high, _mm512_permutexvar_epi8(upper, table)),
        ]
    }

    /// Sums over all sub-vectors, which stop at 255.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    #[inline]
    fn sums_avx512(tables: &[[u8; 16]], codes: &[[u8; STRIDE]]) -> [__m512i; 2] {
        let mut sums = [_mm512_setzero_si512(); 2];
        // Loops of a constant length are unrolled.
        let (whole, rest) = (tables.as_chunks::<GROUP>(), codes.as_chunks::<GROUP>());
        for (tables, codes) in whole.0.iter().zip(rest.0) {
            for (table, codes) in tables.iter().zip(codes) {
                sums = add_avx512(sums, table, codes);
            }
        }
        for (table, codes) in whole.1.iter().zip(rest.1) {
            sums = add_avx512(sums, table, codes);
        }
        sums
    }

    /// Adds bytes to the sums at even and at odd bytes. The first hold both bytes of a pair until the odd ones are taken out.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    #[inline]
    fn widen_avx512([even, odd]: [__m512i; 2], bytes: __m512i) -> [__m512i; 2] {
        [_mm512_add_epi16(even, bytes), _mm512_add_epi16(odd, _mm512_srli_epi16::<8>(bytes))]
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn scan_avx512(tables: &[u8], blocks: &[u8], most: u16, hits: &mut Vec<u32>) {
        let (tables, _) = tables.as_chunks::<16>();
        let blocks = (0u32..).step_by(BLOCK).zip(blocks.chunks_exact(tables.len() * STRIDE));
        if tables.len() <= NARROW {
            let most = _mm512_set1_epi8(most as i8);
            for (base, block) in blocks {
                let sums = sums_avx512(tables, block.as_chunks().0);
                let masks = sums.map(|sums| _mm512_cmple_epu8_mask(sums, most));
                if masks != [0; 2] {
                    emit(masks[0], base, 1, hits);
                    emit(masks[1], base + 64, 1, hits);
                }
            }
            return;
        }
        let most = _mm512_set1_epi16(most as i16);
        for (base, block) in blocks {
            let (mut low, mut high) = ([_mm512_setzero_si512(); 2], [_mm512_setzero_si512(); 2]);
            for (tables, codes) in tables.chunks(GROUP).zip(block.as_chunks().0.chunks(GROUP)) {
                let sums = sums_avx512(tables, codes);
                low = widen_avx512(low, sums[0]);
                high = widen_avx512(high, sums[1]);
            }
            let masks = [low, high].map(|[even, odd]| {
                let even = _mm512_sub_epi16(even, _mm512_slli_epi16::<8>(odd));
                [_mm512_cmple_epu16_mask(even, most), _mm512_cmple_epu16_mask(odd, most)]
            });
            if masks != [[0; 2]; 2] {
                for (mask, start) in masks.into_iter().flatten().zip([0, 1, 64, 65]) {
                    emit(mask.into(), base + start, 2, hits);
                }
            }
        }
    }

    /// Sums of the rows of the low and of the high four bits, 32 rows each.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn add_avx2(tables: &[[u8; 16]], codes: &[[u8; STRIDE]]) -> [__m256i; 4] {
        let low_bits = _mm256_set1_epi8(15);
        let mut sums = [_mm256_setzero_si256(); 4];
        for (table, codes) in tables.iter().zip(codes) {
            // SAFETY: 16 and twice 32 readable bytes; the loads ask for no alignment.
            let (table, halves) = unsafe {
                let codes: *const __m256i = codes.as_ptr().cast();
                (
                    _mm_loadu_si128(table.as_ptr().cast()),
                    [_mm256_loadu_si256(codes), _mm256_loadu_si256(codes.add(1))],
                )
            };
            let table = _mm256_broadcastsi128_si256(table);
            for (half, codes) in halves.into_iter().enumerate() {
                let lower = _mm256_and_si256(codes, low_bits);
                let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), low_bits);
                sums[half] = _mm256_adds_epu8(sums[half], _mm256_shuffle_epi8(table, lower));
                sums[2 + half] = _mm256_adds_epu8(sums[2 + half], _mm256_shuffle_epi8(table, upper));
            }
        }
        sums
    }

    /// Adds bytes to sums of 16 bits: both bytes of a pair to the first, the odd one to the second.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn widen_avx2(sums: &mut [__m256i; 8], bytes: [__m256i; 4]) {
        for (sums, bytes) in sums.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
            sums[0] = _mm256_add_epi16(sums[0], bytes);
            sums[1] = _mm256_add_epi16(sums[1], _mm256_srli_epi16::<8>(bytes));
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn scan_avx2(tables: &[u8], blocks: &[u8], most: u16, hits: &mut Vec<u32>) {
        let (tables, _) = tables.as_chunks::<16>();
        let blocks = (0u32..).step_by(BLOCK).zip(blocks.chunks_exact(tables.len() * STRIDE));
        if tables.len() <= NARROW {
            let most = _mm256_set1_epi8(most as i8);
            for (base, block) in blocks {
                let sums = add_avx2(tables, block.as_chunks().0);
                let least =
                    _mm256_min_epu8(_mm256_min_epu8(sums[0], sums[1]), _mm256_min_epu8(sums[2], sums[3]));
                // x <= most, unsigned: the smaller of the two is x.
                if _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(least, most), least)) != 0 {
                    for (sums, start) in sums.into_iter().zip([0, 32, 64, 96]) {
                        let reached = _mm256_cmpeq_epi8(_mm256_min_epu8(sums, most), sums);
                        emit((_mm256_movemask_epi8(reached) as u32).into(), base + start, 1, hits);
                    }
                }
            }
            return;
        }
        let most = _mm256_set1_epi16(most as i16);
        let (groups, left) = tables.as_chunks::<GROUP>();
        for (base, block) in blocks {
            // At even and at odd bytes. The first hold both bytes of a pair until the odd ones are taken out at the end.
            let mut sums = [_mm256_setzero_si256(); 8];
            let (codes, codes_left) = block.as_chunks().0.as_chunks::<GROUP>();
            // The loop over a group of known length unrolls.
            for (tables, codes) in groups.iter().zip(codes) {
                widen_avx2(&mut sums, add_avx2(tables, codes));
            }
            if !left.is_empty() {
                widen_avx2(&mut sums, add_avx2(left, codes_left));
            }
            for pair in sums.as_chunks_mut::<2>().0 {
                pair[0] = _mm256_sub_epi16(pair[0], _mm256_slli_epi16::<8>(pair[1]));
            }
            for (sums, start) in sums.into_iter().zip([0, 1, 32, 33, 64, 65, 96, 97]) {
                let reached = _mm256_cmpeq_epi16(_mm256_min_epu16(sums, most), sums);
                // The mask has two bits per sum; one is kept.
                emit((_mm256_movemask_epi8(reached) as u32 & 0x5555_5555).into(), base + start, 1, hits);
            }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::*;

    use super::{BLOCK, GROUP, NARROW, STRIDE};

    /// Sums of the rows of the low and of the high four bits, 16 rows each.
    #[target_feature(enable = "neon")]
    #[inline]
    fn add(tables: &[[u8; 16]], codes: &[[u8; STRIDE]], quarter: usize) -> [uint8x16_t; 2] {
        let [mut low, mut high] = [vdupq_n_u8(0); 2];
        for (table, codes) in tables.iter().zip(codes) {
            let codes = &codes.as_chunks::<16>().0[quarter];
            // SAFETY: 16 readable bytes each; the loads ask for no alignment.
            let (table, codes) = unsafe { (vld1q_u8(table.as_ptr()), vld1q_u8(codes.as_ptr())) };
            low = vqaddq_u8(low, vqtbl1q_u8(table, vandq_u8(codes, vdupq_n_u8(15))));
            high = vqaddq_u8(high, vqtbl1q_u8(table, vshrq_n_u8::<4>(codes)));
        }
        [low, high]
    }

    #[target_feature(enable = "neon")]
    pub(super) fn scan(tables: &[u8], blocks: &[u8], most: u16, hits: &mut Vec<u32>) {
        let (tables, _) = tables.as_chunks::<16>();
        let group = if tables.len() <= NARROW { NARROW } else { GROUP };
        for (number, block) in blocks.chunks_exact(tables.len() * STRIDE).enumerate() {
            for quarter in 0..4 {
                // Sums of the rows of the low and of the high four bits, lower and upper eight bytes.
                let mut sums = [vdupq_n_u16(0); 4];
                for (tables, codes) in tables.chunks(group).zip(block.as_chunks().0.chunks(group)) {
                    let [low, high] = add(tables, codes, quarter);
                    sums[0] = vaddw_u8(sums[0], vget_low_u8(low));
                    sums[1] = vaddw_u8(sums[1], vget_high_u8(low));
                    sums[2] = vaddw_u8(sums[2], vget_low_u8(high));
                    sums[3] = vaddw_u8(sums[3], vget_high_u8(high));
                }
                for (sums, start) in sums.into_iter().zip([0, 8, 64, 72]) {
                    if vminvq_u16(sums) <= most {
                        let mut values = [0u16; 8];
                        // SAFETY: 16 writable bytes; the store asks for no alignment.
                        unsafe { vst1q_u16(values.as_mut_ptr(), sums) };
                        let base = (number * BLOCK + quarter * 16 + start) as u32;
                        let reached = (base..).zip(values).filter(|&(_, sum)| sum <= most);
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

    /// Every kernel that this processor can run, by choice and not by what is found.
    fn kernels() -> Vec<(&'static str, Scan)> {
        let mut all: Vec<(&str, Scan)> = vec![("chosen", scan)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the feature.
                all.push(("avx2", |t, b, m, h| unsafe { x86::scan_avx2(t, b, m, h) }));
            }
            if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vbmi") {
                // SAFETY: the processor has the features.
                all.push(("avx512", |t, b, m, h| unsafe { x86::scan_avx512(t, b, m, h) }));
            }
        }
        all
    }

    fn sorted(scan: Scan, tables: &[u8], blocks: &[u8], most: u16) -> Vec<u32> {
        let mut hits = Vec::new();
        scan(tables, blocks, most, &mut hits);
        hits.sort_unstable();
        hits
    }

    proptest::proptest! {
        /// Every threshold gives the same hits, so the sums are the same.
        #[test]
        fn every_kernel_equals_the_twin(
            subs in proptest::prop_oneof![1usize..12, 30usize..36, 60usize..100], blocks in 1usize..3,
            seed in proptest::num::u64::ANY, largest in proptest::prop_oneof![1u16..16, 16u16..256],
        ) {
            let byte = |i: usize| ((i as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u8;
            let tables: Vec<u8> = (0..subs * 16).map(|i| (u16::from(byte(i)) % largest) as u8).collect();
            let codes: Vec<u8> = (0..blocks * subs * STRIDE).map(|i| byte(i + 1_000_003)).collect();
            for most in (0..=limit(subs) as u16).step_by(1 + subs / 5) {
                let expected = sorted(scalar, &tables, &codes, most);
                for (name, kernel) in kernels() {
                    proptest::prop_assert_eq!(&sorted(kernel, &tables, &codes, most), &expected, "{}", name);
                }
            }
        }
    }

    #[test]
    fn sums_stop_at_the_largest_byte_of_each_group() {
        for (name, scan) in kernels() {
            let hits = |subs: usize, entry, most| {
                sorted(scan, &vec![entry; subs * 16], &vec![7; subs * STRIDE], most).len()
            };
            assert_eq!(
                [hits(32, 7, 224), hits(32, 7, 223), hits(32, 8, 254), hits(2, 255, 254)],
                [BLOCK, 0, 0, 0],
                "{name}"
            );
            assert_eq!(
                [hits(512, 15, 64 * 120), hits(512, 15, 64 * 120 - 1), hits(512, 255, 64 * 127)],
                [BLOCK, 0, 0],
                "{name}"
            );
        }
    }
}
