//! Sums of tables over 8-bit codes. A block holds 128 codes, sub-vector by sub-vector: `[S, 128]` bytes.

/// Codes in a block.
pub(crate) const BLOCK: usize = 128;

/// Entries of a table.
pub(crate) const ENTRIES: usize = 256;

/// Whether tables of bytes can be looked up inside registers here.
pub(crate) fn in_registers() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Appends the position of every code whose sum of entries of `tables` `[S, 256]` is at least `least`. No sum may
/// exceed 65,535.
pub(crate) fn scan(tables: &[u8], blocks: &[u8], least: u16, hits: &mut Vec<u32>) {
    debug_assert!(blocks.len().is_multiple_of(tables.len() / ENTRIES * BLOCK));
    #[cfg(target_arch = "x86_64")]
    if in_registers() {
        // SAFETY: the processor has just been found to have the features.
        return unsafe { x86::scan_vbmi(tables, blocks, least, hits) };
    }
    scalar(tables, blocks, least, hits);
}

fn scalar(tables: &[u8], blocks: &[u8], least: u16, hits: &mut Vec<u32>) {
    let (tables, _) = tables.as_chunks::<ENTRIES>();
    for (number, block) in blocks.chunks_exact(tables.len() * BLOCK).enumerate() {
        let mut sums = [0u16; BLOCK];
        for (table, codes) in tables.iter().zip(block.as_chunks::<BLOCK>().0) {
            sums.iter_mut().zip(codes).for_each(|(sum, &code)| *sum += u16::from(table[code as usize]));
        }
        let reached = (0u32..).zip(sums).filter(|&(_, sum)| sum >= least);
        hits.extend(reached.map(|(row, _)| (number * BLOCK) as u32 + row));
    }
}

/// Appends the position of every code whose sum of entries of `tables` `[S, 256]`, added in order, is at least `least`.
pub(crate) fn scan_floats(tables: &[f32], blocks: &[u8], least: f32, hits: &mut Vec<u32>) {
    let (tables, _) = tables.as_chunks::<ENTRIES>();
    for (number, block) in blocks.chunks_exact(tables.len() * BLOCK).enumerate() {
        let mut sums = [0.0f32; BLOCK];
        for (table, codes) in tables.iter().zip(block.as_chunks::<BLOCK>().0) {
            sums.iter_mut().zip(codes).for_each(|(sum, &code)| *sum += table[code as usize]);
        }
        let reached = (0u32..).zip(sums).filter(|&(_, sum)| sum >= least);
        hits.extend(reached.map(|(row, _)| (number * BLOCK) as u32 + row));
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BLOCK, ENTRIES};
    use crate::kernel::emit;

    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn scan_vbmi(tables: &[u8], blocks: &[u8], least: u16, hits: &mut Vec<u32>) {
        let (tables, _) = tables.as_chunks::<ENTRIES>();
        let low_bytes = _mm512_set1_epi16(255);
        let least = _mm512_set1_epi16(least as i16);
        // SAFETY: it reads the 64 bytes of its array and asks for no alignment.
        let load = |bytes: &[u8; 64]| unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
        for (number, block) in blocks.chunks_exact(tables.len() * BLOCK).enumerate() {
            // Sums of the first and the second 64 rows, at even and at odd bytes.
            let mut sums = [_mm512_setzero_si512(); 4];
            for (table, codes) in tables.iter().zip(block.as_chunks::<BLOCK>().0) {
                let quarters = table.as_chunks::<64>().0;
                let table = [0, 1, 2, 3].map(|quarter| load(&quarters[quarter]));
                for (sums, codes) in sums.as_chunks_mut::<2>().0.iter_mut().zip(codes.as_chunks::<64>().0) {
                    let codes = load(codes);
                    // The low seven bits of a code choose among 128 entries, the eighth between the two halves.
                    let lower = _mm512_permutex2var_epi8(table[0], codes, table[1]);
                    let upper = _mm512_permutex2var_epi8(table[2], codes, table[3]);
                    let entries = _mm512_mask_mov_epi8(lower, _mm512_movepi8_mask(codes), upper);
                    sums[0] = _mm512_add_epi16(sums[0], _mm512_and_si512(entries, low_bytes));
                    sums[1] = _mm512_add_epi16(sums[1], _mm512_srli_epi16::<8>(entries));
                }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn every_kernel_gives_the_same_hits(subs in 1usize..20, blocks in 1usize..3, seed in proptest::num::u64::ANY) {
            let byte = |i: usize| ((i as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u8;
            let tables: Vec<u8> = (0..subs * ENTRIES).map(byte).collect();
            let codes: Vec<u8> = (0..blocks * subs * BLOCK).map(|i| byte(i + 1_000_003)).collect();
            let floats: Vec<f32> = tables.iter().map(|&entry| entry.into()).collect();
            for least in (0..=(subs * 256) as u16).step_by(7) {
                let (mut fast, mut slow, mut float) = (Vec::new(), Vec::new(), Vec::new());
                scan(&tables, &codes, least, &mut fast);
                scalar(&tables, &codes, least, &mut slow);
                scan_floats(&floats, &codes, least.into(), &mut float);
                fast.sort_unstable();
                proptest::prop_assert_eq!(&fast, &slow);
                proptest::prop_assert_eq!(&float, &slow);
            }
        }
    }
}
