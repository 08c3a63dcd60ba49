//! Bundled raw reviews → corpus → text embeddings → every model trained and evaluated → a leaderboard, and recommendations.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use seminar_dataset::atomic::write_text;
use seminar_dataset::{AmazonReviews, BatchConfig, Corpus, OutputFolder, PrepareConfig, Split, WholeFolder};
use seminar_examples::device::DeviceKind;
use seminar_examples::people::people;
use seminar_examples::progress::TrainingBar;
use seminar_examples::run::{Experiment, available, evaluate, trainer};
use seminar_examples::{embed, machine, prepare, program, say};
use seminar_models::{AnyConfig, AnyModel, ModelConfig, ModelKind};
use seminar_trainer::metrics::Ties;
use seminar_trainer::report::{Report, RunResult, leaderboard, people_html, people_text};
use seminar_trainer::{Recommender, TrainConfig, popularity};
use serde_json::json;

/// The program that its files belong to.
const WRITER: &str = "quickstart";
/// Users who get recommendations at the end.
const PEOPLE: usize = 3;

/// Runs the whole path on a small real data set.
#[derive(Parser)]
struct Args {
    /// Output folder.
    #[arg(long, default_value = "out/quickstart")]
    out: PathBuf,
    /// Device of tensors. All but flex need a build with the cargo feature of the same name.
    #[arg(long, default_value = "flex")]
    device: DeviceKind,
}

/// What is written into `--out` beside `corpus` and `model`.
const RESULTS: [&str; 3] = ["metrics.json", "results.json", "report.html"];

fn main() -> ExitCode {
    program::run("--out out/quickstart", work)
}

fn work(args: Args) -> anyhow::Result<()> {
    machine::log(tracing::Level::WARN);
    OutputFolder::open(&args.out, WRITER)?.claim(&RESULTS)?;
    let device = args.device.open()?;

    let start = Instant::now();
    say!("Amazon Gift Cards, raw reviews and metadata, 5-core");
    let raw = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/gift_cards"));
    let data = args.out.join("corpus");
    let prepared = PrepareConfig::amazon().prepare(&AmazonReviews::locate(raw, "Gift_Cards")?)?;
    let report = prepared.report;
    let folder = WholeFolder { path: &data, writer: WRITER, replace: true, inputs: &[raw] };
    let stats = prepare::write_corpus(prepared.data, &report, (raw, "Gift_Cards"), &folder, true, start)?;
    say!("{}\n", prepare::summary(&stats));
    let corpus = Arc::new(Corpus::open(&data)?);
    OutputFolder::open_input(&data, WRITER)?.claim(&["text.emb"])?;
    embed::hashed_titles(&corpus, &data.join("text.emb"))?;

    // The settings of `train`, but for histories that are all short, and an end that comes soon.
    let batches = BatchConfig { history_length: 20, ..BatchConfig::tuned() };
    let baseline = popularity(&corpus, Split::Test, &batches, Ties::Mean)?;
    let mut rows =
        vec![RunResult::new("popularity", "Gift_Cards", Split::Test, batches.test_mode, baseline)?];
    let mut settings = serde_json::Value::Null;
    let best = args.out.join("model");
    let mut saved = None;
    for &kind in ModelKind::ALL {
        let modalities = available(&corpus, &data);
        let model = ModelConfig { top_k: 10, stage_one_top_k: 15, modalities, ..ModelConfig::tuned() };
        let mut experiment = Experiment {
            config: AnyConfig { kind, model },
            train: TrainConfig { epochs: 32, batches: batches.clone(), ..TrainConfig::tuned() },
            pretrain_epochs: 0,
            dataset: "Gift_Cards".into(),
        };
        let mut bar = TrainingBar::new(kind.name());
        let fresh = trainer(&mut experiment, &corpus, &data, &device)?;
        let mut trained = experiment.train(fresh, None, &mut bar)?;
        let row = evaluate(&experiment, &mut trained, &corpus, Split::Test, &batches, Ties::Mean)?;
        // The best of those that can say why they propose something.
        let explains = !matches!(kind, ModelKind::SasRec | ModelKind::Sdim);
        if explains && row.metrics.get("MRR").copied() > saved {
            saved = row.metrics.get("MRR").copied();
            trained.save_bundle(&best, &experiment.about(&row.metrics))?;
        }
        rows.push(row);
        settings = serde_json::to_value(&experiment)?;
    }
    say!("Test: the last item of each user among 99 sampled ones. `text` is hashed words, not CLIP.\n");
    say!("{}", leaderboard(&rows));
    let first = rows.iter().max_by(|a, b| a.metrics["MRR"].total_cmp(&b.metrics["MRR"]));
    write_text(&args.out.join("metrics.json"), &format!("{:#}\n", serde_json::to_value(first)?))?;
    let results = json!({ "dataset": "Gift_Cards", "rows": rows, "published": [] });
    write_text(&args.out.join("results.json"), &format!("{results:#}\n"))?;

    let recommender = Recommender::<AnyModel>::open(&best, &device)?;
    let name = recommender.description().config.kind.name();
    let people = people(&recommender, &corpus, PEOPLE)?;
    say!("What {name} proposes to {} people, and why:\n\n{}", people.len(), people_text(&people));
    let sections = vec![(format!("Recommendations by {name}"), people_html(&people))];
    let title = "Quickstart: Amazon Gift Cards".into();
    let data = serde_json::to_value(&stats)?;
    let report = Report { title, rows, settings, data, sections, ..Report::default() };
    write_text(&args.out.join("report.html"), &report.html())?;
    say!("written: {}, with report.html and the best model", args.out.display());
    Ok(())
}
