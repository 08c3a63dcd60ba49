//! Killed again and again and resumed, with any number of threads, a run ends with the same bits. Kills are counted in steps, not
//! in seconds, so the speed of the machine does not matter.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use seminar_dataset::synthetic::write_amazon;
use seminar_dataset::{AmazonReviews, PrepareConfig, SyntheticConfig, WholeFolder};
use seminar_examples::prepare::write_corpus;

/// How often the run is killed.
const KILLS: usize = 6;

/// The example binary beside this test.
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

/// Lines of the log of steps, which appear at checkpoints.
fn logged_steps(run: &Path) -> usize {
    let log = std::fs::read(run.join("steps.jsonl")).unwrap_or_default();
    log.iter().filter(|&&byte| byte == b'\n').count()
}

/// Kills a run once its log has `steps` lines.
fn kill_after(mut child: Child, run: &Path, steps: usize) {
    while logged_steps(run) < steps {
        if let Some(status) = child.try_wait().unwrap() {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            panic!("ended with {status} before step {steps}: {said}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // Some milliseconds more or less: before, while and after the next checkpoint is written.
    std::thread::sleep(Duration::from_millis(steps as u64 % 8));
    assert!(child.try_wait().unwrap().is_none(), "the run ended before it was killed");
    child.kill().unwrap();
    child.wait().unwrap();
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
    let out = WholeFolder::new(&data, "test");
    write_corpus(prepared.data, &prepared.report, (&raw, "World"), &out, true, Instant::now()).unwrap();

    finish(start(&data, &reference, 2, false));
    let steps = logged_steps(&reference);
    assert!(steps > 10 * KILLS, "{steps} steps are too few for {KILLS} kills");
    for kill in 1..=KILLS {
        // The kills are spread over the first seven tenths of the run: what remains is far longer than killing takes.
        kill_after(start(&data, &killed, 1 + kill % 2, true), &killed, steps * 7 * kill / (10 * KILLS));
    }
    finish(start(&data, &killed, 2, true));

    let read = |run: &Path, name: &str| std::fs::read(run.join(name)).unwrap();
    assert!(
        read(&killed, "weights.safetensors") == read(&reference, "weights.safetensors"),
        "weights differ"
    );
    assert!(read(&killed, "steps.jsonl") == read(&reference, "steps.jsonl"), "the logs of steps differ");
    let metrics = |run: &Path| {
        let row: serde_json::Value = serde_json::from_slice(&read(run, "metrics.json")).unwrap();
        [row["metrics"].clone(), row["ci95"].clone(), row["losses"].clone(), row["steps"].clone()]
    };
    assert_eq!(metrics(&killed), metrics(&reference));
}
