//! Writes a synthetic raw data set of any size, in which users have planted interests.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use seminar_dataset::SyntheticConfig;
use seminar_dataset::synthetic::{write_amazon, write_kuaisar};
use seminar_examples::progress::events_bar;

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

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Amazon,
    Kuaisar,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
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
    let bar = events_bar(args.events);
    match args.form {
        Form::Amazon => write_amazon(&config, &args.out, &args.name, &|n| bar.inc(n))?,
        Form::Kuaisar => write_kuaisar(&config, &args.out, &|n| bar.inc(n))?,
    }
    bar.finish_and_clear();
    println!(
        "{} events of {} users over {} items in {}",
        args.events,
        args.users,
        args.items,
        args.out.display()
    );
    Ok(())
}
