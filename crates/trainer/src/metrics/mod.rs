//! From ranks to metrics: pure functions.

mod auc;
mod bootstrap;
mod consistency;
mod rank;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use auc::auc;
pub use bootstrap::bootstrap;
pub use consistency::check;
pub use rank::{Ranked, Ties, rank};

/// Metrics by name: `HIT@1` … `HIT@50`, `NDCG@1` … `NDCG@50`, `MRR`, `AUC`, `GAUC`, `tied`.
pub type Metrics = BTreeMap<String, f64>;

/// Cut-offs of the hit rate and the discounted gain.
pub const CUTOFFS: [usize; 4] = [1, 5, 10, 50];

/// Where one user's target stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UserRank {
    /// The user, from 0.
    pub user: u32,
    /// The target.
    pub item: u32,
    /// Events that the model saw.
    pub history: usize,
    /// The target's place.
    pub ranked: Ranked,
}

/// All users' ranks, and the scores that pooled figures need.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    users: Vec<UserRank>,
    positives: Vec<f32>,
    negatives: Vec<f32>,
}

impl Ranking {
    /// Adds a user: scores with the target's first.
    pub fn push(&mut self, user: UserRank, scores: &[f32]) {
        self.users.push(user);
        if let Some((&positive, negatives)) = scores.split_first() {
            self.positives.push(positive);
            self.negatives.extend_from_slice(negatives);
        }
    }

    /// The target's score of each user, in the order of [`Ranking::users`].
    pub fn positives(&self) -> &[f32] {
        &self.positives
    }

    /// The scores of the other candidates, user after user: as many for each as its rank counts negatives.
    pub fn negatives(&self) -> &[f32] {
        &self.negatives
    }

    /// The users in the order in which they were added.
    pub fn users(&self) -> &[UserRank] {
        &self.users
    }
}

/// Metrics of some of the users.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Which users.
    pub label: String,
    /// How many.
    pub users: u64,
    /// Their mean reciprocal rank.
    pub mrr: f64,
    /// Their hit rate at 10.
    pub hit_10: f64,
}

/// An evaluation's metrics with their 95 % intervals over users.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evaluation {
    /// Users ranked.
    pub users: u64,
    /// Means over users; `AUC` over all pairs of scores.
    pub metrics: Metrics,
    /// Lower and upper bound of each mean over users.
    pub ci95: BTreeMap<String, [f64; 2]>,
    /// By the number of events that the model saw.
    pub by_history: Vec<Group>,
    /// By the number of training events of the target; see [`Evaluation::with_popularity`].
    pub by_popularity: Vec<Group>,
}

impl Evaluation {
    /// The metrics of a ranking; intervals from 1,000 resamples of its users.
    pub fn of(ranking: &Ranking, seed: u64) -> Self {
        let users = ranking.users();
        let rows: Vec<[f64; PER_USER]> = users.iter().map(|u| per_user(&u.ranked)).collect();
        let names: Vec<String> = per_user_names().collect();
        let count = rows.len().max(1) as f64;
        let means = (0..names.len()).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / count);
        let mut metrics: Metrics = names.iter().cloned().zip(means).collect();
        // Users with more negatives were shown more.
        let shown: f64 = users.iter().map(|u| f64::from(u.ranked.negatives + 1)).sum();
        let grouped = users.iter().map(|u| u.ranked.auc() * f64::from(u.ranked.negatives + 1)).sum::<f64>();
        metrics.insert("GAUC".into(), grouped / shown.max(1.0));
        metrics.insert("AUC".into(), auc(&ranking.positives, &ranking.negatives));
        let intervals = bootstrap(&rows, names.len(), 1000, seed);
        Self {
            users: rows.len() as u64,
            metrics,
            ci95: names.into_iter().zip(intervals).collect(),
            by_history: groups(users, |u| u.history as u64),
            by_popularity: Vec::new(),
        }
    }

    /// Adds the breakdown by how often the target occurs in training; `counts` by item id, as
    /// [`Corpus::training_counts`](seminar_dataset::Corpus::training_counts) gives them.
    ///
    /// # Panics
    /// If `counts` lacks an item of the ranking.
    pub fn with_popularity(mut self, ranking: &Ranking, counts: &[u32]) -> Self {
        self.by_popularity = groups(ranking.users(), |u| u64::from(counts[u.item as usize]));
        self
    }
}

