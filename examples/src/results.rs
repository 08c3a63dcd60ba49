//! `metrics.json`, `results.json` and the leaderboard.

use std::collections::BTreeMap;

use seminar_dataset::{Split, TestMode};
use seminar_trainer::{Evaluation, Metrics};
use serde::{Deserialize, Serialize};

/// One run, as `metrics.json` holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResult {
    /// Model name.
    pub model: String,
    /// Data set name.
    pub dataset: String,
    /// Split evaluated.
    pub split: Split,
    /// Queries of the candidates.
    pub test_mode: TestMode,
    /// Users evaluated.
    pub users: u64,
    /// Seed of the run.
    pub seed: u64,
    /// What the model saw.
    pub modalities: String,
    /// Figures by name.
    pub metrics: Metrics,
    /// Their 95 % intervals.
    pub ci95: BTreeMap<String, [f64; 2]>,
    /// Times.
    pub seconds: Seconds,
    /// Optimiser steps.
    pub steps: u64,
    /// Epochs trained.
    pub epochs: u64,
    /// Training examples a second, steps alone.
    pub examples_per_second: f64,
    /// Largest resident memory of the process.
    pub peak_rss_bytes: u64,
}

/// Times of a run, in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Seconds {
    /// Training, validation included.
    pub train: f64,
    /// Training steps alone.
    pub train_steps: f64,
    /// Evaluation.
    pub evaluate: f64,
}

impl RunResult {
    /// A row without training: a baseline.
    pub fn of(model: &str, dataset: &str, test_mode: TestMode, evaluation: Evaluation) -> Self {
        Self {
            model: model.to_owned(),
            dataset: dataset.to_owned(),
            split: Split::Test,
            test_mode,
            users: evaluation.users,
            seed: 0,
            modalities: String::new(),
            metrics: evaluation.metrics,
            ci95: evaluation.ci95,
            seconds: Seconds::default(),
            steps: 0,
            epochs: 0,
            examples_per_second: 0.0,
            peak_rss_bytes: crate::machine::peak_rss_bytes(),
        }
    }
}

/// A table of runs, best MRR first.
pub fn leaderboard(rows: &[RunResult]) -> String {
    let mut sorted: Vec<&RunResult> = rows.iter().collect();
    sorted.sort_by(|a, b| b.metrics["MRR"].total_cmp(&a.metrics["MRR"]));
    let mut table = format!(
        "{:<12} {:<26} {:>7} {:>7} {:>7} {:>7} {:>8} {:>17} {:>7} {:>8}\n",
        "model", "sees", "HIT@1", "HIT@5", "HIT@10", "NDCG@10", "MRR", "95 % interval", "epochs", "train s"
    );
    for row in sorted {
        let m = |name: &str| row.metrics[name];
        let [low, high] = row.ci95["MRR"];
        table.push_str(&format!(
            "{:<12} {:<26} {:>7.4} {:>7.4} {:>7.4} {:>7.4} {:>8.4} {:>8.4} – {:.4} {:>7} {:>8.1}\n",
            row.model,
            row.modalities,
            m("HIT@1"),
            m("HIT@5"),
            m("HIT@10"),
            m("NDCG@10"),
            m("MRR"),
            low,
            high,
            row.epochs,
            row.seconds.train,
        ));
    }
    table
}
