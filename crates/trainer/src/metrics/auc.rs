//! Areas under the curve.

use rayon::prelude::*;

/// Share of (positive, negative) pairs, over all users together, in which the positive scores higher; ties count half.
/// `None` where there are no pairs: with one class alone, no area is defined.
pub fn auc(positives: &[f32], negatives: &[f32]) -> Option<f64> {
    area(positives, negatives.to_vec())
}

/// [`auc`] of negatives that may be reordered.
pub(super) fn area(positives: &[f32], mut negatives: Vec<f32>) -> Option<f64> {
    if positives.is_empty() || negatives.is_empty() {
        return None;
    }
    // Scores are finite: zeros of both signs are equal, so they must sort as one.
    negatives.iter_mut().for_each(|x| *x += 0.0);
    negatives.par_sort_unstable_by(f32::total_cmp);
    // Twice the number of wins, so that ties stay whole and the sum has no rounding.
    let wins: u64 = positives
        .par_iter()
        .map(|&p| {
            let below = negatives.partition_point(|&n| n < p);
            let not_above = negatives.partition_point(|&n| n <= p);
            (below + not_above) as u64
        })
        .sum();
    Some(wins as f64 / 2.0 / positives.len() as f64 / negatives.len() as f64)
}
