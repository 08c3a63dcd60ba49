//! No program removes or overwrites what it did not write, wherever its folders lie.

#[path = "support/program.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_dataset::SyntheticConfig;
use seminar_dataset::synthetic::{write_amazon, write_kuaisar};
use support::{program, said};

/// Random arrangements.
const ARRANGEMENTS: u64 = 60;
/// Commands in each of them.
const COMMANDS: usize = 5;
/// Names under which the programs write.
const NAMES: [&str; 12] = [
    "notes.txt",
    "metrics.json",
    "report.html",
    "corpus.bin",
    "text.emb",
    "stats.json",
    "experiment.json",
    "steps.jsonl",
    "Toys.txt",
    "checkpoint/last.ckpt",
    "model/weights.safetensors",
    "cells/rows.json",
];

fn world() -> SyntheticConfig {
    SyntheticConfig { users: 30, items: 20, events: 300, review_words: 3.0, ..Default::default() }
}

/// All files below a folder with their content. Links are not followed.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match fs::symlink_metadata(&path).unwrap() {
            about if about.is_dir() => found.extend(files(&path)),
            about if about.is_symlink() => {
                found.insert(
                    path.clone(),
                    fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
                );
            }
            _ => {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn any<'a, T>(rng: &mut impl Rng, all: &'a [T]) -> &'a T {
    &all[rng.random_range(0..all.len())]
}

#[test]
fn whatever_lies_where_nothing_of_others_is_lost() {
    let raw = tempfile::tempdir().unwrap();
    write_amazon(&world(), raw.path(), "Toys", &|_| {}).unwrap();
    let (mut refused, mut done) = (0, 0);
    for seed in 0..ARRANGEMENTS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let root = tempfile::tempdir().unwrap();
        let places = ["a", "a/corpus", "a/b", "c", "link", "a/b/corpus"].map(|place| root.path().join(place));
        fs::create_dir_all(&places[2]).unwrap();
        std::os::unix::fs::symlink(&places[0], &places[4]).unwrap();
        let input = any(&mut rng, &places).clone();
        fs::create_dir_all(&input).unwrap();
        for file in fs::read_dir(raw.path()).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), input.join(file.file_name())).unwrap();
        }
        let mut theirs = files(root.path());
        for step in 0..COMMANDS {
            if rng.random_range(0..3) == 0 {
                let path = any(&mut rng, &places).join(any(&mut rng, &NAMES));
                // A place behind a file is none.
                let free = !path.exists() && !path.parent().is_some_and(Path::is_file);
                if free {
                    put(&path, &format!("mine {seed} {step}"));
                    let real = fs::canonicalize(&path).unwrap();
                    theirs.insert(
                        root.path()
                            .canonicalize()
                            .unwrap()
                            .join(real.strip_prefix(root.path().canonicalize().unwrap()).unwrap()),
                        fs::read(&path).unwrap(),
                    );
                }
            }
            let (out, data) = (any(&mut rng, &places), any(&mut rng, &places));
            let force = rng.random_bool(0.5);
            let mut command = match rng.random_range(0..6) {
                0 | 1 => {
                    let mut command = program("prepare");
                    command
                        .args(["--source", "amazon", "--name", "Toys", "--input"])
                        .arg(&input)
                        .arg("--out")
                        .arg(out);
                    command.args(force.then_some("--force"));
                    command
                }
                2 => {
                    let mut command = program("train");
                    command.args(["--model", "popularity", "--data"]).arg(data).arg("--out").arg(out);
                    command.args(force.then_some("--force"));
                    command
                }
                3 => {
                    let mut command = program("embed");
                    command.arg("--data").arg(data);
                    command
                }
                4 => {
                    let mut command = program("synthesize");
                    command
                        .args([
                            "--users", "20", "--items", "10", "--events", "120", "--name", "Toys", "--out",
                        ])
                        .arg(out);
                    command
                }
                _ => {
                    let mut command = program("amazon_movies_tv");
                    command.args([
                        "--name",
                        "Toys",
                        "--models",
                        "popularity",
                        "--seeds",
                        "1",
                        "--no-texts",
                        "--data",
                    ]);
                    command.arg(if rng.random_bool(0.5) { &input } else { data }).arg("--out").arg(out);
                    command.args(force.then_some("--fresh"));
                    command
                }
            };
            let output = command.output().unwrap();
            assert!(matches!(output.status.code(), Some(0 | 1)), "{command:?}: {}", said(&output));
            match output.status.success() {
                true => done += 1,
                false => refused += 1,
            }
            let now = files(&root.path().canonicalize().unwrap());
            for (path, bytes) in &theirs {
                assert!(
                    now.get(path) == Some(bytes),
                    "{command:?} changed {}: {}",
                    path.display(),
                    said(&output)
                );
            }
        }
    }
    assert!(
        done > 60 && refused > 60,
        "{done} commands ran, {refused} were refused: a test of both needs both"
    );
}

