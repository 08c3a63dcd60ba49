//! Recommendations for all users into one file: whole or not at all, and with the same bytes however often the job is stopped.

#[path = "support/small.rs"]
mod small;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use seminar_dataset::Corpus;
use seminar_models::{AnyModel, ModelConfig};
use seminar_trainer::{Filter, HitFormat, Job, JobReport, Recommender, Request, Result};
use small::open;

const USERS: usize = 600;
const FORMATS: [HitFormat; 2] = [HitFormat::Csv, HitFormat::Json];

struct World {
    root: tempfile::TempDir,
    recommender: Recommender<AnyModel>,
    corpus: Corpus,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        small::write(root.path(), USERS, 1);
        let model = root.path().join("model");
        small::save(root.path(), &model, small::model());
        let (recommender, corpus) = (open(&model).unwrap(), Corpus::open(root.path()).unwrap());
        Self { root, recommender, corpus }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn run(&self, job: &Job<'_>) -> Result<JobReport> {
        job.run(&self.recommender, &self.corpus, &mut |_| ())
    }

    /// Runs a job that ends after so many steps, as a killed process does.
    fn stop(&self, job: &Job<'_>, steps: usize) {
        let mut left = steps;
        let stopped = catch_unwind(AssertUnwindSafe(|| {
            let mut progress = |_| {
                left -= 1;
                if left == 0 {
                    resume_unwind(Box::new("killed"));
                }
            };
            job.run(&self.recommender, &self.corpus, &mut progress)
        }));
        assert!(stopped.is_err(), "the job has fewer than {steps} steps");
    }
}

fn request() -> Request {
    Request { k: 3, explain: 2, ..Request::default() }
}

fn partial(out: &Path) -> PathBuf {
    out.with_file_name(format!("{}.partial", out.file_name().unwrap().to_string_lossy()))
}

fn mark(out: &Path) -> PathBuf {
    out.with_file_name(format!("{}.partial.json", out.file_name().unwrap().to_string_lossy()))
}

fn append(path: &Path, bytes: &[u8]) {
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// What came of a user: names with scores as bits and titles, best first.
type Answer = Vec<(String, u32, String)>;

/// Each user alone, from the names of their events.
fn expected(world: &World, request: &Request) -> Vec<(String, Answer)> {
    let users = (0..world.corpus.user_count()).map(|user| {
        let history = world.recommender.users_of(&world.corpus).history(user);
        let hits = world.recommender.recommend(&history, request).unwrap().into_iter();
        let hits = hits.map(|hit| (hit.id, hit.score.to_bits(), hit.title)).collect();
        (world.corpus.user_name(user).to_owned(), hits)
    });
    users.collect()
}

fn read_csv(path: &Path) -> Vec<(String, Answer)> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["user", "rank", "item", "score", "title", "because"]);
    let mut users: Vec<(String, Answer)> = Vec::new();
    for row in reader.deserialize() {
        let (user, rank, item, score, title, because): (String, usize, String, f32, String, String) =
            row.unwrap();
        if rank == 1 {
            users.push((user.clone(), Vec::new()));
        }
        let (last, hits) = users.last_mut().unwrap();
        hits.push((item, score.to_bits(), title));
        assert_eq!((&*last, rank), (&user, hits.len()));
        assert_eq!(because.split(';').count(), 2, "{because}");
    }
    users
}

fn read_json(path: &Path) -> Vec<(String, Answer)> {
    let text = std::fs::read_to_string(path).unwrap();
    let user = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let hits = value["hits"].as_array().unwrap().iter().map(|hit| {
            assert_eq!(hit["because"].as_array().unwrap().len(), 2);
            (text(&hit["id"]), (hit["score"].as_f64().unwrap() as f32).to_bits(), text(&hit["title"]))
        });
        (text(&value["user"]), hits.collect())
    };
    text.lines().map(user).collect()
}

fn same(read: &[(String, Answer)], expected: &[(String, Answer)]) {
    assert_eq!(read.len(), expected.len());
    read.iter().zip(expected).for_each(|(read, expected)| assert_eq!(read, expected));
}

