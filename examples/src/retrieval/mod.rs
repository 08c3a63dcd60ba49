//! The retrieval experiment: recall, latency and size of each search.

pub mod data;
pub mod histories;
pub mod page;
pub mod single;
pub mod trained;
mod two_stage;

use std::collections::BTreeMap;
use std::time::Instant;

use seminar_ann_retrieval::{Neighbor, attention_mass, recall_at};
use serde::{Deserialize, Serialize};

/// Smallest number of timed searches, after the warm-up.
const TIMED: usize = 1000;

/// A method measured on a data set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// Name and settings of the method.
    pub method: String,
    /// Source of the vectors.
    pub data: String,
    /// L: behaviours per user, or vectors per index.
    pub length: usize,
    /// d: embedding dimension of a modality.
    pub dim: usize,
    /// M: modalities.
    pub modalities: usize,
    /// K: behaviours that a search returns.
    pub k: usize,
    /// Targets of all users.
    pub targets: usize,
    /// Targets per search.
    pub targets_per_search: usize,
    /// recall@K: share of the exact top K among the K returned.
    pub recall: f64,
    /// Its standard error over targets.
    pub recall_error: f64,
    /// recall@1, @10, @100, up to K.
    pub recall_at: BTreeMap<usize, f64>,
    /// recall@K of a two-stage method with exact lists in place of its index.
    pub ceiling: Option<f64>,
    /// Share of softmax attention on the returned K.
    pub attention_mass: f64,
    /// Targets per second, one thread, one search at a time.
    pub queries_per_second: f64,
    /// Targets per second on all threads.
    pub queries_per_second_all_threads: Option<f64>,
    /// Median time of a search, in microseconds.
    pub p50_us: f64,
    /// 99th percentile of the time of a search, in microseconds.
    pub p99_us: f64,
    /// Time to append one behaviour, in microseconds.
    pub append_us: Option<f64>,
    /// Bytes per behaviour, including its share of codebooks that are trained per user.
    pub bytes_per_item: f64,
    /// Seconds to build the index of one user, including codebooks that are trained per user.
    pub build_seconds: f64,
    /// Threads of the timed searches.
    pub threads: usize,
}

/// Metrics of search results, collected over targets.
#[derive(Clone, Debug, Default)]
pub struct Quality {
    recalls: Vec<f64>,
    at: BTreeMap<usize, (f64, usize)>,
    mass: f64,
    weighed: usize,
}

impl Quality {
    /// Adds one result. `scores` are the exact scores of all rows, by id, if attention is to be weighed.
    pub fn add(&mut self, k: usize, found: &[Neighbor], exact: &[Neighbor], scores: Option<(&[f32], usize)>) {
        self.recalls.push(recall_at(k, found, exact));
        for at in [1, 10, 100].into_iter().filter(|&at| at <= k) {
            let (sum, count) = self.at.entry(at).or_default();
            *sum += recall_at(at, found, exact);
            *count += 1;
        }
        if let Some((scores, dim)) = scores {
            self.mass += attention_mass(&found[..k.min(found.len())], scores, dim);
            self.weighed += 1;
        }
    }

    /// Puts the metrics into a row.
    pub fn fill(&self, row: &mut Row) {
        let n = self.recalls.len().max(1) as f64;
        let mean = self.recalls.iter().sum::<f64>() / n;
        let variance = self.recalls.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        row.targets = self.recalls.len();
        row.recall = mean;
        row.recall_error = (variance / n).sqrt();
        row.recall_at = self.at.iter().map(|(&at, &(sum, count))| (at, sum / count as f64)).collect();
        row.attention_mass = self.mass / self.weighed.max(1) as f64;
    }
}

/// Times of single searches.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    microseconds: Vec<f64>,
}

impl Latency {
    /// Runs `search` for each of `count` inputs in turn, again and again until enough were timed or five seconds
    /// have passed; every input is seen at least once.
    pub fn measure(&mut self, count: usize, mut search: impl FnMut(usize)) {
        self.measure_at_least(count, TIMED, &mut search);
    }

    /// [`Latency::measure`] with another number of searches.
    pub fn measure_at_least(&mut self, count: usize, least: usize, search: &mut impl FnMut(usize)) {
        (0..count.min(3)).for_each(&mut *search);
        let start = Instant::now();
        for round in 0.. {
            let input = round % count.max(1);
            if count == 0 || round >= count && (round >= least || start.elapsed().as_secs() >= 5) {
                break;
            }
            let began = Instant::now();
            search(input);
            self.microseconds.push(began.elapsed().as_secs_f64() * 1e6);
        }
    }

    /// Puts the metrics into a row.
    pub fn fill(&mut self, row: &mut Row) {
        self.microseconds.sort_by(f64::total_cmp);
        let n = self.microseconds.len();
        let at = |share: f64| self.microseconds.get(((n as f64 * share) as usize).min(n.saturating_sub(1)));
        row.p50_us = at(0.5).copied().unwrap_or_default();
        row.p99_us = at(0.99).copied().unwrap_or_default();
        let total: f64 = self.microseconds.iter().sum();
        row.targets_per_search = row.targets_per_search.max(1);
        row.queries_per_second = (n * row.targets_per_search) as f64 / (total / 1e6).max(1e-12);
        row.threads = 1;
    }
}

/// The table for the terminal.
pub fn table(rows: &[Row]) -> String {
    let mut out = format!(
        "{:<44} {:>9} {:>8} {:>6} {:>7} {:>10} {:>10} {:>10} {:>9} {:>9}\n",
        "method", "recall@K", "±", "ceil.", "mass", "queries/s", "p50 µs", "p99 µs", "B/item", "build s"
    );
    for row in rows {
        let ceiling = row.ceiling.map_or_else(String::new, |c| format!("{c:.3}"));
        out.push_str(&format!(
            "{:<44} {:>9.4} {:>8.4} {:>6} {:>7.4} {:>10.0} {:>10.1} {:>10.1} {:>9.1} {:>9.3}\n",
            row.method,
            row.recall,
            row.recall_error,
            ceiling,
            row.attention_mass,
            row.queries_per_second,
            row.p50_us,
            row.p99_us,
            row.bytes_per_item,
            row.build_seconds,
        ));
    }
    out
}
