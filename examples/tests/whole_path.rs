//! From synthetic raw files to trained models, in both raw forms.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use seminar_dataset::synthetic::{write_amazon, write_kuaisar};
use seminar_dataset::{
    AmazonReviews, BatchConfig, Corpus, KuaiSar, PrepareConfig, Prepared, ReadOptions, Split, Statistics,
    SyntheticConfig, WholeFolder,
};
use seminar_examples::embed::hashed_titles;
use seminar_examples::prepare::{Raw, write_corpus};
use seminar_examples::run::{Experiment, available, evaluate, trainer};
use seminar_models::{AnyConfig, ModelConfig, ModelKind};
use seminar_trainer::metrics::Ties;
use seminar_trainer::{AdamConfig, EpochInfo, Observer, TrainConfig};

fn world() -> SyntheticConfig {
    SyntheticConfig { users: 300, items: 160, events: 6_000, review_words: 5.0, ..Default::default() }
}

fn files_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("stats.json"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

fn finish(prepared: Prepared, raw: (&Path, &str), out: &Path) {
    write_corpus(prepared.data, &prepared.report, raw, &WholeFolder::new(out, "test"), true, Instant::now())
        .unwrap();
}

#[test]
fn same_input_same_bytes_with_any_number_of_threads() {
    let made: Vec<_> = [1, 2]
        .map(|threads| {
            let folder = tempfile::tempdir().unwrap();
            let (raw, out) = (folder.path().join("raw"), folder.path().join("out"));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                write_amazon(&world(), &raw, "World", &|_| {}).unwrap();
                let source = AmazonReviews::locate(&raw, "World").unwrap();
                finish(PrepareConfig::amazon().prepare(&source).unwrap(), (&raw, "World"), &out);
            });
            (files_of(&raw), files_of(&out))
        })
        .into();
    assert!(made[0] == made[1]);
    let names: Vec<&str> = made[0].1.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        ".seminar-files.json",
        "World.txt",
        "World_id2dummy_query.json",
        "World_item2attributes.json",
        "World_queries.txt",
        "World_sample.txt",
        "World_sample_queries.txt",
        "corpus.bin",
        "image.emb",
        "texts.bin",
        "vocabulary.tsv",
    ];
    assert_eq!(names, expected);
}

#[test]
fn kuaisar_form_keeps_searches_and_their_words() {
    let folder = tempfile::tempdir().unwrap();
    write_kuaisar(&world(), folder.path(), &|_| {}).unwrap();
    let prepared = PrepareConfig::kuaisar().prepare(&KuaiSar::new(folder.path())).unwrap();
    assert_eq!((prepared.report.before.users, prepared.report.before.events), (300, 6_000));
    let out = folder.path().join("out");
    finish(prepared, (folder.path(), "kuaisar"), &out);
    let statistics = Statistics::of(&Corpus::open(&out).unwrap());
    let share = statistics.events_with_query as f64 / statistics.events as f64;
    assert!((0.18..0.28).contains(&share), "{share}");
    assert!(statistics.attributes > 20 && statistics.queries > 20);
}

#[test]
fn every_model_learns_and_its_run_repeats_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let (raw, out) = (folder.path().join("raw"), folder.path().join("out"));
    write_amazon(&world(), &raw, "World", &|_| {}).unwrap();
    let source = AmazonReviews::locate(&raw, "World").unwrap();
    finish(PrepareConfig::amazon().prepare(&source).unwrap(), (&raw, "World"), &out);
    let corpus = Arc::new(Corpus::open(&out).unwrap());
    hashed_titles(&corpus, &out.join("text.emb")).unwrap();
    let batches =
        BatchConfig { batch_size: 64, history_length: 16, targets_per_user: 8, ..Default::default() };
    for &kind in ModelKind::ALL {
        let run = Experiment {
            config: AnyConfig {
                kind,
                model: ModelConfig {
                    width: 16,
                    heads: 2,
                    top_k: 6,
                    stage_one_top_k: 10,
                    modalities: available(&corpus, &out),
                    ..Default::default()
                },
            },
            train: TrainConfig {
                width: 16,
                epochs: 6,
                batches: batches.clone(),
                adam: AdamConfig { learning_rate: 5e-3, ..Default::default() },
                ..Default::default()
            },
            pretrain_epochs: u64::from(kind == ModelKind::Seminar),
            dataset: "world".into(),
        };
        let device = Device::flex();
        let train = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut losses = Losses::default();
            let result = pool.install(|| {
                let mut run = run.clone();
                let trainer = trainer(&mut run, &corpus, &out, &device).unwrap();
                let mut trainer = run.train(trainer, None, &mut losses).unwrap();
                evaluate(&run, &mut trainer, &corpus, Split::Test, &batches, Ties::Mean).unwrap()
            });
            (losses.0, result.metrics)
        };
        let (losses, metrics) = train(1);
        assert!(losses[5] < losses[0] - 0.05, "{kind:?}: {losses:?}");
        assert_eq!((losses, metrics), train(2), "{kind:?}: the same run with two threads");
    }
}

/// The mean loss of each epoch.
#[derive(Default)]
struct Losses(Vec<f64>);

impl Observer for Losses {
    fn epoch(&mut self, info: &EpochInfo) {
        // Pretraining counts its epochs from 0 too, and comes first.
        if info.epoch == 0 {
            self.0.clear();
        }
        self.0.push(info.loss);
    }
}

/// Vectors are found by the files' item numbers, with gaps between them or without.
#[test]
fn published_dictionaries_of_vectors_come_along() {
    let folder = tempfile::tempdir().unwrap();
    let (raw, out) = (folder.path(), folder.path().join("out"));
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/tiny/title_emb.pth");
    std::fs::copy(tiny, raw.join("toy_id2title_emb.pth")).unwrap();
    for (text, ids) in [("1 1 2 3 4 5\n2 5 4 3 2 1\n", [1, 4]), ("1 7 4 1 3\n2 1 4 3 900\n", [3, 2])] {
        std::fs::write(raw.join("toy.txt"), text).unwrap();
        let toy = seminar_dataset::s3rec::import(raw, "toy", seminar_dataset::Queries::None).unwrap();
        let files = Raw {
            folder: raw,
            name: "toy",
            item_numbers: &toy.item_numbers,
            options: ReadOptions::default(),
        };
        write_corpus(
            toy.data,
            &toy.report,
            files,
            &WholeFolder { replace: true, ..WholeFolder::new(&out, "test") },
            false,
            Instant::now(),
        )
        .unwrap();
        let vectors = seminar_dataset::Embeddings::open(&out.join("text.emb")).unwrap();
        let mut row = [0.0; 3];
        assert!(vectors.read(ids[0], &mut row) && row == [1.0, 2.0, 3.0], "of number 1");
        assert!(!vectors.read(ids[1], &mut row), "the dictionary has no 4");
    }
}
