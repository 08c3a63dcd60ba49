//! The tuned settings on users who walk around a circle, one way or the other: what comes next depends on the order of what came before.

mod support;

use std::sync::Arc;

use burn::tensor::Device;
use seminar_dataset::{BatchConfig, Corpus, Split};
use seminar_models::parts::ShortTermConfig;
use seminar_models::{AnyConfig, AnyModel, ModelConfig, ModelKind};
use seminar_trainer::{Modalities, Run, Silent, TrainConfig, Trainer};

fn run(kind: ModelKind, tower: Option<ShortTermConfig>) -> Run<AnyConfig> {
    let model = ModelConfig {
        width: 16,
        heads: 2,
        top_k: 8,
        stage_one_top_k: 10,
        hash_bits: 32,
        short_term: tower,
        ..ModelConfig::tuned()
    };
    let batches = BatchConfig {
        batch_size: 16,
        history_length: 12,
        shared_negatives: 20,
        compared_targets: 4,
        evaluation_negatives: 30,
        ..BatchConfig::tuned()
    };
    let mut train = TrainConfig { width: 16, epochs: 30, patience: 0, batches, ..TrainConfig::tuned() };
    train.adam.learning_rate = 5e-3;
    Run { config: AnyConfig { kind, model }, train, pretrain_epochs: 0, dataset: "circle".into() }
}

fn trained(run: &Run<AnyConfig>, corpus: &Arc<Corpus>) -> Trainer<AnyModel> {
    let fresh = run.trainer(corpus, Modalities::default(), &Device::flex()).unwrap();
    run.train(fresh, None, &mut Silent).unwrap()
}

fn tower() -> Option<ShortTermConfig> {
    Some(ShortTermConfig { events: 8, dropout: 0.1, ..ShortTermConfig::default() })
}

/// 240 users who walk around a circle of 60 items in steps of seven, half of them backwards. Which items a user took does not tell
/// which of the two ends comes next.
fn circle() -> (tempfile::TempDir, Arc<Corpus>) {
    let item = |user: u32, step: u32| {
        let walked = 7 * step % 60;
        1 + (user + if user < 120 { walked } else { 60 - walked }) % 60
    };
    let users: Vec<Vec<String>> =
        (0..240).map(|user| (0..8).map(|step| item(user, step).to_string()).collect()).collect();
    support::write(&users)
}

#[test]
fn towers_learn_what_comes_next_and_the_number_of_threads_changes_no_bit() {
    let (_folder, corpus) = circle();
    let mrr = |kind, tower| {
        let run = run(kind, tower);
        let evaluation = trained(&run, &corpus).evaluate(Split::Test, &run.train.batches).unwrap();
        evaluation.metrics["MRR"]
    };
    for &kind in ModelKind::ALL {
        let with = mrr(kind, tower());
        assert!(with > 0.9, "{kind:?}: {with}");
    }
    let without = mrr(ModelKind::Twin, None);
    assert!(without < 0.85, "attention alone knows no order: {without}");

    // Not beside other trainings of this process: the noise of dropout comes from the device's one stream.
    let mut run = run(ModelKind::Seminar, tower());
    run.train.epochs = 2;
    let weights = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| trained(&run, &corpus).export())
    };
    assert!(weights(1) == weights(3));
}
