//! Manners of the programs: help, version, colours, pipes, interrupts, and what is said before anything is done.

#[path = "support/program.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use seminar_dataset::synthetic::write_amazon;
use seminar_dataset::{AmazonReviews, Corpus, PrepareConfig, SyntheticConfig};
use support::{program, said};

const PROGRAMS: [&str; 13] = [
    "amazon_movies_tv",
    "cross_modal_search",
    "custom_model",
    "embed",
    "evaluate",
    "kuaisar",
    "prepare",
    "quickstart",
    "recommend",
    "results",
    "retrieval_recall",
    "synthesize",
    "train",
];

/// A small corpus in `root/data`.
fn corpus(root: &Path) -> PathBuf {
    let (raw, data) = (root.join("raw"), root.join("data"));
    let world =
        SyntheticConfig { users: 60, items: 30, events: 900, review_words: 3.0, ..Default::default() };
    write_amazon(&world, &raw, "Toys", &|_| {}).unwrap();
    let prepared = PrepareConfig::amazon().prepare(&AmazonReviews::locate(&raw, "Toys").unwrap()).unwrap();
    fs::create_dir(&data).unwrap();
    Corpus::write(&prepared.data, &data).unwrap();
    data
}

fn train(data: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = program("train");
    command.arg("--data").arg(data).arg("--out").arg(out);
    command.args(["--max-seq-length", "10", "--retrieve-topk", "5"]);
    if !more.contains(&"popularity") {
        // An epoch of this corpus is a step or two; by default a hundred steps pass between validations.
        command.args(["--validate-every", "0"]);
    }
    command.args(more);
    command
}

#[test]
fn every_program_says_its_version_an_example_and_the_order_of_steps() {
    for name in PROGRAMS {
        let version = program(name).arg("--version").output().unwrap();
        assert_eq!(said(&version), format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        let help = said(&program(name).arg("--help").output().unwrap());
        assert!(help.contains(&format!("cargo run --release --example {name} -- --")), "{name}: {help}");
        assert!(help.contains("prepare") && help.contains("→ recommend"), "{name}: {help}");
    }
}

#[test]
fn a_closed_pipe_ends_quietly_with_the_files_in_place() {
    let root = tempfile::tempdir().unwrap();
    let data = corpus(root.path());
    let closed = |mut command: Command| {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && !said(&output).contains("panic"), "{}", said(&output));
    };
    let out = root.path().join("run");
    closed(train(&data, &out, &["--model", "base"]));
    assert!(out.join("metrics.json").is_file() && out.join("report.html").is_file());
    let mut evaluate = program("evaluate");
    evaluate.arg("--data").arg(&data).arg("--checkpoint").arg(&out);
    closed(evaluate);
    assert!(out.join("evaluation/metrics.json").is_file());
    let mut recommend = program("recommend");
    recommend.arg("--model").arg(out.join("model")).args(["--items", ""]);
    closed(recommend);
    let mut prepare = program("prepare");
    prepare.args(["--source", "amazon", "--name", "Toys", "--input"]).arg(root.path().join("raw"));
    prepare.arg("--out").arg(root.path().join("again"));
    closed(prepare);
    assert!(root.path().join("again/corpus.bin").is_file());
}

