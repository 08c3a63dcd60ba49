//! The publication's experiment on one data set, from raw files to a report. What is finished is kept: a second run with
//! the same folder goes on where the first was.

pub mod ablation;
pub mod cells;
pub mod published;
mod retrieval;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use seminar_dataset::atomic::write_text;
use seminar_dataset::{AmazonReviews, Corpus, KuaiSar, PrepareConfig, TestMode};
use seminar_models::{ModalityKind, ModelKind};
use seminar_trainer::report::{Report, RunResult, summary_table};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::ablation::{Ablation, variants};
use self::cells::{Contender, Table};
use crate::args::Queries;
use crate::device::DeviceKind;
use crate::encode::Encoding;
use crate::prepare::write_corpus;
use crate::run::parse_modalities;
use crate::settings::Settings;

/// What the raw files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Reviews and metadata.
    Amazon,
    /// Csv logs.
    KuaiSar,
}

/// One data set's experiment as published.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// What `--help` calls it.
    pub title: &'static str,
    /// What the raw files are.
    pub source: Source,
    /// Published values of flags that differ from `train`'s defaults, by the flag's name.
    pub defaults: &'static [(&'static str, &'static str)],
    /// Epochs of a model.
    pub epochs: fn(ModelKind) -> u64,
    /// Published figures.
    pub published: &'static [published::Row],
}

/// The flags of an experiment.
#[derive(Parser, Debug)]
struct Flags {
    /// Folder of the raw files, or one that `prepare` wrote.
    #[arg(long)]
    data: PathBuf,
    /// Folder for the corpus, the cells of the table, `results.json` and `report.html`.
    #[arg(long)]
    out: PathBuf,
    /// Name of the data set; in Amazon's form the files are `NAME_5.json.gz` and `meta_NAME.json.gz`.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    table: TableFlags,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    encoding: Encoding,
    /// Users of the retrieval experiment on the trained embeddings; 0 leaves it out.
    #[arg(long, default_value_t = 20)]
    retrieval_users: usize,
    /// Behaviours of each of them.
    #[arg(long, default_value_t = 2048)]
    retrieval_length: usize,
    /// Forget what an earlier run kept in `--out`.
    #[arg(long)]
    fresh: bool,
    /// Threads; all cores by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Where tensors live.
    #[arg(long, default_value = "flex")]
    device: DeviceKind,
}

/// Which rows the table has.
#[derive(Args, Debug)]
struct TableFlags {
    /// Who is ranked: popularity, base, sim, eta, qin, twin, seminar.
    #[arg(long, value_delimiter = ',', default_value = "popularity,sim,eta,qin,twin,seminar")]
    models: Vec<String>,
    /// Runs of each model, with seeds 42, 43 and so on.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Queries of the test candidates.
    #[arg(long, value_delimiter = ',', default_value = "recommendation,search,pair")]
    test_modes: Vec<Queries>,
    /// Also SEMINAR with one thing changed at a time.
    #[arg(long, value_delimiter = ',')]
    ablate: Vec<Ablation>,
}

/// The first seed.
const SEED: u64 = 42;

