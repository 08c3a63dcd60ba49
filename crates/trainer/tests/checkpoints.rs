//! Checkpoints in one process: what is refused, and what weights alone bring back.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use seminar_dataset::{BatchConfig, Corpus, Split};
use seminar_models::{AnyModel, ModelConfig, ModelKind};
use seminar_trainer::{
    CheckpointConfig, Modalities, Observer, Phase, Silent, StepInfo, Tables, TrainConfig, Trainer,
};
use support::corpus;

fn config() -> TrainConfig {
    let batches = BatchConfig {
        batch_size: 32,
        history_length: 12,
        targets_per_user: 2,
        evaluation_negatives: 30,
        ..BatchConfig::default()
    };
    TrainConfig { width: 8, epochs: 2, patience: 1, batches, ..TrainConfig::default() }
}

fn trainer(kind: ModelKind, config: TrainConfig, corpus: &Arc<Corpus>, folder: &Path) -> Trainer<AnyModel> {
    let device = Device::flex().autodiff();
    let model = ModelConfig { width: config.width, top_k: 4, ..ModelConfig::default() };
    let model = kind.build(&model, 12, &device).unwrap();
    let tables = Tables::new(&config, corpus, Modalities::default()).unwrap();
    let checkpoints = CheckpointConfig { folder: folder.to_path_buf(), every: 2 };
    Trainer::new(model, tables, config, corpus.clone(), device).unwrap().with_checkpoints(checkpoints)
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_changes() {
    let (_data, corpus) = corpus();
    let folder = tempfile::tempdir().unwrap();
    let mut first = trainer(ModelKind::Twin, config(), &corpus, folder.path());
    assert!(!first.resume().unwrap(), "there is nothing to resume yet");
    first.fit(&mut Silent).unwrap();

    let refused = |kind, config| {
        let mut other = trainer(kind, config, &corpus, folder.path());
        let before = other.export();
        let error = other.resume().unwrap_err().to_string();
        assert!(other.export() == before, "{error}");
        error
    };
    let error = refused(ModelKind::Twin, TrainConfig { epochs: 3, ..config() });
    assert!(error.contains("epochs = 2, now it is 3"), "{error}");
    let error = refused(ModelKind::Twin, TrainConfig { width: 4, ..config() });
    assert!(error.contains("width 8"), "{error}");
    let error = refused(ModelKind::Sim, config());
    assert!(error.contains("the model"), "{error}");

    let last = folder.path().join("last.ckpt");
    let whole = std::fs::read(&last).unwrap();
    for cut in (0..whole.len()).step_by(whole.len() / 40) {
        std::fs::write(&last, &whole[..cut]).unwrap();
        refused(ModelKind::Twin, config());
    }
    for flip in (0..whole.len()).step_by(whole.len() / 40 + 1) {
        let mut damaged = whole.clone();
        damaged[flip] ^= 0x10;
        std::fs::write(&last, damaged).unwrap();
        refused(ModelKind::Twin, config());
    }

    // The finished run itself: nothing is left to do.
    std::fs::write(&last, whole).unwrap();
    let mut again = trainer(ModelKind::Twin, config(), &corpus, folder.path());
    assert!(again.resume().unwrap());
    assert_eq!(again.progress().phase, Phase::Done);
    let report = again.fit(&mut Silent).unwrap();
    assert_eq!(report, first.progress().fit);
    assert!(again.export() == first.export());
}

#[test]
fn weights_alone_score_as_before() {
    let (_data, corpus) = corpus();
    let folder = tempfile::tempdir().unwrap();
    let mut first = trainer(ModelKind::Seminar, config(), &corpus, folder.path());
    first.pretrain(1, &mut Silent).unwrap();
    first.fit(&mut Silent).unwrap();
    let batches = config().batches;
    let figures = first.evaluate(Split::Test, &batches).unwrap();

    let mut other = trainer(ModelKind::Seminar, config(), &corpus, folder.path());
    assert_ne!(other.evaluate(Split::Test, &batches).unwrap(), figures);
    other.load_weights(&folder.path().join("best.ckpt")).unwrap();
    assert_eq!(other.evaluate(Split::Test, &batches).unwrap(), figures);

    // The same through the published names.
    let mut third = trainer(ModelKind::Seminar, config(), &corpus, folder.path());
    let unused = third.import(&first.export(), "memory").unwrap();
    assert!(unused.is_empty(), "{unused:?}");
    assert_eq!(third.evaluate(Split::Test, &batches).unwrap(), figures);
    let mut state = first.export();
    state.get_mut("item_embeddings.weight").unwrap().shape[0] += 1;
    assert!(third.import(&state, "f.pt").unwrap_err().to_string().contains("item_embeddings.weight"));
}

#[test]
fn the_whole_catalogue_is_ranked_as_one_by_one() {
    let (_data, corpus) = corpus();
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(ModelKind::Twin, config(), &corpus, folder.path());
    trainer.fit(&mut Silent).unwrap();
    let batches = config().batches;
    let ties = seminar_trainer::metrics::Ties::Mean;
    let full = trainer.rank_in_catalogue(Split::Test, &batches, ties, 50).unwrap();
    assert_eq!(full.users().len(), 50);
    // Among 50 untouched items, sampled negatives are a part of them: the place can only be better.
    let sampled = trainer.rank(Split::Test, &batches, ties).unwrap();
    for (all, some) in full.users().iter().zip(sampled.users()) {
        assert_eq!((all.user, all.item, all.history), (some.user, some.item, some.history));
        assert_eq!(all.ranked.negatives, 50, "60 items less the ten of the user's shelf");
        assert!(all.ranked.rank >= some.ranked.rank, "{all:?} {some:?}");
    }
}

/// Leaves training at a step, as a killed process does.
struct Leave(u64);

impl Observer for Leave {
    fn step(&mut self, _: &StepInfo) {
        match self.0.checked_sub(1) {
            Some(left) => self.0 = left,
            None => std::panic::resume_unwind(Box::new("killed")),
        }
    }
}

#[test]
fn a_run_left_at_any_step_ends_with_the_same_bits() {
    let (_data, corpus) = corpus();
    let run = |folder: &Path, observer: &mut dyn Observer| {
        let mut trainer = trainer(ModelKind::Seminar, config(), &corpus, folder);
        trainer.resume().unwrap();
        trainer.pretrain(1, observer).unwrap();
        trainer.fit(observer).unwrap();
        trainer.export()
    };
    let folder = tempfile::tempdir().unwrap();
    let undisturbed = run(folder.path(), &mut Silent);
    // Four steps of pretraining, eight an epoch of training; checkpoints at every second one.
    for left in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let broken = catch_unwind(AssertUnwindSafe(|| run(folder.path(), &mut Leave(left))));
        assert!(broken.is_err(), "there are more than {left} steps");
        assert!(run(folder.path(), &mut Silent) == undisturbed, "left at step {left}");
    }
}
