//! Means over runs that differ only in their seed.

use std::collections::BTreeMap;

use seminar_dataset::{Split, TestMode};
use serde::Serialize;
use strum::VariantArray;

use super::{RunResult, coverage, falling, figure, interval};
use crate::metrics::{Coverage, Metrics, Short};

/// A model under one test mode: the means over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Model name.
    pub model: String,
    /// Name of the variant; empty for the unchanged model.
    pub variant: String,
    /// Split evaluated.
    pub split: Split,
    /// Queries of the candidates.
    pub test_mode: TestMode,
    /// Input modalities, comma-separated.
    pub modalities: String,
    /// Number of runs.
    pub seeds: usize,
    /// Mean metrics.
    pub metrics: Metrics,
    /// 95 % intervals: of the mean over seeds, by Student's distribution; of a single run, over its users.
    pub ci95: BTreeMap<String, [f64; 2]>,
    /// Mean seconds of training and of evaluation.
    pub seconds: [f64; 2],
    /// Users whom the metrics of a run are of.
    pub users: u64,
    /// Who is not in them, as of the first run; metrics of short users are means over runs.
    pub coverage: Coverage,
}

/// 97.5 % quantile of Student's distribution with 1, 2, … 30 degrees of freedom. Beyond, that of the normal distribution is used.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

impl Summary {
    fn of(runs: &[&RunResult]) -> Self {
        let (first, count) = (runs[0], runs.len() as f64);
        let mean = |value: &dyn Fn(&RunResult) -> f64| runs.iter().map(|run| value(run)).sum::<f64>() / count;
        let metrics = means(&runs.iter().map(|run| &run.metrics).collect::<Vec<_>>());
        let interval = |name: &String| -> Option<[f64; 2]> {
            if runs.len() == 1 {
                return first.ci95.get(name).copied();
            }
            let mean = metrics[name];
            let squares: f64 = runs.iter().map(|run| (run.metrics[name] - mean).powi(2)).sum();
            let error = (squares / (count - 1.0) / count).sqrt();
            let half = STUDENT.get(runs.len() - 2).unwrap_or(&1.96) * error;
            // Metrics lie between 0 and 1; the interval of two or three seeds may not.
            Some([(mean - half).max(0.0), (mean + half).min(1.0)])
        };
        Self {
            model: first.model.clone(),
            variant: first.variant.clone(),
            split: first.split,
            test_mode: first.test_mode,
            modalities: first.modalities.clone(),
            seeds: runs.len(),
            ci95: metrics.keys().filter_map(|name| Some((name.clone(), interval(name)?))).collect(),
            seconds: [mean(&|run| run.seconds.train), mean(&|run| run.seconds.evaluate)],
            users: first.users,
            coverage: coverage_of(runs),
            metrics,
        }
    }

    /// Name and variant.
    pub fn name(&self) -> String {
        match self.variant.as_str() {
            "" => self.model.clone(),
            variant => format!("{}, {variant}", self.model),
        }
    }

    /// The metric of this name; `None` if it is undefined in a run.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.get(name).copied()
    }
}

/// Means of the metrics that are defined in every run.
fn means(runs: &[&Metrics]) -> Metrics {
    let mean = |name: &String| {
        let values: Option<Vec<f64>> = runs.iter().map(|metrics| metrics.get(name).copied()).collect();
        Some((name.clone(), values?.iter().sum::<f64>() / runs.len() as f64))
    };
    runs[0].keys().filter_map(mean).collect()
}

fn coverage_of(runs: &[&RunResult]) -> Coverage {
    let mut coverage = runs[0].coverage.clone();
    if let Some(short) = &mut coverage.short {
        let all: Vec<&Short> = runs.iter().filter_map(|run| run.coverage.short.as_ref()).collect();
        short.metrics = means(&all.iter().map(|short| &short.metrics).collect::<Vec<_>>());
    }
    coverage
}

