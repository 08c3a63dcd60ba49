//! Tables of partial scores for a query over 4-bit codes, and their rounding for a scan with 8-bit sums (Quicker ADC:
//! André, Kermarrec, Le Scouarnec 2019).
//!
//! The *deficit* of an entry is what it lacks to the best of its table: `d_s(c) = max_s − t_s(c) ≥ 0`. A row reaches the
//! threshold `T` exactly if its deficits add up to at most `Σ_s max_s − T`. Deficits are rounded down to
//! `⌊d_s(c) / δ⌋`, so no row that reaches the threshold is missed, and their sums may stop at the largest byte, as only
//! rows far below the threshold come there. `δ` follows the threshold: tables are rounded again as it rises.

use crate::kernel::nibbles;

/// Entries of a table.
const ENTRIES: usize = 16;

/// Tables are rounded again when the largest sum that may reach the threshold has fallen below this part of what it
/// could be: the steps are too coarse then.
const COARSE: f64 = 0.9;

/// Partial scores `[S, 16]`: the score of a code is the sum of one entry per sub-vector.
#[derive(Clone, Debug)]
pub struct DeficitTables {
    exact: Vec<f32>,
    /// The best entry of each table.
    best: Vec<f32>,
    /// No score is above this, whatever the rounding of its sum in f32; infinite if sums may overflow.
    most: f64,
}

/// Deficits of a query, rounded for a threshold. A scan keeps them from chunk to chunk.
#[derive(Clone, Debug, Default)]
pub struct Deficits {
    rounded: Vec<u8>,
    /// 1 / δ; 0 before the first rounding.
    scale: f64,
}

impl DeficitTables {
    pub(crate) fn new(exact: Vec<f32>) -> Self {
        let tables = exact.as_chunks::<ENTRIES>().0;
        let best: Vec<f32> =
            tables.iter().map(|t| t.iter().copied().fold(f32::NEG_INFINITY, f32::max)).collect();
        let largest =
            |table: &[f32; ENTRIES]| f64::from(table.iter().fold(0.0f32, |most, x| most.max(x.abs())));
        let magnitude: f64 = tables.iter().map(largest).sum();
        // The rounding of a sum in f32, twice over.
        let slack = magnitude * f64::from(f32::EPSILON) * (tables.len() + 2) as f64;
        // Then neither sums nor differences overflow.
        let finite = magnitude < f64::from(f32::MAX / 4.0) && exact.iter().all(|x| x.is_finite());
        let most = best.iter().map(|&best| f64::from(best)).sum::<f64>() + slack;
        Self { exact, best, most: if finite { most } else { f64::INFINITY } }
    }

    /// The exact entries.
    pub(crate) fn exact(&self) -> &[f32] {
        &self.exact
    }

    /// Appends the position of at least every 4-bit code whose score reaches the threshold.
    pub(crate) fn scan(&self, deficits: &mut Deficits, blocks: &[u8], threshold: f32, hits: &mut Vec<u32>) {
        let subs = self.best.len();
        let room = self.most - f64::from(threshold);
        if room < 0.0 {
            return;
        }
        if !room.is_finite() {
            // No threshold yet, or scores that bytes cannot bound.
            let rows = blocks.len() / (subs * nibbles::STRIDE) * nibbles::BLOCK;
            return hits.extend(0..rows as u32);
        }
        let limit = nibbles::limit(subs);
        let most = (room * deficits.scale).floor();
        let most = if most <= limit && most >= COARSE * limit {
            most
        } else {
            self.round(room, limit, deficits);
            (room * deficits.scale).floor()
        };
        nibbles::scan(&deficits.rounded, blocks, most as u16, hits);
    }

    /// Rounds so that sums of up to `limit` cover the room that the threshold leaves.
    fn round(&self, room: f64, limit: f64, deficits: &mut Deficits) {
        // Half a step more than the limit, so that the floor is the limit. Where there is no room, any scale will do.
        deficits.scale = ((limit + 0.5) / room.max(f64::MIN_POSITIVE)).min(1e30);
        // What f32 may round up below is less than this takes away.
        let scale = (deficits.scale * (1.0 - 4.0 * f64::from(f32::EPSILON))) as f32;
        deficits.rounded.resize(self.exact.len(), 0);
        let tables = self.exact.as_chunks::<ENTRIES>().0.iter().zip(&self.best);
        for (rounded, (table, best)) in deficits.rounded.as_chunks_mut::<ENTRIES>().0.iter_mut().zip(tables) {
            // The cast rounds down and stops at the largest byte.
            *rounded = table.map(|entry| ((best - entry) * scale).min(255.0) as i32 as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::sum_entries;

    proptest::proptest! {
        /// Rounding never hides a code that reaches the threshold, and hides those far below it.
        #[test]
        fn sums_bound_scores(
            exact in proptest::collection::vec(-50.0f32..50.0, 16 * 6), seed in proptest::num::u64::ANY,
            flat in proptest::bool::ANY, exponent in -30i32..30, steps in 0u8..3,
        ) {
            let scaled = |x: &f32| if flat { exact[0] } else { x * 2f32.powi(exponent) };
            let tables = DeficitTables::new(exact.iter().map(scaled).collect());
            let byte = |i: usize| ((i as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u8;
            let block: Vec<u8> = (0..6 * nibbles::STRIDE).map(byte).collect();
            let score = |row| sum_entries::<16, { nibbles::STRIDE }>(tables.exact(), &block, |sub| nibbles::code(sub, row));
            let mut scores: Vec<f32> = (0..nibbles::BLOCK).map(score).collect();
            let mut thresholds = scores.clone();
            thresholds.sort_by(f32::total_cmp);
            let mut deficits = Deficits::default();
            for &threshold in thresholds.iter().step_by(1 + 5 * usize::from(steps)) {
                let mut hits = Vec::new();
                tables.scan(&mut deficits, &block, threshold, &mut hits);
                let reaching = (0..nibbles::BLOCK as u32).filter(|&row| scores[row as usize] >= threshold);
                proptest::prop_assert!(reaching.clone().all(|row| hits.contains(&row)), "{threshold}");
                // A step is at most 1 / (COARSE · limit) of the room, and each table loses less than one.
                let room = (tables.most - f64::from(threshold)) * (1.0 + 7.0 / (COARSE * nibbles::limit(6)));
                let proposed = |&row: &u32| tables.most - f64::from(scores[row as usize]) <= room * 1.001;
                proptest::prop_assert!(hits.iter().all(proposed));
            }
            scores.clear();
            tables.scan(&mut deficits, &block, f32::NEG_INFINITY, &mut Vec::new());
        }
    }

    #[test]
    fn unbounded_tables_propose_everything_and_unreachable_thresholds_nothing() {
        let block = vec![0; 2 * nibbles::STRIDE];
        let hits = |entry: f32, threshold: f32| {
            let mut hits = Vec::new();
            DeficitTables::new(vec![entry; 32]).scan(&mut Deficits::default(), &block, threshold, &mut hits);
            hits.len()
        };
        for entry in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, -f32::MAX, f32::MAX / 4.0] {
            assert_eq!(hits(entry, 1.0), nibbles::BLOCK, "{entry}");
        }
        assert_eq!([hits(1.0, f32::NEG_INFINITY), hits(1.0, 2.0), hits(0.0, 0.0)], [nibbles::BLOCK; 3]);
        assert_eq!([hits(1.0, 2.001), hits(1.0, f32::INFINITY), hits(0.0, 1e-30)], [0; 3]);
    }
}
