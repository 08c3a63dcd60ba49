//! Checkpoints in one process: what is refused, and what weights alone bring back.

#[path = "support/leave.rs"]
mod leave;
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use leave::Leave;
use seminar_dataset::{Batch, BatchConfig, Corpus, Split};
use seminar_models::{AnyModel, ModelConfig, ModelKind, SequenceModel};
use seminar_trainer::{
    AdamConfig, CheckpointConfig, Decay, FitReport, Modalities, Observer, Phase, RowMatching, Schedule,
    Silent, Tables, TrainConfig, Trainer,
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

fn model(width: usize) -> ModelConfig {
    ModelConfig { width, top_k: 4, ..ModelConfig::default() }
}

fn trainer(kind: ModelKind, config: TrainConfig, corpus: &Arc<Corpus>, folder: &Path) -> Trainer<AnyModel> {
    let model = model(config.width);
    trainer_of(kind, &model, config, corpus, folder)
}

fn trainer_of(
    kind: ModelKind,
    model: &ModelConfig,
    config: TrainConfig,
    corpus: &Arc<Corpus>,
    folder: &Path,
) -> Trainer<AnyModel> {
    let device = Device::flex().autodiff();
    let model = kind.build(model, config.batches.history_length, &device).unwrap();
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
    assert!(error.contains("kind = \"twin\", now it is \"sim\""), "{error}");

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
    let taken = third.import(&first.export(), "memory").unwrap();
    assert_eq!(taken.matching, RowMatching::SameItems);
    assert_eq!(third.evaluate(Split::Test, &batches).unwrap(), figures);
    let mut state = first.export();
    state.get_mut("item_embeddings.weight").unwrap().shape[0] += 1;
    assert!(third.import(&state, "f.pt").unwrap_err().to_string().contains("item_embeddings.weight"));
}

/// Weights scored with other settings would be off by up to 5 per logit.
#[test]
fn weights_of_other_settings_are_refused_by_their_name() {
    let (_data, corpus) = corpus();
    let folder = tempfile::tempdir().unwrap();
    let mut first = trainer(ModelKind::Twin, config(), &corpus, folder.path());
    first.fit(&mut Silent).unwrap();
    let exported = first.export();
    let load = |kind, model: ModelConfig, config: TrainConfig| {
        let mut other = trainer_of(kind, &model, config, &corpus, folder.path());
        let before = other.export();
        let loaded = other.load_weights(&folder.path().join("best.ckpt"));
        assert!(loaded.is_ok() || other.export() == before);
        loaded.map_err(|error| error.to_string())
    };
    load(ModelKind::Twin, model(8), config()).unwrap();
    // What is of no importance for scores may differ.
    load(ModelKind::Twin, model(8), TrainConfig { epochs: 9, patience: 0, ..config() }).unwrap();
    load(ModelKind::Twin, ModelConfig { seed: 7, dropout: 0.5, ..model(8) }, config()).unwrap();

    let batches = |change: fn(&mut BatchConfig)| {
        let mut config = config();
        change(&mut config.batches);
        config
    };
    let mut switches = ModelConfig::default().switches;
    switches.interaction = false;
    let twin = ModelKind::Twin;
    let cases: [(&[&str], ModelKind, ModelConfig, TrainConfig); 10] = [
        (&["top_k = 4", "now it is 3"], twin, ModelConfig { top_k: 3, ..model(8) }, config()),
        (&["history_length = 12", "now it is 10"], twin, model(8), batches(|b| b.history_length = 10)),
        (&["query_length = 5", "now it is 2"], twin, model(8), batches(|b| b.query_length = 2)),
        (
            &["query_weight = 0.5", "now it is 0.9"],
            twin,
            ModelConfig { query_weight: 0.9, ..model(8) },
            config(),
        ),
        (
            &["modalities = [\"id\",\"query\"]", "now it is [\"id\"]"],
            twin,
            ModelConfig { modalities: vec![seminar_models::ModalityKind::Id], ..model(8) },
            config(),
        ),
        (&["interaction = true", "now it is false"], twin, ModelConfig { switches, ..model(8) }, config()),
        (&["top_k = 4", "now it is 50"], twin, ModelConfig { width: 8, ..ModelConfig::default() }, {
            let mut config = config();
            config.batches.history_length = 50;
            config
        }),
        (&["heads = 4", "now it is 2"], twin, ModelConfig { heads: 2, ..model(8) }, config()),
        (&["kind = \"twin\"", "now it is \"base\""], ModelKind::Base, model(8), config()),
        (&["width 8", "not 4"], twin, model(4), TrainConfig { width: 4, ..config() }),
    ];
    for (words, kind, model, config) in cases {
        let error = load(kind, model.clone(), config.clone()).unwrap_err();
        assert!(error.contains("best.ckpt"), "{error}");
        assert!(words.iter().all(|word| error.contains(word)), "`{error}` does not say {words:?}");
        // Exported weights know their settings as well.
        let mut other = trainer_of(kind, &model, config, &corpus, folder.path());
        let before = other.export();
        let error = other.import(&exported, "f.safetensors").unwrap_err().to_string();
        assert!(error.contains("f.safetensors") && other.export() == before, "{error}");
        let words = if words[0] == "width 8" { &["width = 8", "now it is 4"] } else { words };
        assert!(words.iter().all(|word| error.contains(word)), "`{error}` does not say {words:?}");
        let taken = other.import_leniently(&exported, "f.safetensors").unwrap();
        assert!(taken.other_setting.is_some_and(|message| message.contains(words[1])));
    }
}

#[test]
fn a_grown_corpus_takes_weights_and_never_a_run() {
    let (_data, corpus) = corpus();
    let folder = tempfile::tempdir().unwrap();
    let mut first = trainer(ModelKind::Twin, config(), &corpus, folder.path());
    first.fit(&mut Silent).unwrap();
    let best = folder.path().join("best.ckpt");
    let mut users = support::users();
    users[119].push("7".into());
    let (_data, same_items) = support::write(&users);
    assert_eq!(same_items.item_count(), corpus.item_count());
    let mut other = trainer(ModelKind::Twin, config(), &same_items, folder.path());
    let before = other.export();
    let error = other.resume().unwrap_err().to_string();
    assert!(error.contains("another corpus") && other.export() == before, "{error}");
    assert_eq!(other.load_weights(&best).unwrap().matching, RowMatching::SameItems);
    assert!(other.export() == first.export());

    users[119].push("a new one".into());
    let (_data, new_item) = support::write(&users);
    let mut other = trainer(ModelKind::Twin, config(), &new_item, folder.path());
    let before = other.export();
    let error = other.resume().unwrap_err().to_string();
    assert!(error.contains("other items") && other.export() == before, "{error}");
    assert_eq!(other.load_weights(&best).unwrap().matching, RowMatching::Names);
}

#[test]
fn the_whole_catalogue_is_ranked_as_one_by_one() {
    const USERS: usize = 50;
    /// Logits that are closer than this may come in another order where sums are formed in another order.
    const NEAR: f32 = 1e-5;
    let (_data, corpus) = corpus();
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(ModelKind::Twin, config(), &corpus, folder.path());
    trainer.fit(&mut Silent).unwrap();
    let batches = config().batches;
    let ties = seminar_trainer::metrics::Ties::Mean;
    let full = trainer.rank_in_catalogue(Split::Test, &batches, ties, USERS).unwrap();
    assert_eq!(full.users().len(), USERS);
    let users: Vec<u32> = full.users().iter().map(|ranked| ranked.user).collect();
    assert!(users.is_sorted() && users[USERS - 1] >= USERS as u32, "a sample of all users: {users:?}");
    let mut negatives = full.negatives().iter();
    let mut exact = 0;
    for (ranked, positive) in full.users().iter().zip(full.positives()) {
        // The user's last event is the target; each candidate is a batch of its own, scored on the tape.
        let log = corpus.history(ranked.user as usize);
        let events: Vec<(u32, &[u32])> =
            log.items.iter().zip(log.queries).map(|(&item, &query)| (item, corpus.query(query))).collect();
        let (target, history) = events.split_last().unwrap();
        assert_eq!((ranked.item, ranked.history), (target.0, history.len().min(batches.history_length)));
        let mut score = |item: u32| -> f32 {
            let batch =
                Batch::of(&[history], &[[(item, &[][..])]], batches.history_length, batches.query_length);
            let embedded = trainer.embed(&batch).unwrap();
            trainer.model().score(&embedded.history, &embedded.candidates).logits.into_scalar()
        };
        let own = score(target.0);
        assert!((own - positive).abs() < NEAR, "{own} is not {positive}");
        let (mut higher, mut near) = (0, 0);
        for item in (1..=corpus.item_count() as u32).filter(|item| !log.items.contains(item)) {
            let (other, negative) = (score(item), *negatives.next().unwrap());
            assert!(
                (other - negative).abs() < NEAR,
                "user {}, item {item}: {other}, {negative}",
                ranked.user
            );
            higher += u32::from(other > own);
            near += u32::from((other - own).abs() < 2.0 * NEAR);
        }
        assert_eq!(ranked.ranked.negatives, 50, "60 items less the ten of the user's shelf");
        assert!(ranked.ranked.higher.abs_diff(higher) <= near, "{ranked:?}, one by one {higher}");
        exact += usize::from(near == 0);
    }
    assert!(negatives.next().is_none() && exact > USERS / 2, "{exact} ranks were compared exactly");
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

#[test]
fn a_rate_that_was_cut_is_cut_after_a_kill_and_training_goes_on_from_the_best() {
    let (_data, corpus) = corpus();
    let settings = |decay| {
        let schedule = Schedule { decay, ..Schedule::default() };
        // Steps so large that validation soon gets worse.
        let adam = AdamConfig { learning_rate: 0.05, schedule, ..AdamConfig::default() };
        TrainConfig { epochs: 8, patience: 3, adam, ..config() }
    };
    let run = |folder: &Path, decay, observer: &mut dyn Observer| {
        let mut trainer = trainer(ModelKind::Twin, settings(decay), &corpus, folder);
        trainer.resume().unwrap();
        trainer.fit(observer).unwrap();
        (trainer.progress().clone(), trainer.export())
    };
    let folder = tempfile::tempdir().unwrap();
    let (progress, undisturbed) = run(folder.path(), Decay::Plateau, &mut Silent);
    let worse = |valid: &[f64]| {
        let best = |epoch: usize| valid[..epoch].iter().copied().fold(0.0, f64::max);
        (0..valid.len()).filter(|&epoch| valid[epoch] <= best(epoch)).count()
    };
    let FitReport { steps, valid, losses, .. } = &progress.fit;
    assert!(progress.cuts >= 2, "{valid:?}");
    assert_eq!(progress.cuts as usize, worse(valid));
    // From the best and in small steps, an epoch starts where a constant rate has long left.
    let folder = tempfile::tempdir().unwrap();
    let (constant, _) = run(folder.path(), Decay::Constant, &mut Silent);
    assert_eq!(constant.cuts, 0);
    let first = (0..valid.len()).find(|&epoch| epoch > 0 && valid[epoch] <= valid[epoch - 1]).unwrap();
    assert_eq!(losses[..=first], constant.fit.losses[..=first], "nothing differs before the first cut");
    assert_ne!(losses[first + 1], constant.fit.losses[first + 1]);

    for left in (0..*steps).step_by(5) {
        let folder = tempfile::tempdir().unwrap();
        let broken = catch_unwind(AssertUnwindSafe(|| run(folder.path(), Decay::Plateau, &mut Leave(left))));
        assert!(broken.is_err(), "there are more than {left} steps");
        let (after, weights) = run(folder.path(), Decay::Plateau, &mut Silent);
        assert!(weights == undisturbed && after.cuts == progress.cuts, "left at step {left}");
    }
}
