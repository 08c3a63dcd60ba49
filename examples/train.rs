//! Trains one model on a prepared corpus and writes `metrics.json`, `report.html`, checkpoints and the log of steps.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use seminar_dataset::atomic::{write_bytes, write_text};
use seminar_dataset::{BatchConfig, Corpus, Split};
use seminar_examples::args::{Queries, TiePolicy};
use seminar_examples::device::DeviceKind;
use seminar_examples::progress::TrainingBar;
use seminar_examples::run::{Experiment, Output, available, parse_modalities};
use seminar_models::{ModelConfig, ModelKind, SoftSearch, weights};
use seminar_trainer::report::{Report, RunResult, leaderboard};
use seminar_trainer::{AdamConfig, Decay, Schedule, TrainConfig, popularity};

/// Trains a model.
#[derive(Parser)]
struct Args {
    /// Folder that `prepare` wrote.
    #[arg(long)]
    data: PathBuf,
    /// popularity, base, sim, eta, qin, twin or seminar.
    #[arg(long)]
    model: String,
    /// Repaired or as published.
    #[arg(long, default_value = "default")]
    mode: Mode,
    /// Passes over the training examples.
    #[arg(long, default_value_t = 1)]
    epochs: u64,
    /// Epochs of pretraining before that; only seminar has any, by default 1.
    #[arg(long)]
    pretrain_epochs: Option<u64>,
    /// Weights of its losses: next pair, alignment, relevance; 0 switches one off.
    #[arg(long, default_value = "1,1,1", value_parser = parse_weights)]
    pretrain_weights: [f64; 3],
    /// Stop after so many epochs without a better validation figure, and keep the best; 0 never stops.
    #[arg(long, default_value_t = 0)]
    patience: u64,
    /// The figure that stopping watches.
    #[arg(long, default_value = "MRR")]
    watch: String,
    /// Users a batch.
    #[arg(long, default_value_t = 256)]
    batch_size: usize,
    /// L.
    #[arg(long, default_value_t = 100)]
    max_seq_length: usize,
    /// K.
    #[arg(long, default_value_t = 50)]
    retrieve_topk: usize,
    /// QIN's K1; K + 30 by default.
    #[arg(long)]
    stage1_topk: Option<usize>,
    /// SEMINAR's search: mhta, lsh or multi_pq.
    #[arg(long, default_value = "mhta")]
    soft_search: Search,
    /// Weight of the query in a pair.
    #[arg(long, default_value_t = 0.5)]
    query_weight: f64,
    /// Share of the components of event and target vectors that training drops.
    #[arg(long, default_value_t = 0.0)]
    dropout: f64,
    /// Rows of the keyword table; what the corpus needs by default.
    #[arg(long, default_value_t = 0)]
    keyword_vocab: usize,
    /// Targets a user and epoch.
    #[arg(long, default_value_t = 1)]
    targets_per_user: usize,
    /// Negatives a target.
    #[arg(long, default_value_t = 1)]
    training_negatives: usize,
    /// Share of training examples whose candidates lose their queries; 0.5, or 0 as published.
    #[arg(long)]
    hide_query: Option<f64>,
    /// id,query,text,image,attribute; all that the data has by default.
    #[arg(long)]
    modalities: Option<String>,
    /// Adam's step size.
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
    /// Steps over which it rises from zero.
    #[arg(long, default_value_t = 0)]
    warmup: u64,
    /// How it falls afterwards, to zero at `--decay-steps`.
    #[arg(long, default_value = "constant")]
    decay: Fall,
    /// The step at which it has fallen to zero.
    #[arg(long, default_value_t = 0)]
    decay_steps: u64,
    /// L2 penalty.
    #[arg(long, default_value_t = 0.0)]
    weight_decay: f32,
    /// Largest norm of all gradients of a step together; 0 for no limit.
    #[arg(long, default_value_t = 0.0)]
    clip_norm: f32,
    /// Rows that a batch does not touch stay where they are, instead of moving as dense Adam moves them.
    #[arg(long)]
    lazy: bool,
    /// Tables stay as they are after pretraining.
    #[arg(long)]
    freeze_tables: bool,
    /// SEMINAR's projections G go on learning after pretraining.
    #[arg(long)]
    train_projections: bool,
    /// Deviation of initial table rows; 0.1, or 0.02 as published.
    #[arg(long)]
    initial_deviation: Option<f32>,
    /// Seed of everything.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Threads; all cores by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Where tensors live.
    #[arg(long, default_value = "flex")]
    device: DeviceKind,
    /// Queries of the test candidates.
    #[arg(long, default_value = "recommendation")]
    test_mode: Queries,
    /// Where an answer stands that ties.
    #[arg(long, default_value = "mean")]
    ties: TiePolicy,
    /// Initial weights: a `.safetensors` or PyTorch `.pt` file under the published names.
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Write `weights.safetensors` under the published names at the end.
    #[arg(long)]
    export_weights: bool,
    /// Go on from the last checkpoint in `--out`.
    #[arg(long)]
    resume: bool,
    /// Steps between checkpoints; each epoch ends with one in any case.
    #[arg(long, default_value_t = 500)]
    checkpoint_every: u64,
    /// Folder to write.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Mode {
    Default,
    Reference,
}

#[derive(Clone, Copy, ValueEnum)]
enum Search {
    Mhta,
    Lsh,
    #[value(name = "multi_pq")]
    MultiPq,
}

