//! Writes a raw data set of any size with planted interests.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use seminar_dataset::SyntheticConfig;
use seminar_dataset::synthetic::{write_amazon, write_kuaisar};
use seminar_examples::progress::events_bar;

/// Writes synthetic raw files.
#[derive(Parser)]
struct Args {
    /// In whose form.
    #[arg(long, default_value = "amazon")]
    form: Form,
    /// Name of the data set in Amazon's form.
    #[arg(long, default_value = "Synthetic")]
    name: String,
    /// Users.
    #[arg(long, default_value_t = 1_000)]
    users: u64,
    /// Items.
    #[arg(long, default_value_t = 800)]
    items: u64,
    /// Events in all.
    #[arg(long, default_value_t = 20_000)]
    events: u64,
    /// Seed of everything.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Interests a user.
    #[arg(long, default_value_t = 6)]
    interests: u64,
    /// Mean number of events before the user turns to another interest.
    #[arg(long, default_value_t = 3.0)]
    mean_run: f64,
    /// Mean words of a review.
    #[arg(long, default_value_t = 90.0)]
    review_words: f64,
    /// Folder to write.
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