/// Runs the experiment that the command line asks for.
///
/// # Errors
/// If flags, files or training fail.
pub fn run(preset: &Preset) -> anyhow::Result<()> {
    let mut command = Flags::command().about(format!("The published experiment on {}", preset.title));
    for &(flag, value) in preset.defaults {
        command = command.mut_arg(flag, |arg| arg.required(false).default_value(value));
    }
    let flags = Flags::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    crate::machine::start(flags.threads)?;
    ensure!(flags.table.seeds > 0, "--seeds must be at least 1");
    std::fs::create_dir_all(&flags.out).with_context(|| format!("cannot create {}", flags.out.display()))?;
    if flags.fresh {
        for kept in ["corpus", "cells", "results.json", "retrieval.json"] {
            remove(&flags.out.join(kept))?;
        }
    }
    let mut results = Results::open(preset, &flags);
    let data = results.stage("prepare", || corpus_folder(preset, &flags))?;
    if wants_texts(&flags)? && !data.join("text.emb").is_file() {
        results.stage("embed", || flags.encoding.run(&data, flags.device))?;
    }
    let corpus = Arc::new(Corpus::open(&data)?);
    results.data =
        serde_json::from_str(&std::fs::read_to_string(data.join("stats.json")).unwrap_or_default())
            .unwrap_or_default();
    let modes: Vec<TestMode> = flags.table.test_modes.iter().map(|&mode| mode.into()).collect();
    let table = Table {
        dataset: &flags.name,
        corpus: &corpus,
        data: &data,
        cells: flags.out.join("cells"),
        modes: &modes,
        device: flags.device.open()?,
    };
    let contenders = contenders(preset, &flags, &corpus, &data)?;
    for contender in &contenders {
        results.rows.extend(table.rows(contender)?);
        if let Contender::Model(_, run) = contender {
            results.settings = serde_json::to_value(run)?;
        }
        // Whoever looks meanwhile sees what there is.
        results.write()?;
    }
    if flags.retrieval_users > 0 {
        let own = |contender: &&Contender| matches!(contender, Contender::Model(variant, run) if variant.is_empty() && run.config.kind == ModelKind::Seminar);
        if let Some(contender) = contenders.iter().find(own) {
            let section = results.stage("retrieval", || {
                retrieval::section(
                    &table,
                    contender,
                    [flags.retrieval_users, flags.retrieval_length],
                    &flags.out,
                )
            })?;
            results.sections = vec![("Retrieval over trained embeddings".into(), section)];
        }
    }
    results.write()?;
    println!("{}", summary_table(&results.rows, &results.published));
    println!("written: {}, with report.html and results.json", flags.out.display());
    Ok(())
}

/// The corpus: as it was given, kept from an earlier run, or made from the raw files.
fn corpus_folder(preset: &Preset, flags: &Flags) -> anyhow::Result<PathBuf> {
    let prepared = |folder: &Path| folder.join("corpus.bin").is_file();
    if prepared(&flags.data) {
        return Ok(flags.data.clone());
    }
    let (out, raw) = (flags.out.join("corpus"), (flags.data.as_path(), flags.name.as_str()));
    if prepared(&out) {
        tracing::info!("corpus: kept");
        return Ok(out);
    }
    let start = Instant::now();
    let made = match preset.source {
        Source::Amazon => {
            PrepareConfig::amazon().prepare(&AmazonReviews::locate(&flags.data, &flags.name)?)?
        }
        Source::KuaiSar => PrepareConfig::kuaisar().prepare(&KuaiSar::new(&flags.data))?,
    };
    let stats = write_corpus(made.data, &made.report, raw, &out, true, false, start)?;
    println!("{}", crate::prepare::summary(&stats));
    Ok(out)
}

/// Whether titles have to be encoded: unless the models are not to see them.
fn wants_texts(flags: &Flags) -> anyhow::Result<bool> {
    let named = flags.settings.modalities.as_deref().map(parse_modalities).transpose()?;
    Ok(!flags.encoding.no_texts && named.is_none_or(|kinds| kinds.contains(&ModalityKind::Text)))
}

/// Every cell of the table, seed by seed, so that the first complete table comes early.
fn contenders(
    preset: &Preset,
    flags: &Flags,
    corpus: &Corpus,
    data: &Path,
) -> anyhow::Result<Vec<Contender>> {
    let mut all = Vec::new();
    for seed in (0..flags.table.seeds).map(|number| SEED + number) {
        let batches = flags.settings.batches(seed, TestMode::Recommendation);
        for name in &flags.table.models {
            if name == "popularity" {
                all.push(Contender::Popularity(batches.clone()));
                continue;
            }
            let kind: ModelKind = name.parse()?;
            let mut run = flags.settings.experiment(kind, (corpus, data), &flags.name, batches.clone())?;
            run.train.epochs = flags.settings.epochs.unwrap_or_else(|| (preset.epochs)(kind));
            if kind != ModelKind::Seminar {
                run.pretrain_epochs = 0;
            }
            let changed: Vec<_> = match kind {
                ModelKind::Seminar => flags.table.ablate.iter().flat_map(|&a| variants(a, &run)).collect(),
                _ => Vec::new(),
            };
            all.push(Contender::Model(String::new(), Box::new(run)));
            all.extend(changed.into_iter().map(|(name, run)| Contender::Model(name, Box::new(run))));
        }
    }
    Ok(all)
}

