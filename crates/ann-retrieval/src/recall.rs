//! Measures of an approximate result against the exact one.

use crate::index::Neighbor;

/// recall@k: the share of the first `k` exact neighbours that are among the first `k` found.
///
/// ```
/// use seminar_ann_retrieval::{Neighbor, recall_at};
/// let list = |ids: [u64; 3]| ids.map(|id| Neighbor { id, score: 0.0 });
/// assert_eq!(recall_at(2, &list([5, 7, 1]), &list([7, 1, 5])), 0.5);
/// ```
pub fn recall_at(k: usize, found: &[Neighbor], exact: &[Neighbor]) -> f64 {
    let exact = &exact[..k.min(exact.len())];
    let found = &found[..k.min(found.len())];
    if exact.is_empty() {
        return 1.0;
    }
    let there: std::collections::HashSet<u64> = found.iter().map(|n| n.id).collect();
    exact.iter().filter(|n| there.contains(&n.id)).count() as f64 / exact.len() as f64
}

/// The share of softmax attention that falls on the found rows: `Σ_found e^(s/√d) / Σ_all e^(s/√d)`.
///
/// `scores` holds the exact score of each id from 0 on.
pub fn attention_mass(found: &[Neighbor], scores: &[f32], dim: usize) -> f64 {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |score: f32| (f64::from(score - largest) / (dim as f64).sqrt()).exp();
    let all: f64 = scores.iter().map(|&score| weight(score)).sum();
    let ids = found.iter().filter_map(|n| scores.get(usize::try_from(n.id).ok()?));
    ids.map(|&score| weight(score)).sum::<f64>() / all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mass_of_all_is_one_and_of_equal_scores_a_share() {
        let list = |ids: &[u64]| ids.iter().map(|&id| Neighbor { id, score: 0.0 }).collect::<Vec<_>>();
        assert!((attention_mass(&list(&[0, 1]), &[3.0, 900.0], 4) - 1.0).abs() < 1e-12);
        assert!((attention_mass(&list(&[2]), &[3.0; 4], 4) - 0.25).abs() < 1e-12);
        assert_eq!(recall_at(10, &[], &[]), 1.0);
    }
}
