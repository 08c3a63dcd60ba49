//! Writes a synthetic raw data set of any size, in which users have planted interests.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use seminar_dataset::synthetic::{write_amazon, write_kuaisar};
use seminar_dataset::{OutputFolder, SyntheticConfig, check_name};
use seminar_examples::progress::Counter;
use seminar_examples::{machine, program, say};

/// Writes synthetic raw files.
#[derive(Parser)]
struct Args {
    /// Format of the files.
    #[arg(long, default_value = "amazon")]
    form: Form,
    /// Name of the data set in Amazon's format: `NAME_5.json.gz` and `meta_NAME.json.gz`.
    #[arg(long, default_value = "Synthetic")]
    name: String,
    /// Number of users.
    #[arg(long, default_value_t = 1_000)]
    users: u64,
    /// Number of items.
    #[arg(long, default_value_t = 800)]
    items: u64,
    /// Number of events of all users together.
    #[arg(long, default_value_t = 20_000)]
    events: u64,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Interests per user.
    #[arg(long, default_value_t = 6)]
    interests: u64,
    /// Mean number of successive events of one interest.
    #[arg(long, default_value_t = 3.0)]
    mean_run: f64,
    /// Mean number of words per review.
    #[arg(long, default_value_t = 90.0)]
    review_words: f64,
    /// Output folder.
    #[arg(long)]
    out: PathBuf,
}

/// What KuaiSAR's form consists of.
const KUAISAR_FILES: [&str; 5] =
    ["src_inter.csv", "rec_inter.csv", "item_features.csv", "user_features.csv", "social_network.csv"];

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Amazon,
    Kuaisar,
}

fn main() -> ExitCode {
    program::run("--users 2000 --items 800 --events 40000 --out out/raw", work)
}

fn work(args: Args) -> anyhow::Result<()> {
    let config = SyntheticConfig {
        users: args.users,
        items: args.items,
        events: args.events,
        seed: args.seed,
        interests: args.interests,
        mean_run: args.mean_run,
        review_words: args.review_words,
        ..SyntheticConfig::default()
    };
    machine::log(tracing::Level::INFO);
    config.validate()?;
    check_name(&args.name)?;
    let files: Vec<String> = match args.form {
        Form::Amazon => ["meta_{}.json.gz", "{}_image_vectors.tsv.gz", "{}_5.json.gz"]
            .map(|file| file.replace("{}", &args.name))
            .to_vec(),
        Form::Kuaisar => KUAISAR_FILES.map(str::to_owned).to_vec(),
    };
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    OutputFolder::open(&args.out, "synthesize")?.claim(&files)?;
    let bar = Counter::new("events", args.events);
    match args.form {
        Form::Amazon => write_amazon(&config, &args.out, &args.name, &|n| bar.add(n))?,
        Form::Kuaisar => write_kuaisar(&config, &args.out, &|n| bar.add(n))?,
    }
    drop(bar);
    say!(
        "{} events of {} users over {} items in {}",
        args.events,
        args.users,
        args.items,
        args.out.display()
    );
    Ok(())
}