/// What `results.json` and `report.html` show.
struct Results {
    out: PathBuf,
    title: String,
    dataset: String,
    rows: Vec<RunResult>,
    published: Vec<(String, seminar_trainer::Metrics)>,
    settings: Value,
    data: Value,
    stages: Vec<(String, f64)>,
    sections: Vec<(String, String)>,
}

impl Results {
    /// No rows yet; the times of stages that an earlier run went through.
    fn open(preset: &Preset, flags: &Flags) -> Self {
        let text = std::fs::read_to_string(flags.out.join("results.json")).unwrap_or_default();
        let earlier: Value = serde_json::from_str(&text).unwrap_or_default();
        let stages = earlier.get("stages").and_then(Value::as_object);
        let seconds = |(name, seconds): (&String, &Value)| Some((name.clone(), seconds.as_f64()?));
        Self {
            out: flags.out.clone(),
            title: flags.name.replace('_', " "),
            dataset: flags.name.clone(),
            rows: Vec::new(),
            // Other data of the same form has no published figures.
            published: match preset.defaults.contains(&("name", &flags.name)) {
                true => published::metrics(preset.published),
                false => Vec::new(),
            },
            settings: Value::Null,
            data: Value::Null,
            stages: stages.map(|stages| stages.iter().filter_map(seconds).collect()).unwrap_or_default(),
            sections: Vec::new(),
        }
    }

    /// Does something and takes its time; of a stage that was merely found done, the earlier time stays.
    fn stage<T>(&mut self, name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let start = Instant::now();
        let done = work()?;
        let seconds = start.elapsed().as_secs_f64();
        match self.stages.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = known.max(seconds),
            None => self.stages.push((name.into(), seconds)),
        }
        Ok(done)
    }

    fn write(&self) -> anyhow::Result<()> {
        let stages: serde_json::Map<String, Value> =
            self.stages.iter().map(|(name, seconds)| (name.clone(), json!(seconds))).collect();
        let published: Vec<Value> = self
            .published
            .iter()
            .map(|(model, metrics)| json!({ "model": model, "metrics": metrics }))
            .collect();
        let results = json!({
            "dataset": self.dataset,
            "rows": self.rows,
            "published": published,
            "stages": stages,
        });
        write_text(&self.out.join("results.json"), &format!("{results:#}\n"))?;
        let report = Report {
            title: self.title.clone(),
            rows: self.rows.clone(),
            published: self.published.clone(),
            settings: self.settings.clone(),
            data: self.data.clone(),
            stages: self.stages.clone(),
            sections: self.sections.clone(),
        };
        Ok(write_text(&self.out.join("report.html"), &report.html())?)
    }
}

/// What an earlier run kept under the same key.
fn kept<T: DeserializeOwned>(path: &Path, key: &Value) -> Option<T> {
    let mut found: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    (found.get("key")? == key).then(|| serde_json::from_value(found["rows"].take()).ok())?
}

/// Keeps rows under a key.
fn keep(path: &Path, key: &Value, rows: &impl Serialize) -> anyhow::Result<()> {
    Ok(write_text(path, &format!("{:#}\n", json!({ "key": key, "rows": rows })))?)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let removed = match (path.is_dir(), path.exists()) {
        (true, _) => std::fs::remove_dir_all(path),
        (_, true) => std::fs::remove_file(path),
        _ => Ok(()),
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}
