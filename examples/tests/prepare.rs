//! `prepare` says what it read, skipped and left, and what to do where it stops.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs `prepare` into a new folder.
fn prepare(source: &str, input: &Path, name: &str, more: &[&str]) -> (Output, tempfile::TempDir) {
    let own = std::env::current_exe().unwrap();
    let binary = own.parent().unwrap().parent().unwrap().join("examples/prepare");
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(binary)
        .args(["--source", source, "--name", name, "--input"])
        .arg(input)
        .arg("--out")
        .arg(folder.path().join("out"))
        .args(more)
        .output();
    (output.expect("`cargo test` builds the example binaries"), folder)
}

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/cases").join(name)
}

/// The words of the table without its layout.
fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_table_and_the_warnings_tell_of_losses() {
    let (output, folder) = prepare("amazon", &case("skipped_lines"), "X", &[]);
    let (table, warnings) = (words(&output.stdout), words(&output.stderr));
    assert!(output.status.success(), "{warnings}");
    let loss = "`unixReviewTime` is no whole number from 0 to 2^53; first in line 49: `\"2014-05-01\"`";
    for said in [
        "read X_5.json: 58 rows",
        &format!("skipped 10 (17.2 %): {loss}"),
        "8 users, 8 items, 48 events after the core filter",
        "lengths 10 % 6,",
        "times 2014-05-13 16:53:20 to 2014-05-18 16:53:27",
        "titles 0, 8 items without",
        "images 0, 8 items without",
        "answers 8 for the test, 0 of them in the history already",
        "warning no metadata file was found",
    ] {
        assert!(table.contains(said), "{said}\n{table}");
    }
    for said in [&format!("10 of 58 rows (17.2 %) lost: {loss}"), "no metadata file was found"] {
        assert!(warnings.contains(said), "{said}\n{warnings}");
    }
    let stats = std::fs::read_to_string(folder.path().join("out/stats.json")).unwrap();
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    let skipped =
        &stats["report"]["files"][0]["skipped"]["`unixReviewTime` is no whole number from 0 to 2^53"];
    assert_eq!((&skipped["count"], &skipped["first_line"]), (&10.into(), &49.into()));
    assert_eq!(stats["warnings"].as_array().unwrap().len(), 2);
}

#[test]
fn answers_that_repeat_are_a_warning_with_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("D.txt"), "1 1 2 3 1\n2 2 3 1 4\n").unwrap();
    let warned = "1 of 2 test answers (50.0 %) are in their user's history already: `--drop-repeats`";
    let (output, _kept) = prepare("s3rec", folder.path(), "D", &[]);
    assert!(words(&output.stderr).contains(warned), "{}", words(&output.stderr));
    let (output, _kept) = prepare("s3rec", folder.path(), "D", &["--drop-repeats=all"]);
    assert!(!words(&output.stderr).contains("test answers"), "{}", words(&output.stderr));
    assert!(words(&output.stdout).contains("2 users, 4 items, 7 events after dropping repeats"));
}

#[test]
fn errors_name_the_flag() {
    let empty = tempfile::tempdir().unwrap();
    for (source, input, name, flags, said) in [
        (
            "amazon",
            case("skipped_lines"),
            "X",
            vec!["--min-user-events", "7"],
            "`--min-user-events` and `--min-item-events` decide",
        ),
        ("amazon", case("skipped_lines"), "X", vec!["--rating-above", "5"], "which `--rating-above` decides"),
        ("s3rec", case("latin1_titles"), "D", vec![], "set `--lossy-utf8` to replace"),
        ("amazon", case("zip_named_gz"), "X", vec![], "a zip archive: unpack it"),
        ("amazon", empty.path().into(), "X", vec![], "the folder is empty"),
        ("amazon", empty.path().join("absent"), "X", vec![], "absent: cannot open: No such file"),
        (
            "s3rec",
            case("sasrec_pairs"),
            "D",
            vec!["--after", "2020-01-01"],
            "--after means nothing for --source s3rec",
        ),
        (
            "kuaisar",
            case("csv_with_bom"),
            "K",
            vec!["--rating-above", "3"],
            "--rating-above means nothing for --source kuaisar",
        ),
    ] {
        let (output, folder) = prepare(source, &input, name, &flags);
        let message = words(&output.stderr);
        assert!(!output.status.success() && message.contains(said), "{said}\n{message}");
        assert!(!folder.path().join("out").exists(), "{said}");
    }
}

/// Runs a program of the examples; what it says, if it succeeds.
fn run(program: &str, arguments: &[&str]) -> String {
    let own = std::env::current_exe().unwrap();
    let binary = own.parent().unwrap().parent().unwrap().join("examples").join(program);
    let output =
        Command::new(binary).args(arguments).output().expect("`cargo test` builds the example binaries");
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    words(&output.stdout)
}

#[test]
fn a_table_is_prepared_grown_exported_and_read_back() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name).display().to_string();
    let (before, after) = (case("grown_log/before.csv"), case("grown_log/after.csv"));
    let all = ["--query", "query", "--min-user-events", "1", "--min-item-events", "1"];
    let table = |events: &Path, out: &str, more: &[&str]| {
        let (events, out) = (events.display().to_string(), path(out));
        run("prepare", &[&["--source", "table", "--events", &events, "--out", &out], &all[..], more].concat())
    };
    let said = table(&before, "old", &[]);
    let columns =
        "before.csv: 6 rows; cells between commas, user = user, item = item, time = timestamp, query = query";
    assert!(said.contains(columns) && said.contains("2 users, 5 items, 6 events after reading"), "{said}");
    table(&after, "grown", &["--grow", &path("old")]);
    let names = |corpus: &str| {
        let corpus = seminar_dataset::Corpus::open(path(corpus)).unwrap();
        let names: Vec<String> = (1..=5).map(|item| corpus.item_name(item).to_owned()).collect();
        (names, corpus.fingerprint(), corpus.event_count())
    };
    assert_eq!((names("grown").0, names("grown").2), (names("old").0, 7));
    for form in ["csv", "recbole"] {
        let (tables, again) = (path(&format!("{form}_tables")), path(&format!("{form}_again")));
        run("export", &["--data", &path("grown"), "--format", form, "--out", &tables]);
        run("prepare", &["--preset", &format!("{tables}/preset.toml"), "--input", &tables, "--out", &again]);
        assert_eq!(names(&format!("{form}_again")), names("grown"), "{form}");
    }
    run("export", &["--data", &path("grown"), "--format", "s3rec", "--name", "log", "--out", &path("texts")]);
    run(
        "prepare",
        &["--source", "s3rec", "--name", "log", "--input", &path("texts"), "--out", &path("s3rec_again")],
    );
    assert_eq!(names("s3rec_again"), names("grown"));
    let split = table(&after, "split", &["--split-at", "1970-01-01T00:00:05,7"]);
    assert!(split.contains("answers 1 for the test"), "{split}");
    let known = run("prepare", &["--list-presets"]);
    assert!(known.contains("movielens-latest") && known.contains("yambda"), "{known}");
    assert!(run("prepare", &["--show-preset", "mind"]).contains("behaviors.tsv"));
}

#[test]
fn settings_that_messages_name_are_flags() {
    let (output, _folder) = prepare("amazon", &case("skipped_lines"), "X", &["--help"]);
    let help = words(&output.stdout);
    for setting in seminar_examples::prepare::FLAGS {
        let flag = format!("--{}", setting.replace('_', "-"));
        assert!(help.contains(&flag), "{flag}");
    }
}