#[test]
fn every_user_has_their_answer_and_odd_titles_come_back() {
    let world = World::new();
    let request = request();
    let expected = expected(&world, &request);
    let titles = |wanted: &str| expected.iter().flat_map(|(_, hits)| hits).any(|hit| hit.2.contains(wanted));
    assert!([", ", "\"", "\n", "\r\n"].iter().all(|odd| titles(odd)), "no title has to be quoted");
    let (csv, json) = (world.path("out.csv"), world.path("out.jsonl"));
    for (format, out) in FORMATS.iter().zip([&csv, &json]) {
        let mut seen = Vec::new();
        let job = Job { request: &request, format: *format, out, replace: false };
        let report = job.run(&world.recommender, &world.corpus, &mut |users| seen.push(users)).unwrap();
        assert_eq!(report, JobReport { resumed: 0, users: USERS });
        assert_eq!(seen, [256, 512, 600]);
        assert!(!partial(out).exists() && !mark(out).exists());
    }
    same(&read_json(&json), &expected);
    // The first user has seen everything: in csv that is no line.
    let (nothing, some) = expected.split_first().unwrap();
    assert_eq!((nothing.1.len(), some.iter().filter(|(_, hits)| hits.len() != 3).count()), (0, 0));
    same(&read_csv(&csv), some);
}

fn job<'a>(request: &'a Request, format: HitFormat, out: &'a Path) -> Job<'a> {
    Job { request, format, out, replace: true }
}

#[test]
fn a_job_stopped_anywhere_ends_with_the_same_bytes() {
    let world = World::new();
    let request = request();
    for format in FORMATS {
        let path = world.path("whole");
        world.run(&job(&request, format, &path)).unwrap();
        let whole = std::fs::read(path).unwrap();
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for steps in 1..=3 {
                let out = world.path("out");
                let _ = std::fs::remove_file(&out);
                pool.install(|| world.stop(&job(&request, format, &out), steps));
                // What was written after the last mark is there not at all, in part or as zeros.
                let behind = [&b""[..], b"half a line", &[0; 5000]][(steps + threads) % 3];
                append(&partial(&out), behind);
                assert!(!out.exists(), "half a file");
                let report = pool.install(|| world.run(&job(&request, format, &out))).unwrap();
                assert_eq!(report, JobReport { resumed: (steps * 256).min(USERS), users: USERS });
                let place = format!("{format:?}, {threads} threads, {steps} steps, {behind:.3?} behind");
                assert!(std::fs::read(&out).unwrap() == whole, "{place}");
                assert!(!partial(&out).exists() && !mark(&out).exists(), "{place}");
            }
        }
        // Stopped after each step of one job.
        let out = world.path("again");
        (0..3).for_each(|_| world.stop(&job(&request, format, &out), 1));
        assert_eq!(world.run(&job(&request, format, &out)).unwrap().resumed, USERS);
        assert!(std::fs::read(&out).unwrap() == whole);
    }
}

#[test]
fn a_job_killed_before_its_first_mark_or_after_its_last_rename_is_begun_anew() {
    let world = World::new();
    let request = request();
    let out = world.path("out.csv");
    let job = Job { request: &request, format: HitFormat::Csv, out: &out, replace: true };
    world.run(&job).unwrap();
    let whole = std::fs::read(&out).unwrap();
    std::fs::remove_file(&out).unwrap();

    std::fs::write(partial(&out), "user,rank,item,sc").unwrap();
    assert_eq!(world.run(&job).unwrap().resumed, 0);
    assert!(std::fs::read(&out).unwrap() == whole);

    // The file took its place, its mark is still there.
    world.stop(&job, 3);
    std::fs::rename(partial(&out), &out).unwrap();
    assert_eq!(world.run(&job).unwrap().resumed, 0);
    assert!(std::fs::read(&out).unwrap() == whole && !mark(&out).exists());
    // That mark does not stop another job either, nor one that is killed before its own first mark.
    world.stop(&job, 3);
    std::fs::rename(partial(&out), &out).unwrap();
    let other = Request { k: 1, ..request.clone() };
    let other = Job { request: &other, ..job.clone() };
    assert_eq!(world.run(&other).unwrap().resumed, 0);
    assert_eq!(read_csv_rows(&out), USERS - 1, "an item for each who has not seen them all");
}

fn read_csv_rows(path: &Path) -> usize {
    csv::Reader::from_path(path).unwrap().records().map(std::result::Result::unwrap).count()
}

#[test]
fn an_existing_file_stays_unless_it_is_to_be_replaced() {
    let world = World::new();
    let request = request();
    let out = world.path("out.csv");
    std::fs::write(&out, "years of work").unwrap();
    let job = Job { request: &request, format: HitFormat::Csv, out: &out, replace: false };
    let error = world.run(&job).unwrap_err().to_string();
    assert!(error.contains("out.csv") && error.contains("replace"), "{error}");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "years of work");
    assert!(!partial(&out).exists() && !mark(&out).exists());
    // Until the new file is whole, the old one is there.
    let job = Job { replace: true, ..job };
    world.stop(&job, 2);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "years of work");
    world.run(&job).unwrap();
    assert_eq!(read_csv(&out).len(), USERS - 1);
}