#[test]
fn the_log_of_a_file_has_no_colours_and_the_current_folder_has_a_name() {
    let root = tempfile::tempdir().unwrap();
    let data = corpus(root.path());
    let output = train(Path::new("."), &root.path().join("run"), &["--model", "base"])
        .current_dir(&data)
        .output()
        .unwrap();
    let text = said(&output);
    assert!(output.status.success() && text.contains("base epoch 1"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let run = fs::read_to_string(root.path().join("run/experiment.json")).unwrap();
    assert!(run.contains("\"dataset\": \"data\""), "{run}");
}

#[test]
fn a_refused_resumption_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (corpus(root.path()), root.path().join("run"));
    let fine = train(&data, &out, &["--model", "base"]).output().unwrap();
    assert!(fine.status.success(), "{}", said(&fine));
    let state = || {
        ["experiment.json", "metrics.json", "steps.jsonl", "checkpoint/last.ckpt", "checkpoint/best.ckpt"]
            .map(|name| fs::read(out.join(name)).unwrap())
    };
    let before = state();
    for other in [
        &["--model", "base", "--resume", "--seed", "7"][..],
        &["--model", "twin", "--resume"],
        &["--model", "base", "--resume", "--learning-rate", "0.01"],
        &["--model", "base"],
        &["--model", "base", "--resume", "--dropout", "2"],
    ] {
        let refused = train(&data, &out, other).output().unwrap();
        assert!(!refused.status.success(), "{other:?}: {}", said(&refused));
        assert!(state() == before, "{other:?}");
    }
    // Without `--resume` and `--force` a run is never begun over another.
    let again = said(&train(&data, &out, &["--model", "base"]).output().unwrap());
    assert!(again.contains("--resume") && again.contains("--force"), "{again}");
    let replaced = train(&data, &out, &["--model", "base", "--seed", "7", "--force"]).output().unwrap();
    assert!(replaced.status.success() && state() != before, "{}", said(&replaced));
}

#[test]
fn nothing_to_resume_is_said() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (corpus(root.path()), root.path().join("run"));
    let output = train(&data, &out, &["--model", "base", "--resume"]).output().unwrap();
    assert!(output.status.success() && said(&output).contains("nothing to go on from"), "{}", said(&output));
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_a_checkpoint_to_go_on_from() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (corpus(root.path()), root.path().join("run"));
    let arguments = ["--model", "base", "--epochs", "100000", "--batch-size", "8"];
    let mut child =
        train(&data, &out, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while !out.join("checkpoint/last.ckpt").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its first checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("--resume goes on") && text.contains("stopped after step"), "{text}");
    let steps = |text: &str| text.lines().count();
    let logged = steps(&fs::read_to_string(out.join("steps.jsonl")).unwrap());
    assert!(text.contains(&format!("stopped after step {logged}")), "{logged} steps in the log: {text}");
}

#[test]
fn settings_are_checked_before_anything_is_opened_and_under_the_flags_name() {
    let root = tempfile::tempdir().unwrap();
    let (none, out) = (root.path().join("none"), root.path().join("out"));
    let cases: [(&[&str], &str); 17] = [
        (&["--initial-deviation", "-1"], "--initial-deviation: -1"),
        (&["--clip-norm", "nan"], "--clip-norm: NaN"),
        (&["--clip-norm", "inf"], "--clip-norm: inf"),
        (&["--weight-decay", "nan"], "--weight-decay: NaN"),
        (&["--learning-rate", "0"], "--learning-rate: "),
        (&["--learning-rate", "nan"], "--learning-rate: "),
        (&["--dropout", "1"], "--dropout: 1"),
        (&["--query-weight", "1.5"], "--query-weight: 1.5"),
        (&["--hide-query", "2"], "--hide-query: 2"),
        (&["--retrieve-topk", "200", "--stage1-topk", "300"], "--retrieve-topk: 200"),
        (&["--stage1-topk", "3"], "--stage1-topk: 3"),
        (&["--watch", "accuracy", "--patience", "1"], "--watch: `accuracy`"),
        (&["--pretrain-weights", "0,0,0"], "--pretrain-weights: all three are 0"),
        (
            &["--pretrain-weights", "0,1,0", "--modalities", "id,query"],
            "--pretrain-weights: nothing to align",
        ),
        (&["--decay", "linear", "--decay-steps", "5", "--warmup", "9"], "--decay-steps: "),
        (&["--modalities", "id,smell"], "unknown modality `smell`"),
        (&["--batch-size", "0"], "--batch-size: must be at least 1"),
    ];
    for (flags, message) in cases {
        let given: Vec<String> = flags.chunks(2).map(|pair| format!("{}={}", pair[0], pair[1])).collect();
        let output = program("train")
            .args(["--model", "seminar"])
            .args(&given)
            .arg("--data")
            .arg(&none)
            .arg("--out")
            .arg(&out)
            .output();
        let output = output.unwrap();
        assert!(!output.status.success() && said(&output).contains(message), "{flags:?}: {}", said(&output));
    }
    let text = said(
        &program("train")
            .args(["--model", "sim", "--pretrain-epochs", "2"])
            .arg("--data")
            .arg(&none)
            .arg("--out")
            .arg(&out)
            .output()
            .unwrap(),
    );
    assert!(text.contains("--pretrain-epochs: sim has no pretraining"), "{text}");
    let unknown = program("amazon_movies_tv")
        .args(["--models", "sim,gru"])
        .arg("--data")
        .arg(&none)
        .arg("--out")
        .arg(&out)
        .output();
    assert!(said(&unknown.unwrap()).contains("gru"));
    assert!(!out.exists());
}

