//! Weights from elsewhere: what is refused, what is named, and where the rows of tables go.

mod support;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use proptest::prelude::*;
use seminar_dataset::container::{Container, ContainerWriter};
use seminar_dataset::{Batch, BatchConfig, Corpus, Numbered, Split};
use seminar_models::weights::{self, StateDict};
use seminar_models::{AnyModel, ModalityKind, ModelConfig, ModelKind, SequenceModel};
use seminar_trainer::{
    CheckpointConfig, Error, Modalities, RowMatching, RowsTaken, Silent, Tables, TrainConfig, Trainer,
    read_weights,
};

const ITEMS: &str = "item_embeddings.weight";
const WORDS: &str = "query_keywords_embeddings.weight";
const ATTRIBUTES: &str = "attribute_embeddings.weight";
const L: usize = 12;

fn config() -> TrainConfig {
    let batches =
        BatchConfig { batch_size: 32, history_length: L, evaluation_negatives: 4, ..BatchConfig::default() };
    TrainConfig { width: 8, batches, ..TrainConfig::default() }
}

fn model() -> ModelConfig {
    let modalities = vec![ModalityKind::Id, ModalityKind::Query, ModalityKind::Attribute];
    ModelConfig { width: 8, top_k: 4, modalities, ..ModelConfig::default() }
}

fn trainer_of(kind: ModelKind, config: TrainConfig, corpus: &Arc<Corpus>) -> Trainer<AnyModel> {
    let device = Device::flex().autodiff();
    let model = kind.build(&model(), L, &device).unwrap();
    let modalities = Modalities { attributes: true, ..Modalities::default() };
    let tables = Tables::new(&config, corpus, modalities).unwrap();
    Trainer::new(model, tables, config, corpus.clone(), device).unwrap()
}

fn trainer(corpus: &Arc<Corpus>) -> Trainer<AnyModel> {
    trainer_of(ModelKind::Twin, config(), corpus)
}

/// A trainer whose weights are not the initial ones, of the toy corpus.
fn trained() -> (tempfile::TempDir, Arc<Corpus>, Trainer<AnyModel>) {
    let (folder, corpus) = support::corpus();
    let mut trainer = trainer(&corpus);
    trainer.fit(&mut Silent).unwrap();
    (folder, corpus, trainer)
}

fn refused(trainer: &mut Trainer<AnyModel>, state: &StateDict) -> String {
    let before = trainer.export();
    let error = trainer.import(state, "f.pt").unwrap_err().to_string();
    assert!(trainer.export() == before, "something changed: {error}");
    assert!(error.starts_with("f.pt: "), "{error}");
    error
}

#[test]
fn every_tensor_that_does_not_fit_is_named() {
    let (_data, corpus, mut first) = trained();
    let whole = first.export();
    let mut other = trainer(&corpus);
    let untouched = other.export();
    for name in whole.keys() {
        let with = |change: &dyn Fn(&mut StateDict)| {
            let mut state = whole.clone();
            change(&mut state);
            state
        };
        let missing = with(&|state| drop(state.remove(name)));
        assert!(refused(&mut other, &missing).contains(&format!("missing: `{name}`")));
        let nan = with(&|state| state.get_mut(name).unwrap().values[0] = f32::NAN);
        let error = refused(&mut other, &nan);
        assert!(error.contains(&format!("`{name}` holds 1 number that is NaN")), "{error}");
        let misshapen = with(&|state| state.get_mut(name).unwrap().shape.push(1));
        let error = refused(&mut other, &misshapen);
        assert!(error.contains(&format!("`{name}` has shape")) && !error.contains("missing"), "{error}");
        let unknown = with(&|state| {
            let extra = state[name].clone();
            state.insert(format!("{name}2"), extra);
        });
        assert!(refused(&mut other, &unknown).contains(&format!("unknown: `{name}2`")));
        // What fits is taken leniently; what does not is said.
        let mut lenient = trainer(&corpus);
        let taken = lenient.import_leniently(&missing, "f").unwrap();
        assert_eq!(taken.skipped.missing, [name.as_str()]);
        let state = lenient.export();
        assert_eq!(state[name], untouched[name]);
        assert!(whole.iter().all(|(other, array)| other == name || state[other] == *array));
    }
    // All at once.
    let mut state = whole.clone();
    state.remove(ITEMS);
    state.remove("wO.bias");
    state.get_mut("wO.weight").unwrap().values[1..4].fill(f32::INFINITY);
    let lost = state.remove("wQ_list.0.bias").unwrap();
    state.insert("wq.0.bias".into(), lost);
    let error = refused(&mut other, &state);
    for part in
        [ITEMS, "`wO.bias`", "`wO.weight` holds 3 numbers", "`wQ_list.0.bias`", "unknown: `wq.0.bias`"]
    {
        assert!(error.contains(part), "`{error}` does not say {part}");
    }
    other.import(&whole, "f.pt").unwrap();
    assert!(other.export() == whole);
}

