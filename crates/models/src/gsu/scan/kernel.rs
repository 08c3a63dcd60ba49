//! The arithmetic of a scan, written so that it compiles to vectors of whatever width the machine has.
//!
//! Every sum runs in one fixed order with fused multiply-adds, so all widths, and the scalar code, give the same bits.

use pulp::{Simd, bytemuck};

/// Events of a panel: their keys lie side by side, one component after another.
pub const PANEL: usize = 32;

/// Copies rows of a table `[·, width]` into panels `[panel, width, PANEL]`, padded with zeros.
#[inline(always)]
pub fn pack(table: &[f32], width: usize, rows: &[u32], panels: &mut Vec<f32>) {
    pack_part(table, [width, 0, width], rows, panels);
}

/// The same of a part of each row: rows of length `stride`, of which `width` numbers are taken from `start` on.
#[inline(always)]
pub fn pack_part(table: &[f32], [stride, start, width]: [usize; 3], rows: &[u32], panels: &mut Vec<f32>) {
    panels.clear();
    panels.resize(rows.len().div_ceil(PANEL) * PANEL * width, 0.0);
    for (rows, panel) in rows.chunks(PANEL).zip(panels.chunks_exact_mut(PANEL * width)) {
        for (lane, &row) in rows.iter().enumerate() {
            let source = &table[row as usize * stride + start..][..width];
            for (component, &value) in source.iter().enumerate() {
                panel[component * PANEL + lane] = value;
            }
        }
    }
}

/// Inner products of `R` targets with every packed event, into `R` rows of `out` of length `stride`.
#[inline(always)]
pub fn products<S: Simd, const R: usize>(
    simd: S,
    targets: [&[f32]; R],
    panels: &[f32],
    width: usize,
    out: &mut [f32],
    stride: usize,
) {
    let targets = targets.map(|target| &target[..width]);
    for (number, panel) in panels.chunks_exact(PANEL * width).enumerate() {
        // Two vectors of events at a time: with four targets, eight sums hide the latency of an addition.
        for start in (0..PANEL).step_by(2 * S::F32_LANES) {
            let mut sums = [[simd.splat_f32s(0.0); 2]; R];
            for (component, keys) in panel.chunks_exact(PANEL).enumerate() {
                let (keys, _) = S::as_simd_f32s(&keys[start..]);
                for (sums, target) in sums.iter_mut().zip(&targets) {
                    let value = simd.splat_f32s(target[component]);
                    sums[0] = simd.mul_add_f32s(value, keys[0], sums[0]);
                    sums[1] = simd.mul_add_f32s(value, keys[1], sums[1]);
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                let at = row * stride + number * PANEL + start;
                let (slots, _) = S::as_mut_simd_f32s(&mut out[at..][..(PANEL - start).min(2 * S::F32_LANES)]);
                slots.iter_mut().zip(sums).for_each(|(slot, &sum)| *slot = sum);
            }
        }
    }
}

/// The smallest and largest of some numbers; NaN is passed over or not, as the machine has it.
#[inline(always)]
pub fn range<S: Simd>(simd: S, row: &[f32]) -> [f32; 2] {
    let (vectors, rest) = S::as_simd_f32s(row);
    let mut low = simd.splat_f32s(f32::INFINITY);
    let mut high = simd.splat_f32s(f32::NEG_INFINITY);
    for &x in vectors {
        low = simd.min_f32s(x, low);
        high = simd.max_f32s(x, high);
    }
    let start = [simd.reduce_min_f32s(low), simd.reduce_max_f32s(high)];
    rest.iter()
        .fold(start, |[low, high], &x| [if x < low { x } else { low }, if x > high { x } else { high }])
}

/// `e^x` for `x ≤ 0`, within 2e-7 of its value; 0 below −87.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // x = n ln 2 + r; e^r by its series, 2^n by its bits.
    let x = if x > -87.0 { x } else { -87.5 };
    let shifted = x.mul_add(std::f32::consts::LOG2_E, 12_582_912.0);
    let n = shifted - 12_582_912.0;
    let r = n.mul_add(-1.428_606_8e-6, n.mul_add(-0.693_145_75, x));
    let mut e = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        e = f32::mul_add(e, r, coefficient);
    }
    let power = f32::from_bits((((n as i32) + 127) << 23) as u32);
    if x > -87.0 { e * power } else { 0.0 }
}