/// Groups runs that differ only in their seed. Ordered by test mode, then by MRR, best first.
pub fn summarise(rows: &[RunResult]) -> Vec<Summary> {
    let mut groups: Vec<Vec<&RunResult>> = Vec::new();
    let key = |row: &RunResult| {
        (row.model.clone(), row.variant.clone(), row.split, row.test_mode, row.modalities.clone())
    };
    for row in rows {
        match groups.iter_mut().find(|group| key(group[0]) == key(row)) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    let mut summaries: Vec<Summary> = groups.iter().map(|group| Summary::of(group)).collect();
    let place = |mode: TestMode| TestMode::VARIANTS.iter().position(|&known| known == mode);
    summaries.sort_by(|a, b| {
        place(a.test_mode)
            .cmp(&place(b.test_mode))
            .then_with(|| falling(a.metrics.get("MRR"), b.metrics.get("MRR")))
    });
    summaries
}

/// A table of means for the terminal, with the published MRR of the same model, and below it what [`Coverage`] says of users who are
/// not in it.
pub fn summary_table(rows: &[RunResult], published: &[(String, Metrics)]) -> String {
    let mut table = format!(
        "{:<34} {:<15} {:>5} {:>7} {:>7} {:>8} {:>17} {:>9} {:>8} {:>8}\n",
        "model",
        "queries",
        "seeds",
        "HIT@10",
        "NDCG@10",
        "MRR",
        "95 % interval",
        "published",
        "train s",
        "eval s"
    );
    let summaries = summarise(rows);
    for summary in &summaries {
        let mode: &str = summary.test_mode.into();
        let beside = published.iter().find(|(name, _)| *name == summary.name());
        let beside = beside.filter(|_| summary.test_mode == TestMode::Recommendation);
        let beside = beside.and_then(|(_, metrics)| metrics.get("MRR"));
        let m = |name: &str| figure(summary.metrics.get(name));
        table.push_str(&format!(
            "{:<34} {mode:<15} {:>5} {:>7} {:>7} {:>8} {:>17} {:>9} {:>8.1} {:>8.1}\n",
            summary.name(),
            summary.seeds,
            m("HIT@10"),
            m("NDCG@10"),
            m("MRR"),
            interval(summary.ci95.get("MRR")),
            beside.map_or_else(String::new, |mrr| format!("{mrr:.4}")),
            summary.seconds[0],
            summary.seconds[1],
        ));
    }
    table + &coverage::text(&covered(&summaries))
}

/// Each summary's name, and whom its rankings covered.
pub(super) fn covered(summaries: &[Summary]) -> Vec<coverage::Covered<'_>> {
    let name = |summary: &Summary| match summary.test_mode {
        TestMode::Recommendation => summary.name(),
        mode => format!("{} ({})", summary.name(), <&str>::from(mode)),
    };
    summaries.iter().map(|summary| (name(summary), summary.users, &summary.coverage)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Evaluation;

    fn row(model: &str, mode: TestMode, mrr: f64) -> RunResult {
        let evaluation = Evaluation {
            metrics: Metrics::from([("MRR".into(), mrr)]),
            ci95: BTreeMap::from([("MRR".into(), [mrr - 0.01, mrr + 0.01])]),
            ..Evaluation::default()
        };
        RunResult::new(model, "toy", Split::Test, mode, evaluation).unwrap()
    }

    #[test]
    fn seeds_are_taken_together_and_nothing_else() {
        use TestMode::{Recommendation, Search};
        let rows = [
            row("sim", Search, 0.5),
            row("sim", Recommendation, 0.10),
            row("twin", Recommendation, 0.30),
            row("sim", Recommendation, 0.14),
            row("sim", Recommendation, 0.12),
        ];
        let summaries = summarise(&rows);
        let names: Vec<_> = summaries.iter().map(|s| (s.model.as_str(), s.test_mode, s.seeds)).collect();
        assert_eq!(names, [("twin", Recommendation, 1), ("sim", Recommendation, 3), ("sim", Search, 1)]);
        assert_eq!(summaries[0].ci95["MRR"], [0.29, 0.31]);
        // Standard deviation 0.02, standard error 0.02 / √3, two degrees of freedom.
        let half = 4.303 * 0.02 / 3f64.sqrt();
        let [low, high] = summaries[1].ci95["MRR"];
        assert!((summaries[1].metrics["MRR"] - 0.12).abs() < 1e-12);
        assert!((low - (0.12 - half)).abs() < 1e-9 && (high - (0.12 + half)).abs() < 1e-9);
    }

    #[test]
    fn published_metrics_stand_beside_the_model_of_their_name() {
        let rows = [row("sim", TestMode::Recommendation, 0.2), row("sim", TestMode::Search, 0.3)];
        let published = [("sim".to_owned(), Metrics::from([("MRR".into(), 0.3473)]))];
        let table = summary_table(&rows, &published);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].contains("0.2000") && lines[1].contains("0.3473"), "{table}");
        assert!(lines[2].contains("0.3000") && !lines[2].contains("0.3473"), "{table}");
    }
}