#[test]
fn rows_that_are_no_numbers_are_left_out_by_a_lenient_import() {
    let (_data, corpus, mut first) = trained();
    let mut state = first.export();
    let whole = state.clone();
    state.get_mut(ITEMS).unwrap().values[7 * 8 + 2] = f32::NAN;
    let mut other = trainer(&corpus);
    let initial = other.export();
    let taken = other.import_leniently(&state, "f").unwrap();
    assert_eq!(taken.skipped.not_finite, [(ITEMS.to_owned(), 1)]);
    assert!(taken.to_string().contains(ITEMS));
    let rows = |state: &StateDict, row: usize| state[ITEMS].values[row * 8..][..8].to_vec();
    let state = other.export();
    for row in 0..corpus.item_count() + 2 {
        assert_eq!(rows(&state, row), rows(if row == 7 { &initial } else { &whole }, row), "{row}");
    }
}

#[test]
fn names_are_found_in_their_wrappers_and_come_through_files() {
    let (_data, corpus, mut first) = trained();
    let whole = first.export();
    let folder = tempfile::tempdir().unwrap();
    for prefix in ["", "module.", "model.", "_orig_mod.", "state_dict.", "model_state_dict.module.", "net.0."]
    {
        let rename = |name: &String| format!("{prefix}{name}");
        let mut state: StateDict = whole.iter().map(|(name, array)| (rename(name), array.clone())).collect();
        state.about.clone_from(&whole.about);
        state.row_names = whole.row_names.iter().map(|(name, names)| (rename(name), names.clone())).collect();
        let path = folder.path().join("weights.safetensors");
        weights::write_safetensors(&state, &path).unwrap();
        let read = read_weights(&path).unwrap();
        assert!(read == state, "{prefix}");
        let mut other = trainer(&corpus);
        let taken = other.import(&read, "f").unwrap();
        assert!(prefix.starts_with(&taken.prefix) && other.export() == whole, "{prefix}");
        // An error is never about a tensor that has nothing to do with it.
        state.remove(&format!("{prefix}wO.bias"));
        let error = refused(&mut trainer(&corpus), &state);
        assert!(error.contains("missing: `wO.bias`") && error.matches('`').count() <= 4, "{error}");
    }
    // What training programs save beside weights is passed over, and said.
    let mut state = whole.clone();
    let array = whole["wO.bias"].clone();
    state.insert("optimizer.state.0.exp_avg".into(), array);
    let taken = trainer(&corpus).import(&state, "f").unwrap();
    assert_eq!(taken.set_aside, ["optimizer.state.0.exp_avg"]);
}

/// A corpus whose events are searched for by two words of the item's name, and whose attributes are named by the items.
fn write(users: &[Vec<String>]) -> (tempfile::TempDir, Arc<Corpus>) {
    let folder = tempfile::tempdir().unwrap();
    let queries: Vec<Vec<String>> =
        users.iter().map(|items| items.iter().map(|item| format!("buy {item}")).collect()).collect();
    let mut data = Numbered::from_sequences(users).with_queries(&queries).unwrap();
    let items = data.item_count() as u32;
    data.attribute_items = (1..=items).collect();
    data.item_attributes = (1..=items).map(|item| [item]).collect();
    data.texts.attributes = data.texts.items.rows().map(|name| [b"of ", name].concat()).collect();
    Corpus::write(&data, folder.path()).unwrap();
    let corpus = Arc::new(Corpus::open(folder.path()).unwrap());
    (folder, corpus)
}

