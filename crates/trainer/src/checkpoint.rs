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
use seminar_models::weights::state_dict;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::TrainConfig;
use crate::embed::{TABLES, Tables, TablesSnapshot};
use crate::error::{Error, Result};
use crate::exchange::{HAS_EOS, OTHER_ITEMS, TABLE_NAMES, no_item_in_common};
use crate::optimizer::dense_optimizer;
use crate::progress::Progress;
use crate::scoring;
use crate::table::{TableConfig, TableRows};
use crate::taken::{RowMatching, WeightsTaken};
use crate::vocabulary::{Counts, RowMap, Vocabulary};

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
    /// The largest ids; absent where no names are kept.
    #[serde(default)]
    counts: Option<Counts>,
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
    pub corpus: &'a Corpus,
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
            counts: Some(Counts::of(self.corpus)),
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
        let names = Vocabulary::of(self.corpus);
        let names = names.tables().map(|ids| serde_json::json!(ids.names).to_string());
        for (name, names) in TABLES.into_iter().zip(&names) {
            writer = writer.section(format!("{name}.names"), names.as_bytes());
        }
        for (name, rows) in &rows {
            writer = writer
                .section(format!("{name}.ids"), &rows.ids)
                .section(format!("{name}.current"), &rows.current)
                .section(format!("{name}.values"), &rows.values);
        }
        Ok(writer.write(path)?)
    }

    /// Reads what [`State::save`] wrote. Weights alone leave the optimiser and the progress as they are, and find the rows of
    /// another corpus's items by name. Nothing is changed by an error.
    pub fn load(&mut self, path: &Path, weights_only: bool) -> Result<WeightsTaken> {
        let file = Container::open(path, KIND)?;
        let bytes = |name: &str| Ok::<_, Error>(file.get(&file.column::<u8>(name)?).to_vec());
        let meta: Meta = serde_json::from_slice(&bytes("meta")?)
            .map_err(|e| problem(path, format!("the description of the run: {e}")))?;
        self.compare(&meta, weights_only).map_err(|message| problem(path, message))?;
        let (mut taken, mut snapshot) = (WeightsTaken::default(), Vec::new());
        let maps = self.row_maps(&file, &meta).map_err(|message| problem(path, message))?;
        for (at, (name, table)) in self.tables.shared().into_iter().enumerate() {
            let rows = TableRows {
                ids: file.get(&file.column::<u32>(&format!("{name}.ids"))?).to_vec(),
                current: file.get(&file.column::<u32>(&format!("{name}.current"))?).to_vec(),
                values: file.get(&file.column::<f32>(&format!("{name}.values"))?).to_vec(),
            };
            let size = table.width() * if weights_only { 1 } else { 3 };
            let last = rows.ids.last().map_or(0, |&id| id as usize);
            let sound = rows.current.len() == rows.ids.len()
                && rows.values.len() == rows.ids.len() * size
                && rows.ids.is_sorted_by(|a, b| a < b)
                && (maps.is_some() || last < table.len());
            if !sound {
                return Err(problem(path, format!("the rows of table `{name}` do not fit")));
            }
            check_finite(path, TABLE_NAMES[at], &rows.values)?;
            let initial = Tables::config_of(&meta.config, at, table.len());
            let map = match &maps {
                Some(maps) => &maps[at],
                None => &RowMap::identity(table.len(), self.ids(at)),
            };
            *taken.rows()[at] = map.taken;
            // Rows that no step has touched are not in the file: they have the initial values of the run that wrote it.
            let as_they_are = maps.is_none() && initial.starts_like(table.config());
            snapshot.push(if as_they_are { rows } else { moved(&rows, map, &initial) });
        }
        if maps.is_some() {
            taken.matching = RowMatching::Names;
        }
        let record = Bytes::from_bytes_vec(bytes("model")?);
        let record = guarded(|| ModuleRecord::from_bytes(record).map_err(|e| e.to_string()))
            .map_err(|e| problem(path, format!("the model: {e}")))?;
        let model = self.model.clone();
        let model = guarded(|| model.try_load_record(record).map_err(|e| e.to_string()))
            .map_err(|e| problem(path, format!("the model: {e}")))?;
        for (name, array) in &state_dict(&model) {
            check_finite(path, name, &array.values)?;
        }
        if !weights_only {
            let optimizer = Bytes::from_bytes_vec(bytes("optimizer")?);
            let empty = dense_optimizer(self.config);
            *self.optimizer = guarded(|| empty.from_bytes(optimizer).map_err(|e| e.to_string()))
                .map_err(|e| problem(path, format!("the optimiser: {e}")))?;
            *self.progress = meta.progress;
        }
        *self.model = model;
        self.tables.restore(&TablesSnapshot(snapshot), self.progress.step);
        Ok(taken)
    }
}

