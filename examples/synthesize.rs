//! Writes a synthetic raw data set of any size, in which users have planted interests.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use seminar_dataset::synthetic::{
    AmazonRelease, s3rec_files, write_amazon_release, write_kuaisar, write_s3rec, write_tables,
};
use seminar_dataset::{OutputFolder, Preset, Reader, SyntheticConfig, check_name};
use seminar_examples::progress::Counter;
use seminar_examples::{machine, program, say};

/// Writes synthetic raw files.
#[derive(Parser)]
struct Args {
    /// Format of the files: amazon, kuaisar, or a known data set (`prepare --list-presets`).
    #[arg(long, default_value = "amazon")]
    form: String,
    /// Name of the data set, where names of files hold it: `NAME_5.json.gz` and `meta_NAME.json.gz`, `NAME.inter`.
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

/// What is written.
enum Form {
    Amazon(AmazonRelease),
    Kuaisar,
    S3rec,
    Tables(Box<Preset>),
}

impl Form {
    fn named(name: &str) -> anyhow::Result<Self> {
        match name {
            "amazon" | "amazon-2018" => return Ok(Self::Amazon(AmazonRelease::In2018)),
            "amazon-2014" => return Ok(Self::Amazon(AmazonRelease::In2014)),
            "amazon-2023" => return Ok(Self::Amazon(AmazonRelease::In2023)),
            "kuaisar" => return Ok(Self::Kuaisar),
            "s3rec" => return Ok(Self::S3rec),
            _ => {}
        }
        let tables = Preset::named(name).ok().filter(|preset| preset.reader == Reader::Table);
        tables.map(|preset| Self::Tables(Box::new(preset))).ok_or_else(|| {
            let known: Vec<&str> = std::iter::once("amazon").chain(Preset::names()).collect();
            anyhow::anyhow!("--form: `{name}` is none of {}", known.join(", "))
        })
    }
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
    let form = Form::named(&args.form)?;
    if let Form::Tables(preset) = &form {
        let mut folder = OutputFolder::open(&args.out, "synthesize")?;
        // Names are known before anything is written: those of one event of one user.
        let scratch = tempfile::tempdir()?;
        let small = SyntheticConfig { users: 1, items: 8, events: 8, ..config.clone() };
        let files = write_tables(&small, preset, scratch.path(), &args.name)?;
        folder.claim(&files.iter().map(String::as_str).collect::<Vec<_>>())?;
        write_tables(&config, preset, &args.out, &args.name)?;
        say!(
            "{} events of {} users over {} items in {}",
            args.events,
            args.users,
            args.items,
            args.out.display()
        );
        return Ok(());
    }
    let files: Vec<String> = match form {
        Form::Amazon(release) => release.files(&args.name).to_vec(),
        Form::S3rec => s3rec_files(&args.name).to_vec(),
        _ => KUAISAR_FILES.map(str::to_owned).to_vec(),
    };
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    OutputFolder::open(&args.out, "synthesize")?.claim(&files)?;
    let bar = Counter::new("events", args.events);
    match form {
        Form::Amazon(release) => {
            write_amazon_release(&config, release, &args.out, &args.name, &|n| bar.add(n))?;
        }
        Form::S3rec => write_s3rec(&config, &args.out, &args.name, &|n| bar.add(n))?,
        _ => write_kuaisar(&config, &args.out, &|n| bar.add(n))?,
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
