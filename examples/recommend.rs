//! Recommends items to one user, or to every user of a corpus into a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgGroup, Parser, ValueEnum};
use seminar_dataset::Corpus;
use seminar_dataset::atomic::write_text;
use seminar_examples::device::DeviceKind;
use seminar_examples::progress::Counter;
use seminar_examples::run::open_corpus;
use seminar_examples::{program, say};
use seminar_models::AnyModel;
use seminar_trainer::report::{Person, people_text};
use seminar_trainer::{Event, History, HitFormat, Job, Recommender, Request, SeenItems};

/// Recommends items with a saved model.
#[derive(Parser)]
#[command(group(ArgGroup::new("who").required(true).args(["user", "items", "all_users"])))]
struct Args {
    /// Saved model: the folder `model` in the output folder of `train`.
    #[arg(long)]
    model: PathBuf,
    /// A user of `--data`, by the name in the log.
    #[arg(long, requires = "data")]
    user: Option<String>,
    /// The items of a history, comma-separated, oldest first, by their names in the log. Empty: a user without events.
    #[arg(long, value_delimiter = ',')]
    items: Option<Vec<String>>,
    /// All users of `--data`, into `--out`. A killed run continues where it stopped.
    #[arg(long, requires = "data", requires = "out")]
    all_users: bool,
    /// Folder that `prepare` wrote: users and their events. It may hold newer events than the training data.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Items per user.
    #[arg(long, default_value_t = 10)]
    k: usize,
    /// Words of a search query.
    #[arg(long, default_value = "")]
    query: String,
    /// Show the events of the history that each recommendation leans on most.
    #[arg(long)]
    explain: bool,
    /// Do not exclude the items of the history.
    #[arg(long)]
    keep_seen: bool,
    /// Output format: a text table, csv, or one JSON object per user. By default table; csv with `--all-users`.
    #[arg(long)]
    format: Option<Form>,
    /// Output file; the terminal by default.
    #[arg(long)]
    out: Option<PathBuf>,
    /// JSON file for the number of users, users per second and peak memory of `--all-users`.
    #[arg(long, requires = "all_users")]
    stats: Option<PathBuf>,
    /// Replace `--out` and `--stats` if they exist.
    #[arg(long)]
    force: bool,
    /// Number of threads; one per core by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Device of tensors. All but flex need a build with the cargo feature of the same name.
    #[arg(long, default_value = "flex")]
    device: DeviceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Csv,
    Json,
}

/// Events shown per recommendation.
const EVENTS: usize = 3;
/// Titles of the history shown in a table.
const LAST: usize = 5;

fn main() -> ExitCode {
    program::run("--model out/twin/model --data out/corpus --user A1 --explain", work)
}

fn work(args: Args) -> anyhow::Result<()> {
    seminar_examples::machine::start(args.threads)?;
    anyhow::ensure!(args.k > 0, "--k must be at least 1");
    let files = [("--out", args.out.as_deref()), ("--stats", args.stats.as_deref())];
    for (flag, file) in files {
        file.map_or(Ok(()), |file| check_out(&args, flag, file))?;
    }
    anyhow::ensure!(args.stats.is_none() || args.stats != args.out, "--stats and --out are the same file");
    let recommender = Recommender::<AnyModel>::open(&args.model, &args.device.open()?)?;
    let corpus = args.data.as_deref().map(open_corpus).transpose()?;
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
            Some(Form::Table) => {
                anyhow::bail!("--format table is for one user; --all-users takes csv or json")
            }
        };
        let job = Job { request: &request, format, out, replace: args.force };
        return everyone(&recommender, corpus, &job, args.stats.as_deref());
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
        Some(out) => Ok(write_text(out, &text)?),
        None => {
            program::print(&text);
            Ok(())
        }
    }
}

/// An output must not lie in one of the inputs, nor be anything but a regular file.
fn check_out(args: &Args, flag: &str, out: &Path) -> anyhow::Result<()> {
    let folder = |path: &Path| path.canonicalize().ok();
    let own = out.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    let own = own.and_then(folder);
    for input in [Some(&args.model), args.data.as_ref()].into_iter().flatten() {
        let inside = own.as_ref().zip(folder(input)).is_some_and(|(own, input)| own.starts_with(input));
        let (out, input) = (out.display(), input.display());
        anyhow::ensure!(!inside, "{flag} {out} lies in {input}, which is read: choose another place");
    }
    let other = std::fs::symlink_metadata(out).is_ok_and(|there| !there.is_file());
    anyhow::ensure!(!other, "{flag} {} is there and no regular file", out.display());
    let taken = out.exists() && !args.force;
    anyhow::ensure!(!taken, "{flag} {} exists already; --force replaces it", out.display());
    Ok(())
}

/// Name and history of the one user.
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

fn everyone(
    recommender: &Recommender<AnyModel>,
    corpus: &Corpus,
    job: &Job<'_>,
    stats: Option<&Path>,
) -> anyhow::Result<()> {
    let users = recommender.users_of(corpus);
    if users.unknown_items() > 0 {
        tracing::warn!("{} items of --data are unknown to the model", users.unknown_items());
    }
    let bar = Counter::new("users", users.len() as u64);
    let start = std::time::Instant::now();
    let report = job.run(recommender, corpus, &mut |done| bar.set(done as u64))?;
    drop(bar);
    let done = report.users - report.resumed;
    let seconds = start.elapsed().as_secs_f64();
    let speed = done as f64 / seconds.max(1e-9);
    let peak = seminar_examples::machine::peak_rss_bytes();
    if let Some(file) = stats {
        let stats = serde_json::json!({
            "users": report.users,
            "resumed": report.resumed,
            "seconds": seconds,
            "users_per_second": speed,
            "peak_rss_bytes": peak,
        });
        write_text(file, &format!("{stats:#}\n"))?;
    }
    let peak = peak as f64 / 1e6;
    let resumed = if report.resumed > 0 {
        format!(", {} of them written by an earlier run", report.resumed)
    } else {
        String::new()
    };
    let (users, out) = (report.users, job.out.display());
    say!("{users} users{resumed}; {speed:.0} users/s, peak memory {peak:.0} MB; written: {out}");
    Ok(())
}
