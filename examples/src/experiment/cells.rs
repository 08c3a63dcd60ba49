//! The cells of the table: a model, or a variant of it, trained with one seed and evaluated under every test mode. A finished
//! cell is kept. A killed one continues from its checkpoint.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use seminar_dataset::{BatchConfig, Corpus, Split, TestMode};
use seminar_trainer::metrics::Ties;
use seminar_trainer::report::RunResult;
use seminar_trainer::{Both, Output, Start, popularity};
use serde_json::{Value, json};

use crate::machine;
use crate::parts::{begin, keep, kept};
use crate::progress::TrainingBar;
use crate::run::{Experiment, evaluate, trainer};
use crate::stop::Interrupt;

/// Steps between checkpoints of a cell. Each epoch ends with one, too.
const CHECKPOINT_EVERY: u64 = 500;

/// What a cell evaluates.
#[derive(Clone, Debug)]
pub enum Contender {
    /// The baseline: items by their number of training events.
    Popularity(BatchConfig),
    /// A model: the name of its variant, empty for the unchanged model, and its run.
    Model(String, Box<Experiment>),
}

/// What the cells have in common.
pub struct Table<'a> {
    /// The data set's name.
    pub dataset: &'a str,
    /// The corpus.
    pub corpus: &'a Arc<Corpus>,
    /// Its folder.
    pub data: &'a Path,
    /// Folder of the cells.
    pub cells: PathBuf,
    /// Test modes.
    pub modes: &'a [TestMode],
    /// Device of tensors.
    pub device: Device,
}

impl Contender {
    /// Model and variant.
    pub fn name(&self) -> String {
        match self {
            Self::Popularity(_) => "popularity".into(),
            Self::Model(variant, run) if variant.is_empty() => run.config.kind.name().into(),
            Self::Model(variant, run) => format!("{}, {variant}", run.config.kind.name()),
        }
    }

    fn batches(&self) -> &BatchConfig {
        match self {
            Self::Popularity(batches) => batches,
            Self::Model(_, run) => &run.train.batches,
        }
    }

    /// The folder name of the cell, in characters that every file system accepts.
    fn folder(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let name: String = self.name().replace(", ", "-").chars().map(plain).collect();
        format!("{name}-seed-{}", self.batches().seed)
    }

    /// All settings that decide the outcome of training.
    fn settings(&self) -> anyhow::Result<Value> {
        Ok(match self {
            Self::Popularity(batches) => serde_json::to_value(batches)?,
            Self::Model(_, run) => serde_json::to_value(run)?,
        })
    }
}

impl Table<'_> {
    /// The folder of a contender's cell: the output folder of `train`, with `rows.json`.
    pub fn folder(&self, contender: &Contender) -> PathBuf {
        self.cells.join(contender.folder())
    }

    /// The rows of a cell, one per test mode. Rows that are not kept from an earlier run are computed and kept.
    ///
    /// # Errors
    /// If training or evaluation fails, or files cannot be read or written.
    pub fn rows(&self, contender: &Contender) -> anyhow::Result<Vec<RunResult>> {
        let folder = self.folder(contender);
        let path = folder.join("rows.json");
        let key = json!({
            "corpus": format!("{:016x}", self.corpus.fingerprint()),
            "settings": contender.settings()?,
        });
        let mut rows: Vec<RunResult> = match kept(&path, &key) {
            Some(rows) => rows,
            None => {
                // Files of other settings or of another corpus.
                begin(&folder, "rows.json")?;
                keep(&path, &key, &json!([]))?;
                Vec::new()
            }
        };
        rows.retain(|row| self.modes.contains(&row.test_mode));
        let missing: Vec<TestMode> =
            self.modes.iter().copied().filter(|&mode| rows.iter().all(|row| row.test_mode != mode)).collect();
        if missing.is_empty() {
            tracing::info!("{}, seed {}: kept", contender.name(), contender.batches().seed);
            return Ok(rows);
        }
        machine::reset_peak();
        let mut add = |row: RunResult| -> anyhow::Result<()> {
            rows.push(row);
            Ok(keep(&path, &key, &rows)?)
        };
        match contender {
            Contender::Popularity(batches) => {
                // Popularity does not depend on queries.
                let evaluation = popularity(self.corpus, Split::Test, batches, Ties::Mean)?;
                for mode in missing {
                    let mut row =
                        RunResult::new("popularity", self.dataset, Split::Test, mode, evaluation.clone())?;
                    row.seed = batches.seed;
                    add(row)?;
                }
            }
            Contender::Model(variant, run) => {
                let mut bar = Both(TrainingBar::new(&contender.name()), Interrupt::watch()?);
                let output = Output { folder, start: Start::Resume, every: CHECKPOINT_EVERY };
                let mut run = run.as_ref().clone();
                let trainer = trainer(&mut run, self.corpus, self.data, &self.device)?;
                let mut trainer = run.train(trainer, Some(&output), &mut bar)?;
                drop(bar);
                for mode in missing {
                    let batches = BatchConfig { test_mode: mode, ..run.train.batches.clone() };
                    let mut row =
                        evaluate(&run, &mut trainer, self.corpus, Split::Test, &batches, Ties::Mean)?;
                    row.variant.clone_from(variant);
                    add(row)?;
                }
            }
        }
        Ok(rows)
    }
}
