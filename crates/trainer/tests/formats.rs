//! Files of earlier versions, kept in `data/formats`: they open and give what they gave, for ever.

#[path = "support/small.rs"]
mod small;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use seminar_dataset::{Corpus, Split};
use seminar_models::{AnyConfig, AnyModel};
use seminar_trainer::{Event, Hit, Modalities, Output, Phase, Recommender, Request, Run, Silent, Start};
use serde::{Deserialize, Serialize};
use small::open;

fn formats(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/formats").join(name)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What version 0.1 reached.
#[derive(Deserialize)]
struct Reached {
    best_mrr: f64,
    end_mrr: f64,
    end_losses: Vec<f64>,
}

#[test]
fn a_run_of_version_0_1_scores_and_goes_on() {
    let old = formats("v0.1");
    let reached: Reached = read(&old.join("metrics.json"));
    let run: Run<AnyConfig> = read(&old.join("run/experiment.json"));
    let corpus = Arc::new(Corpus::open(old.join("corpus")).unwrap());
    let trainer = || run.trainer::<AnyModel>(&corpus, Modalities::default(), &Device::flex()).unwrap();
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a}, not {b}");
    let batches = &run.train.batches;

    let mut best = trainer();
    let untrained = best.evaluate(Split::Test, batches).unwrap().metrics["MRR"];
    best.load_weights(&old.join("run/checkpoint/best.ckpt")).unwrap();
    near(best.evaluate(Split::Test, batches).unwrap().metrics["MRR"], reached.best_mrr);
    assert!((untrained - reached.best_mrr).abs() > 1e-3, "weights that change nothing show nothing");

    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("checkpoint")).unwrap();
    for name in ["experiment.json", "steps.jsonl", "checkpoint/last.ckpt", "checkpoint/best.ckpt"] {
        std::fs::copy(old.join("run").join(name), folder.path().join(name)).unwrap();
    }
    let mut resumed = trainer().with_checkpoints(seminar_trainer::CheckpointConfig {
        folder: folder.path().join("checkpoint"),
        every: 2,
    });
    assert!(resumed.resume().unwrap());
    assert_eq!((resumed.progress().phase, resumed.progress().epoch), (Phase::Fit, 1), "in its second epoch");
    let output = Output { folder: folder.path().to_owned(), start: Start::Resume, every: 2 };
    let mut ended = run.train(trainer(), Some(&output), &mut Silent).unwrap();
    assert_eq!(ended.progress().phase, Phase::Done);
    near(ended.evaluate(Split::Test, batches).unwrap().metrics["MRR"], reached.end_mrr);
    let losses = &ended.progress().fit.losses;
    assert_eq!(losses.len(), reached.end_losses.len());
    losses.iter().zip(&reached.end_losses).for_each(|(&a, &b)| near(a, b));
    // What the old release did not leave can be made now.
    let model = folder.path().join("model");
    let refused = Recommender::<AnyModel>::open(folder.path(), &Device::flex()).unwrap_err().to_string();
    assert!(refused.contains("0.1") && refused.contains("--resume"), "{refused}");
    ended.save_bundle(&model, &run.about(&Default::default())).unwrap();
    open(&model).unwrap();
}

/// A request to a saved model, and what came back.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    history: Vec<(String, String)>,
    query: String,
    ids: Vec<String>,
    score_bits: Vec<u32>,
}

fn ask(recommender: &Recommender<AnyModel>, history: &[(String, String)], query: &str) -> Vec<Hit> {
    let events = history.iter().map(|(item, query)| Event::new(item).after_query(query));
    let history = recommender.history(events).unwrap();
    recommender.recommend(&history, &Request { query: query.to_owned(), ..Request::default() }).unwrap()
}

#[test]
fn a_saved_model_of_version_1_recommends_as_it_did() {
    let recommender = open(&formats("model_v1/model")).unwrap();
    assert_eq!(recommender.description().version, 1);
    let answers: Vec<Answer> = read(&formats("model_v1/answers.json"));
    assert!(answers.len() >= 3);
    for answer in answers {
        let hits = ask(&recommender, &answer.history, &answer.query);
        let ids: Vec<&String> = hits.iter().map(|hit| &hit.id).collect();
        assert_eq!(ids, answer.ids.iter().collect::<Vec<_>>());
        assert_eq!(hits.len(), 10);
        for (hit, &bits) in hits.iter().zip(&answer.score_bits) {
            let score = f32::from_bits(bits);
            assert!((hit.score - score).abs() <= 1e-6 * score.abs().max(1.0), "{} is not {score}", hit.score);
        }
    }
}

/// How `data/formats/model_v1` was made: `cargo test -p seminar-trainer --test formats -- --ignored`. It is not to be made
/// again: a new version of the format gets a folder of its own.
#[test]
#[ignore = "writes into the repository"]
fn write_the_saved_model() {
    let folder = formats("model_v1");
    assert!(!folder.exists(), "the sample of version 1 is there: it stays");
    let data = tempfile::tempdir().unwrap();
    small::write(data.path(), 30, 1);
    std::fs::create_dir_all(&folder).unwrap();
    small::save(data.path(), &folder.join("model"), small::model());
    let recommender = open(&folder.join("model")).unwrap();
    let histories: [(&[(&str, &str)], &str); 4] = [
        (&[("item-1", ""), ("item-2", "red"), ("item-3", "blue shoe")], ""),
        (&[("item-1", ""), ("item-2", "red"), ("item-3", "blue shoe")], "blue"),
        (&[("item-39", ""), ("item-5", ""), ("item-17", ""), ("item-8", ""), ("item-20", "")], "red"),
        (&[], ""),
    ];
    let answers: Vec<Answer> = histories
        .into_iter()
        .map(|(history, query)| {
            let history: Vec<(String, String)> =
                history.iter().map(|&(item, query)| (item.to_owned(), query.to_owned())).collect();
            let hits = ask(&recommender, &history, query);
            let (ids, score_bits) = hits.into_iter().map(|hit| (hit.id, hit.score.to_bits())).unzip();
            Answer { history, query: query.to_owned(), ids, score_bits }
        })
        .collect();
    std::fs::write(folder.join("answers.json"), serde_json::to_string_pretty(&answers).unwrap() + "\n")
        .unwrap();
}