/// The vectors of a state by the names of their items, words and attributes.
fn by_name(state: &StateDict) -> BTreeMap<(&str, String), Vec<f32>> {
    let mut vectors = BTreeMap::new();
    for table in [ITEMS, WORDS, ATTRIBUTES] {
        let names = state.row_names[table].iter().map(String::as_str);
        let eos = (table != ATTRIBUTES).then_some("(end)");
        let rows = std::iter::once("(padding)").chain(names).chain(eos);
        for (name, row) in rows.zip(state[table].values.chunks_exact(8)) {
            vectors.insert((table, name.to_owned()), row.to_vec());
        }
    }
    vectors
}

/// Loads the weights of `before` into `after`, from a file and from a checkpoint, and looks at every row.
fn every_row_follows_its_name(before: &[Vec<String>], after: &[Vec<String>]) {
    let ((_one, before), (_two, after)) = (write(before), write(after));
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointConfig { folder: folder.path().to_owned(), every: 0 };
    let mut first = trainer(&before).with_checkpoints(checkpoints);
    first.fit(&mut Silent).unwrap();
    let exported = first.export();
    let (old, fresh) = (by_name(&exported), trainer(&after).export());
    let (fresh, same) = (by_name(&fresh), before.items_fingerprint() == after.items_fingerprint());
    let names = |corpus: &Corpus| -> HashMap<String, u32> {
        (1..=corpus.item_count() as u32).map(|item| (corpus.item_name(item).to_owned(), item)).collect()
    };
    let (old_numbers, new_numbers) = (names(&before), names(&after));
    let kept = new_numbers.keys().filter(|name| old_numbers.contains_key(*name)).count();
    let moved = |(name, number): (&String, &u32)| old_numbers.get(name).is_some_and(|old| old != number);
    let expected = RowsTaken {
        kept,
        moved: new_numbers.iter().filter(|&entry| moved(entry)).count(),
        fresh: new_numbers.len() - kept,
        dropped: old_numbers.len() - kept,
    };
    let path = folder.path().join("weights.safetensors");
    weights::write_safetensors(&exported, &path).unwrap();
    let read = weights::read(&path).unwrap();
    // A seed of its own: rows that no step touched keep the values of the run that they come from.
    let mut other_seed = config();
    other_seed.batches.seed = 7;
    let new = trainer_of(ModelKind::Twin, other_seed.clone(), &after).export();
    let new = by_name(&new);
    for (config, fresh) in [(config(), &fresh), (other_seed, &new)] {
        for from_file in [true, false] {
            let mut other = trainer_of(ModelKind::Twin, config.clone(), &after);
            let untouched = other.export();
            let taken = match from_file {
                true => other.import(&read, "f"),
                false => other.load_weights(&folder.path().join("best.ckpt")),
            };
            if kept == 0 {
                let error = taken.unwrap_err().to_string();
                assert!(error.contains("none of its") && other.export() == untouched, "{error}");
                continue;
            }
            let taken = taken.unwrap();
            assert_eq!(taken.matching, if same { RowMatching::SameItems } else { RowMatching::Names });
            assert_eq!(taken.items, expected);
            let state = other.export();
            for (name, vector) in &by_name(&state) {
                assert_eq!(vector, old.get(name).unwrap_or_else(|| &fresh[name]), "{name:?}");
            }
            let dense = |state: &StateDict| -> Vec<_> {
                state
                    .iter()
                    .filter(|(name, _)| !name.contains("embeddings"))
                    .map(|(_, a)| a.clone())
                    .collect()
            };
            assert!(dense(&state) == dense(&exported));
        }
    }
}

fn log(path: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let mut users: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        users
            .entry(fields[0].to_owned())
            .or_default()
            .push((fields[2].parse().unwrap(), fields[1].to_owned()));
    }
    // Twice over: users need a few events to learn from, and what comes first stays first.
    let items = |events: Vec<(i64, String)>| -> Vec<String> {
        let once: Vec<String> = events.into_iter().map(|(_, item)| item).collect();
        [once.clone(), once].concat()
    };
    users.into_values().map(items).collect()
}

