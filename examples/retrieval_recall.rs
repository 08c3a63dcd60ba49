//! Recall, latency and size of each search: the published experiment, and methods that it left out.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::Parser;
use indicatif::ProgressBar;
use seminar_ann_retrieval::{Metric, Vectors};
use seminar_dataset::OutputFolder;
use seminar_dataset::atomic::write_text;
use seminar_examples::args::name;
use seminar_examples::retrieval::data::{Shape, UserData, draw, learned, read_fvecs, read_table};
use seminar_examples::retrieval::histories::{self, Family};
use seminar_examples::retrieval::{Row, page, single, table};
use seminar_examples::{program, say};

/// Measures recall, latency and size of every search.
#[derive(Parser)]
struct Args {
    /// Output folder: `retrieval.json`, `retrieval.svg`, `report.html`.
    #[arg(long)]
    out: PathBuf,
    /// L: behaviours per user; with one modality, the number of vectors.
    #[arg(long, default_value_t = 2048)]
    length: usize,
    /// d: embedding dimension of a modality.
    #[arg(long, default_value_t = 16)]
    dim: usize,
    /// M: modalities. With one, the single-vector indexes are compared.
    #[arg(long, default_value_t = 4)]
    modalities: usize,
    /// Number of users. By default 1,000 up to the published length of 2,048, fewer for longer histories.
    #[arg(long)]
    users: Option<usize>,
    /// Targets per user. By default as many as make 1,000 in all.
    #[arg(long)]
    targets: Option<usize>,
    /// K: behaviours that a search returns.
    #[arg(long, default_value_t = 32)]
    topk: usize,
    /// Distribution of the drawn vectors.
    #[arg(long, default_value = "random")]
    data: Shape,
    /// Weights of the modalities, comma-separated. By default in the ratio 1 : 2 : 3 …, as published.
    #[arg(long, value_delimiter = ',')]
    weights: Option<Vec<f32>>,
    /// File of users' embeddings, tab-separated, in the published layout.
    #[arg(long)]
    embeddings: Option<PathBuf>,
    /// File of a trained model's weights (`train --export-weights`). Its items and queries are the modalities.
    #[arg(long, requires = "corpus", conflicts_with = "embeddings")]
    learned: Option<PathBuf>,
    /// Corpus folder that the model of `--learned` was trained on.
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// File of single vectors (`.fvecs`).
    #[arg(long, requires = "queries")]
    vectors: Option<PathBuf>,
    /// File of queries (`.fvecs`) for `--vectors`.
    #[arg(long)]
    queries: Option<PathBuf>,
    /// Do not measure graphs, which take long to build over long histories.
    #[arg(long)]
    without_graphs: bool,
    /// Families of methods to measure beside the exact scans, comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "codes,lsh,graphs")]
    methods: Vec<Family>,
    /// Train codebooks per user at any length, as published. By default only up to 4,096 behaviours.
    #[arg(long)]
    own_codebooks: bool,
    /// Length of the shortlists that are rescored exactly, in multiples of K.
    #[arg(long, default_value_t = 4)]
    rescore: usize,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Number of threads; one per core by default. Searches are timed on one thread and on all.
    #[arg(long)]
    threads: Option<usize>,
}

/// What is written into `--out`.
const RESULTS: [&str; 3] = ["retrieval.json", "retrieval.svg", "report.html"];

/// Most numbers that an experiment may draw and compare.
const MOST_NUMBERS: usize = 1 << 44;

fn main() -> ExitCode {
    program::run("--length 2048 --users 20 --out out/retrieval", work)
}

