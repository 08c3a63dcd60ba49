//! Trains one model on a prepared corpus and writes the saved model `model/`, `metrics.json`, `report.html`, checkpoints and the log
//! of steps.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use seminar_dataset::atomic::{write_bytes, write_text};
use seminar_dataset::{Corpus, Split, TestMode};
use seminar_examples::args::{model_or_popularity, one_of};
use seminar_examples::device::DeviceKind;
use seminar_examples::progress::TrainingBar;
use seminar_examples::run::{evaluate, trainer};
use seminar_examples::settings::Settings;
use seminar_models::weights;
use seminar_trainer::metrics::Ties;
use seminar_trainer::report::{Report, RunResult, leaderboard};
use seminar_trainer::{Output, check_bundle_folder, popularity, read_weights};
use strum::VariantArray;

/// Trains a model.
#[derive(Parser)]
struct Args {
    /// Folder that `prepare` wrote.
    #[arg(long)]
    data: PathBuf,
    /// Model to train, or the baseline that ranks items by popularity.
    #[arg(long, value_parser = model_or_popularity())]
    model: String,
    #[command(flatten)]
    settings: Settings,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Number of threads; one per core by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Device of tensors. All but flex need a build with the cargo feature of the same name.
    #[arg(long, default_value = "flex")]
    device: DeviceKind,
    /// Queries of the test candidates: none (recommendation), the target event's query for all of them (search), or the query of
    /// each candidate's own item (pair).
    #[arg(long, default_value = "recommendation", value_parser = one_of(TestMode::VARIANTS))]
    test_mode: TestMode,
    /// Rank of a target that ties with negatives: the mean of the tied ranks, the best (optimistic) or the worst (pessimistic).
    #[arg(long, default_value = "mean", value_parser = one_of(Ties::VARIANTS))]
    ties: Ties,
    /// File of initial weights under the published names: `.safetensors` or PyTorch `.pt`. All tensors have to fit; rows of tables
    /// find their items by name where the file has names.
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Take of `--weights` what fits, and say what is skipped.
    #[arg(long, requires = "weights")]
    lenient_weights: bool,
    /// Write `weights.safetensors` under the published names after training.
    #[arg(long)]
    export_weights: bool,
    /// Continue from the last checkpoint in `--out`.
    #[arg(long)]
    resume: bool,
    /// Steps between checkpoints. Each epoch ends with one, too.
    #[arg(long, default_value_t = 500)]
    checkpoint_every: u64,
    /// Output folder.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    seminar_examples::machine::start(args.threads)?;
    let corpus = Arc::new(Corpus::open(&args.data)?);
    let name =
        args.data.file_name().context("--data is not the path of a folder")?.to_string_lossy().into_owned();
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    let batches = args.settings.batches(args.seed, args.test_mode);
    let (row, settings) = if args.model == "popularity" {
        let evaluation = popularity(&corpus, Split::Test, &batches)?;
        let row = RunResult::new("popularity", &name, Split::Test, batches.test_mode, evaluation)?;
        (row, serde_json::to_value(&batches)?)
    } else {
        let folder = (&*corpus, args.data.as_path());
        let mut experiment = args.settings.experiment(args.model.parse()?, folder, &name, batches)?;
        check_bundle_folder(&args.out.join("model"))?;
        let mut trainer = trainer(&mut experiment, &corpus, &args.data, &args.device.open()?)?;
        if let Some(file) = &args.weights {
            let (state, name) = (read_weights(file)?, file.display().to_string());
            let taken = match args.lenient_weights {
                true => trainer.import_leniently(&state, &name)?,
                false => trainer.import(&state, &name).map_err(|error| {
                    anyhow::anyhow!("{error}\n`--lenient-weights` takes what fits and says what it skips")
                })?,
            };
            tracing::info!("weights read from {name}: {taken}");
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
        let batches = &experiment.train.batches;
        let row = evaluate(&experiment, &mut trainer, &corpus, Split::Test, batches, args.ties)?;
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
