//! Raw files to a corpus and the S3-Rec text files.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use seminar_dataset::{AmazonReviews, KuaiSar, PrepareConfig, Queries, s3rec};
use seminar_examples::prepare::{summary, write_corpus};

/// Prepares raw files.
#[derive(Parser)]
struct Args {
    /// What the files are.
    #[arg(long)]
    source: Source,
    /// Folder of the raw files.
    #[arg(long)]
    input: PathBuf,
    /// Name of the data set: `NAME_5.json.gz` and `meta_NAME.json.gz`, or `NAME.txt`.
    #[arg(long)]
    name: String,
    /// Where queries come from; by default what the source has.
    #[arg(long)]
    queries: Option<QueryKind>,
    /// Reproduce the published attributes and keyword numbers.
    #[arg(long)]
    published: bool,
    /// Leave out events that repeat an earlier one exactly.
    #[arg(long)]
    drop_repeats: bool,
    /// Replace bytes that are not UTF-8 instead of stopping.
    #[arg(long)]
    lossy_utf8: bool,
    /// Do not write the text files.
    #[arg(long)]
    no_text_files: bool,
    /// Replace the output folder if it holds something.
    #[arg(long)]
    force: bool,
    /// Folder to write.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Source {
    Amazon,
    Kuaisar,
    S3rec,
}

#[derive(Clone, Copy, ValueEnum)]
enum QueryKind {
    None,
    Description,
    Logged,
    Attributes,
}

impl From<QueryKind> for Queries {
    fn from(kind: QueryKind) -> Self {
        match kind {
            QueryKind::None => Self::None,
            QueryKind::Description => Self::Description,
            QueryKind::Logged => Self::Logged,
            QueryKind::Attributes => Self::Attributes,
        }
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let start = Instant::now();
    let queries = args.queries.map(Queries::from);
    let raw = (args.input.as_path(), args.name.as_str());
    let (data, report) = match args.source {
        Source::S3rec => {
            let imported = s3rec::import(&args.input, &args.name, queries.unwrap_or(Queries::Logged))?;
            (imported.data, serde_json::to_value(imported.report)?)
        }
        Source::Amazon => {
            let mut source = AmazonReviews::locate(&args.input, &args.name)?;
            source.published_attributes = args.published;
            source.options.lossy_utf8 = args.lossy_utf8;
            let config = configure(PrepareConfig::amazon(), queries, &args);
            let prepared = config.prepare(&source)?;
            (prepared.data, serde_json::to_value(prepared.report)?)
        }
        Source::Kuaisar => {
            let mut source = KuaiSar::new(&args.input);
            source.published_attributes = args.published;
            source.options.lossy_utf8 = args.lossy_utf8;
            let config = configure(PrepareConfig::kuaisar(), queries, &args);
            let prepared = config.prepare(&source)?;
            (prepared.data, serde_json::to_value(prepared.report)?)
        }
    };
    let stats = write_corpus(data, &report, raw, &args.out, args.force, !args.no_text_files, start)?;
    println!("{}", summary(&stats));
    Ok(())
}

fn configure(config: PrepareConfig, queries: Option<Queries>, args: &Args) -> PrepareConfig {
    PrepareConfig {
        queries: queries.unwrap_or(config.queries),
        raw_keyword_numbers: args.published,
        drop_repeats: args.drop_repeats,
        ..config
    }
}