#[derive(Clone, Copy, ValueEnum)]
enum Fall {
    Constant,
    Linear,
    Cosine,
}

fn parse_weights(text: &str) -> anyhow::Result<[f64; 3]> {
    let numbers = text.split(',').map(|number| number.trim().parse::<f64>());
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    numbers
        .try_into()
        .map_err(|given: Vec<f64>| anyhow::anyhow!("three numbers are needed, not {}", given.len()))
}

impl Args {
    fn published(&self) -> bool {
        self.mode == Mode::Reference
    }

    fn batches(&self) -> BatchConfig {
        let base = if self.published() { BatchConfig::published() } else { BatchConfig::default() };
        BatchConfig {
            batch_size: self.batch_size,
            history_length: self.max_seq_length,
            targets_per_user: self.targets_per_user,
            training_negatives: self.training_negatives,
            hide_query: self.hide_query.unwrap_or(base.hide_query),
            seed: self.seed,
            test_mode: self.test_mode.into(),
            ..base
        }
    }

    fn experiment(&self, corpus: &Corpus, dataset: &str) -> anyhow::Result<Experiment> {
        let kind: ModelKind = self.model.parse()?;
        let modalities = match &self.modalities {
            Some(names) => parse_modalities(names)?,
            None => available(corpus, &self.data),
        };
        let decay = match self.decay {
            Fall::Constant => Decay::Constant,
            Fall::Linear => Decay::Linear,
            Fall::Cosine => Decay::Cosine,
        };
        Ok(Experiment {
            kind,
            model: ModelConfig {
                top_k: self.retrieve_topk,
                stage_one_top_k: self.stage1_topk.unwrap_or(self.retrieve_topk + 30),
                modalities,
                query_weight: self.query_weight,
                dropout: self.dropout,
                pretrain_weights: self.pretrain_weights,
                freeze_projections: !self.train_projections,
                soft_search: match self.soft_search {
                    Search::Mhta => SoftSearch::Mhta,
                    Search::Lsh => SoftSearch::Lsh,
                    Search::MultiPq => SoftSearch::MultiPq,
                },
                seed: self.seed,
                ..if self.published() { ModelConfig::reference() } else { ModelConfig::default() }
            },
            train: TrainConfig {
                epochs: self.epochs,
                patience: self.patience,
                watch: self.watch.clone(),
                freeze_tables: self.freeze_tables,
                batches: self.batches(),
                keyword_rows: self.keyword_vocab,
                published_tables: self.published(),
                initial_deviation: self.initial_deviation.unwrap_or(if self.published() {
                    0.02
                } else {
                    0.1
                }),
                adam: AdamConfig {
                    learning_rate: self.learning_rate,
                    weight_decay: self.weight_decay,
                    schedule: Schedule { warmup: self.warmup, decay, total: self.decay_steps },
                    clip_norm: self.clip_norm,
                    exact: !self.lazy,
                    ..AdamConfig::default()
                },
                ..TrainConfig::default()
            },
            pretrain_epochs: self.pretrain_epochs.unwrap_or(u64::from(kind == ModelKind::Seminar)),
            dataset: dataset.to_owned(),
        })
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    seminar_examples::machine::start(args.threads)?;
    let corpus = Arc::new(Corpus::open(&args.data)?);
    let name = args.data.file_name().context("--data names no folder")?.to_string_lossy().into_owned();
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    let (row, settings) = if args.model == "popularity" {
        let batches = args.batches();
        let figures = popularity(&corpus, Split::Test, &batches)?;
        let row = RunResult::new("popularity", &name, Split::Test, batches.test_mode, figures)?;
        (row, serde_json::to_value(&batches)?)
    } else {
        let experiment = args.experiment(&corpus, &name)?;
        let mut trainer = experiment.trainer(&corpus, &args.data, &args.device.open()?)?;
        if let Some(file) = &args.weights {
            let unused = trainer.import(&weights::read(file)?, &file.display().to_string())?;
            tracing::info!("took weights from {}; not used: {unused:?}", file.display());
        }
        let output = Output { folder: args.out.clone(), resume: args.resume, every: args.checkpoint_every };
        let mut bar = TrainingBar::new(experiment.kind.name());
        let mut trainer = experiment.train(trainer, Some(&output), &mut bar)?;
        drop(bar);
        if args.export_weights {
            let bytes = weights::to_safetensors(&trainer.export())?;
            let path = args.out.join("weights.safetensors");
            write_bytes(&path, &bytes)?;
        }
        let ties = args.ties.into();
        let row = experiment.evaluate(&mut trainer, &corpus, Split::Test, &experiment.train.batches, ties)?;
        (row, serde_json::to_value(&experiment)?)
    };
    println!("{}", leaderboard(std::slice::from_ref(&row)));
    write_text(&args.out.join("metrics.json"), &format!("{:#}\n", serde_json::to_value(&row)?))?;
    let statistics = std::fs::read_to_string(args.data.join("stats.json")).unwrap_or_default();
    let report = Report {
        title: format!("{} on {name}", row.model),
        rows: vec![row],
        settings,
        data: serde_json::from_str(&statistics).unwrap_or_default(),
        ..Report::default()
    };
    write_text(&args.out.join("report.html"), &report.html())?;
    Ok(())
}
