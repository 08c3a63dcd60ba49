//! The experiment binaries: from raw files to the table, killed and started again, with nothing done twice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use seminar_dataset::SyntheticConfig;
use seminar_dataset::synthetic::{write_amazon, write_kuaisar};
use serde_json::Value;

/// An example binary that lies beside this test, with small settings.
fn experiment(name: &str, data: &Path, out: &Path) -> Command {
    let own = std::env::current_exe().unwrap();
    let binary: PathBuf = own.parent().unwrap().parent().unwrap().join("examples").join(name);
    let mut command = Command::new(binary);
    command.arg("--data").arg(data).arg("--out").arg(out).args([
        "--keyword-vocab",
        "0",
        "--batch-size",
        "32",
    ]);
    command.args(["--max-seq-length", "16", "--retrieve-topk", "6", "--stage1-topk", "9"]);
    command.args(["--retrieval-users", "1", "--retrieval-length", "100"]);
    command
}

fn world() -> SyntheticConfig {
    SyntheticConfig { users: 200, items: 120, events: 3_000, review_words: 5.0, ..Default::default() }
}

fn succeed(mut command: Command) -> String {
    let output = command.output().expect("`cargo test` builds the example binaries");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stderr).unwrap()
}

fn results(out: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(out.join("results.json")).unwrap()).unwrap()
}

/// Who, with which seed and which queries; and everything of the row but times and memory.
fn cells(results: &Value) -> BTreeSet<String> {
    let cell = |row: &Value| {
        let mut row = row.clone();
        for field in ["seconds", "examples_per_second", "peak_rss_bytes"] {
            row.as_object_mut().unwrap().remove(field).unwrap();
        }
        row.to_string()
    };
    results["rows"].as_array().unwrap().iter().map(cell).collect()
}

#[test]
fn amazon_from_raw_files_and_again_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let [raw, out, killed] = ["raw", "out", "killed"].map(|name| folder.path().join(name));
    write_amazon(&world(), &raw, "World", &|_| {}).unwrap();
    let command = |out: &Path| {
        let mut command = experiment("amazon_movies_tv", &raw, out);
        command.args(["--name", "World", "--seeds", "2", "--models", "popularity,twin,seminar"]);
        command.args(["--ablate", "soft-search", "--epochs", "2"]);
        command
    };
    succeed(command(&out));
    let whole = results(&out);
    // Popularity, TWIN, SEMINAR and two searches; two seeds; three kinds of queries.
    assert_eq!(cells(&whole).len(), 5 * 2 * 3);
    assert_eq!(whole["published"].as_array().unwrap().len(), 0, "another data set has no published metrics");
    for stage in ["prepare", "embed", "retrieval"] {
        assert!(whole["stages"][stage].as_f64().unwrap() > 0.0, "{stage}");
    }
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    for part in ["Recommendation: ", "Search: ", "Pair: ", "seminar, search by lsh", "recall@K", "seeds"] {
        assert!(page.contains(part), "{part}");
    }

    // Again: nothing is trained, the same rows, times included.
    let log = succeed(command(&out));
    assert_eq!(log.matches(": kept").count(), 1 + 5 * 2, "{log}");
    assert_eq!(results(&out)["rows"], whole["rows"]);

    // Killed at one moment after another, it ends with the same figures.
    let mut pause = Duration::from_millis(150);
    for _ in 0..6 {
        let mut child = command(&killed)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while start.elapsed() < pause && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        pause += Duration::from_millis(170);
    }
    succeed(command(&killed));
    assert_eq!(cells(&results(&killed)), cells(&whole));

    // Other settings are another cell: the rows are made anew.
    let mut other = command(&out);
    other.args(["--learning-rate", "0.01"]);
    succeed(other);
    let changed = results(&out);
    let of = |results: &Value, model: &str| -> Vec<Value> {
        let rows = results["rows"].as_array().unwrap();
        rows.iter().filter(|row| row["model"] == model).map(|row| row["metrics"]["MRR"].clone()).collect()
    };
    assert_eq!(of(&changed, "popularity"), of(&whole, "popularity"));
    assert_ne!(of(&changed, "twin"), of(&whole, "twin"));
}

#[test]
fn kuaisar_from_raw_files() {
    let folder = tempfile::tempdir().unwrap();
    let [raw, out] = ["raw", "out"].map(|name| folder.path().join(name));
    write_kuaisar(&world(), &raw, &|_| {}).unwrap();
    let mut command = experiment("kuaisar", &raw, &out);
    command.args(["--seeds", "1", "--models", "sim,seminar", "--test-modes", "recommendation,search"]);
    succeed(command);
    let results = results(&out);
    assert_eq!(cells(&results).len(), 4);
    assert_eq!(results["published"].as_array().unwrap().len(), 5);
    let epochs = |model: &str| {
        let rows = results["rows"].as_array().unwrap();
        rows.iter().find(|row| row["model"] == model).unwrap()["epochs"].as_u64().unwrap()
    };
    assert_eq!((epochs("sim"), epochs("seminar")), (3, 1), "as the published scripts have it");
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("The published row of twin is impossible: NDCG@5"));
}
