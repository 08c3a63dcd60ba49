//! Raw files to a corpus and the S3-Rec text files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};
use seminar_dataset::s3rec::TextFiles;
use seminar_dataset::{
    AmazonReviews, Corpus, EventSource, Interactions, ItemField, KuaiSar, Numbered, Numbers, PrepareConfig,
    PrepareReport, Preset, Queries, ReadOptions, Reader, Repeats, SplitAt, TableSchema, WholeFolder,
    check_name, parse_time,
};
use seminar_examples::args::one_of;
use seminar_examples::prepare::{Raw, summary, told, write_corpus};
use seminar_examples::tables::TableFlags;
use seminar_examples::{machine, program, say};
use strum::VariantArray;

/// Prepares raw files.
#[derive(Parser)]
struct Args {
    /// What the raw files are: amazon, kuaisar, s3rec, a known data set (--list-presets), or table, which the flags describe.
    #[arg(long)]
    source: Option<String>,
    /// A description of the data set in a file, of the form that --show-preset shows.
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    preset: Option<PathBuf>,
    /// List the known data sets.
    #[arg(long)]
    list_presets: bool,
    /// Show the description of a known data set.
    #[arg(long, value_name = "NAME")]
    show_preset: Option<String>,
    /// Folder of the raw files. Tables may do without: then files are found from here.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Name of the data set: `NAME_5.json.gz` or `NAME.jsonl.gz` with `meta_NAME`, `NAME.txt`, `NAME.inter`. Where no file has it
    /// in its name, by default that of the preset or of the file of events.
    #[arg(long)]
    name: Option<String>,
    /// Source of the queries: none, the first words of an item's description, the words that the log holds (logged), or an
    /// item's first attributes. By default amazon takes description, all others logged.
    #[arg(long, value_parser = one_of(Queries::VARIANTS))]
    queries: Option<Queries>,
    /// Reproduce the published attributes and keyword numbers.
    #[arg(long)]
    published: bool,
    /// Drop events that repeat an earlier one of the same user and item: at the same time, which is the rule of the flag alone;
    /// just before; or ever.
    #[arg(long, value_name = "RULE", value_parser = one_of(Repeats::VARIANTS), num_args = 0..=1, require_equals = true,
          default_missing_value = "same_time")]
    drop_repeats: Option<Repeats>,
    /// Keep users with so many events and more. By default 5, for kuaisar 4, for s3rec all.
    #[arg(long, value_name = "N")]
    min_user_events: Option<u32>,
    /// Keep items with so many events and more. By default 5, for kuaisar and s3rec all.
    #[arg(long, value_name = "N")]
    min_item_events: Option<u32>,
    /// Keep the N newest events of each user.
    #[arg(long, value_name = "N")]
    max_user_events: Option<u32>,
    /// Take events that rate above this.
    #[arg(long, value_name = "RATING", allow_negative_numbers = true)]
    rating_above: Option<f64>,
    /// Leave out events before this time: a date, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = time, allow_negative_numbers = true)]
    after: Option<i64>,
    /// Leave out events from this time on.
    #[arg(long, value_name = "TIME", value_parser = time, allow_negative_numbers = true)]
    before: Option<i64>,
    /// Split all users by time instead of holding back each user's last two events: from the first time on events are for
    /// validation, from the second on for the test.
    #[arg(long, value_name = "TIME,TIME", value_parser = split)]
    split_at: Option<SplitAt>,
    /// Keep the numbers of users, items and words of this corpus, and append what is new. The raw files hold the whole log.
    #[arg(long, value_name = "CORPUS")]
    grow: Option<PathBuf>,
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
    out: Option<PathBuf>,
    #[command(flatten)]
    table: TableFlags,
}

fn time(text: &str) -> Result<i64, String> {
    parse_time(text).ok_or_else(|| "a date such as 2020-12-31, or seconds since 1970, is expected".to_owned())
}

fn split(text: &str) -> Result<SplitAt, String> {
    let (valid, test) = text.split_once(',').ok_or("two times are expected: TIME,TIME")?;
    Ok(SplitAt { valid: time(valid)?, test: time(test)? })
}

fn main() -> ExitCode {
    let example = "--source amazon --input data/gift_cards --name Gift_Cards --out out/corpus";
    let matches = program::described(Args::command(), example).get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    program::report(work(&args, &matches))
}