/// Turns scores into weights that sum to 1: `softmax(scores · scale)`. Returns the largest score and the sum of `e^` by which scores
/// were below it.
#[inline(always)]
pub fn softmax<S: Simd>(simd: S, scores: &mut [f32], scale: f32) -> [f32; 2] {
    let [_, largest] = range(simd, scores);
    for s in scores.iter_mut() {
        *s = exp((*s - largest) * scale);
    }
    // Sixteen sums, whatever the width of a vector, so that the order of additions is always the same.
    let mut sums = [0.0f32; 16];
    let (chunks, rest) = scores.as_chunks::<16>();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, s)| *sum += s);
    }
    let total = sums.iter().chain(rest).sum::<f32>();
    let factor = 1.0 / total;
    scores.iter_mut().for_each(|s| *s *= factor);
    [largest, total]
}

/// `Σ weight · row` over the kept rows of `rows` `[·, stride]`, into `out` `[width]`. `stride` is a multiple of 16.
#[inline(always)]
pub fn weighted_sum<S: Simd>(
    simd: S,
    weights: &[f32],
    kept: &[u32],
    rows: &[f32],
    stride: usize,
    out: &mut [f32],
) {
    let mut start = 0;
    while start < out.len() {
        // Four vectors at a time, then single ones; the last may reach into the padding of the rows.
        start = if start + 4 * S::F32_LANES <= stride {
            columns::<S, 4>(simd, weights, kept, rows, stride, start, out)
        } else {
            columns::<S, 1>(simd, weights, kept, rows, stride, start, out)
        };
    }
}

/// `out += factor · row`.
#[inline(always)]
pub fn add_scaled<S: Simd>(simd: S, factor: f32, row: &[f32], out: &mut [f32]) {
    let factors = simd.splat_f32s(factor);
    let ((rows, rest), (outs, out_rest)) = (S::as_simd_f32s(row), S::as_mut_simd_f32s(out));
    outs.iter_mut().zip(rows).for_each(|(out, &row)| *out = simd.mul_add_f32s(factors, row, *out));
    out_rest.iter_mut().zip(rest).for_each(|(out, &row)| *out = f32::mul_add(factor, row, *out));
}

/// `N` vectors of columns from `start` on; returns where they end.
#[inline(always)]
fn columns<S: Simd, const N: usize>(
    simd: S,
    weights: &[f32],
    kept: &[u32],
    rows: &[f32],
    stride: usize,
    start: usize,
    out: &mut [f32],
) -> usize {
    let mut sums = [simd.splat_f32s(0.0); N];
    for (&weight, &position) in weights.iter().zip(kept) {
        let (values, _) = S::as_simd_f32s(&rows[position as usize * stride + start..][..N * S::F32_LANES]);
        let weight = simd.splat_f32s(weight);
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum = simd.mul_add_f32s(weight, value, *sum);
        }
    }
    let end = (start + N * S::F32_LANES).min(out.len());
    let sums: &[f32] = bytemuck::cast_slice(&sums);
    out[start..end].copy_from_slice(&sums[..end - start]);
    start + N * S::F32_LANES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_close() {
        for i in 0..17_399 {
            let x = -(i as f32) * 0.005;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= 2e-7 * exact.max(1e-37), "{x}: {} {exact}", exp(x));
        }
        assert_eq!([exp(0.0), exp(-1e9), exp(f32::NEG_INFINITY)], [1.0, 0.0, 0.0]);
    }
}
