//! A cell of the board: one model on one data set with one seed, and what it cost.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use seminar_dataset::atomic::write_text;
use seminar_dataset::{BatchConfig, Corpus, OutputFolder, Split};
use seminar_trainer::metrics::Ties;
use seminar_trainer::report::RunResult;
use seminar_trainer::{Both, Evaluation, Output, Start, popularity, popularity_in_catalogue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::machine;
use crate::progress::TrainingBar;
use crate::run::{Experiment, evaluate, trainer};
use crate::stop::Interrupt;

/// The program that a cell's files belong to: a cell is an output folder of `train`.
pub(super) const WRITER: &str = "train";
/// Steps between checkpoints of a cell. Each epoch ends with one, too.
const CHECKPOINT_EVERY: u64 = 500;
/// What a finished cell is kept in.
const KEPT: &str = "cell.json";

/// A finished cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// Each user's target among sampled negatives, with the costs of training.
    pub sampled: RunResult,
    /// Targets among all items that their users never touched, if that was asked for.
    pub full: Option<RunResult>,
    /// Processor time of training and evaluation, of the process that finished the cell.
    pub cpu_seconds: f64,
    /// Time of one user and its candidates in the sampled evaluation, in microseconds.
    pub request_micros: f64,
}

/// What a cell is computed from, its run apart.
pub struct CellOf<'a> {
    /// The data set's name.
    pub dataset: &'a str,
    /// Its corpus.
    pub corpus: &'a Arc<Corpus>,
    /// Folder of the corpus.
    pub data: &'a Path,
    /// Folder of the cell.
    pub folder: PathBuf,
    /// Users who are ranked in the catalogue.
    pub full: usize,
    /// Device of tensors.
    pub device: &'a Device,
}

impl CellOf<'_> {
    /// The cell of a run, or of popularity without one: kept from before, or trained and evaluated now.
    ///
    /// # Errors
    /// If training or evaluation fails, or files cannot be read or written.
    pub fn compute(&self, run: Option<Experiment>, batches: &BatchConfig) -> anyhow::Result<Cell> {
        let name = run.as_ref().map_or("popularity", |run| run.config.kind.name());
        let settings = match &run {
            Some(run) => serde_json::to_value(run)?,
            None => serde_json::to_value(batches)?,
        };
        let fingerprint = format!("{:016x}", self.corpus.fingerprint());
        let key = json!({ "corpus": fingerprint, "settings": settings, "full": self.full });
        let path = self.folder.join(KEPT);
        let earlier: Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
        if earlier["key"] == key {
            if let Ok(cell) = serde_json::from_value(earlier["cell"].clone()) {
                tracing::info!("{}, {name}, seed {}: kept", self.dataset, batches.seed);
                return Ok(cell);
            }
        } else {
            // Files of other settings or of another corpus.
            let mut folder = OutputFolder::open(&self.folder, WRITER)?;
            folder.clear()?;
            folder.claim(&[KEPT])?;
            write_text(&path, &format!("{:#}\n", json!({ "key": key })))?;
        }
        machine::reset_peak();
        let start = machine::cpu_seconds();
        let (sampled, full) = match run {
            None => self.popularity(batches)?,
            Some(run) => self.model(run)?,
        };
        let cell = Cell {
            request_micros: 1e6 * sampled.seconds.evaluate / (sampled.users as f64).max(1.0),
            cpu_seconds: machine::cpu_seconds() - start,
            sampled,
            full,
        };
        write_text(&path, &format!("{:#}\n", json!({ "key": key, "cell": cell })))?;
        Ok(cell)
    }

    fn popularity(&self, batches: &BatchConfig) -> anyhow::Result<(RunResult, Option<RunResult>)> {
        let row = |evaluation| -> anyhow::Result<RunResult> {
            let mut row =
                RunResult::new("popularity", self.dataset, Split::Test, batches.test_mode, evaluation)?;
            row.seed = batches.seed;
            row.peak_rss_bytes = machine::peak_rss_bytes();
            Ok(row)
        };
        let sampled = row(popularity(self.corpus, Split::Test, batches, Ties::Mean)?)?;
        let full = || popularity_in_catalogue(self.corpus, Split::Test, batches, Ties::Mean, self.full);
        let full = (self.full > 0).then(|| row(full()?)).transpose()?;
        Ok((sampled, full))
    }

    fn model(&self, mut run: Experiment) -> anyhow::Result<(RunResult, Option<RunResult>)> {
        let name = format!("{}, {}", self.dataset, run.config.kind.name());
        let mut bar = Both(TrainingBar::new(&name), Interrupt::watch()?);
        let output = Output { folder: self.folder.clone(), start: Start::Resume, every: CHECKPOINT_EVERY };
        let fresh = trainer(&mut run, self.corpus, self.data, self.device)?;
        let mut trained = run.train(fresh, Some(&output), &mut bar)?;
        drop(bar);
        let batches = &run.train.batches;
        let sampled = evaluate(&run, &mut trained, self.corpus, Split::Test, batches, Ties::Mean)?;
        if self.full == 0 {
            return Ok((sampled, None));
        }
        let ranking = trained.rank_in_catalogue(Split::Test, batches, Ties::Mean, self.full)?;
        let evaluation =
            Evaluation::of(&ranking, batches.seed).with_popularity(&ranking, &self.corpus.training_counts());
        let kind = run.config.kind.name();
        let mut full = RunResult::new(kind, self.dataset, Split::Test, batches.test_mode, evaluation)?;
        (full.seed, full.modalities) = (sampled.seed, sampled.modalities.clone());
        Ok((sampled, Some(full)))
    }
}