/// Users by a number: 0, 1, 2 – 3, 4 – 7 and so on.
fn groups(users: &[UserRank], number: impl Fn(&UserRank) -> u64) -> Vec<Group> {
    let mut sums: BTreeMap<u32, [f64; 3]> = BTreeMap::new();
    for user in users {
        let sum = sums.entry(64 - number(user).leading_zeros()).or_default();
        sum[0] += 1.0;
        sum[1] += 1.0 / (user.ranked.rank + 1.0);
        sum[2] += if user.ranked.rank < 10.0 { 1.0 } else { 0.0 };
    }
    let group = |(bits, [users, mrr, hits]): (u32, [f64; 3])| {
        let (low, high) = (if bits == 0 { 0 } else { 1u64 << (bits - 1) }, (1u64 << bits) - 1);
        let label = if low == high { format!("{low}") } else { format!("{low} – {high}") };
        Group { label, users: users as u64, mrr: mrr / users, hit_10: hits / users }
    };
    sums.into_iter().map(group).collect()
}

/// The names of all metrics.
pub fn names() -> impl Iterator<Item = String> {
    per_user_names().chain(["AUC".to_owned()])
}

/// Metrics that are means over users.
const PER_USER: usize = 2 * CUTOFFS.len() + 3;

/// Their names, in the order of [`per_user`].
fn per_user_names() -> impl Iterator<Item = String> {
    let hits = CUTOFFS.iter().map(|k| format!("HIT@{k}"));
    let gains = CUTOFFS.iter().map(|k| format!("NDCG@{k}"));
    hits.chain(gains).chain(["MRR", "GAUC", "tied"].map(str::to_owned))
}

/// What one user contributes to each of them.
fn per_user(ranked: &Ranked) -> [f64; PER_USER] {
    let r = ranked.rank;
    let mut values = [0.0; PER_USER];
    for (at, _) in CUTOFFS.iter().enumerate().filter(|&(_, &k)| r < k as f64) {
        values[at] = 1.0;
        values[CUTOFFS.len() + at] = 1.0 / (r + 2.0).log2();
    }
    let rest = [1.0 / (r + 1.0), ranked.auc(), if ranked.tied > 0 { 1.0 } else { 0.0 }];
    values[2 * CUTOFFS.len()..].copy_from_slice(&rest);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against sorting every score list, with ties at their mean place.
        #[test]
        fn agree_with_sorting(rows in prop::collection::vec(prop::collection::vec(0u8..7, 2..30), 1..20)) {
            let mut ranking = Ranking::default();
            for row in &rows {
                let scores: Vec<f32> = row.iter().map(|&s| f32::from(s)).collect();
                let ranked = rank(&scores, Ties::Mean).unwrap();
                ranking.push(UserRank { user: 0, item: 1, history: row.len(), ranked }, &scores);
            }
            let evaluation = Evaluation::of(&ranking, 1);
            prop_assert!(check(&evaluation.metrics, 30, true).is_ok());
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
            // Every pair, one by one: within users, each weighed by what it was shown, and over all users.
            let wins = |p: u8, negatives: &mut dyn Iterator<Item = u8>| negatives.map(|n| match p.cmp(&n) {
                std::cmp::Ordering::Greater => 1.0, std::cmp::Ordering::Equal => 0.5, std::cmp::Ordering::Less => 0.0,
            }).sum::<f64>();
            let own = |row: &Vec<u8>| wins(row[0], &mut row[1..].iter().copied()) / (row.len() - 1) as f64;
            let shown: usize = rows.iter().map(Vec::len).sum();
            let grouped = rows.iter().map(|row| own(row) * row.len() as f64).sum::<f64>() / shown as f64;
            prop_assert!((evaluation.metrics["GAUC"] - grouped).abs() < 1e-12);
            let all = || rows.iter().flat_map(|row| row[1..].iter().copied());
            let pooled = rows.iter().map(|row| wins(row[0], &mut all())).sum::<f64>() / n / all().count() as f64;
            prop_assert!((evaluation.metrics["AUC"] - pooled).abs() < 1e-12);
            let counted: u64 = evaluation.by_history.iter().map(|group| group.users).sum();
            let mean = evaluation.by_history.iter().map(|group| group.mrr * group.users as f64).sum::<f64>() / n;
            prop_assert!(counted == rows.len() as u64 && (mean - mrr).abs() < 1e-12);
            for (name, [low, high]) in &evaluation.ci95 {
                // The interval of GAUC is that of the plain mean over users.
                if name != "GAUC" {
                    prop_assert!(low <= &(evaluation.metrics[name] + 1e-9) && &(evaluation.metrics[name] - 1e-9) <= high);
                }
            }
        }
    }
}
