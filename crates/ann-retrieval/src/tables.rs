//! Tables of partial scores for a query over 8-bit codes, and their rounding to bytes for the scans.
//!
//! A scan over rounded tables only proposes: entries are rounded up, so no row that could belong to the result is
//! missed, and the proposals are scored with the exact tables. The result is therefore a function of codes and query
//! alone, and does not depend on the processor.

use crate::kernel::bytes;

/// Partial scores `[S, entries]`: the score of a code is the sum of one entry per sub-vector, added in order.
#[derive(Clone, Debug)]
pub struct ScoreTables {
    exact: Vec<f32>,
    rounded: Vec<u8>,
    /// A score is at most `base + step · (sum of rounded entries)`.
    base: f64,
    step: f64,
    /// More than sums in f32 differ by their order.
    slack: f32,
}

impl ScoreTables {
    /// Rounds tables of `entries` numbers each. A rounded entry is at most `largest`, and no sum of them exceeds 65,535.
    pub(crate) fn new(exact: Vec<f32>, entries: usize, largest: u8) -> Self {
        let subs = exact.len() / entries;
        let largest = usize::from(largest).min(usize::from(u16::MAX) / subs.max(1)) as f64;
        let range = |table: &[f32]| {
            table.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)))
        };
        let ranges: Vec<(f32, f32)> = exact.chunks_exact(entries).map(range).collect();
        let widest = ranges.iter().map(|&(low, high)| f64::from(high) - f64::from(low)).fold(0.0, f64::max);
        // Rows near the top have high entries nearly everywhere: steps are finer if the lower half of the widest
        // range is rounded up to its middle, and still no row is missed.
        let kept = widest / 2.0;
        let step = if kept > 0.0 { kept / largest } else { 1.0 };
        let lows: Vec<f64> =
            ranges.iter().map(|&(low, high)| f64::from(low).max(f64::from(high) - kept)).collect();
        let mut rounded = Vec::with_capacity(exact.len());
        for (table, &low) in exact.chunks_exact(entries).zip(&lows) {
            // The cast takes what is below for 0; what rounding adds above is in the slack.
            rounded.extend(table.iter().map(|&x| ((f64::from(x) - low) / step).ceil().min(largest) as u8));
        }
        let lowest: f64 = lows.iter().sum();
        let magnitude: f64 = ranges.iter().map(|&(low, high)| f64::from(low.abs().max(high.abs()))).sum();
        // The exact score is a sum in f32; this covers its rounding.
        let slack = magnitude * f64::from(f32::EPSILON) * (subs + 2) as f64;
        Self { exact, rounded, base: lowest + slack, step, slack: 2.0 * slack as f32 }
    }

    /// Appends the position of at least every 8-bit code whose score reaches the threshold.
    pub(crate) fn scan_bytes(&self, blocks: &[u8], threshold: f32, hits: &mut Vec<u32>) {
        if !bytes::in_registers() {
            // Those sums are formed in another order.
            bytes::scan_floats(&self.exact, blocks, threshold - self.slack, hits);
        } else if let Some(least) = self.least_sum(threshold) {
            bytes::scan(&self.rounded, blocks, least, hits);
        }
    }

    /// The least sum of rounded entries that a score of `threshold` may have; none if no sum reaches it.
    pub(crate) fn least_sum(&self, threshold: f32) -> Option<u16> {
        let least = ((f64::from(threshold) - self.base) / self.step).floor();
        match least {
            l if l > f64::from(u16::MAX) => None,
            l => Some(l.max(0.0) as u16),
        }
    }

    /// The exact entries.
    pub(crate) fn exact(&self) -> &[f32] {
        &self.exact
    }
}

/// The score of a code in a block `[S, STRIDE]`, whose sub-vectors `code` picks from their bytes; the tables have
/// `ENTRIES` entries. Four sums run side by side, as an addition waits for the one before it.
#[inline(always)]
pub(crate) fn sum_entries<const ENTRIES: usize, const STRIDE: usize>(
    tables: &[f32],
    block: &[u8],
    code: impl Fn(&[u8; STRIDE]) -> u8,
) -> f32 {
    let (tables, table_rest) = tables.as_chunks::<ENTRIES>().0.as_chunks::<4>();
    let (subs, sub_rest) = block.as_chunks::<STRIDE>().0.as_chunks::<4>();
    let entry = |table: &[f32; ENTRIES], sub| table[code(sub) as usize % ENTRIES];
    let mut sums = [0.0f32; 4];
    for (tables, subs) in tables.iter().zip(subs) {
        for lane in 0..4 {
            sums[lane] += entry(&tables[lane], &subs[lane]);
        }
    }
    let rest = table_rest.iter().zip(sub_rest);
    sums.iter_mut().zip(rest).for_each(|(sum, (table, sub))| *sum += entry(table, sub));
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Rounding never hides a code that reaches the threshold.
        #[test]
        fn sums_bound_scores(
            exact in proptest::collection::vec(-50.0f32..50.0, 16 * 5),
            codes in proptest::collection::vec(0u8..16, 5), flat in proptest::bool::ANY, largest in 1u8..255,
        ) {
            let exact = if flat { vec![exact[0]; exact.len()] } else { exact };
            let tables = ScoreTables::new(exact.clone(), 16, largest);
            let score = sum_entries::<16, 1>(tables.exact(), &codes, |code| code[0]);
            let sum: u16 = (0..5).map(|sub| u16::from(tables.rounded[sub * 16 + codes[sub] as usize])).sum();
            proptest::prop_assert!(tables.least_sum(score).is_some_and(|least| least <= sum));
            // The bound is tight: for the best code it is above the score by less than one step per sub-vector, and one
            // step for the floor.
            let largest = |table: &[f32]| (0u8..16).max_by(|&a, &b| table[a as usize].total_cmp(&table[b as usize]));
            let best: Vec<u8> = exact.chunks_exact(16).filter_map(largest).collect();
            let score = sum_entries::<16, 1>(tables.exact(), &best, |code| code[0]);
            let sum: u16 = (0..5).map(|sub| u16::from(tables.rounded[sub * 16 + best[sub] as usize])).sum();
            let far = score + 6.1 * tables.step as f32 + 1e-3;
            proptest::prop_assert!(tables.least_sum(far).is_none_or(|least| least > sum));
        }
    }
}
