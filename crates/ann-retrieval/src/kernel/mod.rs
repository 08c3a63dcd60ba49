//! The inner loops, for whatever vector registers the machine has.
//!
//! Each kernel has a scalar twin that gives the same bits; the tests compare them. [`float`] and [`nearest`] go
//! through `pulp`, which knows AVX2, AVX-512 and NEON. [`bits`], [`bytes`] and [`nibbles`] look up and count
//! inside registers, which no portable layer offers: they use the processor's own instructions where it has them.

pub(crate) mod bits;
pub(crate) mod bytes;
pub(crate) mod float;
pub(crate) mod nearest;
pub(crate) mod nibbles;
pub(crate) mod planes;

/// Appends `base + i` for every set bit `i`.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn emit(mut mask: u64, base: u32, stride: u32, hits: &mut Vec<u32>) {
    while mask != 0 {
        hits.push(base + stride * mask.trailing_zeros());
        mask &= mask - 1;
    }
}

/// Asks for numbers that will be read soon.
#[inline(always)]
pub(crate) fn prefetch(numbers: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in numbers.chunks(16) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program can see; the address is that of a live slice.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = numbers;
}
