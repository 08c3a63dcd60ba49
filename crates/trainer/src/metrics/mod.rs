//! From ranks to metrics: pure functions.

mod auc;
mod bootstrap;
mod consistency;
mod coverage;
pub(crate) mod json;
mod rank;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use auc::area;
pub use auc::auc;
pub use bootstrap::bootstrap;
pub use consistency::check;
pub use coverage::{Coverage, Short};
pub use rank::{Ranked, Ties, rank};

/// Metrics by name: `HIT@1` … `HIT@50`, `NDCG@1` … `NDCG@50`, `MRR`, `AUC`, `GAUC`, `tied`. One that is undefined is missing,
/// and null in JSON.
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
    scope: Coverage,
}

/// How a user's number of negatives compares with the number asked for.
#[derive(Clone, Copy, PartialEq)]
enum Completeness {
    Full,
    Short,
    Empty,
}

impl Ranking {
    /// An empty ranking. `scope` says how many negatives are asked for and who was not ranked; short users are found later.
    pub fn new(scope: Coverage) -> Self {
        Self { scope, ..Self::default() }
    }

    fn completeness(&self, user: &UserRank) -> Completeness {
        let found = u64::from(user.ranked.negatives);
        match self.scope.negatives {
            _ if found == 0 => Completeness::Empty,
            Some(asked) if found < asked => Completeness::Short,
            _ => Completeness::Full,
        }
    }

    /// The users whose number of negatives is such, with their scores.
    fn part(&self, which: Completeness) -> Part<'_> {
        let mut part = Part::default();
        let mut end = 0;
        for (user, &positive) in self.users.iter().zip(&self.positives) {
            let start = end;
            end += user.ranked.negatives as usize;
            if self.completeness(user) == which {
                part.users.push(user);
                part.positives.push(positive);
                part.negatives.push(&self.negatives[start..end]);
            }
        }
        part
    }

    /// Adds a user: scores with the target's first, as they were [ranked](rank).
    ///
    /// # Panics
    /// If there is no score of the target.
    pub fn push(&mut self, user: UserRank, scores: &[f32]) {
        self.users.push(user);
        self.positives.push(scores[0]);
        self.negatives.extend_from_slice(&scores[1..]);
    }

    /// The ranks of some users alone.
    pub fn of_users(&self, keep: impl Fn(u32) -> bool) -> Self {
        let mut some = Self::new(self.scope.clone());
        let mut end = 0;
        for (user, &positive) in self.users.iter().zip(&self.positives) {
            let start = end;
            end += user.ranked.negatives as usize;
            if keep(user.user) {
                some.users.push(*user);
                some.positives.push(positive);
                some.negatives.extend_from_slice(&self.negatives[start..end]);
            }
        }
        some
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

/// Some users of a ranking.
#[derive(Default)]
struct Part<'a> {
    users: Vec<&'a UserRank>,
    positives: Vec<f32>,
    negatives: Vec<&'a [f32]>,
}

impl Part<'_> {
    /// What each user contributes to the means over users.
    fn rows(&self) -> Vec<[f64; PER_USER]> {
        self.users.iter().map(|user| per_user(&user.ranked)).collect()
    }

    /// The metrics of these users; without users, none is defined.
    fn metrics(&self, rows: &[[f64; PER_USER]]) -> Metrics {
        if rows.is_empty() {
            return Metrics::new();
        }
        let mean = |index: usize| rows.iter().map(|row| row[index]).sum::<f64>() / rows.len() as f64;
        let mut metrics: Metrics = per_user_names().enumerate().map(|(i, name)| (name, mean(i))).collect();
        // Users with more negatives were shown more.
        let shown = |user: &UserRank| f64::from(user.ranked.negatives + 1);
        let own = |user: &UserRank| user.ranked.auc().map(|auc| auc * shown(user));
        let grouped: f64 = self.users.iter().filter_map(|user| own(user)).sum();
        metrics.insert("GAUC".into(), grouped / self.users.iter().map(|user| shown(user)).sum::<f64>());
        let pooled = area(&self.positives, self.negatives.concat());
        metrics.extend(pooled.map(|auc| ("AUC".to_owned(), auc)));
        metrics
    }

    fn short(&self) -> Option<Short> {
        let negatives = || self.users.iter().map(|user| u64::from(user.ranked.negatives));
        let (fewest, most) = (negatives().min()?, negatives().max()?);
        let mean = negatives().sum::<u64>() as f64 / self.users.len() as f64;
        let users = self.users.len() as u64;
        Some(Short { users, fewest, most, mean, metrics: self.metrics(&self.rows()) })
    }
}

