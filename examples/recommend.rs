//! Recommends: ten items for one person, or for every user of a corpus into a file.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{ArgGroup, Parser, ValueEnum};
use indicatif::ProgressBar;
use seminar_dataset::Corpus;
use seminar_dataset::atomic::write_text;
use seminar_examples::device::DeviceKind;
use seminar_examples::progress::users_bar;
use seminar_models::AnyModel;
use seminar_trainer::report::{Person, people_text};
use seminar_trainer::{Event, History, HitFormat, Job, Recommender, Request, SeenItems};

/// Recommends items with a saved model.
#[derive(Parser)]
#[command(group(ArgGroup::new("who").required(true).args(["user", "items", "all_users"])))]
struct Args {
    /// Saved model: the folder `model` that `train` left in its output.
    #[arg(long)]
    model: PathBuf,
    /// A user of `--data`, by the name in the log.
    #[arg(long, requires = "data")]
    user: Option<String>,
    /// The items of a history, oldest first, by their names in the log: A,B,C. Empty for a stranger.
    #[arg(long, value_delimiter = ',')]
    items: Option<Vec<String>>,
    /// Every user of `--data`, into `--out`; goes on where it was killed.
    #[arg(long, requires = "data", requires = "out")]
    all_users: bool,
    /// Folder that `prepare` wrote: users and their events. It may have grown since the training.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Items per person.
    #[arg(long, default_value_t = 10)]
    k: usize,
    /// Words of a search request.
    #[arg(long, default_value = "")]
    query: String,
    /// Name the events that each recommendation leans on.
    #[arg(long)]
    explain: bool,
    /// Recommend what the history holds, too.
    #[arg(long)]
    keep_seen: bool,
    /// A table for people, csv, or a JSON object per person; by default a table, for all users csv.
    #[arg(long)]
    format: Option<Form>,
    /// File to write instead of the terminal.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
    /// Threads; all cores by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Where tensors live.
    #[arg(long, default_value = "flex")]
    device: DeviceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Csv,
    Json,
}

/// Events that are named for each hit.
const EVENTS: usize = 3;
/// Titles of the history that a table shows.
const LAST: usize = 5;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    seminar_examples::machine::start(args.threads)?;
    let recommender = Recommender::<AnyModel>::open(&args.model, &args.device.open()?)?;
    let corpus = args.data.as_deref().map(Corpus::open).transpose()?;
    let request = Request {
        k: args.k,
        query: args.query.clone(),
        explain: if args.explain { EVENTS } else { 0 },
        seen: if args.keep_seen { SeenItems::Keep } else { SeenItems::Exclude },
        ..Request::default()
    };
    for word in recommender.unknown_words(&args.query) {
        tracing::warn!("the model does not know the word `{word}`");
    }
    if let (true, Some(corpus), Some(out)) = (args.all_users, &corpus, &args.out) {
        let format = match args.format {
            None | Some(Form::Csv) => HitFormat::Csv,
            Some(Form::Json) => HitFormat::Json,
            Some(Form::Table) => anyhow::bail!("--format table is for one person; csv and json are for all"),
        };
        return everyone(&recommender, corpus, &Job { request: &request, format, out, replace: args.force });
    }
    let (name, history) = one(&args, &recommender, corpus.as_ref())?;
    let hits = recommender.recommend(&history, &request)?;
    let text = match args.format.unwrap_or(Form::Table) {
        Form::Table => {
            let titles: Vec<String> = history.items().map(|item| title(&recommender, item)).collect();
            let last = titles[titles.len().saturating_sub(LAST)..].to_vec();
            people_text(&[Person { name, history: last, hits }])
        }
        Form::Csv => {
            HitFormat::Csv.header(args.explain).to_owned()
                + &HitFormat::Csv.lines(&name, &hits, args.explain)?
        }
        Form::Json => HitFormat::Json.lines(&name, &hits, args.explain)?,
    };
    match &args.out {
        Some(out) => {
            anyhow::ensure!(
                args.force || !out.exists(),
                "{} is there already; --force replaces it",
                out.display()
            );
            Ok(write_text(out, &text)?)
        }
        None => match std::io::stdout().write_all(text.as_bytes()) {
            // Whoever reads, such as `head`, has enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        },
    }
}

/// The one person who is asked for.
fn one(
    args: &Args,
    recommender: &Recommender<AnyModel>,
    corpus: Option<&Corpus>,
) -> anyhow::Result<(String, History)> {
    let (name, history) = match (&args.user, &args.items, corpus) {
        (Some(user), _, Some(corpus)) => {
            let users = recommender.users_of(corpus);
            let number = users.find(user).with_context(|| {
                let example = if users.is_empty() { "" } else { users.name(0) };
                format!("--data has no user `{user}`; its users are named like `{example}`")
            })?;
            (user.clone(), users.history(number))
        }
        (_, items, _) => {
            let items = items.iter().flatten().map(|item| item.trim()).filter(|item| !item.is_empty());
            ("you".to_owned(), recommender.history(items.map(Event::new))?)
        }
    };
    let unknown = history.unknown();
    if let Some(first) = unknown.first() {
        let known = history.len();
        tracing::warn!(
            "{} of {} items are unknown to the model, such as `{first}`",
            unknown.len(),
            known + unknown.len()
        );
    }
    Ok((name, history))
}

fn title(recommender: &Recommender<AnyModel>, item: u32) -> String {
    let catalogue = recommender.catalogue();
    catalogue.title(item).unwrap_or_else(|| catalogue.item_name(item)).to_owned()
}

fn everyone(recommender: &Recommender<AnyModel>, corpus: &Corpus, job: &Job<'_>) -> anyhow::Result<()> {
    let users = recommender.users_of(corpus);
    if users.unknown_items() > 0 {
        tracing::warn!("{} items of --data are unknown to the model", users.unknown_items());
    }
    let bar: ProgressBar = users_bar(users.len() as u64);
    let start = std::time::Instant::now();
    let report = job.run(recommender, corpus, &mut |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let done = report.users - report.resumed;
    let speed = done as f64 / start.elapsed().as_secs_f64().max(1e-9);
    let peak = seminar_examples::machine::peak_rss_bytes() as f64 / 1e6;
    let resumed =
        if report.resumed > 0 { format!(", {} were there already", report.resumed) } else { String::new() };
    let (users, out) = (report.users, job.out.display());
    println!("{users} users{resumed}; {speed:.0} users/s, peak memory {peak:.0} MB; written: {out}");
    Ok(())
}
