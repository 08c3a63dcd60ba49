//! Trains one model on a prepared corpus and writes the saved model `model/`, `metrics.json`, `report.html`, checkpoints and the log
//! of steps.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use seminar_dataset::atomic::{write_bytes, write_text};
use seminar_dataset::{Corpus, Split};
use seminar_examples::args::{Queries, TiePolicy};
use seminar_examples::device::DeviceKind;
use seminar_examples::progress::TrainingBar;
use seminar_examples::run::{evaluate, trainer};
use seminar_examples::settings::Settings;
use seminar_models::weights;
use seminar_trainer::report::{Report, RunResult, leaderboard};
use seminar_trainer::{Output, popularity};

/// Trains a model.
#[derive(Parser)]
struct Args {
    /// Folder that `prepare` wrote.
    #[arg(long)]
    data: PathBuf,
    /// popularity, base, sim, eta, qin, twin or seminar.
    #[arg(long)]
    model: String,
    #[command(flatten)]
    settings: Settings,
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

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    seminar_examples::machine::start(args.threads)?;
    let corpus = Arc::new(Corpus::open(&args.data)?);
    let name = args.data.file_name().context("--data names no folder")?.to_string_lossy().into_owned();
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    let batches = args.settings.batches(args.seed, args.test_mode.into());
    let (row, settings) = if args.model == "popularity" {
        let figures = popularity(&corpus, Split::Test, &batches)?;
        let row = RunResult::new("popularity", &name, Split::Test, batches.test_mode, figures)?;
        (row, serde_json::to_value(&batches)?)
    } else {
        let folder = (&*corpus, args.data.as_path());
        let mut experiment = args.settings.experiment(args.model.parse()?, folder, &name, batches)?;
        let mut trainer = trainer(&mut experiment, &corpus, &args.data, &args.device.open()?)?;
        if let Some(file) = &args.weights {
            let unused = trainer.import(&weights::read(file)?, &file.display().to_string())?;
            tracing::info!("took weights from {}; not used: {unused:?}", file.display());
        }
        let output = Output { folder: args.out.clone(), resume: args.resume, every: args.checkpoint_every };
        let mut bar = TrainingBar::new(experiment.config.kind.name());
        let mut trainer = experiment.train(trainer, Some(&output), &mut bar)?;
        drop(bar);
        if args.export_weights {
            let bytes = weights::to_safetensors(&trainer.export())?;
            let path = args.out.join("weights.safetensors");
            write_bytes(&path, &bytes)?;
        }
        let ties = args.ties.into();
        let batches = &experiment.train.batches;
        let row = evaluate(&experiment, &mut trainer, &corpus, Split::Test, batches, ties)?;
        trainer.save_bundle(&args.out.join("model"), &experiment.about(&row.metrics))?;
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
