//! The publication's experiment on one data set, from raw files to a report. Finished parts are kept: a second run with the
//! same folder continues the first.

pub mod ablation;
pub mod cells;
pub mod published;
mod retrieval;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use seminar_dataset::atomic::write_text;
use seminar_dataset::{
    AmazonReviews, Corpus, KuaiSar, OutputFolder, PrepareConfig, TestMode, WholeFolder, check_name,
};
use seminar_models::{ModalityKind, ModelKind};
use seminar_trainer::report::{Report, RunResult, summary_table};
use serde_json::{Value, json};
use strum::VariantArray;

use self::ablation::{Ablation, variants};
use self::cells::{Contender, Table};
use crate::args::{model_or_popularity, one_of};
use crate::device::DeviceKind;
use crate::encode::Encoding;
use crate::prepare::write_corpus;
use crate::run::parse_modalities;
use crate::settings::{self, Settings};
use crate::{parts, program, say};

/// Format of the raw files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Amazon reviews and metadata.
    Amazon,
    /// KuaiSAR's csv logs.
    KuaiSar,
}

/// The published experiment on one data set.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Arguments that work, for `--help`.
    pub example: &'static str,
    /// Name in `--help`.
    pub title: &'static str,
    /// Format of the raw files.
    pub source: Source,
    /// Published values of the flags that differ from the defaults of `train`, by field name.
    pub defaults: &'static [(&'static str, &'static str)],
    /// Epochs of a model.
    pub epochs: fn(ModelKind) -> u64,
    /// Published metrics.
    pub published: &'static [published::Row],
}

/// The flags of an experiment.
#[derive(Parser, Debug)]
struct Flags {
    /// Folder of the raw files, or a corpus folder that `prepare` wrote.
    #[arg(long)]
    data: PathBuf,
    /// Output folder: corpus, cells of the table, `results.json`, `report.html`.
    #[arg(long)]
    out: PathBuf,
    /// Name of the data set. Amazon's files are `NAME_5.json.gz` and `meta_NAME.json.gz`.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    table: TableFlags,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    encoding: Encoding,
    /// Users in the retrieval experiment on the trained embeddings. 0: no retrieval experiment.
    #[arg(long, default_value_t = 20)]
    retrieval_users: usize,
    /// Behaviours per user in the retrieval experiment.
    #[arg(long, default_value_t = 2048)]
    retrieval_length: usize,
    /// Start afresh: what an earlier run kept in `--out` is removed. Files of others stay.
    #[arg(long)]
    fresh: bool,
    /// Number of threads; one per core by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Device of tensors. All but flex need a build with the cargo feature of the same name.
    #[arg(long, default_value = "flex")]
    device: DeviceKind,
}

/// Which rows the table has.
#[derive(Args, Debug)]
struct TableFlags {
    /// Models, and the baseline popularity, comma-separated.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "popularity,sim,eta,qin,twin,seminar",
        value_parser = model_or_popularity()
    )]
    models: Vec<String>,
    /// Runs per model, with seeds 42, 43 and so on.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Queries of the test candidates, comma-separated: none (recommendation), the target event's query for all of them
    /// (search), the query of each candidate's own item (pair).
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "recommendation,search,pair",
        value_parser = one_of(TestMode::VARIANTS)
    )]
    test_modes: Vec<TestMode>,
    /// Ablations of SEMINAR, comma-separated: each run changes one setting.
    #[arg(long, value_delimiter = ',')]
    ablate: Vec<Ablation>,
}

/// The first seed.
const SEED: u64 = 42;

/// The program that results belong to.
const WRITER: &str = "experiment";
/// What is written into `--out` beside `corpus` and `cells`.
const RESULTS: [&str; 3] = ["results.json", "retrieval.json", "report.html"];

/// Runs the experiment with the flags of the command line. The result is the process's exit code.
pub fn run(preset: &Preset) -> ExitCode {
    let mut command = program::described(Flags::command(), preset.example)
        .about(format!("The published experiment on {}", preset.title));
    for &(flag, value) in preset.defaults {
        command = command.mut_arg(flag, |arg| arg.required(false).default_value(value));
    }
    let mut flags = Flags::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    flags.settings.preset.get_or_insert(settings::Preset::Published);
    program::report(work(preset, &flags))
}

