//! Killed at any moment and resumed, with any number of threads, a run ends with the same bits.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use seminar_dataset::synthetic::write_amazon;
use seminar_dataset::{AmazonReviews, PrepareConfig, SyntheticConfig};
use seminar_examples::prepare::write_corpus;

/// The example binary that lies beside this test.
fn train() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().parent().unwrap().join("examples").join("train")
}

fn start(data: &Path, out: &Path, threads: usize, resume: bool) -> Child {
    let mut command = Command::new(train());
    command.arg("--data").arg(data).arg("--out").arg(out);
    command.args(["--model", "seminar", "--modalities", "id,query,attribute", "--soft-search", "multi_pq"]);
    command.args(["--pretrain-epochs", "2", "--epochs", "6", "--patience", "2", "--targets-per-user", "4"]);
    command.args([
        "--batch-size",
        "32",
        "--max-seq-length",
        "16",
        "--retrieve-topk",
        "6",
        "--learning-rate",
        "0.01",
    ]);
    command.args(["--clip-norm", "3", "--checkpoint-every", "3", "--export-weights"]);
    command.args(["--threads", &threads.to_string()]);
    if resume {
        command.arg("--resume");
    }
    command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("`cargo test` builds the example binaries")
}

fn finish(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_killed_run_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let [raw, data, reference, killed] =
        ["raw", "data", "reference", "killed"].map(|name| folder.path().join(name));
    let world =
        SyntheticConfig { users: 400, items: 160, events: 8_000, review_words: 5.0, ..Default::default() };
    write_amazon(&world, &raw, "World", &|_| {}).unwrap();
    let prepared = PrepareConfig::amazon().prepare(&AmazonReviews::locate(&raw, "World").unwrap()).unwrap();
    write_corpus(prepared.data, &prepared.report, (&raw, "World"), &data, false, true, Instant::now())
        .unwrap();

    let begun = Instant::now();
    finish(start(&data, &reference, 2, false));
    let whole = begun.elapsed();

    let mut kills = 0;
    for attempt in 0u32.. {
        let mut child = start(&data, &killed, 1 + attempt as usize % 2, true);
        // Moments spread over the run, not the same ones each time.
        let share = 0.1 + 0.37 * f64::from(attempt * 7 % 10) / 10.0;
        std::thread::sleep(whole.mul_f64(share).max(Duration::from_millis(30)));
        if attempt == 12 || child.try_wait().unwrap().is_some() {
            finish(child);
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills >= 2, "only {kills} kills in a run of {whole:?}");

    let read = |run: &Path, name: &str| std::fs::read(run.join(name)).unwrap();
    assert!(
        read(&killed, "weights.safetensors") == read(&reference, "weights.safetensors"),
        "weights differ"
    );
    assert!(read(&killed, "steps.jsonl") == read(&reference, "steps.jsonl"), "the logs of steps differ");
    let figures = |run: &Path| {
        let row: serde_json::Value = serde_json::from_slice(&read(run, "metrics.json")).unwrap();
        [row["metrics"].clone(), row["ci95"].clone(), row["losses"].clone(), row["steps"].clone()]
    };
    assert_eq!(figures(&killed), figures(&reference));
}
