//! Trains one model on a prepared corpus and writes the saved model `model/`, `metrics.json`, `report.html`, checkpoints and the log
//! of steps.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use seminar_dataset::atomic::{write_bytes, write_text};
use seminar_dataset::{BatchConfig, Corpus, Split, TestMode};
use seminar_examples::args::{model_or_popularity, one_of};
use seminar_examples::device::DeviceKind;
use seminar_examples::progress::TrainingBar;
use seminar_examples::run::{Experiment, apart, evaluate, folder_name, modality_names, open_corpus, trainer};
use seminar_examples::settings::Settings;
use seminar_examples::stop::Interrupt;
use seminar_examples::{machine, program, say};
use seminar_models::{AnyConfig, AnyModel, ModelKind, weights};
use seminar_trainer::metrics::Ties;
use seminar_trainer::report::{Report, RunResult, leaderboard};
use seminar_trainer::{
    Both, Description, Error, Output, Progress, Start, check_bundle_folder, popularity, read_weights,
};
use serde_json::Value;
use strum::VariantArray;

/// Trains a model.
#[derive(Parser)]
struct Args {
    /// Folder that `prepare` wrote.
    #[arg(long)]
    data: PathBuf,
    /// Model to train, or the baseline that ranks items by popularity.
    #[arg(long, value_parser = model_or_popularity(), required_unless_present = "from")]
    model: Option<String>,
    /// Go on from a saved model, such as yesterday's, on a log that has grown: a run's folder, or the `model` folder in it. The
    /// model's own settings hold; items and words find their rows by name, and new ones get fresh rows.
    #[arg(long, conflicts_with_all = ["model", "weights"])]
    from: Option<PathBuf>,
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
    /// Targets that tie with negatives: expected metrics over random orders of the tied (mean), the best place (optimistic) or the
    /// worst (pessimistic).
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
    #[arg(long, conflicts_with = "force")]
    resume: bool,
    /// Replace the run in `--out`.
    #[arg(long)]
    force: bool,
    /// Steps between checkpoints. Each epoch ends with one, too.
    #[arg(long, default_value_t = 500)]
    checkpoint_every: u64,
    /// Output folder.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> ExitCode {
    program::run("--data out/corpus --model twin --epochs 2 --out out/twin", work)
}

fn work(args: Args) -> anyhow::Result<()> {
    machine::start(args.threads)?;
    let saved = args.from.as_deref().map(saved_model).transpose()?;
    let batches = args.settings.batches(args.seed, args.test_mode);
    let kind: Option<ModelKind> = match (&saved, &args.model) {
        (Some((_, saved)), _) => Some(saved.config.kind),
        (None, Some(model)) if model != "popularity" => Some(model.parse()?),
        _ => None,
    };
    if saved.is_none() {
        check_settings(&args, kind, &batches)?;
    }
    let start = match (args.resume, args.force) {
        (true, _) => Start::Resume,
        (_, true) => Start::Replace,
        _ => Start::New,
    };
    apart(&args.out, &args.data)?;
    let output = Output { folder: args.out.clone(), start, every: args.checkpoint_every };
    output.open()?;
    let read = [("--weights", args.weights.as_ref()), ("--from", saved.as_ref().map(|(folder, _)| folder))];
    for (flag, file) in read.into_iter().filter_map(|(flag, file)| Some((flag, file.filter(|_| args.force)?)))
    {
        let inside = file.canonicalize().ok().zip(args.out.canonicalize().ok());
        let inside = inside.is_some_and(|(file, out)| file.starts_with(out));
        anyhow::ensure!(
            !inside,
            "{flag} {} lies in --out, which --force replaces: copy it first",
            file.display()
        );
    }
    check_bundle_folder(&args.out.join("model"))?;
    if args.resume && (kind.is_none() || !output.has_checkpoint()) {
        let finished = args.out.join("metrics.json").exists();
        anyhow::ensure!(
            !finished,
            "--resume: {} holds a run without its last checkpoint: --force trains it anew",
            args.out.display()
        );
        tracing::warn!(
            "--resume: nothing to go on from in {}: starting at the beginning",
            args.out.display()
        );
    }
    let corpus = Arc::new(open_corpus(&args.data)?);
    let name = folder_name(&args.data)?;
    let (row, settings) = match kind {
        None => {
            let evaluation = popularity(&corpus, Split::Test, &batches, args.ties)?;
            output.claim()?;
            let mut row = RunResult::new("popularity", &name, Split::Test, batches.test_mode, evaluation)?;
            row.peak_rss_bytes = machine::peak_rss_bytes();
            (row, serde_json::to_value(&batches)?)
        }
        Some(kind) => {
            let (from, experiment) = match saved {
                None => (None, args.settings.experiment(kind, (&corpus, &args.data), &name, batches)?),
                Some((folder, saved)) => {
                    let (given, chosen) = (Settings::given::<Args>(), (args.seed, args.test_mode));
                    (Some(folder), args.settings.going_on(saved, &given, &name, chosen)?)
                }
            };
            tracing::info!("chosen: {}", chosen(&experiment));
            let (row, settings) = train(&args, experiment, from.as_deref(), &corpus, &output)?;
            compare_with_popularity(&row, &corpus, &args)?;
            (row, settings)
        }
    };
    write_text(&args.out.join("metrics.json"), &format!("{:#}\n", serde_json::to_value(&row)?))?;
    let table = leaderboard(std::slice::from_ref(&row));
    let statistics = std::fs::read_to_string(args.data.join("stats.json")).unwrap_or_default();
    let report = Report {
        title: format!("{} on {name}", row.model),
        rows: vec![row],
        settings,
        data: serde_json::from_str(&statistics).unwrap_or_default(),
        ..Report::default()
    };
    write_text(&args.out.join("report.html"), &report.html())?;
    say!("{table}");
    say!("written: {}, with metrics.json, report.html and, of a model, model/", args.out.display());
    Ok(())
}