fn work(preset: &Preset, flags: &Flags) -> anyhow::Result<()> {
    crate::machine::start(flags.threads)?;
    ensure!(
        (1..=10_000).contains(&flags.table.seeds),
        "--seeds must be from 1 to 10,000, not {}",
        flags.table.seeds
    );
    check_name(&flags.name)?;
    let named = flags.table.models.iter().filter(|name| *name != "popularity");
    let kinds = named.map(|name| name.parse()).collect::<Result<Vec<ModelKind>, _>>()?;
    flags.settings.check(&kinds, &flags.settings.batches(SEED, TestMode::Recommendation))?;
    begin(flags)?;
    let mut results = Results::open(preset, flags);
    let data = results.stage("prepare", || corpus_folder(preset, flags))?;
    if flags.fresh {
        // Only now is it sure that the new run can begin.
        clear(flags)?;
    }
    if wants_texts(flags)? && !data.join("text.emb").is_file() {
        results.stage("embed", || flags.encoding.run(&data, flags.device, WRITER))?;
    }
    let corpus = Arc::new(Corpus::open(&data)?);
    results.data =
        serde_json::from_str(&std::fs::read_to_string(data.join("stats.json")).unwrap_or_default())
            .unwrap_or_default();
    let table = Table {
        dataset: &flags.name,
        corpus: &corpus,
        data: &data,
        cells: flags.out.join("cells"),
        modes: &flags.table.test_modes,
        device: flags.device.open()?,
    };
    let contenders = contenders(preset, flags, &corpus, &data)?;
    for contender in &contenders {
        results.rows.extend(table.rows(contender)?);
        if let Contender::Model(_, run) = contender {
            results.settings = serde_json::to_value(run)?;
        }
        // A reader can follow the experiment while it runs.
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
    say!("{}", summary_table(&results.rows, &results.published));
    say!("written: {}, with report.html and results.json", flags.out.display());
    Ok(())
}

/// Makes the output folder.
fn begin(flags: &Flags) -> anyhow::Result<()> {
    let mut folder = OutputFolder::open(&flags.out, WRITER)?;
    folder.check(&RESULTS)?;
    Ok(folder.claim(&RESULTS)?)
}

/// Removes results and cells of earlier runs.
fn clear(flags: &Flags) -> anyhow::Result<()> {
    OutputFolder::open(&flags.out, WRITER)?.clear()?;
    parts::clear(&flags.out.join("cells"))
}

/// The corpus folder: given, kept from an earlier run, or prepared from the raw files.
fn corpus_folder(preset: &Preset, flags: &Flags) -> anyhow::Result<PathBuf> {
    let prepared = |folder: &Path| folder.join("corpus.bin").is_file();
    if prepared(&flags.data) {
        return Ok(flags.data.clone());
    }
    let (out, raw) = (flags.out.join("corpus"), (flags.data.as_path(), flags.name.as_str()));
    if prepared(&out) && !flags.fresh {
        same_corpus(&out, flags)?;
        tracing::info!("corpus: kept");
        return Ok(out);
    }
    let folder = WholeFolder { path: &out, writer: WRITER, replace: flags.fresh, inputs: &[&flags.data] };
    folder.check()?;
    let start = Instant::now();
    let made = match preset.source {
        Source::Amazon => {
            PrepareConfig::amazon().prepare(&AmazonReviews::locate(&flags.data, &flags.name)?)?
        }
        Source::KuaiSar => PrepareConfig::kuaisar().prepare(&KuaiSar::new(&flags.data))?,
    };
    let stats = write_corpus(made.data, &made.report, raw, &folder, false, start)?;
    say!("{}", crate::prepare::summary(&stats));
    Ok(out)
}

/// Whether a kept corpus was made from these raw files.
fn same_corpus(folder: &Path, flags: &Flags) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(folder.join("stats.json")).unwrap_or_default();
    let stats: Value = serde_json::from_str(&text).unwrap_or_default();
    let made = |field: &str| stats[field].as_str().map(str::to_owned);
    let input = flags.data.canonicalize().map(|path| path.display().to_string());
    let input = input.with_context(|| format!("--data: cannot open {}", flags.data.display()))?;
    for (flag, made, now) in [("--name", made("name"), flags.name.clone()), ("--data", made("input"), input)]
    {
        if let Some(made) = made.filter(|made| *made != now) {
            let folder = folder.display();
            anyhow::bail!(
                "{folder} was made with {flag} {made}, now it is {now}: `--fresh` makes it anew, or choose another --out"
            );
        }
    }
    Ok(())
}

/// Whether the models need encoded titles.
fn wants_texts(flags: &Flags) -> anyhow::Result<bool> {
    let named = flags.settings.modalities.as_deref().map(parse_modalities).transpose()?;
    Ok(!flags.encoding.no_texts && named.is_none_or(|kinds| kinds.contains(&ModalityKind::Text)))
}

/// Every cell of the table, seed by seed: the first complete table is ready early.
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

/// The content of `results.json` and `report.html`.
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
    /// No rows yet, only the stage times of an earlier run.
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
            // Other data in the same format has no published metrics.
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

    /// Runs and times a stage. If an earlier run finished it, the longer time, which is that of the real work, stays.
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
