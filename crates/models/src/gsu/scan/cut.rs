//! The K largest of a row of scores, by bisection of the value range.
//!
//! Counting how many scores lie above a value is one sweep of compares, a few cycles for sixteen scores; about ten
//! of them find a value that separates K scores from the rest.

use pulp::Simd;

use super::kernel::range;

/// Which scores of a row are kept: those above `above`, and of those that equal `at`, the last `ties`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    above: f32,
    at: f32,
    ties: usize,
}

#[inline(always)]
fn count_above(row: &[f32], value: f32) -> usize {
    row.iter().map(|&x| u32::from(x > value)).sum::<u32>() as usize
}

/// Separates the `k` largest of a row, `0 < k < row.len()`; among equals, the last ones. `whole` speeds up rows of
/// whole numbers. NaN counts as the smallest.
#[inline(always)]
pub fn cut<S: Simd>(simd: S, row: &[f32], k: usize, whole: bool) -> Cut {
    let [mut low, mut high] = range(simd, row);
    // A diverged model's infinities must not stop the bisection.
    (low, high) = (low.max(f32::MIN), high.clamp(f32::MIN, f32::MAX));
    let above_low = count_above(row, low);
    if above_low <= k {
        return Cut { above: low, at: low, ties: k - above_low };
    }
    let mut above_high = count_above(row, high);
    if above_high >= k {
        return Cut { above: high, at: f32::INFINITY, ties: k.min(above_high) };
    }
    // More than k lie above `low`, fewer than k above `high`.
    loop {
        let middle = low * 0.5 + high * 0.5;
        let middle = if whole { middle.floor() } else { middle };
        if middle <= low || middle >= high {
            return Cut { above: high, at: high, ties: k - above_high };
        }
        let above = count_above(row, middle);
        if above == k {
            return Cut { above: middle, at: middle, ties: 0 };
        }
        if above > k {
            low = middle;
        } else {
            high = middle;
            above_high = above;
        }
    }
}

impl Cut {
    /// Writes the kept positions, ascending, and returns how many there are. `kept` is as long as the row.
    #[inline(always)]
    pub fn positions(self, row: &[f32], kept: &mut [u32]) -> usize {
        let mut count = 0;
        if self.ties == 0 {
            for (position, &x) in row.iter().enumerate() {
                kept[count] = position as u32;
                count += usize::from(x > self.above);
            }
            return count;
        }
        let equal = row.iter().filter(|&&x| x == self.at).count();
        let mut passed = equal.saturating_sub(self.ties);
        for (position, &x) in row.iter().enumerate() {
            let tied = x == self.at;
            let keep = (x > self.above && !tied) || (tied && passed == 0);
            passed -= usize::from(tied && passed > 0);
            kept[count] = position as u32;
            count += usize::from(keep);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use pulp::Scalar;

    fn kept(row: &[f32], k: usize, whole: bool) -> Vec<u32> {
        let mut out = vec![0; row.len()];
        let count = cut(Scalar::new(), row, k, whole).positions(row, &mut out);
        out.truncate(count);
        out
    }

    fn sorted(row: &[f32], k: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..row.len() as u32).collect();
        order.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]).then(b.cmp(&a)));
        order.truncate(k);
        order.sort_unstable();
        order
    }

    proptest! {
        #[test]
        fn keeps_what_sorting_keeps(row in prop::collection::vec(-1e3f32..1e3, 2..70), k in 1usize..69) {
            let k = k.min(row.len() - 1);
            prop_assert_eq!(kept(&row, k, false), sorted(&row, k));
        }

        #[test]
        fn ties_go_to_the_last(row in prop::collection::vec(-3i8..3, 2..70), k in 1usize..69) {
            let row: Vec<f32> = row.into_iter().map(f32::from).collect();
            let k = k.min(row.len() - 1);
            prop_assert_eq!(kept(&row, k, true), sorted(&row, k));
            prop_assert_eq!(kept(&row, k, false), sorted(&row, k));
        }
    }

    #[test]
    fn extreme_values_are_cut_like_others() {
        let row = [f32::MAX, f32::MIN, 1e-40, -1e-40, f32::MIN_POSITIVE, f32::MAX];
        (1..6).for_each(|k| assert_eq!(kept(&row, k, false), sorted(&row, k), "{k}"));
    }

    /// What is kept among NaN and infinities has no meaning: this shows that the search for the cut ends, and that positions are
    /// places of the row, each at most once.
    #[test]
    fn the_cut_of_what_is_no_number_ends() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for row in [[bad; 4], [1.0, bad, 2.0, bad], [bad, bad, bad, 0.0]] {
                for (k, whole) in (1..4).flat_map(|k| [(k, false), (k, true)]) {
                    let kept = kept(&row, k, whole);
                    assert!(
                        kept.is_sorted_by(|a, b| a < b) && kept.iter().all(|&at| at < 4),
                        "{row:?} {k}: {kept:?}"
                    );
                }
            }
        }
    }
}
