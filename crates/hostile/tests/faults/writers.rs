//! Every writer of the workspace: how it brings a folder from one state to the next, and how to tell which is there.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, ensure};
use burn::tensor::Device;
use seminar_ann_retrieval::{AnnIndex, ExactHistory, Flat, HistoryIndex, Metric, Persist, Vectors};
use seminar_dataset::atomic::{write_bytes, write_text};
use seminar_dataset::{
    AmazonReviews, Catalogue, Corpus, EmbeddingJournal, EmbeddingTable, Embeddings, Numbered, Precision,
    PrepareConfig, Queries, SyntheticConfig, WholeFolder, s3rec, synthetic, write_folder,
};
use seminar_hostile::sample;
use seminar_models::AnyModel;
use seminar_models::weights::{self, Array, StateDict};
use seminar_trainer::report::Report;
use seminar_trainer::{About, Hit, HitFormat, Job, Observer, Phase, Recommender, Request, StepInfo, StepLog};

/// A writer and the reader that belongs to it.
pub struct Writer {
    pub name: &'static str,
    /// Brings the folder to state 0, or from state 0 or a failed attempt to state 1.
    pub write: fn(&Path, u8) -> anyhow::Result<()>,
    /// Which state is there, whole; an error if neither is.
    pub read: fn(&Path) -> anyhow::Result<u8>,
}

pub const ALL: [Writer; 14] = [
    Writer { name: "data set", write: write_data_set, read: read_data_set },
    Writer { name: "catalogue", write: write_catalogue, read: read_catalogue },
    Writer { name: "embeddings", write: write_embeddings, read: read_embeddings },
    Writer { name: "journal", write: append_journal, read: read_journal },
    Writer { name: "finished journal", write: finish_journal, read: read_embeddings },
    Writer { name: "checkpoint", write: write_checkpoint, read: read_checkpoint },
    Writer { name: "saved model", write: write_model, read: read_model },
    Writer { name: "job", write: run_job, read: read_job },
    Writer { name: "weights", write: write_weights, read: read_weights },
    Writer { name: "step log", write: write_log, read: read_log },
    Writer { name: "report", write: write_report, read: read_report },
    Writer { name: "index", write: write_index, read: read_index },
    Writer { name: "history", write: write_history, read: read_history },
    Writer { name: "synthetic logs", write: write_synthetic, read: read_synthetic },
];

/// Which of two states shows `seen`.
fn which<T: PartialEq + std::fmt::Debug>(seen: T, states: [T; 2]) -> anyhow::Result<u8> {
    let place = states.iter().position(|state| *state == seen);
    place.map(|place| place as u8).with_context(|| format!("{seen:?} is neither of {states:?}"))
}

/// What `prepare` does: everything into a folder of another name, then one rename.
fn write_data_set(folder: &Path, state: u8) -> anyhow::Result<()> {
    let source = tempfile::tempdir()?;
    sample::write_texts(source.path())?;
    if state == 1 {
        let (users, queries) = ("9 1 2 3 4 5\n", "9 1 2 3 4 5\n");
        for (ending, more) in [(".txt", users), ("_queries.txt", queries), ("_sample.txt", "9 1 2 3\n")] {
            let path = source.path().join(format!("toy{ending}"));
            std::fs::write(&path, std::fs::read_to_string(&path)? + more)?;
        }
    }
    let data = s3rec::import(source.path(), "toy", Queries::Logged)?.data;
    let out = folder.join("out");
    let out = WholeFolder { replace: true, ..WholeFolder::new(&out, "test") };
    write_folder(data, &out, Some("toy"), |_, _| anyhow::Ok(serde_json::Map::new()))?;
    Ok(())
}

fn read_data_set(folder: &Path) -> anyhow::Result<u8> {
    let out = folder.join("out");
    let users = Corpus::open(&out)?.user_count();
    let texts = s3rec::import(&out, "toy", Queries::Logged)?.data;
    let stats: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(out.join("stats.json"))?)?;
    ensure!(texts.user_numbers.len() == users, "text files of another state");
    ensure!(stats["users"] == users, "statistics of another state");
    which(users, [3, 4])
}

fn write_catalogue(folder: &Path, state: u8) -> anyhow::Result<()> {
    let source = tempfile::tempdir()?;
    Corpus::write(&sample::toy(state == 1)?, source.path())?;
    Ok(Catalogue::write(&Corpus::open(source.path())?, &folder.join("catalogue.bin"))?)
}

fn read_catalogue(folder: &Path) -> anyhow::Result<u8> {
    let catalogue = Catalogue::open(&folder.join("catalogue.bin"))?;
    ensure!(catalogue.item("tape") == Some(5) && catalogue.title(2) == Some("Ink, \"black\""), "half of one");
    which(catalogue.item("ruler"), [None, Some(6)])
}

/// Rows wide enough that a file takes several writes.
const WIDTH: usize = 20_000;

fn write_embeddings(folder: &Path, state: u8) -> anyhow::Result<()> {
    let mut table = EmbeddingTable::new(9, WIDTH)?;
    for item in 1..=9 {
        table.set(item, &vec![f32::from(state); WIDTH])?;
    }
    Ok(table.write(&folder.join("text.emb"), Precision::F32)?)
}

