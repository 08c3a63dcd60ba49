//! Trains one model on a prepared corpus and writes `metrics.json`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use seminar_dataset::atomic::write_text;
use seminar_dataset::{BatchConfig, Corpus, Split, TestMode};
use seminar_examples::device::DeviceKind;
use seminar_examples::progress::TrainingBar;
use seminar_examples::results::{RunResult, leaderboard};
use seminar_examples::run::{Run, available, parse_modalities, train_and_evaluate};
use seminar_models::{ModelConfig, ModelKind};
use seminar_trainer::{TrainConfig, popularity};

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
    /// Epochs of pretraining before that; seminar only.
    #[arg(long, default_value_t = 0)]
    pretrain_epochs: u64,
    /// Weights of its losses: next pair, alignment, relevance; 0 switches one off.
    #[arg(long, default_value = "1,1,1", value_parser = parse_weights)]
    pretrain_weights: [f64; 3],
    /// Stop after so many epochs without a better validation MRR, and keep the best; 0 never stops.
    #[arg(long, default_value_t = 0)]
    patience: u64,
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
    /// Rows of the keyword table; what the corpus needs by default.
    #[arg(long, default_value_t = 0)]
    keyword_vocab: usize,
    /// Targets a user and epoch.
    #[arg(long, default_value_t = 1)]
    targets_per_user: usize,
    /// Negatives a target.
    #[arg(long, default_value_t = 1)]
    training_negatives: usize,
    /// id,query,text,image,attribute; all that the data has by default.
    #[arg(long)]
    modalities: Option<String>,
    /// Adam's step size.
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f64,
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
enum Queries {
    Recommendation,
    Search,
    Pair,
}

impl From<Queries> for TestMode {
    fn from(queries: Queries) -> Self {
        match queries {
            Queries::Recommendation => Self::Recommendation,
            Queries::Search => Self::Search,
            Queries::Pair => Self::Pair,
        }
    }
}

fn parse_weights(text: &str) -> anyhow::Result<[f64; 3]> {
    let numbers = text.split(',').map(|number| number.trim().parse::<f64>());
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    numbers.try_into().map_err(|given: Vec<f64>| anyhow::anyhow!("three numbers are needed, not {}", given.len()))
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::stderr).init();
    if let Some(threads) = args.threads {
        // Before the first parallel operation, the pool's size is read from here.
        anyhow::ensure!(threads > 0, "--threads must be at least 1");
        seminar_examples::machine::set_threads(threads)?;
    }
    let corpus = Arc::new(Corpus::open(&args.data)?);
    let name = args.data.file_name().context("--data names no folder")?.to_string_lossy().into_owned();
    let published = args.mode == Mode::Reference;
    let batches = BatchConfig {
        batch_size: args.batch_size,
        history_length: args.max_seq_length,
        targets_per_user: args.targets_per_user,
        training_negatives: args.training_negatives,
        seed: args.seed,
        test_mode: args.test_mode.into(),
        ..if published { BatchConfig::published() } else { BatchConfig::default() }
    };
    let rows = if args.model == "popularity" {
        let figures = popularity(&corpus, Split::Test, &batches)?;
        vec![RunResult::of("popularity", &name, batches.test_mode, figures)]
    } else {
        let kind: ModelKind = args.model.parse()?;
        let modalities = match &args.modalities {
            Some(names) => parse_modalities(names)?,
            None => available(&corpus, &args.data),
        };
        let run = Run {
            kind,
            model: ModelConfig {
                top_k: args.retrieve_topk,
                stage_one_top_k: args.stage1_topk.unwrap_or(args.retrieve_topk + 30),
                modalities,
                pretrain_weights: args.pretrain_weights,
                seed: args.seed,
                ..if published { ModelConfig::reference() } else { ModelConfig::default() }
            },
            train: TrainConfig {
                epochs: args.epochs,
                patience: args.patience,
                batches: batches.clone(),
                keyword_rows: args.keyword_vocab,
                published_tables: published,
                initial_deviation: args.initial_deviation.unwrap_or(if published { 0.02 } else { 0.1 }),
                adam: seminar_trainer::AdamConfig { learning_rate: args.learning_rate, ..Default::default() },
                ..TrainConfig::default()
            },
            pretrain_epochs: args.pretrain_epochs,
            dataset: &name,
            data: &args.data,
        };
        let mut bar = TrainingBar::new(kind.name());
        train_and_evaluate(&run, &corpus, &args.device.open()?, std::slice::from_ref(&batches), &mut bar)?
    };
    println!("{}", leaderboard(&rows));
    std::fs::create_dir_all(&args.out)?;
    write_text(&args.out.join("metrics.json"), &format!("{:#}\n", serde_json::to_value(&rows[0])?))?;
    Ok(())
}