#[test]
fn one_more_event_that_renumbers_the_items_takes_each_vector_along() {
    let (before, after) = (log("tests/data/grown_before.csv"), log("tests/data/grown_after.csv"));
    let ((_one, one), (_two, two)) = (write(&before), write(&after));
    assert_eq!((one.item_name(4), two.item_name(4)), ("dates", "eggs"), "the log renumbers");
    every_row_follows_its_name(&before, &after);
    every_row_follows_its_name(&after, &before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn whatever_a_log_grows_by_rows_follow_their_names(
        before in prop::collection::vec(prop::collection::vec("[a-h]", 5..9), 3..6),
        more in prop::collection::vec((0usize..6, "[a-m]"), 0..6),
        gone in 0usize..3,
    ) {
        let mut after = before.clone();
        for (user, item) in more {
            let user = user % after.len();
            after[user].push(item);
        }
        after.drain(..gone.min(after.len() - 2));
        every_row_follows_its_name(&before, &after);
    }
}

#[test]
fn a_file_without_names_is_for_its_own_items_or_says_that_it_was_taken_by_number() {
    let (_data, corpus, mut first) = trained();
    let mut state = first.export();
    let whole = state.clone();
    state.row_names.clear();
    // It says which items it is for.
    let mut same = trainer(&corpus);
    assert_eq!(same.import(&state, "f").unwrap().matching, RowMatching::SameItems);
    assert!(same.export() == whole);
    let mut users = support::users();
    users[0].swap(0, 1);
    let (_data, renumbered) = support::write(&users);
    assert_eq!(renumbered.item_count(), corpus.item_count());
    let error = refused(&mut trainer(&renumbered), &state);
    assert!(error.contains("other items") && error.contains("does not name its own"), "{error}");
    let mut lenient = trainer(&renumbered);
    let before = lenient.export();
    let taken = lenient.import_leniently(&state, "f").unwrap();
    assert_eq!(taken.matching, RowMatching::None);
    let now = lenient.export();
    assert!(now[ITEMS] == before[ITEMS] && now["wO.weight"] == state["wO.weight"]);
    // It says nothing, as published files do: by number, if there are as many rows.
    state.about = None;
    let mut other = trainer(&renumbered);
    let taken = other.import(&state, "f.pt").unwrap();
    assert_eq!(taken.matching, RowMatching::Numbers);
    assert!(taken.to_string().contains("does not name its items"));
    assert!(other.export()[ITEMS] == state[ITEMS]);
    users[0].push("new".into());
    let (_data, larger) = support::write(&users);
    let error = refused(&mut trainer(&larger), &state);
    assert!(error.contains(&format!("`{ITEMS}` has shape [62, 8] where [63, 8] is expected")), "{error}");
}

#[test]
fn the_weights_of_a_saved_model_are_named_by_its_catalogue() {
    let (_data, corpus, mut first) = trained();
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("model");
    first.save_bundle(&bundle, &Default::default()).unwrap();
    let state = read_weights(&bundle.join("weights.safetensors")).unwrap();
    assert!(state == first.export());
    let mut users = support::users();
    users[0].swap(0, 1);
    let (_data, renumbered) = support::write(&users);
    let mut other = trainer(&renumbered);
    let taken = other.import(&state, "f").unwrap();
    assert_eq!((taken.matching, taken.items.kept, taken.items.moved), (RowMatching::Names, 60, 2));
    let (old, new) = (first.export(), other.export());
    let row = |state: &StateDict, corpus: &Corpus, name: &str| {
        let item = (1..=60).find(|&item| corpus.item_name(item) == name).unwrap() as usize;
        state[ITEMS].values[item * 8..][..8].to_vec()
    };
    for name in (1..=60).map(|name: u32| name.to_string()) {
        assert_eq!(row(&old, &corpus, &name), row(&new, &renumbered, &name), "{name}");
    }
}

#[test]
fn weights_score_alike_whatever_only_training_looks_at() {
    let (_data, corpus) = support::corpus();
    for &kind in ModelKind::ALL {
        for soft_search in [seminar_models::SoftSearch::Mhta, seminar_models::SoftSearch::MultiPq] {
            let build = |config: ModelConfig| {
                let device = Device::flex().autodiff();
                let config = ModelConfig { soft_search, sub_vectors: 2, centroids: 4, ..config };
                let model = kind.build(&config, L, &device).unwrap();
                let modalities = Modalities { attributes: true, ..Modalities::default() };
                let tables = Tables::new(&self::config(), &corpus, modalities).unwrap();
                Trainer::new(model, tables, self::config(), corpus.clone(), device).unwrap()
            };
            let mut one = build(model());
            let mut two = build(ModelConfig {
                seed: 9,
                dropout: 0.3,
                id_dropout: 0.4,
                temperature: 0.2,
                alignment_rows: 7,
                pretrain_weights: [1.0, 0.5, 0.25],
                freeze_projections: false,
                freeze_modal_projections: true,
                loss: seminar_models::LossKind::Softmax,
                tower_weight: 0.5,
                ..model()
            });
            let evaluate =
                |trainer: &mut Trainer<AnyModel>| trainer.evaluate(Split::Test, &config().batches).unwrap();
            let figures = evaluate(&mut one);
            two.import(&one.export(), "memory").unwrap();
            assert_eq!(evaluate(&mut two), figures, "{kind:?}");
        }
    }
    let fields = serde_json::to_value(ModelConfig::default()).unwrap();
    let changed = AnyModel::training_only().iter().filter(|&&name| fields.get(name).is_some()).count();
    assert_eq!(changed, 10, "a field above for each");
}

/// A checkpoint with one number replaced by NaN, and a checksum that fits.
fn spoil(from: &Path, to: &Path, number: f32) {
    let file = Container::open(from, b"ckpt    ").unwrap();
    let nan = |bytes: &mut [u8]| {
        let at = bytes.windows(4).position(|own| own == number.to_le_bytes()).expect("the number is there");
        bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    };
    let bytes = |name: &str| file.get(&file.column::<u8>(name).unwrap()).to_vec();
    let mut model = bytes("model");
    type Sections = (Vec<u8>, Vec<u32>, Vec<u32>, Vec<f32>);
    let tables: Vec<Sections> = ["item", "word", "attr"]
        .iter()
        .map(|table| {
            let numbers =
                |part: &str| file.get(&file.column::<u32>(&format!("{table}.{part}")).unwrap()).to_vec();
            let mut values = file.get(&file.column::<f32>(&format!("{table}.values")).unwrap()).to_vec();
            let spoiled = values.iter_mut().find(|value| **value == number);
            spoiled.into_iter().for_each(|value| *value = f32::NAN);
            (bytes(&format!("{table}.names")), numbers("ids"), numbers("current"), values)
        })
        .collect();
    if !tables.iter().any(|table| table.3.iter().any(|value| value.is_nan())) {
        nan(&mut model);
    }
    let (meta, optimizer) = (bytes("meta"), bytes("optimizer"));
    let mut writer = ContainerWriter::new(b"ckpt    ")
        .section("meta", &meta)
        .section("model", &model)
        .section("optimizer", &optimizer);
    for (table, (names, ids, current, values)) in ["item", "word", "attr"].iter().zip(&tables) {
        writer = writer
            .section(format!("{table}.names"), names)
            .section(format!("{table}.ids"), ids)
            .section(format!("{table}.current"), current)
            .section(format!("{table}.values"), values);
    }
    writer.write(to).unwrap();
}

#[test]
fn checkpoints_that_hold_no_numbers_are_refused_by_the_tensors_name() {
    let (_data, corpus) = support::corpus();
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointConfig { folder: folder.path().to_owned(), every: 0 };
    let mut first = trainer(&corpus).with_checkpoints(checkpoints.clone());
    first.fit(&mut Silent).unwrap();
    let (whole, spoiled) = (first.export(), folder.path().join("spoiled.ckpt"));
    for (name, array) in &whole {
        // The first row of a table is padding.
        let number = array.values[if name.contains("embeddings") { 8 } else { 0 }];
        spoil(&checkpoints.best(), &spoiled, number);
        let mut loading = trainer(&corpus);
        let before = loading.export();
        let error = loading.load_weights(&spoiled).unwrap_err().to_string();
        assert!(
            error.contains(&format!("`{name}` holds 1 numbers")) && error.contains("NaN"),
            "{name}: {error}"
        );
        assert!(loading.export() == before);
    }
    // The run as it stands: the same, and it does not go on.
    let last = folder.path().join("last.ckpt");
    spoil(&checkpoints.last(), &spoiled, whole[ITEMS].values[8]);
    std::fs::rename(&spoiled, &last).unwrap();
    let mut resumed = trainer(&corpus).with_checkpoints(checkpoints);
    let before = resumed.export();
    let error = resumed.resume().unwrap_err().to_string();
    assert!(error.contains(ITEMS) && resumed.export() == before, "{error}");
}

#[test]
fn ids_that_the_tables_do_not_have_are_errors_that_name_them() {
    let (_data, corpus, mut trainer) = trained();
    let (n, words) = (corpus.item_count() as u32, corpus.word_count() as u32);
    let batch = |history: &[(u32, &[u32])], candidates: &[(u32, &[u32])]| {
        Batch::of(&[history.to_vec(), vec![(1, &[][..])]], &[candidates.to_vec(), vec![]], L, 2)
    };
    let sound = batch(&[(1, &[1, words][..]), (n, &[])], &[(n, &[words][..])]);
    trainer.embed(&sound).unwrap();
    trainer.train_step(&sound).unwrap();
    for id in [n + 1, n + 2, n + 3, 1 << 20, u32::MAX - 1, u32::MAX] {
        for (bad, field) in [
            (batch(&[(1, &[]), (id, &[])], &[(2, &[])]), "history"),
            (batch(&[(1, &[])], &[(2, &[]), (id, &[])]), "candidates"),
        ] {
            let before = trainer.export();
            let errors = [trainer.embed(&bad).unwrap_err(), trainer.train_step(&bad).unwrap_err()];
            for error in errors {
                assert!(
                    matches!(&error, Error::UnknownId { what: "item", id: named, last, .. } if (*named, *last) == (id, n)),
                    "{error}"
                );
                let message = error.to_string();
                assert!(message.contains(&id.to_string()) && message.contains(field), "{message}");
            }
            assert!(trainer.export() == before);
        }
    }
    for id in [words + 1, words + 2, words + 3, u32::MAX] {
        for bad in [batch(&[(1, &[1, id][..])], &[(2, &[])]), batch(&[(1, &[])], &[(2, &[id][..])])] {
            let error = trainer.embed(&bad).unwrap_err();
            assert!(
                matches!(error, Error::UnknownId { what: "keyword", id: named, .. } if named == id),
                "{error}"
            );
        }
    }
    // Blocks that do not hold what they say.
    let empty: Vec<(u32, &[u32])> = Vec::new();
    let mut cut = sound.clone();
    cut.history.items.pop();
    let mut uneven = sound.clone();
    uneven.candidates = batch(&[], &[]).candidates;
    for bad in [
        Batch::of(&[&empty], &[&empty], 3, 1),
        Batch::of(&[&empty], &[&empty], 3, 0),
        Batch::default(),
        cut,
        uneven,
    ] {
        assert!(matches!(trainer.embed(&bad).unwrap_err(), Error::Config { .. }));
    }
}

#[test]
fn a_device_that_records_no_gradients_is_refused() {
    let (_data, corpus) = support::corpus();
    let model = ModelKind::Twin.build(&model(), L, &Device::flex()).unwrap();
    let modalities = Modalities { attributes: true, ..Modalities::default() };
    let tables = Tables::new(&config(), &corpus, modalities).unwrap();
    let error = Trainer::new(model, tables, config(), corpus, Device::flex()).err().unwrap().to_string();
    assert!(error.contains("device") && error.contains("autodiff"), "{error}");
}