/// A command whose output folder is full of others' files, and what it says.
fn refused(name: &str, arguments: &[&str], out: &Path) -> String {
    for file in NAMES {
        put(&out.join(file), "theirs");
    }
    let before = files(out);
    let output = program(name).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
    assert_eq!(files(out), before, "{name}");
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("Error: ") && last.contains(&*out.to_string_lossy()), "{name}: {errors}");
    last
}

#[test]
fn a_folder_full_of_other_files_is_refused_by_every_program() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name).to_string_lossy().into_owned();
    write_amazon(&world(), &root.path().join("raw"), "Toys", &|_| {}).unwrap();
    write_kuaisar(&world(), &root.path().join("kuaisar"), &|_| {}).unwrap();
    let (raw, kuaisar, data, run) = (path("raw"), path("kuaisar"), path("data"), path("run"));
    let ok = |name: &str, arguments: &[&str]| {
        let output = program(name).args(arguments).output().unwrap();
        assert!(output.status.success(), "{name}: {}", said(&output));
    };
    ok("prepare", &["--source", "amazon", "--name", "Toys", "--input", &raw, "--out", &data]);
    ok(
        "train",
        &[
            "--model",
            "base",
            "--data",
            &data,
            "--out",
            &run,
            "--epochs",
            "1",
            "--max-seq-length",
            "10",
            "--retrieve-topk",
            "5",
        ],
    );
    let out = path("full");
    let folder = root.path().join("full");
    let sentence = "did not write: choose another folder, or move what is in it";
    for force in [&[][..], &["--force"]] {
        let prepare = ["--source", "amazon", "--name", "Toys", "--input", &raw, "--out", &out];
        assert!(refused("prepare", &[&prepare[..], force].concat(), &folder).contains(sentence));
        for model in ["popularity", "twin"] {
            let train = ["--model", model, "--data", &data, "--out", &out];
            assert!(refused("train", &[&train[..], force].concat(), &folder).contains(sentence));
        }
    }
    assert!(
        refused("train", &["--model", "twin", "--data", &data, "--out", &out, "--resume"], &folder)
            .contains(sentence)
    );
    assert!(
        refused("evaluate", &["--checkpoint", &run, "--data", &data, "--out", &out], &folder)
            .contains(sentence)
    );
    assert!(refused("synthesize", &["--out", &out], &folder).contains(sentence));
    assert!(refused("quickstart", &["--out", &out], &folder).contains(sentence));
    assert!(refused("retrieval_recall", &["--out", &out], &folder).contains(sentence));
    for fresh in [&[][..], &["--fresh"]] {
        let amazon = ["--name", "Toys", "--data", &raw, "--out", &out];
        assert!(refused("amazon_movies_tv", &[&amazon[..], fresh].concat(), &folder).contains(sentence));
        let kuaisar = ["--data", &kuaisar, "--out", &out];
        assert!(refused("kuaisar", &[&kuaisar[..], fresh].concat(), &folder).contains(sentence));
    }
    assert!(refused("custom_model", &["--data", &data, "--out", &out], &folder).contains("--force"));
    let replace = ["--data", &data, "--out", &out, "--force"];
    assert!(refused("custom_model", &replace, &folder).contains("no saved model"));
    let answers = root.path().join("full/notes.txt");
    let answers = answers.to_string_lossy();
    let model = path("run/model");
    for who in [&["--all-users"][..], &["--items", "x"]] {
        let recommend = [&["--model", &model, "--data", &data, "--out", &answers][..], who].concat();
        assert!(refused("recommend", &recommend, &folder).contains("--force"));
    }
    // A corpus folder that holds somebody's vectors.
    let own = root.path().join("data/text.emb");
    put(&own, "theirs");
    let output = program("embed").args(["--data", &data]).output().unwrap();
    assert!(!output.status.success() && said(&output).contains("not written by embed"), "{}", said(&output));
    assert_eq!(fs::read_to_string(&own).unwrap(), "theirs");
    // Replacing the corpus would lose them.
    let prepare = ["--source", "amazon", "--name", "Toys", "--input", &raw, "--out", &data, "--force"];
    let output = program("prepare").args(prepare).output().unwrap();
    assert!(!output.status.success() && said(&output).contains("`text.emb`"), "{}", said(&output));
    assert_eq!(fs::read_to_string(&own).unwrap(), "theirs");
}

