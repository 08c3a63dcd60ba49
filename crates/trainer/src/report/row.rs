//! The result of one run, as `metrics.json` holds it, and a table of results for the terminal.

use std::collections::BTreeMap;

use seminar_dataset::{Split, TestMode};
use serde::{Deserialize, Serialize};

use super::{coverage, falling, figure, interval};
use crate::error::{Error, Result};
use crate::metrics::{Coverage, Evaluation, Group, Metrics, check, json};
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
    /// Users whom the metrics are of: those with the full number of negatives.
    pub users: u64,
    /// Seed of the run.
    pub seed: u64,
    /// Input modalities, comma-separated.
    pub modalities: String,
    /// Metrics by name; null in the file where undefined.
    #[serde(with = "json")]
    pub metrics: Metrics,
    /// Their 95 % intervals.
    pub ci95: BTreeMap<String, [f64; 2]>,
    /// Metrics by the number of events that the model saw.
    #[serde(default)]
    pub by_history: Vec<Group>,
    /// Metrics by the number of training events of the target.
    #[serde(default)]
    pub by_popularity: Vec<Group>,
    /// Among how many candidates users were ranked, and who was not.
    #[serde(default)]
    pub coverage: Coverage,
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
        let short = evaluation.coverage.short.iter().map(|short| &short.metrics);
        for metrics in std::iter::once(&evaluation.metrics).chain(short) {
            check(metrics, candidates)
                .map_err(|message| Error::Impossible(format!("{model} on {dataset}: {message}")))?;
        }
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
            coverage: evaluation.coverage,
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

/// A table of runs, best MRR first, and below it what [`Coverage`] says of users who are not in it.
pub fn leaderboard(rows: &[RunResult]) -> String {
    let mut sorted: Vec<&RunResult> = rows.iter().collect();
    sorted.sort_by(|a, b| falling(a.metrics.get("MRR"), b.metrics.get("MRR")));
    let mut table = format!(
        "{:<12} {:<26} {:>7} {:>7} {:>7} {:>7} {:>8} {:>17} {:>7} {:>8}\n",
        "model", "sees", "HIT@1", "HIT@5", "HIT@10", "NDCG@10", "MRR", "95 % interval", "epochs", "train s"
    );
    for row in &sorted {
        let m = |name: &str| figure(row.metrics.get(name));
        table.push_str(&format!(
            "{:<12} {:<26} {:>7} {:>7} {:>7} {:>7} {:>8} {:>17} {:>7} {:>8.1}\n",
            row.model,
            row.modalities,
            m("HIT@1"),
            m("HIT@5"),
            m("HIT@10"),
            m("NDCG@10"),
            m("MRR"),
            interval(row.ci95.get("MRR")),
            row.epochs,
            row.seconds.train,
        ));
    }
    let covered: Vec<_> = sorted.iter().map(|row| (row.name(), row.users, &row.coverage)).collect();
    table + &coverage::text(&covered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Ranking, Ties, UserRank, rank};
    use crate::report::{Report, summary_table};

    /// A ranking of users with so many negatives each, of which ten are asked for; targets are first.
    fn ranked(negatives: &[usize]) -> RunResult {
        let scope = Coverage { negatives: Some(10), too_few_events: 7, ..Coverage::default() };
        let mut ranking = Ranking::new(scope);
        for (user, &count) in negatives.iter().enumerate() {
            let scores = [&[1.0][..], &vec![0.0; count]].concat();
            let ranked = rank(&scores, Ties::Mean).unwrap();
            ranking.push(UserRank { user: user as u32, item: 1, history: 3, ranked }, &scores);
        }
        let evaluation = Evaluation::of(&ranking, 1);
        RunResult::new("sim", "toy", Split::Test, TestMode::Recommendation, evaluation).unwrap()
    }

    #[test]
    fn who_is_not_in_the_figures_is_said_under_every_table() {
        let row = ranked(&[10, 10, 3, 4, 0]);
        assert_eq!((row.users, row.metrics["MRR"]), (2, 1.0));
        let page = Report { rows: vec![row.clone()], ..Report::default() }.html();
        let one = std::slice::from_ref(&row);
        for told in [leaderboard(one), summary_table(&[row.clone(), row.clone()], &[]), page] {
            for part in [
                "users with fewer than 10 negatives (3 to 4, 3.5 in the mean): 2",
                "users without any negative, as they know every item or came with an empty list: 1",
                "users with too few events for this split: 7",
                "few candidates",
            ] {
                assert_eq!(told.matches(part).count(), 1, "`{part}` in {told}");
            }
        }
    }

    #[test]
    fn figures_of_nobody_are_dashes_and_nulls() {
        let row = ranked(&[0, 0]);
        let page = Report { rows: vec![row.clone()], ..Report::default() }.html();
        let one = std::slice::from_ref(&row);
        for told in [leaderboard(one), summary_table(one, &[]), page] {
            assert!(told.contains('–') && !told.contains("NaN") && !told.contains("0.0000"), "{told}");
            assert!(told.contains("empty list: 2, in no figure"), "{told}");
        }
        let value = serde_json::to_value(&row).unwrap();
        assert!(value["metrics"]["AUC"].is_null() && value["metrics"]["MRR"].is_null(), "{value}");
        let read: RunResult = serde_json::from_value(value).unwrap();
        assert_eq!((read.metrics.len(), read.coverage), (0, row.coverage));
    }

    #[test]
    fn all_users_in_the_figures_need_no_words() {
        let mut row = ranked(&[10, 12]);
        row.coverage.too_few_events = 0;
        assert_eq!(leaderboard(&[row]).lines().count(), 2);
    }
}
