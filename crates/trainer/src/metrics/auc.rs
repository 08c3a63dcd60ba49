//! Areas under the curve.

use rayon::prelude::*;

/// Share of (positive, negative) pairs, over all users together, in which the positive scores higher; ties count half.
/// ½ where there are no pairs.
pub fn auc(positives: &[f32], negatives: &[f32]) -> f64 {
    if positives.is_empty() || negatives.is_empty() {
        return 0.5;
    }
    // Scores are finite: zeros of both signs are equal, so they must sort as one.
    let mut sorted: Vec<f32> = negatives.iter().map(|&x| x + 0.0).collect();
    sorted.par_sort_unstable_by(f32::total_cmp);
    // Twice the number of wins, so that ties stay whole and the sum has no rounding.
    let wins: u64 = positives
        .par_iter()
        .map(|&p| {
            let below = sorted.partition_point(|&n| n < p);
            let not_above = sorted.partition_point(|&n| n <= p);
            (below + not_above) as u64
        })
        .sum();
    wins as f64 / 2.0 / positives.len() as f64 / sorted.len() as f64
}
