//! The retrieval experiment on small data: every method answers, exact ones exactly, and the published ones as measured.

use std::process::Command;

use serde_json::Value;

fn run(arguments: &[&str]) -> (Vec<Value>, tempfile::TempDir) {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    // The binary lies beside the test's folder.
    let own = std::env::current_exe().unwrap();
    let binary = own.parent().unwrap().parent().unwrap().join("examples/retrieval_recall");
    let output = Command::new(binary).args(["--out", folder]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for file in ["report.html", "retrieval.svg"] {
        let text = std::fs::read_to_string(out.path().join(file)).unwrap();
        assert!(text.contains("<svg") && !text.contains("NaN"), "{file}");
    }
    let json: Value =
        serde_json::from_slice(&std::fs::read(out.path().join("retrieval.json")).unwrap()).unwrap();
    (json["rows"].as_array().unwrap().clone(), out)
}

fn recall(rows: &[Value], method: &str) -> f64 {
    let row = rows.iter().find(|row| row["method"] == method);
    row.unwrap_or_else(|| panic!("no `{method}` in {rows:#?}"))["recall"].as_f64().unwrap()
}

/// Figures of an independent program for the published setting, over 200 users; here 10 and 200 targets, so the tolerance is wider.
#[test]
fn the_published_setting_gives_the_known_recalls() {
    let (rows, _out) = run(&["--users", "10", "--targets", "20", "--without-graphs"]);
    assert_eq!(recall(&rows, "exact, fused keys"), 1.0);
    assert_eq!(recall(&rows, "exact, keys not fused"), 1.0);
    let near = |method: &str, known: f64, tolerance: f64| {
        let found = recall(&rows, method);
        assert!((found - known).abs() < tolerance, "{method}: {found}, known {known}");
    };
    near("two-stage, LSH 64 bit, lists of K", 0.516, 0.06);
    near("two-stage, LSH 256 bit, lists of K", 0.574, 0.06);
    near("multi-modal PQ 16 x 8, symmetric, target in training", 0.967, 0.03);
    near("multi-modal PQ 16 x 8, asymmetric", 0.983, 0.03);
    near("multi-modal PQ 4 x 8, symmetric, target in training", 0.603, 0.06);
    near("multi-modal PQ 4 x 8, asymmetric", 0.727, 0.06);
    let ceiling =
        rows.iter().find(|row| row["method"] == "two-stage, LSH 64 bit, lists of K").unwrap()["ceiling"]
            .as_f64();
    assert!((ceiling.unwrap() - 0.593).abs() < 0.06, "{ceiling:?}");
}

#[test]
fn one_modality_compares_the_indexes() {
    let arguments = [
        "--modalities",
        "1",
        "--dim",
        "16",
        "--length",
        "3000",
        "--targets",
        "20",
        "--topk",
        "10",
        "--data",
        "centres",
    ];
    let (rows, _out) = run(&arguments);
    assert_eq!(recall(&rows, "flat, exact"), 1.0);
    assert!(recall(&rows, "HNSW 16 links, efC 100, ef 128, first 10") > 0.95);
    assert!(recall(&rows, "PQ 8 x 4 bit, fast scan, 10 K rescored") > 0.9);
    assert!(rows.iter().all(|row| row["p99_us"].as_f64() >= row["p50_us"].as_f64()));
}