/// The settings that say most of a run.
fn chosen(run: &Experiment) -> String {
    let (model, train) = (&run.config.model, &run.train);
    let tower = match &model.short_term {
        Some(tower) => format!("a short-term tower over {} events", tower.events),
        None => "no short-term tower".to_owned(),
    };
    let end = match train.patience {
        0 => format!("{} epochs", train.epochs),
        patience => format!(
            "up to {} epochs, until validation {} was no better {patience} times",
            train.epochs, train.watch
        ),
    };
    format!(
        "{}, {end}, batches of {} users, learning rate {}, L = {}, K = {}, {tower}; all settings are in experiment.json",
        modality_names(&model.modalities),
        train.batches.batch_size,
        train.adam.learning_rate,
        train.batches.history_length,
        model.top_k,
    )
}

/// What came of validation, in words.
fn validated(progress: &Progress, watch: &str) -> Option<String> {
    let valid = &progress.fit.valid;
    let (at, best) = valid.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))?;
    Some(format!(
        "best validation {watch} {best:.4}, the {}. of {}; the model is that one's, after {} cuts of the learning rate",
        at + 1,
        valid.len(),
        progress.cuts
    ))
}

/// Says so if the model is no better than the popularity of items.
fn compare_with_popularity(row: &RunResult, corpus: &Arc<Corpus>, args: &Args) -> anyhow::Result<()> {
    let batches = args.settings.batches(args.seed, args.test_mode);
    let popular = popularity(corpus, Split::Test, &batches, args.ties)?;
    let (own, popular) = (row.metrics.get("MRR"), popular.metrics.get("MRR"));
    if let (Some(own), Some(popular)) = (own, popular) {
        if own > popular {
            tracing::info!(
                "MRR {own:.4} against {popular:.4} of ranking by popularity: the target among {} sampled items, {} users",
                row.coverage.negatives.unwrap_or_default(),
                row.users
            );
            return Ok(());
        }
        tracing::warn!(
            "{} is not better than ranking by popularity: MRR {own:.4} against {popular:.4}. More epochs (--epochs, --patience) or other \
             --modalities may help; too few events teach no model",
            row.model
        );
    }
    Ok(())
}

/// Settings that cannot work are errors; flags that this model does not know are told.
fn check_settings(args: &Args, kind: Option<ModelKind>, batches: &BatchConfig) -> anyhow::Result<()> {
    args.settings.check(kind.as_slice(), batches)?;
    let mut idle = args.settings.without_effect(kind.as_slice());
    if kind.is_none() {
        let given = [
            ("--weights", args.weights.is_some()),
            ("--export-weights", args.export_weights),
            ("--resume", args.resume),
        ];
        idle.extend(given.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag));
    }
    if !idle.is_empty() {
        let model = args.model.as_deref().unwrap_or_default();
        tracing::warn!("without effect on {model}: {}", idle.join(", "));
    }
    Ok(())
}

/// The saved model in a folder, or in the folder of its run: where, and what it says of itself.
fn saved_model(folder: &Path) -> anyhow::Result<(PathBuf, Description<AnyConfig>)> {
    let inside = folder.join("model");
    let folder = if inside.is_dir() { inside } else { folder.to_owned() };
    let saved = Description::read::<AnyModel>(&folder).context("--from")?;
    Ok((folder, saved))
}

/// Trains and evaluates, and saves the model. Returns the row of results and the run's settings.
fn train(
    args: &Args,
    mut experiment: Experiment,
    from: Option<&Path>,
    corpus: &Arc<Corpus>,
    output: &Output,
) -> anyhow::Result<(RunResult, Value)> {
    let mut trainer = trainer(&mut experiment, corpus, &args.data, &args.device.open()?)?;
    if let Some(folder) = from {
        let taken = trainer.start_from(folder)?;
        tracing::info!("going on from {}: {taken}", folder.display());
    }
    if let Some(file) = &args.weights {
        let (state, name) = (read_weights(file)?, file.display().to_string());
        let taken = match args.lenient_weights {
            true => trainer.import_leniently(&state, &name)?,
            false => trainer
                .import(&state, &name)
                .context("--weights: `--lenient-weights` takes what fits and says what it skips")?,
        };
        tracing::info!("weights read from {name}: {taken}");
    }
    let mut bar = Both(TrainingBar::new(experiment.config.kind.name()), Interrupt::watch()?);
    let trained = experiment.train(trainer, Some(output), &mut bar);
    drop(bar);
    if let Err(Error::Stopped { .. }) = &trained {
        tracing::warn!(
            "stopped; a checkpoint is in {}. The same command with --resume goes on.",
            args.out.display()
        );
    }
    let mut trainer = trained?;
    if let Some(words) = validated(trainer.progress(), &experiment.train.watch) {
        tracing::info!("{words}");
    }
    if args.export_weights {
        let bytes = weights::to_safetensors(&trainer.export())?;
        write_bytes(&args.out.join("weights.safetensors"), &bytes)?;
    }
    let batches = &experiment.train.batches;
    let row = evaluate(&experiment, &mut trainer, corpus, Split::Test, batches, args.ties)?;
    trainer.save_bundle(&args.out.join("model"), &experiment.about(&row.metrics))?;
    Ok((row, serde_json::to_value(&experiment)?))
}