/// An evaluation's metrics with their 95 % intervals over users.
///
/// They are those of users with the full number of negatives; `coverage` counts the others and holds the metrics of short ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evaluation {
    /// Users whom the metrics are of.
    pub users: u64,
    /// Means over users; `AUC` over all pairs of scores.
    #[serde(with = "json")]
    pub metrics: Metrics,
    /// Lower and upper bound of each mean over users.
    pub ci95: BTreeMap<String, [f64; 2]>,
    /// By the number of events that the model saw.
    pub by_history: Vec<Group>,
    /// By the number of training events of the target; see [`Evaluation::with_popularity`].
    pub by_popularity: Vec<Group>,
    /// Among how many candidates users were ranked, and who was not.
    pub coverage: Coverage,
}

impl Evaluation {
    /// The metrics of a ranking; intervals from 1,000 resamples of its users.
    pub fn of(ranking: &Ranking, seed: u64) -> Self {
        let full = ranking.part(Completeness::Full);
        let rows = full.rows();
        let intervals = match rows.is_empty() {
            true => Vec::new(),
            false => bootstrap(&rows, PER_USER, 1000, seed),
        };
        let coverage = Coverage {
            short: ranking.part(Completeness::Short).short(),
            without_negatives: ranking.part(Completeness::Empty).users.len() as u64,
            ..ranking.scope.clone()
        };
        Self {
            users: rows.len() as u64,
            metrics: full.metrics(&rows),
            ci95: per_user_names().zip(intervals).collect(),
            by_history: groups(&full.users, |u| u.history as u64),
            by_popularity: Vec::new(),
            coverage,
        }
    }

    /// Adds the breakdown by how often the target occurs in training; `counts` by item id, as
    /// [`Corpus::training_counts`](seminar_dataset::Corpus::training_counts) gives them.
    ///
    /// # Panics
    /// If `counts` lacks an item of the ranking.
    pub fn with_popularity(mut self, ranking: &Ranking, counts: &[u32]) -> Self {
        let full = ranking.part(Completeness::Full);
        self.by_popularity = groups(&full.users, |u| u64::from(counts[u.item as usize]));
        self
    }

    /// What early stopping watches: a metric, or where nobody has the full number of negatives, that of short users.
    pub(crate) fn watched(&self, name: &str) -> Option<f64> {
        let short = self.coverage.short.as_ref().filter(|_| self.users == 0);
        self.metrics.get(name).or(short.and_then(|short| short.metrics.get(name))).copied()
    }
}

