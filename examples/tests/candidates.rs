//! Whom `train` and `evaluate` rank among whom: the commands as people give them, from raw files to what is printed and written.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(name)
}

/// Runs an example binary; what it printed.
fn run<'a>(example: &str, arguments: impl IntoIterator<Item = &'a str>) -> String {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().unwrap().parent().unwrap().join("examples").join(example);
    let output = Command::new(path).args(arguments).output();
    let output = output.expect("`cargo test` builds the example binaries");
    assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn prepare(source: &str, input: &Path, name: &str, out: &Path) {
    let [input, out] = [input, out].map(|path| path.to_str().unwrap());
    run("prepare", ["--source", source, "--input", input, "--name", name, "--out", out]);
}

/// Trains for an epoch; what was printed, and `metrics.json`.
fn train(data: &Path, model: &str, out: &Path, more: &[&str]) -> (String, Value) {
    let [data, out] = [data, out].map(|path| path.to_str().unwrap());
    let own = ["--data", data, "--model", model, "--out", out, "--epochs", "1", "--retrieve-topk", "5"];
    let told = run("train", own.iter().chain(more).copied());
    (told, read(&Path::new(out).join("metrics.json")))
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn item_numbers_are_only_names() {
    let folder = tempfile::tempdir().unwrap();
    let corpora = ["sparse", "dense"].map(|name| {
        let corpus = folder.path().join(name);
        prepare("s3rec", &data("cases/sparse_item_numbers").join(name), "D", &corpus);
        corpus
    });
    const SEEDS: u32 = 12;
    let mut sum = 0.0;
    for seed in 0..SEEDS {
        let [sparse, dense] = corpora.each_ref().map(|corpus| {
            train(corpus, "popularity", &corpus.join(format!("run{seed}")), &["--seed", &seed.to_string()]).1
        });
        assert_eq!((&sparse["metrics"], &sparse["ci95"]), (&dense["metrics"], &dense["ci95"]));
        assert_eq!(sparse["users"], 300);
        sum += sparse["metrics"]["MRR"].as_f64().unwrap();
    }
    // The mean over draws of 99 negatives is .188; a single draw is off by .005.
    let mean = sum / f64::from(SEEDS);
    assert!((mean - 0.188).abs() < 0.005, "{mean}");
}

#[test]
fn users_who_know_every_item_are_in_no_figure_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let [corpus, again] = ["corpus", "again"].map(|name| folder.path().join(name));
    prepare("amazon", &data("cases/seen_every_item"), "X", &corpus);
    // The text files beside the corpus are data of their own.
    prepare("s3rec", &corpus, "X", &again);
    for (corpus, asked) in [(corpus, 99), (again, 0)] {
        for model in ["sim", "popularity"] {
            let (told, row) = train(&corpus, model, &corpus.join(model), &[]);
            assert!(told.contains("empty list: 6, in no figure") && told.contains('–'), "{told}");
            assert!(!told.contains("1.0000") && !told.contains("NaN"), "{told}");
            assert_eq!(row["users"], 0);
            assert!(row["metrics"]["MRR"].is_null() && row["metrics"]["AUC"].is_null(), "{row:#}");
            assert_eq!(row["coverage"]["without_negatives"], 6);
            assert_eq!(row["coverage"]["negatives"], asked);
            let page = std::fs::read_to_string(corpus.join(model).join("report.html")).unwrap();
            assert!(page.contains("empty list: 6, in no figure") && !page.contains("NaN"));
        }
        let run_folder = corpus.join("sim");
        let [run_folder, corpus] = [&run_folder, &corpus].map(|path| path.to_str().unwrap());
        let told = run("evaluate", ["--checkpoint", run_folder, "--data", corpus, "--full", "4"]);
        assert!(told.contains("a random sample of 4 of 6 users"), "{told}");
        assert!(told.contains("list: 6, in no figure") && told.contains("list: 4, in no figure"), "{told}");
    }
}

#[test]
fn users_with_fewer_negatives_are_reported_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    let mut user = |count: u32, start: u32| {
        let items: Vec<String> = (0..count).map(|n| (1 + (start + 7 * n) % 120).to_string()).collect();
        lines += &format!("{} {}\n", 1 + lines.lines().count(), items.join(" "));
    };
    (0..40).for_each(|number| user(6, 3 * number));
    (0..3).for_each(|number| user(60 + number, number));
    user(120, 5);
    (0..2).for_each(|number| user(2, number));
    std::fs::write(folder.path().join("D.txt"), lines).unwrap();
    let (corpus, out) = (folder.path().join("corpus"), folder.path().join("out"));
    prepare("s3rec", folder.path(), "D", &corpus);
    std::fs::remove_file(corpus.join("D_sample.txt")).unwrap();
    let (told, row) = train(&corpus, "popularity", &out, &[]);
    for part in [
        "fewer than 99 negatives (58 to 60, 59.0 in the mean): 3, not in the figures above but apart below",
        "list: 1, in no figure",
        "too few events for this split: 2, not ranked",
        "few candidates",
    ] {
        assert!(told.contains(part), "`{part}` in {told}");
    }
    assert_eq!((&row["users"], &row["coverage"]["short"]["users"]), (&40.into(), &3.into()));
    assert!(row["coverage"]["short"]["metrics"]["MRR"].as_f64().unwrap() > 0.0);
    assert_eq!(row["coverage"]["too_few_events"], 2);
}

#[test]
fn ties_and_samples_of_gift_cards() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().join("corpus");
    prepare("amazon", &data("gift_cards"), "Gift_Cards", &corpus);
    let popularity = |ties| {
        let (_, row) = train(&corpus, "popularity", &folder.path().join(ties), &["--ties", ties]);
        row["metrics"]["HIT@10"].as_f64().unwrap()
    };
    let [best, mean, worst] = ["optimistic", "mean", "pessimistic"].map(popularity);
    assert!((mean - 0.1827).abs() < 5e-5, "{mean}");
    assert!(worst < mean && mean < best, "{worst}, {mean}, {best}");

    let run_folder = folder.path().join("run");
    train(&corpus, "twin", &run_folder, &[]);
    let [run_path, corpus] = [&run_folder, &corpus].map(|path| path.to_str().unwrap());
    let full = |users: &str| {
        let told = run("evaluate", ["--checkpoint", run_path, "--data", corpus, "--full", users]);
        let row = read(&run_folder.join("evaluation/full_metrics.json"));
        let report = std::fs::read_to_string(run_folder.join("evaluation/report.html")).unwrap();
        (told, row, report)
    };
    let (told, row, report) = full("100");
    for told in [&told, &report] {
        assert!(told.contains("twin, all items: a random sample of 100 of 456 users"), "{told}");
    }
    assert_eq!((&row["users"], &row["coverage"]["sample_of"]), (&100.into(), &456.into()));
    assert_eq!(full("100").1["metrics"], row["metrics"], "the same seed draws the same users");
    let (told, row, _) = full("500");
    assert!(!told.contains("sample") && row["users"] == 456 && row["coverage"]["sample_of"].is_null());
}
