//! Checkpoints: everything that decides the future of a run, in one file that is there whole or not at all.
//!
//! `last.ckpt` holds the run as it stands, moments and place included; `best.ckpt` the weights of the best epoch, and
//! after training the final ones. Rows of tables are kept as lazily updated as they are: writing a checkpoint changes
//! nothing, so it does not matter when one is written.

use std::path::{Path, PathBuf};

use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use seminar_dataset::Corpus;
use seminar_dataset::container::{Container, ContainerWriter};
use seminar_models::SequenceModel;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::TrainConfig;
use crate::embed::{Tables, TablesSnapshot};
use crate::error::{Error, Result};
use crate::optimizer::dense_optimizer;
use crate::progress::Progress;
use crate::table::TableRows;

const KIND: &[u8; 8] = b"ckpt    ";

/// Where and how often.
#[derive(Clone, Debug)]
pub struct CheckpointConfig {
    /// The folder of `last.ckpt` and `best.ckpt`.
    pub folder: PathBuf,
    /// Steps between two checkpoints inside an epoch; each epoch ends with one in any case. 0 for those alone.
    pub every: u64,
}

/// What stands beside the numbers.
#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    config: TrainConfig,
    progress: Progress,
    /// Fingerprint of the events.
    corpus: u64,
    width: usize,
    /// Fingerprint of the items; absent in files of version 0.1.
    #[serde(default)]
    items: Option<u64>,
    /// The model's configuration; absent in files of version 0.1.
    #[serde(default)]
    model: Option<Value>,
}

/// What a checkpoint has to share with the corpus that it is loaded beside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fingerprints {
    /// Of the events: training goes on with the same ones only.
    events: u64,
    /// Of the items: weights fit every corpus that numbers the same items alike.
    items: u64,
}

impl Fingerprints {
    pub fn of(corpus: &Corpus) -> Self {
        Self { events: corpus.fingerprint(), items: corpus.items_fingerprint() }
    }
}

impl CheckpointConfig {
    /// The run as it stands.
    pub fn last(&self) -> PathBuf {
        self.folder.join("last.ckpt")
    }

    /// The weights of the best epoch.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.ckpt")
    }
}

/// What is saved and loaded.
pub(crate) struct State<'a, M: SequenceModel> {
    pub model: &'a mut M,
    pub tables: &'a mut Tables,
    pub optimizer: &'a mut ModuleOptimizer,
    pub progress: &'a mut Progress,
    pub config: &'a TrainConfig,
    pub fingerprints: Fingerprints,
}

impl<M: SequenceModel> State<'_, M> {
    /// Writes the run, or with `weights_only` what scoring needs.
    pub fn save(&self, path: &Path, weights_only: bool) -> Result<()> {
        let fail = |what: &str, e: &dyn std::fmt::Display| problem(path, format!("{what}: {e}"));
        let meta = Meta {
            config: self.config.clone(),
            progress: self.progress.clone(),
            corpus: self.fingerprints.events,
            width: self.config.width,
            items: Some(self.fingerprints.items),
            model: Some(self.model_settings()),
        };
        let meta = serde_json::to_vec(&meta).map_err(|e| fail("describing the run", &e))?;
        let record = self.model.clone().into_record().into_bytes();
        let model = record.map_err(|e| fail("writing the model", &e))?;
        let optimizer = match weights_only {
            true => Bytes::from_bytes_vec(Vec::new()),
            false => self.optimizer.into_bytes().map_err(|e| fail("writing the optimiser", &e))?,
        };
        let rows: Vec<(&str, TableRows)> = self
            .tables
            .shared()
            .into_iter()
            .map(|(name, table)| (name, if weights_only { table.snapshot() } else { table.state() }))
            .collect();
        let mut writer = ContainerWriter::new(KIND)
            .section("meta", &meta)
            .section("model", &model[..])
            .section("optimizer", &optimizer[..]);
        for (name, rows) in &rows {
            writer = writer
                .section(format!("{name}.ids"), &rows.ids)
                .section(format!("{name}.current"), &rows.current)
                .section(format!("{name}.values"), &rows.values);
        }
        Ok(writer.write(path)?)
    }

    /// Reads what [`State::save`] wrote. Weights alone leave the optimiser and the progress as they are.
    pub fn load(&mut self, path: &Path, weights_only: bool) -> Result<()> {
        let file = Container::open(path, KIND)?;
        let bytes = |name: &str| Ok::<_, Error>(file.get(&file.column::<u8>(name)?).to_vec());
        let meta: Meta = serde_json::from_slice(&bytes("meta")?)
            .map_err(|e| problem(path, format!("the description of the run: {e}")))?;
        self.compare(&meta, weights_only).map_err(|message| problem(path, message))?;
        let model = Bytes::from_bytes_vec(bytes("model")?);
        let record = guarded(|| ModuleRecord::from_bytes(model).map_err(|e| e.to_string()))
            .map_err(|e| problem(path, format!("the model: {e}")))?;
        let mut snapshot = Vec::new();
        for (name, table) in self.tables.shared() {
            let rows = TableRows {
                ids: file.get(&file.column::<u32>(&format!("{name}.ids"))?).to_vec(),
                current: file.get(&file.column::<u32>(&format!("{name}.current"))?).to_vec(),
                values: file.get(&file.column::<f32>(&format!("{name}.values"))?).to_vec(),
            };
            let size = table.width() * if weights_only { 1 } else { 3 };
            let sound = rows.current.len() == rows.ids.len()
                && rows.values.len() == rows.ids.len() * size
                && rows.ids.is_sorted_by(|a, b| a < b)
                && rows.ids.last().is_none_or(|&id| (id as usize) < table.len());
            if !sound {
                return Err(problem(path, format!("the rows of table `{name}` do not fit")));
            }
            snapshot.push(rows);
        }
        if !weights_only {
            let optimizer = Bytes::from_bytes_vec(bytes("optimizer")?);
            let empty = dense_optimizer(self.config);
            *self.optimizer = guarded(|| empty.from_bytes(optimizer).map_err(|e| e.to_string()))
                .map_err(|e| problem(path, format!("the optimiser: {e}")))?;
            *self.progress = meta.progress;
        }
        let model = self.model.clone();
        *self.model = guarded(|| model.try_load_record(record).map_err(|e| e.to_string()))
            .map_err(|e| problem(path, format!("the model: {e}")))?;
        self.tables.restore(&TablesSnapshot(snapshot), self.progress.step);
        Ok(())
    }
}