#[test]
fn a_partial_file_of_another_job_is_refused_and_untouched() {
    let world = World::new();
    let some = |names: &[&str]| world.recommender.item_set(names);
    let first = Request { filter: Filter::Without(some(&["item-1", "item-2"])), ..request() };
    let out = world.path("out.csv");
    let job = Job { request: &first, format: HitFormat::Csv, out: &out, replace: false };
    world.stop(&job, 1);
    let before = [partial(&out), mark(&out)].map(|path| std::fs::read(path).unwrap());

    let others = tempfile::tempdir().unwrap();
    let second = others.path().join("model");
    small::save(world.root.path(), &second, ModelConfig { seed: 9, ..small::model() });
    let second = open(&second).unwrap();
    small::write(others.path(), USERS, 2);
    let other_corpus = Corpus::open(others.path()).unwrap();
    let refused = |job: &Job<'_>, recommender: &Recommender<AnyModel>, corpus: &Corpus| {
        let error = job.run(recommender, corpus, &mut |_| ()).unwrap_err().to_string();
        assert!(error.contains("out.csv.partial.json") && error.contains("another job"), "{error}");
        assert!(before == [partial(&out), mark(&out)].map(|path| std::fs::read(path).unwrap()), "{error}");
    };
    refused(&job, &second, &world.corpus);
    refused(&job, &world.recommender, &other_corpus);
    refused(&Job { format: HitFormat::Json, ..job.clone() }, &world.recommender, &world.corpus);
    let requests = [
        Request { k: 4, ..first.clone() },
        Request { explain: 1, ..first.clone() },
        Request { query: "red".into(), ..first.clone() },
        Request { time: Some(3), ..first.clone() },
        Request { seen: seminar_trainer::SeenItems::Keep, ..first.clone() },
        Request { candidates: seminar_trainer::Candidates::list(["item-3"]), ..first.clone() },
        Request { filter: Filter::All, ..first.clone() },
        Request { filter: Filter::Only(some(&["item-1", "item-2"])), ..first.clone() },
        // As many items, but others.
        Request { filter: Filter::Without(some(&["item-3", "item-4"])), ..first.clone() },
    ];
    for request in &requests {
        refused(&Job { request, ..job.clone() }, &world.recommender, &world.corpus);
    }
    // The job itself still goes on.
    assert_eq!(world.run(&job).unwrap().resumed, 256);
}

#[test]
fn a_damaged_mark_or_a_file_shorter_than_it_says_is_refused_and_untouched() {
    let world = World::new();
    let request = request();
    let out = world.path("out.csv");
    let job = Job { request: &request, format: HitFormat::Csv, out: &out, replace: false };
    world.stop(&job, 2);
    let [file, sound] = [partial(&out), mark(&out)].map(|path| std::fs::read(path).unwrap());
    let refused = || {
        let state = || [partial(&out), mark(&out)].map(|path| std::fs::read(path).unwrap());
        let before = state();
        let error = world.run(&job).unwrap_err().to_string();
        assert!(error.contains("out.csv.partial") && error.contains("remove"), "{error}");
        assert!(before == state(), "{error}");
    };
    let said: serde_json::Value = serde_json::from_slice(&sound).unwrap();
    for damaged in [&b""[..], b"{", b"null", b"{\"job\": \"x\"}", &sound[..sound.len() - 1], b"\xff\xfe"] {
        std::fs::write(mark(&out), damaged).unwrap();
        refused();
    }
    for (field, value) in [("job", serde_json::json!("0")), ("users", serde_json::json!(USERS + 1))] {
        let mut said = said.clone();
        said[field] = value;
        std::fs::write(mark(&out), said.to_string()).unwrap();
        refused();
    }
    std::fs::write(mark(&out), &sound).unwrap();
    for length in [0, 10, file.len() - 1] {
        std::fs::write(partial(&out), &file[..length]).unwrap();
        refused();
    }
    std::fs::write(partial(&out), &file).unwrap();
    assert_eq!(world.run(&job).unwrap().resumed, 512);
}

#[test]
fn a_request_that_cannot_be_answered_writes_nothing() {
    let world = World::new();
    let plain = world.path("plain");
    let no_queries = ModelConfig { modalities: vec![seminar_models::ModalityKind::Id], ..small::model() };
    small::save(world.root.path(), &plain, no_queries);
    let recommender = open(&plain).unwrap();
    let request = Request { query: "red".into(), ..request() };
    let out = world.path("out.csv");
    let job = Job { request: &request, format: HitFormat::Csv, out: &out, replace: false };
    let error = job.run(&recommender, &world.corpus, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("query"), "{error}");
    assert!(!out.exists() && !partial(&out).exists() && !mark(&out).exists());
}
