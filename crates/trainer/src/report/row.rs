//! One run's outcome, as `metrics.json` holds it, and a table of them for the terminal.

use std::collections::BTreeMap;

use seminar_dataset::{Split, TestMode};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::metrics::{Evaluation, Group, Metrics, check};
use crate::progress::FitReport;

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResult {
    /// Model name.
    pub model: String,
    /// What was changed in it; empty for the model itself.
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
    /// What the model saw.
    pub modalities: String,
    /// Figures by name.
    pub metrics: Metrics,
    /// Their 95 % intervals.
    pub ci95: BTreeMap<String, [f64; 2]>,
    /// By the number of events that the model saw.
    #[serde(default)]
    pub by_history: Vec<Group>,
    /// By the number of training events of the answer.
    #[serde(default)]
    pub by_popularity: Vec<Group>,
    /// Mean loss of each epoch, pretraining first.
    #[serde(default)]
    pub losses: Vec<f64>,
    /// The watched validation figure of each epoch.
    #[serde(default)]
    pub valid: Vec<f64>,
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
    /// A row of an evaluation.
    ///
    /// # Errors
    /// If the figures contradict each other, as none of a ranking can.
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

    /// Name and variant, with the queries of the test where it had any.
    pub fn name(&self) -> String {
        let mut name = self.model.clone();
        if !self.variant.is_empty() {
            name = format!("{name}, {}", self.variant);
        }
        match self.test_mode {
            TestMode::Recommendation => name,
            other => format!("{name} ({})", format!("{other:?}").to_lowercase()),
        }
    }

    /// Adds what training did.
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