impl<M: SequenceModel> State<'_, M> {
    /// Whether a file belongs to this run; for weights alone, whether they score here as they did there.
    fn compare(&self, meta: &Meta, weights_only: bool) -> std::result::Result<(), String> {
        let Fingerprints { events, items } = self.fingerprints;
        match meta.items {
            Some(saved) if saved != items => return Err("made from a corpus of other items".into()),
            // Before version 0.2 files did not say which items they are for.
            Some(_) if weights_only => {}
            _ if meta.corpus != events => return Err("made from another corpus".into()),
            _ => {}
        }
        if meta.width != self.config.width {
            return Err(format!("tables of width {}, not {}", meta.width, self.config.width));
        }
        if let Some(saved) = &meta.model {
            compare_settings(saved, &self.model_settings())?;
        }
        let [saved, now] = [&meta.config, self.config].map(|config| match weights_only {
            true => scoring_settings(config),
            false => serde_json::to_value(config).unwrap_or_default(),
        });
        compare_settings(&saved, &now)
    }

    fn model_settings(&self) -> Value {
        serde_json::to_value(self.model.config()).unwrap_or_default()
    }
}

/// The settings of training that change the score of a given history.
fn scoring_settings(config: &TrainConfig) -> Value {
    json!({
        "history_length": config.batches.history_length,
        "query_length": config.batches.query_length,
        "published_tables": config.published_tables,
    })
}

/// burn's records assert some of what they must hold. The file's checksum finds damage before that; a file that was altered
/// together with its checksum is an error all the same.
fn guarded<T>(load: impl FnOnce() -> std::result::Result<T, String>) -> std::result::Result<T, String> {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(load));
    caught.unwrap_or_else(|_| Err("the record does not hold what it must".into()))
}

fn problem(path: &Path, message: String) -> Error {
    Error::Checkpoint { file: path.display().to_string(), message }
}

/// Names the first setting in which two configurations differ.
pub(crate) fn compare_settings(saved: &Value, now: &Value) -> std::result::Result<(), String> {
    if saved == now {
        return Ok(());
    }
    let (Some(fields), Some(_)) = (saved.as_object(), now.as_object()) else {
        return Err(format!("was made with {saved}, now it is {now}"));
    };
    for (name, value) in fields {
        let other = now.get(name).unwrap_or(&Value::Null);
        if value != other {
            return match (value, other) {
                (Value::Object(_), Value::Object(_)) => compare_settings(value, other),
                _ => Err(format!("was made with {name} = {value}, now it is {other}")),
            };
        }
    }
    Err("was made with other settings".into())
}