#[test]
fn flags_without_effect_are_named_and_a_decay_spans_the_run() {
    let root = tempfile::tempdir().unwrap();
    let data = corpus(root.path());
    let idle = train(&data, &root.path().join("idle"), &["--model", "popularity", "--epochs", "3", "--lazy"])
        .output();
    let text = said(&idle.unwrap());
    assert!(text.contains("without effect on popularity: --epochs, --lazy"), "{text}");
    let run = |name: &str, more: &[&str]| {
        let out = root.path().join(name);
        let flags = ["--model", "base", "--epochs", "2", "--batch-size", "16", "--export-weights"];
        let output = train(&data, &out, &[&flags[..], more].concat()).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        (
            fs::read(out.join("weights.safetensors")).unwrap(),
            fs::read_to_string(out.join("steps.jsonl")).unwrap(),
        )
    };
    let (weights, log) = run("default", &["--decay", "linear"]);
    let steps = log.lines().count().to_string();
    assert!(weights == run("explicit", &["--decay", "linear", "--decay-steps", &steps]).0);
    assert!(weights != run("constant", &[]).0);
}

#[test]
fn a_replaced_run_takes_its_model_along_and_leaves_its_inputs() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (corpus(root.path()), root.path().join("run"));
    let first = train(&data, &out, &["--model", "base", "--export-weights"]).output().unwrap();
    assert!(first.status.success() && out.join("model/model.json").is_file(), "{}", said(&first));
    let weights = out.join("weights.safetensors");
    let own =
        train(&data, &out, &["--model", "base", "--force", "--weights"]).arg(&weights).output().unwrap();
    assert!(!own.status.success() && said(&own).contains("copy it first"), "{}", said(&own));
    assert!(weights.is_file());
    let diverged =
        train(&data, &out, &["--model", "base", "--force", "--learning-rate", "1e30"]).output().unwrap();
    assert!(!diverged.status.success(), "{}", said(&diverged));
    assert!(!out.join("model").exists() && !weights.exists(), "the old model is not that of the new run");
}

#[test]
fn a_finished_run_without_its_last_checkpoint_is_not_trained_again_by_resume() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (corpus(root.path()), root.path().join("run"));
    assert!(train(&data, &out, &["--model", "base"]).output().unwrap().status.success());
    fs::remove_file(out.join("checkpoint/last.ckpt")).unwrap();
    let again = train(&data, &out, &["--model", "base", "--resume"]).output().unwrap();
    assert!(!again.status.success() && said(&again).contains("--force"), "{}", said(&again));
}

#[cfg(target_os = "linux")]
#[test]
fn a_standard_output_that_cannot_be_written_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (corpus(root.path()), root.path().join("run"));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = train(&data, &out, &["--model", "base"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("standard output") && out.join("metrics.json").is_file());
}