fn read_embeddings(folder: &Path) -> anyhow::Result<u8> {
    let file = Embeddings::open(&folder.join("text.emb"))?;
    let mut row = vec![0.0; file.dim()];
    ensure!(file.read(9, &mut row), "an item is gone");
    ensure!(row.iter().all(|&x| x == row[0]), "a row of both states");
    which(row[0], [0.0, 1.0])
}

fn journal(folder: &Path) -> anyhow::Result<EmbeddingJournal> {
    Ok(EmbeddingJournal::open(&folder.join("journal"), 9, 3, 77)?)
}

fn append_journal(folder: &Path, state: u8) -> anyhow::Result<()> {
    let mut journal = journal(folder)?;
    for chunk in journal.chunks()..=usize::from(state) {
        journal.append(&[1 + chunk as u32], &[chunk as f32; 3], &[(8, "no picture".into())])?;
    }
    Ok(())
}

fn read_journal(folder: &Path) -> anyhow::Result<u8> {
    which(journal(folder)?.chunks(), [1, 2])
}

fn finish_journal(folder: &Path, state: u8) -> anyhow::Result<()> {
    let mut journal = EmbeddingJournal::open(&folder.join("journal"), 9, WIDTH, u64::from(state))?;
    if journal.chunks() == 0 {
        journal.append(&[9], &vec![f32::from(state); WIDTH], &[])?;
    }
    journal.finish(&folder.join("text.emb"), Precision::F32)?;
    Ok(())
}

/// State 0 is a run that has not begun, state 1 one that has ended; what lies between counts as 0.
fn write_checkpoint(folder: &Path, state: u8) -> anyhow::Result<()> {
    if state == 0 {
        sample::write_toy(folder)?;
    }
    let mut trainer = sample::trainer(folder)?;
    trainer.resume()?;
    match state {
        0 => trainer.pretrain(0, &mut seminar_trainer::Silent)?,
        _ => trainer.fit(&mut seminar_trainer::Silent)?,
    };
    Ok(())
}

fn read_checkpoint(folder: &Path) -> anyhow::Result<u8> {
    static UNDISTURBED: OnceLock<StateDict> = OnceLock::new();
    let mut trainer = sample::trainer(folder)?;
    ensure!(trainer.resume()?, "no checkpoint");
    if trainer.progress().phase != Phase::Done {
        return Ok(0);
    }
    let weights = trainer.export();
    let best = sample::checkpoints(folder).best();
    sample::trainer(folder)?.load_weights(&best)?;
    ensure!(
        weights == *UNDISTURBED.get_or_init(|| weights.clone()),
        "other weights than an undisturbed run's"
    );
    Ok(1)
}

/// State 1 is a model of other weights over that of state 0.
fn write_model(folder: &Path, state: u8) -> anyhow::Result<()> {
    let source = tempfile::tempdir()?;
    let mut trainer = sample::with_text(source.path(), u64::from(state))?;
    Ok(trainer.save_bundle(&folder.join("model"), &About::default())?)
}

fn read_model(folder: &Path) -> anyhow::Result<u8> {
    static SCORES: OnceLock<[Vec<Hit>; 2]> = OnceLock::new();
    let answer = |model: &Path| -> anyhow::Result<Vec<Hit>> {
        let recommender = Recommender::<AnyModel>::open(model, &Device::flex())?;
        let history = recommender.history(["pen", "ink"])?;
        Ok(recommender.recommend(&history, &Request::default())?)
    };
    // Each state alone, written where nothing is refused.
    if SCORES.get().is_none() {
        let source = tempfile::tempdir()?;
        let states = [0, 1].map(|seed| answer(&sample::write_bundle(source.path(), seed)?));
        let [first, second] = states;
        let _ = SCORES.set([first?, second?]);
    }
    which(answer(&folder.join("model"))?, SCORES.get().cloned().context("answers of both states")?)
}

/// Enough users for two steps of a job.
const USERS: usize = 300;

struct Served {
    recommender: Recommender<AnyModel>,
    corpus: Corpus,
    _folder: tempfile::TempDir,
}

/// State 0 has one item for each user, state 1 two.
fn run_job(folder: &Path, state: u8) -> anyhow::Result<()> {
    static SERVED: OnceLock<Served> = OnceLock::new();
    if SERVED.get().is_none() {
        let source = tempfile::tempdir()?;
        let recommender = Recommender::open(sample::write_bundle(source.path(), 1)?, &Device::flex())?;
        let users: Vec<[&str; 2]> = (0..USERS).map(|user| [["pen", "tape"][user % 2], "ink"]).collect();
        let logs = source.path().join("logs");
        Corpus::write(&Numbered::from_sequences(&users), &logs)?;
        let served = Served { recommender, corpus: Corpus::open(&logs)?, _folder: source };
        let _ = SERVED.set(served);
    }
    let Served { recommender, corpus, .. } = SERVED.get().context("a model and users")?;
    let request = Request { k: 1 + usize::from(state), ..Request::default() };
    let out = folder.join("out.csv");
    let job = Job { request: &request, format: HitFormat::Csv, out: &out, replace: true };
    ensure!(job.run(recommender, corpus, &mut |_| ())?.users == USERS, "users are gone");
    Ok(())
}

