//! `leaderboard` and `tune`: killed and started again, with nothing done twice and the same figures.

mod support {
    pub mod program;
}

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use seminar_dataset::{Corpus, Numbered};
use serde_json::Value;
use support::program::{program, said};

/// 60 users walk through 150 items, each in steps of its own.
fn corpus(folder: &Path) {
    let walk =
        |user: usize| (0..8 + user % 5).map(move |at| format!("i{}", (user * 7 + at * (1 + user % 3)) % 150));
    let data = Numbered::from_sequences((0..60).map(|user| walk(user).collect::<Vec<_>>()));
    fs::create_dir_all(folder).unwrap();
    Corpus::write(&data, folder).unwrap();
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

/// Starts a command several times and kills it after one moment or another.
fn kill_again_and_again(make: impl Fn() -> Command) {
    let mut pause = Duration::from_millis(120);
    for _ in 0..5 {
        let mut child = make().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while start.elapsed() < pause && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        pause += Duration::from_millis(260);
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Everything of a board's cells but times and memory.
fn figures(out: &Path) -> Vec<String> {
    let results = json(&out.join("results.json"));
    let figures = |row: &Value| {
        [&row["model"], &row["dataset"], &row["seed"], &row["metrics"], &row["valid"]].map(Value::to_string)
    };
    let cells = results["cells"].as_array().unwrap().iter();
    cells.map(|cell| format!("{:?} {:?}", figures(&cell["sampled"]), figures(&cell["full"]))).collect()
}

const SMALL: [&str; 10] = [
    "--max-seq-length",
    "10",
    "--retrieve-topk",
    "4",
    "--epochs",
    "2",
    "--shared-negatives",
    "16",
    "--batch-size",
    "16",
];

#[test]
fn a_board_of_two_data_sets_and_again_after_kills() {
    let root = tempfile::tempdir().unwrap();
    let [one, two, out, killed] = ["one", "two", "out", "killed"].map(|name| root.path().join(name));
    corpus(&one);
    corpus(&two);
    let board = |out: &Path| {
        let mut command = program("leaderboard");
        command.arg("--data").arg(&one).arg("--data").arg(&two).arg("--out").arg(out);
        command.args(["--models", "popularity,sasrec,twin", "--seeds", "2", "--full", "20"]).args(SMALL);
        command
    };
    succeed(&mut board(&out));
    let whole = figures(&out);
    assert_eq!(whole.len(), 3 * 2 * 2);
    let markdown = fs::read_to_string(out.join("leaderboard.md")).unwrap();
    for part in
        ["### one: 99 sampled negatives", "### two: all items, 20 users", "| sasrec | id |", "µs a request"]
    {
        assert!(markdown.contains(part), "{part} in {markdown}");
    }
    assert!(fs::read_to_string(out.join("index.html")).unwrap().contains("Every run"));
    let results = json(&out.join("results.json"));
    // Lines are means over seeds, data set by data set, sampled before full.
    let lines = results["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 3 * 2 * 2);
    for line in lines {
        let summary = &line["summary"];
        let part = if line["full"].is_null() { "sampled" } else { "full" };
        let own = results["cells"].as_array().unwrap().iter().map(|cell| &cell[part]);
        let own = own.filter(|row| row["model"] == summary["model"] && row["dataset"] == line["dataset"]);
        let values: Vec<f64> = own.map(|row| row["metrics"]["MRR"].as_f64().unwrap()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!(values.len() == 2 && (summary["metrics"]["MRR"].as_f64().unwrap() - mean).abs() < 1e-12);
    }
    // A target among fewer candidates has a better place.
    for cell in results["cells"].as_array().unwrap() {
        assert_eq!(cell["full"]["users"], 20);
        assert!(cell["cpu_seconds"].as_f64().unwrap() > 0.0 && cell["sampled"]["users"] == 60, "{cell}");
    }

    let log = succeed(&mut board(&out));
    assert_eq!(log.matches(": kept").count(), 12, "{log}");
    assert_eq!(figures(&out), whole);

    kill_again_and_again(|| board(&killed));
    succeed(&mut board(&killed));
    assert_eq!(figures(&killed), whole);

    // A file of somebody else's is neither replaced nor removed.
    fs::write(out.join("cells/notes.txt"), "mine").unwrap();
    succeed(board(&out).arg("--fresh"));
    assert_eq!(
        (fs::read_to_string(out.join("cells/notes.txt")).unwrap(), figures(&out)),
        ("mine".into(), whole)
    );
}

#[test]
fn a_search_halves_its_trials_and_ends_the_same_after_kills() {
    let root = tempfile::tempdir().unwrap();
    let [data, out, killed] = ["data", "out", "killed"].map(|name| root.path().join(name));
    corpus(&data);
    let search = |out: &Path| {
        let mut command = program("tune");
        command.arg("--data").arg(&data).arg("--out").arg(out).args([
            "--model",
            "sasrec",
            "--trials",
            "5",
            "--first-epochs",
            "1",
        ]);
        command.args(["--vary", "learning-rate=0.0005..0.02:log", "tower-layers=1,2"]).args(SMALL);
        command.args(["--validate-every", "0"]);
        command
    };
    succeed(&mut search(&out));
    let trials = |out: &Path| -> Vec<Value> {
        let mut trials = json(&out.join("tune.json"))["trials"].as_array().unwrap().clone();
        trials.iter_mut().for_each(|trial| trial["seconds"] = Value::Null);
        trials
    };
    let whole = trials(&out);
    assert_eq!(whole.len(), 5);
    // Two of five go on after the first epoch, and end at the bound of two epochs.
    let epochs: Vec<u64> = whole.iter().map(|trial| trial["epochs"].as_u64().unwrap()).collect();
    let mut sorted = epochs.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [1, 1, 1, 2, 2], "{whole:?}");
    let best = |trial: &Value| {
        trial["valid"].as_object().unwrap().values().map(|v| v.as_f64().unwrap()).fold(0.0, f64::max)
    };
    assert!(whole.windows(2).all(|pair| best(&pair[0]) >= best(&pair[1])), "{whole:?}");
    let plain = whole.iter().find(|trial| trial["number"] == 0).unwrap();
    assert_eq!(plain["flags"].as_array().unwrap().len(), 0);
    assert!(
        whole.iter().any(|trial| trial["flags"][0]
            .as_str()
            .is_some_and(|flag| flag.starts_with("--learning-rate=0.0")))
    );

    kill_again_and_again(|| search(&killed));
    succeed(&mut search(&killed));
    assert_eq!(trials(&killed), whole);
    succeed(search(&killed).arg("--fresh"));
    assert_eq!(trials(&killed), whole);

    let refused = |more: &[&str], word: &str| {
        let output = search(&root.path().join("refused")).args(more).output().unwrap();
        assert!(!output.status.success() && said(&output).contains(word), "{}", said(&output));
    };
    refused(&["--vary", "depth=1,2"], "--depth");
    refused(&["--vary", "tower-layers=1..x"], "--vary tower-layers=1..x");
    refused(&["--vary", "tower-dropout=many"], "--tower-dropout");
    refused(&["--vary", "tower-layers=1"], "twice");
    refused(&["--vary", "watch=MRR,AUC"], "--watch");
    refused(&["--vary", "epochs=1,2"], "--epochs");
    refused(&["--trials", "0"], "--trials");
    refused(&["--patience", "0"], "--patience");
    assert!(!root.path().join("refused").exists());
}
