//! Raw files to a corpus and the S3-Rec text files.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use seminar_dataset::{AmazonReviews, KuaiSar, PrepareConfig, Queries, WholeFolder, check_name, s3rec};
use seminar_examples::args::one_of;
use seminar_examples::prepare::{Raw, summary, write_corpus};
use seminar_examples::{machine, program, say};
use strum::VariantArray;

/// Prepares raw files.
#[derive(Parser)]
struct Args {
    /// Format of the raw files.
    #[arg(long)]
    source: Source,
    /// Folder of the raw files.
    #[arg(long)]
    input: PathBuf,
    /// Name of the data set: `NAME_5.json.gz` and `meta_NAME.json.gz`, or `NAME.txt`.
    #[arg(long)]
    name: String,
    /// Source of the queries: none, the first words of an item's description, the words that the log holds (logged), or an
    /// item's first attributes. By default amazon takes description, kuaisar and s3rec logged.
    #[arg(long, value_parser = one_of(Queries::VARIANTS))]
    queries: Option<Queries>,
    /// Reproduce the published attributes and keyword numbers.
    #[arg(long)]
    published: bool,
    /// Drop events that repeat an earlier one of the same user, item and time.
    #[arg(long)]
    drop_repeats: bool,
    /// Replace bytes that are not UTF-8. By default they are an error.
    #[arg(long)]
    lossy_utf8: bool,
    /// Do not write the S3-Rec text files.
    #[arg(long)]
    no_text_files: bool,
    /// Replace the output folder if an earlier `prepare` wrote it and it holds nothing else.
    #[arg(long)]
    force: bool,
    /// Output folder.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Source {
    Amazon,
    Kuaisar,
    S3rec,
}

fn main() -> ExitCode {
    program::run("--source amazon --input data/gift_cards --name Gift_Cards --out out/corpus", work)
}

fn work(args: Args) -> anyhow::Result<()> {
    machine::log(tracing::Level::INFO);
    check_name(&args.name)?;
    let out = WholeFolder { path: &args.out, writer: "prepare", replace: args.force, inputs: &[&args.input] };
    out.check()?;
    let start = Instant::now();
    let mut item_numbers = Vec::new();
    let (data, report) = match args.source {
        Source::S3rec => {
            let imported = s3rec::import(&args.input, &args.name, args.queries.unwrap_or(Queries::Logged))?;
            item_numbers = imported.item_numbers;
            (imported.data, serde_json::to_value(imported.report)?)
        }
        Source::Amazon => {
            let mut source = AmazonReviews::locate(&args.input, &args.name)?;
            source.published_attributes = args.published;
            source.options.lossy_utf8 = args.lossy_utf8;
            let config = configure(PrepareConfig::amazon(), &args);
            let prepared = config.prepare(&source)?;
            (prepared.data, serde_json::to_value(prepared.report)?)
        }
        Source::Kuaisar => {
            let mut source = KuaiSar::new(&args.input);
            source.published_attributes = args.published;
            source.options.lossy_utf8 = args.lossy_utf8;
            let config = configure(PrepareConfig::kuaisar(), &args);
            let prepared = config.prepare(&source)?;
            (prepared.data, serde_json::to_value(prepared.report)?)
        }
    };
    let raw = Raw { folder: &args.input, name: &args.name, item_numbers: &item_numbers };
    let stats = write_corpus(data, &report, raw, &out, !args.no_text_files, start)?;
    say!("{}", summary(&stats));
    Ok(())
}

fn configure(config: PrepareConfig, args: &Args) -> PrepareConfig {
    PrepareConfig {
        queries: args.queries.unwrap_or(config.queries),
        raw_keyword_numbers: args.published,
        drop_repeats: args.drop_repeats,
        ..config
    }
}