fn read_job(folder: &Path) -> anyhow::Result<u8> {
    let text = std::fs::read_to_string(folder.join("out.csv"))?;
    let mut lines = text.lines();
    ensure!(lines.next() == Some("user,rank,item,score,title"), "another header");
    let lines: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(',')).collect();
    let per_user = lines.len() / USERS;
    for (number, (user, rest)) in lines.iter().enumerate() {
        ensure!(*user == (1 + number / per_user).to_string(), "line {number} is of user {user}");
        ensure!(rest.starts_with(&format!("{},", 1 + number % per_user)), "line {number}: {rest}");
    }
    ensure!(text.ends_with('\n') && lines.len() == per_user * USERS, "{} lines", lines.len());
    which(per_user, [1, 2])
}

fn write_weights(folder: &Path, state: u8) -> anyhow::Result<()> {
    let values = vec![f32::from(state); 6 * WIDTH];
    let state = StateDict::from([("a.weight".into(), Array { shape: vec![6, WIDTH], values })]);
    Ok(write_bytes(&folder.join("weights.safetensors"), &weights::to_safetensors(&state)?)?)
}

fn read_weights(folder: &Path) -> anyhow::Result<u8> {
    let state = weights::read(&folder.join("weights.safetensors"))?;
    let values = &state.get("a.weight").context("a tensor is gone")?.values;
    ensure!(values.iter().all(|&x| x == values[0]), "a tensor of both states");
    which(values[0], [0.0, 1.0])
}

/// A log goes on where the last checkpoint was: state 1 has two more steps.
fn write_log(folder: &Path, state: u8) -> anyhow::Result<()> {
    let mut log = StepLog::open(&folder.join("steps.jsonl"), 2 * u64::from(state))?;
    for step in 0..2 {
        log.step(&StepInfo { phase: Phase::Fit, epoch: 0, step, steps: 4, examples: 2, loss: 0.5 });
    }
    Ok(log.checkpoint()?)
}

/// As a run that goes on sees it: lines of the last checkpoint; what follows them is cut off.
fn read_log(folder: &Path) -> anyhow::Result<u8> {
    let text = std::fs::read_to_string(folder.join("steps.jsonl"))?;
    let whole = text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count();
    ensure!(whole >= 2, "lines of the last checkpoint are gone");
    Ok(u8::from(whole == 4))
}

fn write_report(folder: &Path, state: u8) -> anyhow::Result<()> {
    // More than the buffer of a writer holds.
    let sections = vec![("long".into(), "<p>line</p>".repeat(50_000))];
    let report = Report { title: format!("state {state}"), sections, ..Report::default() };
    Ok(write_text(&folder.join("report.html"), &report.html())?)
}

fn read_report(folder: &Path) -> anyhow::Result<u8> {
    let page = std::fs::read_to_string(folder.join("report.html"))?;
    ensure!(page.trim_end().ends_with("</html>"), "half a page");
    which(page.contains("state 1"), [false, true])
}

fn rows(count: usize) -> anyhow::Result<Vectors> {
    Ok(Vectors::new(64, (0..count * 64).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect())?)
}

fn write_index(folder: &Path, state: u8) -> anyhow::Result<()> {
    let index = Flat::build(&rows(9_000 + 100 * usize::from(state))?, Metric::InnerProduct)?;
    Ok(index.save(&folder.join("flat.index"))?)
}

fn read_index(folder: &Path) -> anyhow::Result<u8> {
    let index = Flat::open(&folder.join("flat.index"))?;
    ensure!(index.search(&[0.5; 64], 5)?.len() == 5, "an index that finds nothing");
    which(index.len(), [9_000, 9_100])
}

fn write_history(folder: &Path, state: u8) -> anyhow::Result<()> {
    let mut history = ExactHistory::exact(4, 64)?;
    history.extend(rows(400 + 4 * usize::from(state))?.as_slice())?;
    Ok(history.save(&folder.join("user.history"))?)
}

fn read_history(folder: &Path) -> anyhow::Result<u8> {
    which(ExactHistory::open(&folder.join("user.history"))?.len(), [100, 101])
}

/// The item files of both states are the same: each file is whole by itself.
fn write_synthetic(folder: &Path, state: u8) -> anyhow::Result<()> {
    let users = 40 + 5 * u64::from(state);
    let config =
        SyntheticConfig { users, items: 20, events: 12 * users, image_dim: 4, ..SyntheticConfig::default() };
    Ok(synthetic::write_amazon(&config, folder, "Toys", &|_| ())?)
}

fn read_synthetic(folder: &Path) -> anyhow::Result<u8> {
    let config = PrepareConfig { min_user_events: 1, min_item_events: 1, ..PrepareConfig::amazon() };
    let prepared = config.prepare(&AmazonReviews::locate(folder, "Toys")?)?;
    which(prepared.data.user_numbers.len(), [40, 45])
}
