//! Evaluates a trained model on the validation or test split, on request also among the whole catalogue.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Parser;
use seminar_dataset::atomic::write_text;
use seminar_dataset::{BatchConfig, Corpus, OutputFolder, Sampling, Split, TestMode};
use seminar_examples::args::one_of;
use seminar_examples::device::DeviceKind;
use seminar_examples::run::{Experiment, evaluate_in_catalogue, evaluate_users, open_corpus, trainer};
use seminar_examples::{machine, program, say};
use seminar_trainer::metrics::Ties;
use seminar_trainer::report::{Report, leaderboard};
use strum::VariantArray;

/// Evaluates a checkpoint.
#[derive(Parser)]
struct Args {
    /// Folder that `train` wrote.
    #[arg(long)]
    checkpoint: PathBuf,
    /// Folder that `prepare` wrote.
    #[arg(long)]
    data: PathBuf,
    /// Events to predict: the last one of each user (test) or the one before it (valid).
    #[arg(long, default_value = "test", value_parser = one_of(&[Split::Valid, Split::Test]))]
    split: Split,
    /// Queries of the candidates: none (recommendation), the target event's query for all of them (search), or the query of
    /// each candidate's own item (pair).
    #[arg(long, default_value = "recommendation", value_parser = one_of(TestMode::VARIANTS))]
    test_mode: TestMode,
    /// Targets that tie with negatives: expected metrics over random orders of the tied (mean), the best place (optimistic) or the
    /// worst (pessimistic).
    #[arg(long, default_value = "mean", value_parser = one_of(Ties::VARIANTS))]
    ties: Ties,
    /// Draw negatives in proportion to their number of events. By default as in training.
    #[arg(long)]
    popular_negatives: bool,
    /// Size of a random sample of users, drawn by the run's seed, whose targets are also ranked among all items. 0: none.
    #[arg(long, default_value_t = 0)]
    full: usize,
    /// Rank only users whom this corpus has, too, such as yesterday's. Users are compared by name.
    #[arg(long, conflicts_with = "full")]
    users_of: Option<PathBuf>,
    /// Number of threads; one per core by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Device of tensors. All but flex need a build with the cargo feature of the same name.
    #[arg(long, default_value = "flex")]
    device: DeviceKind,
    /// Output folder; `evaluation` inside the folder of `--checkpoint` by default.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What is written into `--out`.
const RESULTS: [&str; 3] = ["metrics.json", "full_metrics.json", "report.html"];

fn main() -> ExitCode {
    program::run("--checkpoint out/twin --data out/corpus", work)
}

fn work(args: Args) -> anyhow::Result<()> {
    machine::start(args.threads)?;
    let out = args.out.clone().unwrap_or_else(|| args.checkpoint.join("evaluation"));
    let mut folder = OutputFolder::open(&out, "evaluate")?;
    folder.check(&RESULTS)?;
    let described = args.checkpoint.join("experiment.json");
    let text = std::fs::read_to_string(&described).with_context(|| {
        format!("--checkpoint: cannot read {}; give the output folder of `train` of a model (popularity has its figures in metrics.json)", described.display())
    })?;
    let mut experiment: Experiment = serde_json::from_str(&text)
        .with_context(|| format!("{} is not the description of a run", described.display()))?;
    let corpus = Arc::new(open_corpus(&args.data)?);
    let mut trainer = trainer(&mut experiment, &corpus, &args.data, &args.device.open()?)?;
    let best = args.checkpoint.join("checkpoint").join("best.ckpt");
    ensure!(
        best.is_file(),
        "--checkpoint: {} is not there: the run is unfinished; `train --resume` goes on with it",
        best.display()
    );
    let taken = trainer.load_weights(&best)?;
    tracing::info!("weights of {}: {taken}", args.checkpoint.display());

    let sampling =
        if args.popular_negatives { Sampling::Popularity } else { experiment.train.batches.sampling };
    let batches = BatchConfig { test_mode: args.test_mode, sampling, ..experiment.train.batches.clone() };
    let (split, ties) = (args.split, args.ties);
    let known = args.users_of.as_deref().map(|folder| users_of(folder, &corpus)).transpose()?;
    let keep = |user: u32| known.as_ref().is_none_or(|known| known[user as usize]);
    let mut rows = vec![evaluate_users(&experiment, &mut trainer, &corpus, (split, ties), &batches, &keep)?];
    if args.full > 0 {
        let mut row =
            evaluate_in_catalogue(&experiment, &mut trainer, &corpus, (split, ties), &batches, args.full)?;
        row.model += ", all items";
        rows.push(row);
    }
    let table = leaderboard(&rows);
    // An older evaluation may have had a file more.
    folder.clear()?;
    folder.claim(&RESULTS)?;
    write_text(&out.join("metrics.json"), &format!("{:#}\n", serde_json::to_value(&rows[0])?))?;
    if let Some(full) = rows.get(1) {
        write_text(&out.join("full_metrics.json"), &format!("{:#}\n", serde_json::to_value(full)?))?;
    }
    let title = format!("{} on {}", experiment.config.kind.name(), experiment.dataset);
    let report = Report { title, rows, settings: serde_json::to_value(&experiment)?, ..Report::default() };
    write_text(&out.join("report.html"), &report.html())?;
    say!("{table}");
    Ok(())
}

/// Which users of a corpus another one has with events.
fn users_of(folder: &Path, corpus: &Corpus) -> anyhow::Result<Vec<bool>> {
    let other = Corpus::open(folder).context("--users-of")?;
    let active = (0..other.user_count()).filter(|&user| !other.history(user).items.is_empty());
    let names: HashSet<&str> = active.map(|user| other.user_name(user)).collect();
    let known: Vec<bool> =
        (0..corpus.user_count()).map(|user| names.contains(corpus.user_name(user))).collect();
    ensure!(known.contains(&true), "--users-of: {} has no user of --data", folder.display());
    Ok(known)
}