#[test]
fn a_name_is_no_path() {
    let root = tempfile::tempdir().unwrap();
    write_amazon(&world(), &root.path().join("raw"), "Toys", &|_| {}).unwrap();
    let (raw, out) = (root.path().join("raw"), root.path().join("deep/out"));
    for name in ["../x", "a/b", "..", ".", "", "/tmp/x", "a\\b"] {
        let prepare = program("prepare")
            .args(["--source", "amazon", "--name", name])
            .arg("--input")
            .arg(&raw)
            .arg("--out")
            .arg(&out)
            .output();
        let synthesize = program("synthesize").args(["--name", name]).arg("--out").arg(&out).output();
        let experiment = program("amazon_movies_tv")
            .args(["--name", name])
            .arg("--data")
            .arg(&raw)
            .arg("--out")
            .arg(&out)
            .output();
        for output in [prepare, synthesize, experiment].map(Result::unwrap) {
            assert!(
                !output.status.success() && said(&output).contains("--name: "),
                "{name}: {}",
                said(&output)
            );
        }
    }
    assert!(!root.path().join("deep").exists());
}

#[test]
fn a_replaced_corpus_takes_the_old_one_with_it_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let (raw, out) = (root.path().join("raw"), root.path().join("out"));
    write_amazon(&world(), &raw, "Toys", &|_| {}).unwrap();
    let prepare = |more: &[&str]| {
        let mut command = program("prepare");
        command
            .args(["--source", "amazon", "--name", "Toys"])
            .arg("--input")
            .arg(&raw)
            .arg("--out")
            .arg(&out);
        command.args(more).output().unwrap()
    };
    assert!(prepare(&[]).status.success());
    let again = prepare(&[]);
    assert!(said(&again).contains("--force"), "{}", said(&again));
    assert!(prepare(&["--force", "--no-text-files"]).status.success());
    assert!(!out.join("Toys.txt").exists() && out.join("corpus.bin").is_file());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2, "nothing is left beside it");
    put(&out.join("deep/notes.txt"), "mine");
    let kept = prepare(&["--force"]);
    assert!(said(&kept).contains("`deep/notes.txt`"), "{}", said(&kept));
    assert_eq!(fs::read_to_string(out.join("deep/notes.txt")).unwrap(), "mine");
}

#[test]
fn a_fresh_experiment_removes_nothing_before_it_can_begin() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    write_amazon(&world(), &path("raw"), "Toys", &|_| {}).unwrap();
    write_amazon(&world(), &path("other"), "Other", &|_| {}).unwrap();
    let experiment = |data: &str, name: &str, more: &[&str]| {
        let mut command = program("amazon_movies_tv");
        command.args([
            "--models",
            "popularity,base",
            "--seeds",
            "1",
            "--test-modes",
            "recommendation",
            "--name",
            name,
        ]);
        command.args([
            "--max-seq-length",
            "10",
            "--retrieve-topk",
            "5",
            "--stage1-topk",
            "8",
            "--keyword-vocab",
            "0",
        ]);
        command.arg("--data").arg(path(data)).arg("--out").arg(path("out")).args(more);
        command.output().unwrap()
    };
    let first = experiment("raw", "Toys", &[]);
    assert!(first.status.success(), "{}", said(&first));
    let before = files(&path("out"));
    for (data, name, more, message) in [
        ("nowhere", "Toys", &["--fresh"][..], "cannot open"),
        ("nowhere", "Toys", &[], "--data: cannot open"),
        ("other", "Toys", &[], "was made with --data"),
        ("raw", "Other", &[], "was made with --name Toys"),
    ] {
        let output = experiment(data, name, more);
        assert!(!output.status.success() && said(&output).contains(message), "{message}: {}", said(&output));
        assert!(files(&path("out")) == before, "{data}, {name}, {more:?}");
    }
    put(&path("out/corpus/notes.txt"), "mine");
    let output = experiment("other", "Other", &["--fresh"]);
    assert!(!output.status.success() && said(&output).contains("`notes.txt`"), "{}", said(&output));
    fs::remove_file(path("out/corpus/notes.txt")).unwrap();
    assert!(files(&path("out")) == before);
    let fresh = experiment("other", "Other", &["--fresh"]);
    assert!(fresh.status.success(), "{}", said(&fresh));
    assert!(fs::read_to_string(path("out/results.json")).unwrap().contains("\"Other\""));
}
