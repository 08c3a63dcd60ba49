//! The result of one run, as `metrics.json` holds it, and a table of results for the terminal.

use std::collections::BTreeMap;

use seminar_dataset::{Split, TestMode};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::metrics::{Evaluation, Group, Metrics, check};
use crate::progress::FitReport;

/// The result of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResult {
    /// Model name.
    pub model: String,
    /// Name of the variant; empty for the unchanged model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
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
    /// Input modalities, comma-separated.
    pub modalities: String,
    /// Metrics by name.
    pub metrics: Metrics,
    /// Their 95 % intervals.
    pub ci95: BTreeMap<String, [f64; 2]>,
    /// Metrics by the number of events that the model saw.
    #[serde(default)]
    pub by_history: Vec<Group>,
    /// Metrics by the number of training events of the target.
    #[serde(default)]
    pub by_popularity: Vec<Group>,
    /// Mean loss of each epoch, pretraining first.
    #[serde(default)]
    pub losses: Vec<f64>,
    /// Watched validation metric of each epoch.
    #[serde(default)]
    pub valid: Vec<f64>,
    /// Times.
    pub seconds: Seconds,
    /// Optimiser steps.
    pub steps: u64,
    /// Epochs trained.
    pub epochs: u64,
    /// Training examples per second of training steps.
    pub examples_per_second: f64,
    /// Peak resident memory of the process, in bytes.
    pub peak_rss_bytes: u64,
}

/// Times of a run, in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Seconds {
    /// Training, validation included.
    pub train: f64,
    /// Training steps only.
    pub train_steps: f64,
    /// Evaluation.
    pub evaluate: f64,
}

impl RunResult {
    /// The result of an evaluation, without training.
    ///
    /// # Errors
    /// If metrics contradict each other, which no ranking can cause.
    pub fn new(
        model: &str,
        dataset: &str,
        split: Split,
        test_mode: TestMode,
        evaluation: Evaluation,
    ) -> Result<Self> {
        let candidates = usize::MAX;
        let tied = evaluation.metrics.get("tied").is_none_or(|&share| share > 0.0);
        check(&evaluation.metrics, candidates, tied)
            .map_err(|message| Error::Impossible(format!("{model} on {dataset}: {message}")))?;
        Ok(Self {
            model: model.to_owned(),
            variant: String::new(),
            dataset: dataset.to_owned(),
            split,
            test_mode,
            users: evaluation.users,
            seed: 0,
            modalities: String::new(),
            metrics: evaluation.metrics,
            ci95: evaluation.ci95,
            by_history: evaluation.by_history,
            by_popularity: evaluation.by_popularity,
            losses: Vec::new(),
            valid: Vec::new(),
            seconds: Seconds::default(),
            steps: 0,
            epochs: 0,
            examples_per_second: 0.0,
            peak_rss_bytes: 0,
        })
    }

    /// Name and variant, with the test mode unless it is recommendation.
    pub fn name(&self) -> String {
        let mut name = self.model.clone();
        if !self.variant.is_empty() {
            name = format!("{name}, {}", self.variant);
        }
        match self.test_mode {
            TestMode::Recommendation => name,
            other => format!("{name} ({})", <&str>::from(other)),
        }
    }

    /// Adds the losses, times and counts of training.
    pub fn trained(mut self, pretrain: &FitReport, fit: &FitReport) -> Self {
        self.losses = [&pretrain.losses[..], &fit.losses].concat();
        self.valid.clone_from(&fit.valid);
        self.steps = pretrain.steps + fit.steps;
        self.epochs = fit.epochs;
        self.seconds.train = pretrain.seconds + fit.seconds;
        self.seconds.train_steps = pretrain.step_seconds + fit.step_seconds;
        self.examples_per_second =
            (pretrain.examples + fit.examples) as f64 / self.seconds.train_steps.max(1e-9);
        self
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
