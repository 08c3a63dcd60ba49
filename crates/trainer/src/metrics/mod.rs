//! From ranks to figures: pure functions.

mod bootstrap;
mod rank;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use bootstrap::bootstrap;
pub use rank::{Ranked, Ties, rank};

/// Figures by name: `HIT@1` … `HIT@50`, `NDCG@1` … `NDCG@50`, `MRR`, `AUC`, `tied`.
pub type Metrics = BTreeMap<String, f64>;

/// Cut-offs of the hit rate and the discounted gain.
pub const CUTOFFS: [usize; 4] = [1, 5, 10, 50];

/// An evaluation's figures with their 95 % intervals over users.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Users ranked.
    pub users: u64,
    /// Means over users.
    pub metrics: Metrics,
    /// Lower and upper bound of each.
    pub ci95: BTreeMap<String, [f64; 2]>,
}

impl Evaluation {
    /// The figures of some users' ranks; intervals from 1,000 resamples.
    pub fn of(ranks: &[Ranked], seed: u64) -> Self {
        let names: Vec<String> = figures(&Ranked::default()).map(|(name, _)| name).collect();
        let rows: Vec<Vec<f64>> =
            ranks.iter().map(|r| figures(r).map(|(_, value)| value).collect()).collect();
        let count = rows.len().max(1) as f64;
        let means = (0..names.len()).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / count);
        let intervals = bootstrap(&rows, names.len(), 1000, seed);
        Self {
            users: ranks.len() as u64,
            metrics: names.iter().cloned().zip(means).collect(),
            ci95: names.into_iter().zip(intervals).collect(),
        }
    }
}

/// What one user contributes to each figure.
fn figures(ranked: &Ranked) -> impl Iterator<Item = (String, f64)> + '_ {
    let r = ranked.rank;
    let hits = CUTOFFS.iter().map(move |&k| (format!("HIT@{k}"), if r < k as f64 { 1.0 } else { 0.0 }));
    let gains = CUTOFFS
        .iter()
        .map(move |&k| (format!("NDCG@{k}"), if r < k as f64 { 1.0 / (r + 2.0).log2() } else { 0.0 }));
    let rest =
        [("MRR", 1.0 / (r + 1.0)), ("AUC", ranked.auc()), ("tied", if ranked.tied > 0 { 1.0 } else { 0.0 })];
    hits.chain(gains).chain(rest.map(|(name, value)| (name.to_owned(), value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against sorting every score list, with ties at their mean place.
        #[test]
        fn agree_with_sorting(rows in prop::collection::vec(prop::collection::vec(0u8..7, 2..30), 1..20)) {
            let ranks: Vec<Ranked> = rows
                .iter()
                .map(|row| rank(&row.iter().map(|&s| f32::from(s)).collect::<Vec<_>>(), Ties::Mean).unwrap())
                .collect();
            let evaluation = Evaluation::of(&ranks, 1);
            let n = rows.len() as f64;
            let places: Vec<f64> = rows.iter().map(|row| {
                let mut sorted = row.clone();
                sorted.sort_unstable_by(|a, b| b.cmp(a));
                let own: Vec<usize> = (0..sorted.len()).filter(|&i| sorted[i] == row[0]).collect();
                own.iter().sum::<usize>() as f64 / own.len() as f64
            }).collect();
            for k in CUTOFFS {
                let hit = places.iter().filter(|&&p| p < k as f64).count() as f64 / n;
                let gain = places.iter().filter(|&&p| p < k as f64).map(|p| 1.0 / (p + 2.0).log2()).sum::<f64>() / n;
                let (hit_name, gain_name) = (format!("HIT@{k}"), format!("NDCG@{k}"));
                prop_assert!((evaluation.metrics[&hit_name] - hit).abs() < 1e-12);
                prop_assert!((evaluation.metrics[&gain_name] - gain).abs() < 1e-12);
            }
            let mrr = places.iter().map(|p| 1.0 / (p + 1.0)).sum::<f64>() / n;
            prop_assert!((evaluation.metrics["MRR"] - mrr).abs() < 1e-12);
            let auc = rows.iter().map(|row| {
                let wins: f64 = row[1..].iter().map(|&s| match row[0].cmp(&s) {
                    std::cmp::Ordering::Greater => 1.0, std::cmp::Ordering::Equal => 0.5, std::cmp::Ordering::Less => 0.0,
                }).sum();
                wins / (row.len() - 1) as f64
            }).sum::<f64>() / n;
            prop_assert!((evaluation.metrics["AUC"] - auc).abs() < 1e-12);
            for (name, [low, high]) in &evaluation.ci95 {
                prop_assert!(low <= &(evaluation.metrics[name] + 1e-9) && &(evaluation.metrics[name] - 1e-9) <= high);
            }
        }
    }
}