/// What is to be read.
struct Chosen {
    /// Its name for messages.
    source: String,
    /// Its description; of `table`, the one that flags make.
    preset: Preset,
    folder: PathBuf,
    name: String,
    /// Fields of items that the flags name, where the source has no tables.
    fields: Vec<ItemField>,
}

fn work(args: &Args, matches: &ArgMatches) -> anyhow::Result<()> {
    if args.list_presets {
        for name in Preset::names() {
            say!("{name:<20} {}", Preset::named(name)?.title);
        }
        return Ok(());
    }
    if let Some(name) = &args.show_preset {
        Preset::named(name)?;
        say!("{}", Preset::file(name).unwrap_or_default().trim_end());
        return Ok(());
    }
    machine::start(None)?;
    let chosen = chosen(args)?;
    refuse_foreign(args, matches, &chosen)?;
    check_name(&chosen.name)?;
    let share = args.max_bad_lines;
    anyhow::ensure!((0.0..=1.0).contains(&share), "--max-bad-lines: {share} is not between 0 and 1");
    anyhow::ensure!(
        args.rating_above.is_none_or(|rating| !rating.is_nan()),
        "--rating-above: NaN is no rating"
    );
    let Some(out) = &args.out else { anyhow::bail!("--out: the folder to write is missing") };
    let read: Vec<&Path> = std::iter::once(chosen.folder.as_path()).chain(args.grow.as_deref()).collect();
    // Tables without a folder of their own may lie anywhere, also above the output.
    let inputs = if args.input.is_some() { read.as_slice() } else { &read[1..] };
    let out = WholeFolder { path: out, writer: "prepare", replace: args.force, inputs };
    out.check()?;
    let start = Instant::now();
    let options = ReadOptions {
        lossy_utf8: args.lossy_utf8,
        max_bad_lines: args.max_bad_lines,
        ..ReadOptions::default()
    };
    let (data, report, item_numbers) = prepare(args, &chosen, &options).map_err(told)?;
    let raw = Raw { folder: &chosen.folder, name: &chosen.name, item_numbers: &item_numbers, options };
    let stats = write_corpus(data, &report, raw, &out, !args.no_text_files, start)?;
    say!("{}", summary(&stats));
    Ok(())
}

fn chosen(args: &Args) -> anyhow::Result<Chosen> {
    let (source, preset) = match (&args.source, &args.preset) {
        (_, Some(path)) => (path.display().to_string(), Preset::read(path)?),
        (Some(source), _) if source == "table" => {
            let TableSchema { events, items } = args.table.schema()?;
            (source.clone(), Preset { name: "table".into(), events, items, ..Preset::default() })
        }
        (Some(source), _) if source == "amazon" => (source.clone(), Preset::named("amazon-2018")?),
        (Some(source), _) => {
            let known = || {
                let names: Vec<&str> = ["amazon", "table"].into_iter().chain(Preset::names()).collect();
                format!("--source: `{source}` is none of {}", names.join(", "))
            };
            (source.clone(), Preset::named(source).map_err(|_| anyhow::anyhow!(known()))?)
        }
        (None, None) => {
            anyhow::bail!("--source or --preset is needed: --list-presets lists the known data sets")
        }
    };
    let fields = ["--fields", "--number-fields"];
    let means_nothing = |flag: &&str| preset.reader != Reader::S3rec || !fields.contains(flag);
    if source != "table"
        && let Some(flag) = args.table.given().into_iter().find(means_nothing)
    {
        anyhow::bail!(
            "{flag} means nothing for {source}, whose columns are known: leave it out, take --source table, or change the \
             description (--show-preset) and give it as --preset"
        );
    }
    let folder = match &args.input {
        Some(folder) => folder.clone(),
        None if source == "table" => PathBuf::from("."),
        None => anyhow::bail!("--input: the folder of the raw files is missing"),
    };
    let stem = |path: PathBuf| {
        let file = path.file_name()?.to_string_lossy().into_owned();
        file.split('.').next().filter(|stem| !stem.is_empty() && !stem.contains('*')).map(str::to_owned)
    };
    let name = match &args.name {
        Some(name) => name.clone(),
        None if preset.needs_name() => {
            anyhow::bail!("--name is needed: it is a part of the names of the files of {source}")
        }
        None if source == "table" => {
            args.table.first_file().and_then(stem).unwrap_or_else(|| "table".to_owned())
        }
        None => preset.name.clone(),
    };
    let fields = if preset.reader == Reader::S3rec { args.table.item_fields()? } else { Vec::new() };
    Ok(Chosen { source, preset, folder, name, fields })
}

