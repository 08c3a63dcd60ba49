//! A cell of the board: one model on one data set with one seed, and what it cost.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use seminar_dataset::{BatchConfig, Corpus, Split};
use seminar_trainer::metrics::Ties;
use seminar_trainer::report::RunResult;
use seminar_trainer::{Both, Output, Start, popularity, popularity_in_catalogue};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::machine;
use crate::parts::{begin, keep, kept};
use crate::progress::TrainingBar;
use crate::run::{Experiment, evaluate, evaluate_in_catalogue, trainer};
use crate::stop::Interrupt;

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
        match kept::<Option<Cell>>(&path, &key) {
            Some(Some(cell)) => {
                tracing::info!("{}, {name}, seed {}: kept", self.dataset, batches.seed);
                return Ok(cell);
            }
            // Begun: its checkpoint is there.
            Some(None) => {}
            None => {
                begin(&self.folder, KEPT)?;
                keep(&path, &key, &None::<Cell>)?;
            }
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
        keep(&path, &key, &cell)?;
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
        let split = (Split::Test, Ties::Mean);
        let mut full = evaluate_in_catalogue(&run, &mut trained, self.corpus, split, batches, self.full)?;
        (full.seed, full.modalities) = (sampled.seed, sampled.modalities.clone());
        Ok((sampled, Some(full)))
    }
}
