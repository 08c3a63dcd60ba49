//! How long a recommendation takes: all items of a catalogue ranked for one history, on one thread.
//!
//! ```sh
//! cargo bench -p seminar-benches --bench recommend_latency                     # 12,101, 60,000 and 1,480,000 items
//! cargo bench -p seminar-benches --bench recommend_latency -- --items 60000    # one catalogue; --threads N, --json FILE
//! ```
//! For each catalogue and model a saved model is written (items, queries and text, D 64, H 4, K 50; untrained, which costs the same),
//! then opened: the time to open it and score 2,000 candidates, and for histories of 50, 100 and 1,000 events the median and the 99th
//! percentile of exact recommendations of all items, and the peak of resident memory beyond the mapped files.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use seminar_benches as _;
use seminar_dataset::atomic::write_text;
use seminar_dataset::rng::Stream;
use seminar_dataset::{BatchConfig, Corpus, EmbeddingTable, Numbered, Precision};
use seminar_models::{AnyConfig, AnyModel, ModalityKind, ModelConfig, ModelKind};
use seminar_trainer::{Modalities, Recommender, Request, Run, TrainConfig};
use serde_json::{Value, json};

const LENGTHS: [usize; 3] = [50, 100, 1000];
const TEXT: usize = 64;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let value = |flag: &str| args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1));
    let catalogues: Vec<usize> = if args.iter().any(|arg| arg == "--test") {
        vec![3000]
    } else if let Some(items) = value("--items") {
        vec![items.parse().expect("--items is a number")]
    } else {
        vec![12_101, 60_000, 1_480_000]
    };
    let threads = value("--threads").map_or(1, |threads| threads.parse().expect("--threads is a number"));
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("no pool was made before");
    println!(
        "{:>9} {:8} {:>8} {:>10} {:>6} {:>10} {:>10} {:>10}",
        "items", "model", "bundle", "opened", "L", "p50", "p99", "memory"
    );
    let mut rows = Vec::new();
    for items in catalogues {
        let folder = tempfile::tempdir().expect("a folder");
        write_corpus(items, folder.path());
        for kind in [ModelKind::Twin, ModelKind::Seminar] {
            let path = folder.path().join("model");
            save(kind, folder.path(), &path);
            measure(kind, items, &path, &mut rows);
        }
    }
    if let Some(file) = value("--json") {
        let text = format!("{:#}\n", json!({ "threads": threads, "rows": rows }));
        write_text(Path::new(file), &text).expect("--json is a file that can be written");
    }
}

/// A corpus in which a few users have each item once.
fn write_corpus(items: usize, folder: &Path) {
    let names: Vec<String> = (0..items).map(|item| format!("B{item:09}")).collect();
    let titles = names
        .iter()
        .enumerate()
        .map(|(item, name)| (name, format!("The title of item {item}, of some words")));
    let data = Numbered::from_sequences(names.chunks(2000)).with_titles(titles).expect("titles");
    Corpus::write(&data, folder).expect("the corpus is written");
    let mut stream = Stream::new(&[3]);
    let mut table = EmbeddingTable::new(items, TEXT).expect("a table");
    for item in 1..=items as u32 {
        let row: Vec<f32> = (0..TEXT).map(|_| stream.unit() as f32 - 0.5).collect();
        table.set(item, &row).expect("a row");
    }
    table.write(&folder.join("text.emb"), Precision::F16).expect("embeddings are written");
}

fn save(kind: ModelKind, folder: &Path, path: &Path) {
    let corpus = Arc::new(Corpus::open(folder).expect("the corpus"));
    let modalities = vec![ModalityKind::Id, ModalityKind::Query, ModalityKind::Text];
    let model = ModelConfig { modalities, text_width: TEXT, ..ModelConfig::default() };
    let batches = BatchConfig { history_length: 1000, ..BatchConfig::default() };
    let modalities = Modalities::of_folder(folder, &model.modalities).expect("embeddings");
    let run = Run {
        config: AnyConfig { kind, model },
        train: TrainConfig { batches, ..TrainConfig::default() },
        pretrain_epochs: 0,
        dataset: "latency".into(),
    };
    let mut trainer = run.trainer::<AnyModel>(&corpus, modalities, &Device::flex()).expect("a trainer");
    trainer.save_bundle(path, &run.about(&Default::default())).expect("the model is saved");
}

/// Prints a line for each length of a history, and adds it to `rows`.
fn measure(kind: ModelKind, items: usize, path: &Path, rows: &mut Vec<Value>) {
    let bytes: u64 = std::fs::read_dir(path)
        .expect("the saved model")
        .map(|file| file.and_then(|file| file.metadata()).map_or(0, |file| file.len()))
        .sum();
    let name = |item: usize| format!("B{:09}", item % items);
    let some: Vec<String> = (0..2000).map(|item| name(item * 7)).collect();
    let start = Instant::now();
    let recommender = Recommender::<AnyModel>::open(path, &Device::flex()).expect("it opens");
    let history =
        recommender.history(&(0..100).map(|step| name(step * 31)).collect::<Vec<_>>()).expect("a history");
    let scores = recommender.score(&history, &some).expect("scores");
    let opened = start.elapsed().as_secs_f64() * 1e3;
    assert_eq!(scores.len(), some.len());
    for length in LENGTHS {
        let events: Vec<String> = (0..length).map(|step| name(step * 31 + length)).collect();
        let history = recommender.history(&events).expect("a history");
        let runs = (20_000_000 / items / length.max(100)).clamp(5, 200);
        let request = Request::default();
        std::fs::write("/proc/self/clear_refs", "5").ok();
        let before = anonymous("RssAnon");
        let mut peak = before;
        let mut times: Vec<f64> = Vec::with_capacity(runs);
        for _ in 0..runs {
            let start = Instant::now();
            let hits = std::thread::scope(|scope| {
                let answer = scope.spawn(|| recommender.recommend(&history, &request).expect("hits"));
                while !answer.is_finished() {
                    peak = peak.max(anonymous("RssAnon"));
                    std::thread::sleep(std::time::Duration::from_micros(500));
                }
                answer.join().expect("it does not panic")
            });
            times.push(start.elapsed().as_secs_f64() * 1e3);
            assert_eq!(hits.len(), 10);
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).ceil() as usize];
        rows.push(json!({
            "items": items,
            "model": kind.name(),
            "length": length,
            "bundle_bytes": bytes,
            "opened_ms": opened,
            "p50_ms": at(0.5),
            "p99_ms": at(0.99),
            "memory_bytes": (peak - before) * 1024,
        }));
        println!(
            "{items:>9} {:8} {:>5.0} MB {:>7.1} ms {length:>6} {:>7.1} ms {:>7.1} ms {:>7.1} MB",
            kind.name(),
            bytes as f64 / 1e6,
            opened,
            at(0.5),
            at(0.99),
            (peak - before) as f64 / 1024.0,
        );
    }
}

/// Resident memory that no file stands behind, in KiB; 0 where the system does not say.
fn anonymous(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