fn work(args: Args) -> anyhow::Result<()> {
    seminar_examples::machine::start(args.threads)?;
    let mut folder = OutputFolder::open(&args.out, "retrieval_recall")?;
    folder.check(&RESULTS)?;
    let counts =
        [Some(args.length), Some(args.dim), Some(args.topk), Some(args.modalities), args.users, args.targets];
    ensure!(
        counts.into_iter().flatten().all(|count| count > 0),
        "--length, --dim, --topk, --modalities, --users and --targets must be at least 1"
    );
    let product = counts.into_iter().flatten().try_fold(1usize, |product, count| product.checked_mul(count));
    ensure!(
        product.is_some_and(|numbers| numbers <= MOST_NUMBERS),
        "--length, --dim, --topk, --modalities, --users and --targets multiplied are over {MOST_NUMBERS}"
    );
    let weights = args.weights.as_deref().unwrap_or(&[1.0]);
    ensure!(
        weights.iter().all(|weight| weight.is_finite()) && weights.iter().any(|&weight| weight != 0.0),
        "--weights must be finite, and one of them not 0"
    );
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    let single = args.vectors.is_some() || args.modalities == 1;
    let rows = match single && args.embeddings.is_none() && args.learned.is_none() {
        true => single_vectors(&args, &bar)?,
        false => user_histories(&args, &bar)?,
    };
    bar.finish_and_clear();
    folder.claim(&RESULTS)?;
    write_text(&args.out.join("retrieval.json"), &format!("{:#}\n", serde_json::json!({ "rows": rows })))?;
    write_text(&args.out.join("retrieval.svg"), &page::plot(&rows))?;
    write_text(&args.out.join("report.html"), &page::page(&rows))?;
    say!("{}", table(&rows));
    say!("wrote {}", args.out.join("report.html").display());
    Ok(())
}

fn single_vectors(args: &Args, bar: &ProgressBar) -> anyhow::Result<Vec<Row>> {
    let (dim, vectors, queries, data) = match (&args.vectors, &args.queries) {
        (Some(vectors), Some(queries)) => {
            let ((dim, rows), (other, queries)) = (read_fvecs(vectors)?, read_fvecs(queries)?);
            ensure!(dim == other, "vectors of dimension {dim}, queries of dimension {other}");
            (dim, rows, queries, vectors.display().to_string())
        }
        _ => {
            let user = draw(args.data, args.length, 1, args.dim, args.targets.unwrap_or(1000), args.seed);
            (args.dim, user.history, user.targets, name(&args.data))
        }
    };
    let rows = Vectors::new(dim, vectors)?;
    let setting = single::Setting {
        data: &data,
        rows: &rows,
        queries: &queries,
        metric: Metric::InnerProduct,
        k: args.topk.min(rows.len()),
        families: &families(args),
    };
    single::run(&setting, bar)
}

fn families(args: &Args) -> Vec<Family> {
    let kept = |family: &Family| !(args.without_graphs && *family == Family::Graphs);
    args.methods.iter().copied().filter(kept).collect()
}

fn user_histories(args: &Args, bar: &ProgressBar) -> anyhow::Result<Vec<Row>> {
    let (read, modalities) = match (&args.embeddings, &args.learned, &args.corpus) {
        (Some(path), ..) => (Some(read_table(path)?), 4),
        (_, Some(weights), Some(corpus)) => {
            let (dim, user) = learned(weights, corpus, args.length, args.targets.unwrap_or(1000))?;
            (Some((dim, vec![user])), 2)
        }
        _ => (None, args.modalities),
    };
    let dim = read.as_ref().map_or(args.dim, |(dim, _)| *dim);
    let users = args.users.unwrap_or((2_048_000 / args.length).clamp(1, 1000));
    let targets = args.targets.unwrap_or((1000 / users).max(1));
    let one = |user: usize| -> UserData {
        draw(args.data, args.length, modalities, dim, targets, args.seed + user as u64)
    };
    let total = (1..=modalities).sum::<usize>() as f32;
    let published = || (1..=modalities).map(|number| number as f32 / total).collect();
    let weights = args.weights.clone().unwrap_or_else(published);
    let data = match (&args.embeddings, &args.learned) {
        (Some(path), _) => path.display().to_string(),
        (_, Some(_)) => "learned".to_owned(),
        _ => name(&args.data),
    };
    // Shared codebooks are trained on a sample of all behaviours, never on targets.
    let sample = (args.length > 4096 && !args.own_codebooks).then(|| match &read {
        Some((_, users)) => users.iter().flat_map(|user| &user.history).copied().collect(),
        None => draw(args.data, args.length.min(65_536), modalities, dim, 1, args.seed).history,
    });
    let families = families(args);
    let setting = histories::Setting {
        data: &data,
        modalities,
        dim,
        k: args.topk,
        weights: &weights,
        families: &families,
        rescore: args.rescore.max(1),
        shared: sample.as_deref(),
    };
    let mut experiment = histories::Experiment::new(setting)?;
    match read {
        Some((_, users)) => users.iter().try_for_each(|user| experiment.add(user, bar))?,
        None => (0..users).try_for_each(|user| {
            bar.set_prefix(format!("user {}", user + 1));
            experiment.add(&one(user), bar)
        })?,
    }
    Ok(experiment.rows())
}
