//! Raw files to a corpus and the S3-Rec text files.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, ValueEnum};
use seminar_dataset::{
    AmazonReviews, EventSource, KuaiSar, Numbered, PrepareConfig, PrepareReport, Queries, ReadOptions,
    Repeats, WholeFolder, check_name, s3rec::TextFiles,
};
use seminar_examples::args::{name, one_of};
use seminar_examples::prepare::{Raw, summary, told, write_corpus};
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
    /// Name of the data set: `NAME_5.json.gz` or `NAME.jsonl.gz` with `meta_NAME`, or `NAME.txt`.
    #[arg(long)]
    name: String,
    /// Source of the queries: none, the first words of an item's description, the words that the log holds (logged), or an
    /// item's first attributes. By default amazon takes description, kuaisar and s3rec logged.
    #[arg(long, value_parser = one_of(Queries::VARIANTS))]
    queries: Option<Queries>,
    /// Reproduce the published attributes and keyword numbers.
    #[arg(long)]
    published: bool,
    /// Drop events that repeat an earlier one of the same user and item: at the same time, which is the rule of the flag alone;
    /// just before; or ever.
    #[arg(long, value_name = "RULE", value_parser = one_of(Repeats::VARIANTS), num_args = 0..=1, require_equals = true,
          default_value = "keep", default_missing_value = "same_time")]
    drop_repeats: Repeats,
    /// Keep users with so many events and more. By default 5 for amazon, 4 for kuaisar.
    #[arg(long, value_name = "N")]
    min_user_events: Option<u32>,
    /// Keep items with so many events and more. By default 5 for amazon, all for kuaisar.
    #[arg(long, value_name = "N")]
    min_item_events: Option<u32>,
    /// Take reviews that rate above this.
    #[arg(long, value_name = "RATING", default_value_t = 0.0, allow_negative_numbers = true)]
    rating_above: f64,
    /// Share of a file's rows that may be unusable before it is refused. Ten always may.
    #[arg(long, value_name = "SHARE", default_value_t = 0.001)]
    max_bad_lines: f64,
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

impl Source {
    /// Flags that mean nothing for this source.
    fn foreign(self) -> &'static [&'static str] {
        match self {
            Self::Amazon => &[],
            Self::Kuaisar => &["rating_above"],
            Self::S3rec => {
                &["rating_above", "min_user_events", "min_item_events", "published", "max_bad_lines"]
            }
        }
    }
}

fn main() -> ExitCode {
    let example = "--source amazon --input data/gift_cards --name Gift_Cards --out out/corpus";
    let matches = program::described(Args::command(), example).get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    program::report(refuse_foreign(&matches, args.source).and_then(|()| work(&args)))
}

fn work(args: &Args) -> anyhow::Result<()> {
    machine::start(None)?;
    check_name(&args.name)?;
    let share = args.max_bad_lines;
    anyhow::ensure!((0.0..=1.0).contains(&share), "--max-bad-lines: {share} is not between 0 and 1");
    anyhow::ensure!(!args.rating_above.is_nan(), "--rating-above: NaN is no rating");
    let out = WholeFolder { path: &args.out, writer: "prepare", replace: args.force, inputs: &[&args.input] };
    out.check()?;
    let start = Instant::now();
    let options = ReadOptions {
        lossy_utf8: args.lossy_utf8,
        max_bad_lines: args.max_bad_lines,
        ..ReadOptions::default()
    };
    let (data, report, item_numbers) = prepare(args, &options).map_err(told)?;
    let raw = Raw { folder: &args.input, name: &args.name, item_numbers: &item_numbers, options };
    let stats = write_corpus(data, &report, raw, &out, !args.no_text_files, start)?;
    say!("{}", summary(&stats));
    Ok(())
}

/// A flag that does nothing is an error, not a surprise.
fn refuse_foreign(matches: &ArgMatches, source: Source) -> anyhow::Result<()> {
    for id in source.foreign() {
        let given = matches.value_source(id) == Some(ValueSource::CommandLine);
        anyhow::ensure!(
            !given,
            "--{} means nothing for --source {}: leave it out",
            id.replace('_', "-"),
            name(&source)
        );
    }
    Ok(())
}

/// The data, the report, and the files' own item numbers where they are not the ids.
type Read = (Numbered, PrepareReport, Vec<u32>);

fn prepare(args: &Args, options: &ReadOptions) -> seminar_dataset::Result<Read> {
    match args.source {
        Source::S3rec => {
            let mut files = TextFiles::new(&args.input, &args.name);
            files.queries = args.queries.unwrap_or(files.queries);
            files.repeats = args.drop_repeats;
            files.options = options.clone();
            files.import().map(|imported| (imported.data, imported.report, imported.item_numbers))
        }
        Source::Amazon => {
            let mut source = AmazonReviews::locate(&args.input, &args.name)?;
            source.published_attributes = args.published;
            source.rating_above = args.rating_above;
            source.options = options.clone();
            prepare_log(&source, PrepareConfig::amazon(), args)
        }
        Source::Kuaisar => {
            let mut source = KuaiSar::new(&args.input);
            source.published_attributes = args.published;
            source.options = options.clone();
            prepare_log(&source, PrepareConfig::kuaisar(), args)
        }
    }
}

fn prepare_log(
    source: &impl EventSource,
    defaults: PrepareConfig,
    args: &Args,
) -> seminar_dataset::Result<Read> {
    let config = PrepareConfig {
        queries: args.queries.unwrap_or(defaults.queries),
        min_user_events: args.min_user_events.unwrap_or(defaults.min_user_events),
        min_item_events: args.min_item_events.unwrap_or(defaults.min_item_events),
        raw_keyword_numbers: args.published,
        drop_repeats: args.drop_repeats,
        ..defaults
    };
    config.prepare(source).map(|prepared| (prepared.data, prepared.report, Vec::new()))
}
