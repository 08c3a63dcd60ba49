//! Evaluates a trained model on the validation or test split, and among the whole catalogue on request.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use seminar_dataset::atomic::write_text;
use seminar_dataset::{BatchConfig, Corpus, Sampling};
use seminar_examples::args::{Held, Queries, TiePolicy};
use seminar_examples::device::DeviceKind;
use seminar_examples::run::{Experiment, evaluate, trainer};
use seminar_trainer::Evaluation;
use seminar_trainer::report::{Report, RunResult, leaderboard};

/// Evaluates a checkpoint.
#[derive(Parser)]
struct Args {
    /// Folder that `train` wrote.
    #[arg(long)]
    checkpoint: PathBuf,
    /// Folder that `prepare` wrote.
    #[arg(long)]
    data: PathBuf,
    /// What is evaluated.
    #[arg(long, default_value = "test")]
    split: Held,
    /// Queries of the candidates.
    #[arg(long, default_value = "recommendation")]
    test_mode: Queries,
    /// Where an answer stands that ties.
    #[arg(long, default_value = "mean")]
    ties: TiePolicy,
    /// Draw the negatives by popularity instead of uniformly.
    #[arg(long)]
    popular_negatives: bool,
    /// Also rank the answers of so many users among all items.
    #[arg(long, default_value_t = 0)]
    full: usize,
    /// Threads; all cores by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Where tensors live.
    #[arg(long, default_value = "flex")]
    device: DeviceKind,
    /// Folder to write; `evaluation` in the checkpoint's folder by default.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    seminar_examples::machine::start(args.threads)?;
    let described = args.checkpoint.join("experiment.json");
    let text = std::fs::read_to_string(&described)
        .with_context(|| format!("cannot read {}", described.display()))?;
    let mut experiment: Experiment =
        serde_json::from_str(&text).with_context(|| format!("{} describes no run", described.display()))?;
    let corpus = Arc::new(Corpus::open(&args.data)?);
    let mut trainer = trainer(&mut experiment, &corpus, &args.data, &args.device.open()?)?;
    trainer.load_weights(&args.checkpoint.join("checkpoint").join("best.ckpt"))?;

    let sampling =
        if args.popular_negatives { Sampling::Popularity } else { experiment.train.batches.sampling };
    let batches =
        BatchConfig { test_mode: args.test_mode.into(), sampling, ..experiment.train.batches.clone() };
    let (split, ties) = (args.split.into(), args.ties.into());
    let mut rows = vec![evaluate(&experiment, &mut trainer, &corpus, split, &batches, ties)?];
    if args.full > 0 {
        let ranking = trainer.rank_in_catalogue(split, &batches, ties, args.full)?;
        let evaluation =
            Evaluation::of(&ranking, batches.seed).with_popularity(&ranking, &corpus.training_counts());
        let name = format!("{}, all items", experiment.config.kind.name());
        rows.push(RunResult::new(&name, &experiment.dataset, split, batches.test_mode, evaluation)?);
    }
    println!("{}", leaderboard(&rows));
    let out = args.out.unwrap_or_else(|| args.checkpoint.join("evaluation"));
    write_text(&out.join("metrics.json"), &format!("{:#}\n", serde_json::to_value(&rows[0])?))?;
    if let Some(full) = rows.get(1) {
        write_text(&out.join("full_metrics.json"), &format!("{:#}\n", serde_json::to_value(full)?))?;
    }
    let title = format!("{} on {}", experiment.config.kind.name(), experiment.dataset);
    let report = Report { title, rows, settings: serde_json::to_value(&experiment)?, ..Report::default() };
    Ok(write_text(&out.join("report.html"), &report.html())?)
}