/// A flag that does nothing is an error, not a surprise.
fn refuse_foreign(args: &Args, matches: &ArgMatches, chosen: &Chosen) -> anyhow::Result<()> {
    let ids: &[&str] = match chosen.preset.reader {
        Reader::Amazon => &[],
        Reader::Kuaisar => &["rating_above"],
        Reader::S3rec => {
            &["rating_above", "published", "max_bad_lines", "after", "before", "split_at", "grow"]
        }
        Reader::Table => &["published"],
    };
    for id in ids {
        let given = matches.value_source(id) == Some(ValueSource::CommandLine);
        let source = &chosen.source;
        anyhow::ensure!(
            !given,
            "--{} means nothing for --source {source}: leave it out",
            id.replace('_', "-")
        );
    }
    let files = !(args.table.valid.is_empty() && args.table.test.is_empty());
    anyhow::ensure!(
        args.split_at.is_none() || !files,
        "--split-at means nothing beside --valid and --test, which are a split already: leave one of them out"
    );
    let rating = args.table.rating.is_none() || args.rating_above.is_some();
    anyhow::ensure!(
        rating,
        "--rating means nothing without --rating-above: leave it out, or say above which rating events count"
    );
    Ok(())
}

/// The data, the report, and the files' own item numbers where they are not the ids.
type Read = (Numbered, PrepareReport, Vec<u32>);

fn prepare(args: &Args, chosen: &Chosen, options: &ReadOptions) -> seminar_dataset::Result<Read> {
    let Chosen { preset, folder, name, fields, .. } = chosen;
    match preset.reader {
        Reader::S3rec => {
            let mut files = TextFiles::new(folder, name);
            files.queries = args.queries.unwrap_or(files.queries);
            files.repeats = args.drop_repeats.unwrap_or_default();
            files.filters = PrepareConfig {
                min_user_events: args.min_user_events.unwrap_or(1),
                min_item_events: args.min_item_events.unwrap_or(1),
                max_user_events: args.max_user_events,
                ..files.filters
            };
            files.options = options.clone();
            files.fields = fields.clone();
            files.import().map(|imported| (imported.data, imported.report, imported.item_numbers))
        }
        Reader::Amazon => {
            let mut source = AmazonReviews::locate(folder, name)?;
            source.published_attributes = args.published;
            source.rating_above = args.rating_above.unwrap_or(0.0);
            source.options = options.clone();
            prepare_log(&source, args, chosen)
        }
        Reader::Kuaisar => {
            let mut source = KuaiSar::new(folder);
            source.published_attributes = args.published;
            source.options = options.clone();
            prepare_log(&source, args, chosen)
        }
        Reader::Table => {
            let source =
                Interactions::open_with(folder, name, preset.schema(), args.rating_above, options.clone())?;
            prepare_log(&source, args, chosen)
        }
    }
}

fn prepare_log(source: &impl EventSource, args: &Args, chosen: &Chosen) -> seminar_dataset::Result<Read> {
    let defaults = chosen.preset.config();
    let config = PrepareConfig {
        queries: args.queries.unwrap_or(defaults.queries),
        min_user_events: args.min_user_events.unwrap_or(defaults.min_user_events),
        min_item_events: args.min_item_events.unwrap_or(defaults.min_item_events),
        raw_keyword_numbers: args.published,
        drop_repeats: args.drop_repeats.unwrap_or(defaults.drop_repeats),
        max_user_events: args.max_user_events,
        after: args.after,
        before: args.before,
        split: args.split_at,
        ..defaults
    };
    let numbers = match (&args.grow, &chosen.preset.numbers) {
        (Some(old), _) => Numbers::of(&Corpus::open(old)?)?,
        (None, Some(file)) => Numbers::read(&chosen.folder.join(file))?,
        (None, None) => Numbers::default(),
    };
    config.prepare_from(source, &numbers).map(|prepared| (prepared.data, prepared.report, Vec::new()))
}