impl<M: SequenceModel> State<'_, M> {
    /// Whether a file belongs to this run; for weights alone, whether they score here as they did there.
    fn compare(&self, meta: &Meta, weights_only: bool) -> std::result::Result<(), String> {
        let Fingerprints { events, items } = self.fingerprints;
        match meta.items {
            // Rows are matched by name.
            Some(_) if weights_only => {}
            Some(saved) if saved != items => return Err("made from a corpus of other items".into()),
            // Before version 0.2 files did not say which items they are for.
            _ if meta.corpus != events => return Err("made from another corpus".into()),
            _ => {}
        }
        if meta.width != self.config.width {
            return Err(format!("tables of width {}, not {}", meta.width, self.config.width));
        }
        if let Some(saved) = &meta.model {
            let now = self.model_settings();
            match weights_only {
                true => scoring::compare(&scoring::of_model::<M>(saved), &scoring::of_model::<M>(&now))?,
                false => scoring::compare(saved, &now)?,
            }
        }
        let [saved, now] = [&meta.config, self.config].map(|config| match weights_only {
            true => scoring::of_training(config),
            false => serde_json::to_value(config).unwrap_or_default(),
        });
        scoring::compare(&saved, &now)
    }

    /// Where the rows of the tables come from, if the file numbers other items.
    fn row_maps(&self, file: &Container, meta: &Meta) -> std::result::Result<Option<[RowMap; 3]>, String> {
        if meta.items.is_none_or(|items| items == self.fingerprints.items) {
            return Ok(None);
        }
        let Some(counts) = meta.counts else { return Err(OTHER_ITEMS.into()) };
        let mut lists = [const { Vec::new() }; 3];
        for (list, name) in lists.iter_mut().zip(TABLES) {
            let bytes = file.column::<u8>(&format!("{name}.names")).map_err(|error| error.to_string())?;
            *list = serde_json::from_slice(file.get(&bytes))
                .map_err(|error| format!("the names of table `{name}`: {error}"))?;
        }
        let (from, to) = (Vocabulary::new(counts, lists), Vocabulary::of(self.corpus));
        let mut rows = self.tables.shared().into_iter().map(|(_, table)| table.len());
        let maps = [0, 1, 2].map(|at| {
            let rows = rows.next().unwrap_or_default();
            RowMap::by_name(from.tables()[at], to.tables()[at], rows, HAS_EOS[at])
        });
        match maps[0].taken.kept {
            0 => Err(no_item_in_common(Some(&from), &to)),
            _ => Ok(Some(maps)),
        }
    }

    /// The largest id of a table.
    fn ids(&self, at: usize) -> usize {
        let Counts { items, words, attributes } = Counts::of(self.corpus);
        [items, words, attributes][at]
    }

    fn model_settings(&self) -> Value {
        serde_json::to_value(self.model.config()).unwrap_or_default()
    }
}

/// The rows of a file at their new places; those that the file does not hold have the initial values of its run.
fn moved(rows: &TableRows, map: &RowMap, initial: &TableConfig) -> TableRows {
    let width = initial.width;
    let size = rows.values.len() / rows.ids.len().max(1);
    let mut moved = TableRows::default();
    for &(row, source) in &map.pairs {
        moved.ids.push(row);
        let start = moved.values.len();
        moved.values.resize(start + width, 0.0);
        let out = &mut moved.values[start..];
        match rows.ids.binary_search(&source) {
            Ok(at) => out.copy_from_slice(&rows.values[at * size..][..width]),
            Err(_) => initial.fill(source, out),
        }
    }
    // Without moments the steps do not count.
    moved.current = vec![1; moved.ids.len()];
    moved
}

fn check_finite(path: &Path, name: &str, values: &[f32]) -> Result<()> {
    match values.iter().filter(|value| !value.is_finite()).count() {
        0 => Ok(()),
        count => Err(problem(path, format!("`{name}` holds {count} numbers that are NaN or infinite"))),
    }
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