/// Users by a number: 0, 1, 2 – 3, 4 – 7 and so on.
fn groups(users: &[&UserRank], number: impl Fn(&UserRank) -> u64) -> Vec<Group> {
    let mut sums: BTreeMap<u32, [f64; 3]> = BTreeMap::new();
    for user in users {
        let sum = sums.entry(64 - number(user).leading_zeros()).or_default();
        sum[0] += 1.0;
        sum[1] += user.ranked.reciprocal();
        sum[2] += user.ranked.hit(10);
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

/// What a user with negatives contributes to each of them.
fn per_user(ranked: &Ranked) -> [f64; PER_USER] {
    let mut values = [0.0; PER_USER];
    let (hits, rest) = values.split_at_mut(CUTOFFS.len());
    let (gains, rest) = rest.split_at_mut(CUTOFFS.len());
    for (at, &k) in CUTOFFS.iter().enumerate() {
        (hits[at], gains[at]) = (ranked.hit(k), ranked.gain(k));
    }
    let tied = f64::from(u8::from(ranked.tied > 0));
    rest.copy_from_slice(&[ranked.reciprocal(), ranked.auc().unwrap_or_default(), tied]);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against sorting every score list, each metric averaged over the places of tied targets.
        #[test]
        fn agree_with_sorting(rows in prop::collection::vec(prop::collection::vec(0u8..7, 2..30), 1..20)) {
            let mut ranking = Ranking::default();
            for row in &rows {
                let scores: Vec<f32> = row.iter().map(|&s| f32::from(s)).collect();
                let ranked = rank(&scores, Ties::Mean).unwrap();
                ranking.push(UserRank { user: 0, item: 1, history: row.len(), ranked }, &scores);
            }
            let evaluation = Evaluation::of(&ranking, 1);
            prop_assert!(check(&evaluation.metrics, 30).is_ok());
            let n = rows.len() as f64;
            // All places of each user's target among candidates in falling order of scores.
            let places: Vec<Vec<f64>> = rows.iter().map(|row| {
                let mut sorted = row.clone();
                sorted.sort_unstable_by(|a, b| b.cmp(a));
                (0..sorted.len()).filter(|&i| sorted[i] == row[0]).map(|i| i as f64).collect()
            }).collect();
            let mean = |value: &dyn Fn(f64) -> f64| {
                let own = |own: &Vec<f64>| own.iter().map(|&place| value(place)).sum::<f64>() / own.len() as f64;
                places.iter().map(own).sum::<f64>() / n
            };
            for k in CUTOFFS {
                let hit = mean(&|p| if p < k as f64 { 1.0 } else { 0.0 });
                let gain = mean(&|p| if p < k as f64 { 1.0 / (p + 2.0).log2() } else { 0.0 });
                let (hit_name, gain_name) = (format!("HIT@{k}"), format!("NDCG@{k}"));
                prop_assert!((evaluation.metrics[&hit_name] - hit).abs() < 1e-12);
                prop_assert!((evaluation.metrics[&gain_name] - gain).abs() < 1e-12);
            }
            let mrr = mean(&|p| 1.0 / (p + 1.0));
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Users with as many negatives as asked for, with fewer and with none, told apart one by one.
        #[test]
        fn short_users_are_reported_apart_and_none_is_lost(
            rows in prop::collection::vec(prop::collection::vec(0u8..4, 1..8), 0..20), asked in prop::option::of(0u64..7),
        ) {
            let collect = |keep: &dyn Fn(u64) -> bool, scope: Coverage| {
                let mut ranking = Ranking::new(scope);
                for (user, row) in rows.iter().enumerate().filter(|(_, row)| keep(row.len() as u64 - 1)) {
                    let scores: Vec<f32> = row.iter().map(|&s| f32::from(s)).collect();
                    let ranked = rank(&scores, Ties::Mean).unwrap();
                    ranking.push(UserRank { user: user as u32, item: 1, history: user, ranked }, &scores);
                }
                Evaluation::of(&ranking, 1)
            };
            let found = collect(&|_| true, Coverage { negatives: asked, too_few_events: 5, ..Coverage::default() });
            let least = asked.unwrap_or(1).max(1);
            let full = collect(&|n| n >= least, Coverage::default());
            let short = collect(&|n| (1..least).contains(&n), Coverage::default());
            prop_assert_eq!((&found.metrics, &found.ci95, &found.by_history), (&full.metrics, &full.ci95, &full.by_history));
            let apart = found.coverage.short.clone().unwrap_or_default();
            prop_assert_eq!((apart.users, &apart.metrics), (short.users, &short.metrics));
            let none = rows.iter().filter(|row| row.len() == 1).count() as u64;
            prop_assert_eq!((found.coverage.without_negatives, found.coverage.too_few_events), (none, 5));
            prop_assert_eq!(found.users + apart.users + none, rows.len() as u64);
            prop_assert_eq!(found.metrics.is_empty(), found.users == 0, "no figure of nobody");
            prop_assert!(found.metrics.values().chain(apart.metrics.values()).all(|value| value.is_finite()));
            let text = serde_json::to_string(&found).unwrap();
            prop_assert_eq!(text.contains("\"AUC\":null"), found.users == 0 || (apart.users > 0 && apart.metrics.is_empty()));
            prop_assert_eq!(serde_json::from_str::<Evaluation>(&text).unwrap(), found);
        }
    }

    #[test]
    fn evaluations_of_before_the_coverage_are_read() {
        let old = r#"{"users":2,"metrics":{"MRR":0.5,"AUC":0.5},"ci95":{"MRR":[0.25,0.75]},"by_history":[],"by_popularity":[]}"#;
        let read: Evaluation = serde_json::from_str(old).unwrap();
        assert_eq!((read.users, read.metrics["MRR"], read.coverage), (2, 0.5, Coverage::default()));
    }
}
