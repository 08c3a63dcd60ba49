//! Saved models: what is damaged, missing, mixed or forged is an error that says so, never another answer.

#[path = "support/forge.rs"]
mod forge;
#[path = "support/small.rs"]
mod small;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use forge::{edit, forge, name_weights};
use seminar_dataset::Corpus;
use seminar_models::{
    AnyModel, Base, Eta, ModalityKind, ModelConfig, ModelKind, Qin, Seminar, SequenceModel, Sim, Twin,
    weights,
};
use seminar_trainer::{
    About, Error, Metrics, Modalities, Recommender, Request, SeenItems, Tables, TrainConfig, Trainer,
};
use serde_json::json;
use small::open;

const FILES: [&str; 4] = ["model.json", "weights.safetensors", "catalogue.bin", "text.emb"];

/// A saved model, the folder of its corpus, and a scratch folder.
struct Saved {
    root: tempfile::TempDir,
}

impl Saved {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        small::write(root.path(), 30, 1);
        small::save(root.path(), &root.path().join("model"), small::model());
        Self { root }
    }

    fn data(&self) -> &Path {
        self.root.path()
    }

    fn model(&self) -> PathBuf {
        self.root.path().join("model")
    }

    /// The files of the saved model.
    fn files(&self) -> BTreeMap<&'static str, Vec<u8>> {
        FILES.iter().map(|name| (*name, std::fs::read(self.model().join(name)).unwrap())).collect()
    }

    /// A copy of the saved model, to change.
    fn copy(&self) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        std::fs::create_dir(&model).unwrap();
        for name in FILES {
            std::fs::copy(self.model().join(name), model.join(name)).unwrap();
        }
        (folder, model)
    }
}

/// The scores of all items for a history, as bits, behind their names.
fn answer(recommender: &Recommender<AnyModel>) -> Vec<(String, u32)> {
    let history = recommender.history(["item-1", "item-8", "item-3", "item-30"]).unwrap();
    let all = Request { k: usize::MAX, seen: SeenItems::Keep, query: "red".into(), ..Request::default() };
    let hits = recommender.recommend(&history, &all).unwrap();
    assert_eq!(hits.len(), small::ITEMS);
    hits.into_iter().map(|hit| (hit.id, hit.score.to_bits())).collect()
}

/// What opening says; panics if the model opens.
fn refusal(model: &Path) -> String {
    match open(model) {
        Ok(_) => panic!("{} was opened", model.display()),
        Err(error) => error.to_string(),
    }
}

fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{message}` does not say `{word}`");
    }
}

#[test]
fn every_cut_and_every_flip_is_an_error_that_names_the_file() {
    let saved = Saved::new();
    let before = answer(&open(&saved.model()).unwrap());
    for (name, whole) in saved.files() {
        let (_folder, model) = saved.copy();
        let path = model.join(name);
        // A new file each time: the old one may still be mapped.
        let try_bytes = |bytes: &[u8], what: String| {
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, bytes).unwrap();
            match open(&model) {
                Err(error) => {
                    assert!(error.to_string().contains(name), "{name}, {what}: {error}");
                    true
                }
                Ok(opened) => {
                    assert_eq!(answer(&opened), before, "{name}, {what}");
                    false
                }
            }
        };
        let cuts = (0..64).chain((64..whole.len()).step_by(whole.len() / 120 + 1));
        let cuts: Vec<usize> = cuts.chain(whole.len() - 2..whole.len()).collect();
        for &cut in &cuts {
            let refused = try_bytes(&whole[..cut], format!("cut to {cut} of {}", whole.len()));
            // Without its last line end a description is as good as with it.
            assert!(refused || (name == "model.json" && cut == whole.len() - 1), "{name}, cut to {cut}");
        }
        let (mut tried, mut refused) = (0, 0);
        for at in (0..128).chain((128..whole.len()).step_by(whole.len() / 200 + 1)) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            tried += 1;
            refused += usize::from(try_bytes(&bytes, format!("byte {at} flipped")));
        }
        // Only in the text can there be bytes that do not matter, such as the last digit of a long fraction.
        assert!(refused == tried || (name == "model.json" && refused + 3 >= tried), "{refused} of {tried}");
        let longer = [&whole[..], b"x"].concat();
        assert!(try_bytes(&longer, "with a byte more".into()), "{name}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let saved = Saved::new();
    for name in FILES {
        let (_folder, model) = saved.copy();
        std::fs::remove_file(model.join(name)).unwrap();
        says(&refusal(&model), &[name]);
    }
}

#[test]
fn a_file_of_another_model_is_refused() {
    let saved = Saved::new();
    let other = tempfile::tempdir().unwrap();
    small::write(other.path(), 30, 2);
    small::save(other.path(), &other.path().join("model"), small::model());
    for name in &FILES[1..] {
        let (_folder, model) = saved.copy();
        std::fs::remove_file(model.join(name)).unwrap();
        std::fs::copy(other.path().join("model").join(name), model.join(name)).unwrap();
        says(&refusal(&model), &[name, "another model"]);
    }
    let (_folder, model) = saved.copy();
    std::fs::copy(other.path().join("model/model.json"), model.join("model.json")).unwrap();
    says(&refusal(&model), &["another model"]);
}

#[test]
fn an_edited_description_and_another_version_are_refused() {
    let saved = Saved::new();
    let (_folder, model) = saved.copy();
    edit(&model, |value| value["config"]["model"]["top_k"] = 3.into());
    says(&refusal(&model), &["model.json", "checksum differs", "edited"]);

    for forged in [false, true] {
        let (_folder, model) = saved.copy();
        let change = |value: &mut serde_json::Value| value["version"] = 2.into();
        if forged {
            forge(&model, change)
        } else {
            edit(&model, change)
        }
        says(&refusal(&model), &["model.json", "version 2", "1 is understood"]);
    }
    let (_folder, model) = saved.copy();
    edit(&model, |value| value["format"] = "something".into());
    says(&refusal(&model), &["model.json", "`something`", "`seminar model`"]);
    std::fs::write(model.join("model.json"), "{\"format\": \"seminar").unwrap();
    says(&refusal(&model), &["model.json", "not JSON"]);
    // A description with the checksum that fits is taken: the forgeries of other tests are refused for what they say.
    let (_folder, model) = saved.copy();
    forge(&model, |value| value["dataset"] = "renamed".into());
    let opened = open(&model).unwrap();
    assert_eq!(opened.description().dataset, "renamed");
    assert_eq!(answer(&opened), answer(&open(&saved.model()).unwrap()));
}

#[test]
fn weights_that_are_no_numbers_are_named_on_opening() {
    let saved = Saved::new();
    let path = saved.model().join("weights.safetensors");
    let names: Vec<String> = weights::read(&path).unwrap().into_iter().map(|(name, _)| name).collect();
    assert!(names.len() > 20 && names.contains(&"item_embeddings.weight".to_owned()));
    for (at, name) in names.iter().enumerate() {
        let (_folder, model) = saved.copy();
        let path = model.join("weights.safetensors");
        let mut state = weights::read(&path).unwrap();
        let values = &mut state.get_mut(name).unwrap().values;
        let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][at % 3];
        let last = values.len() - 1;
        values[last] = bad;
        std::fs::remove_file(&path).unwrap();
        weights::write_safetensors(&state, &path).unwrap();
        name_weights(&model);
        says(
            &refusal(&model),
            &["weights.safetensors", &format!("`{name}` holds 1 numbers"), "NaN or infinite"],
        );
    }
}

#[test]
fn forged_settings_that_ask_for_absurd_memory_are_refused_by_their_name() {
    let saved = Saved::new();
    let of_model = [
        "width",
        "heads",
        "top_k",
        "stage_one_top_k",
        "hash_bits",
        "text_width",
        "image_width",
        "centroids",
        "alignment_rows",
    ];
    let of_batches = [
        "batch_size",
        "history_length",
        "query_length",
        "targets_per_user",
        "training_negatives",
        "evaluation_negatives",
    ];
    for huge in [1u64 << 33, 1 << 50, u64::MAX] {
        for field in of_model {
            let (_folder, model) = saved.copy();
            forge(&model, |value| value["config"]["model"][field] = huge.into());
            says(&refusal(&model), &[field, &huge.to_string()]);
        }
        for field in of_batches {
            let (_folder, model) = saved.copy();
            forge(&model, |value| value["train"]["batches"][field] = huge.into());
            says(&refusal(&model), &[field, &huge.to_string()]);
        }
        let (_folder, model) = saved.copy();
        forge(&model, |value| value["train"]["width"] = huge.into());
        says(&refusal(&model), &["width", &huge.to_string()]);
    }
}

#[test]
fn scores_that_overflow_are_errors_that_name_the_item() {
    let saved = Saved::new();
    let (_folder, model) = saved.copy();
    let path = model.join("weights.safetensors");
    let mut state = weights::read(&path).unwrap();
    // `item-6` has the number 7, the history's items 2 and 3. All numbers are finite, the products with that of item 7 are not.
    let values = &mut state.get_mut("item_embeddings.weight").unwrap().values;
    values[2 * 8..4 * 8].fill(1e4);
    values[7 * 8..8 * 8].fill(f32::MAX);
    std::fs::remove_file(&path).unwrap();
    weights::write_safetensors(&state, &path).unwrap();
    name_weights(&model);
    let opened = open(&model).unwrap();
    let history = opened.history(["item-1", "item-2"]).unwrap();
    let errors = [
        opened.recommend(&history, &Request::default()).unwrap_err(),
        opened.recommend_batch(std::slice::from_ref(&history), &Request::default()).unwrap_err(),
        opened.score(&history, ["item-5", "item-6"]).unwrap_err(),
        opened.similar("item-1", 5).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(&error, Error::NotAScore { item } if item == "item-6"), "{error}");
    }
    assert!(opened.score(&history, ["item-5"]).unwrap()[0].unwrap().is_finite());
}

#[test]
fn shapes_that_do_not_fit_are_named_with_both_values() {
    let saved = Saved::new();
    type Forge<'a> = &'a dyn Fn(&mut serde_json::Value);
    let cases: [(Forge<'_>, &[&str]); 12] = [
        (&|v| v["config"]["model"]["width"] = 16.into(), &["width", "16", "8"]),
        (
            &|v| {
                v["config"]["model"]["width"] = 16.into();
                v["train"]["width"] = 16.into();
            },
            &["item_embeddings.weight", "42 × 8", "42 × 16"],
        ),
        (&|v| v["train"]["batches"]["history_length"] = 3.into(), &["history_length", "needs 4", "has 3"]),
        (&|v| v["config"]["model"]["top_k"] = 9.into(), &["history_length", "needs 9", "has 8"]),
        (&|v| v["config"]["model"]["text_width"] = 6.into(), &["text.emb", "width 6", "has 5"]),
        (&|v| v["frozen"]["text.emb"]["dim"] = 6.into(), &["text.emb", "width 5", "has 6"]),
        (
            &|v| {
                v["config"]["model"]["text_width"] = 6.into();
                v["frozen"]["text.emb"]["dim"] = 6.into();
            },
            &["weights.safetensors", "[8, 5]", "[8, 6]"],
        ),
        (&|v| v["frozen"] = json!({}), &["modalities", "text.emb", "none"]),
        (&|v| v["frozen"]["text.emb"]["projected"] = false.into(), &["text", "width"]),
        (&|v| v["items"] = 41.into(), &["catalogue.bin", "another model"]),
        (&|v| drop(v["files"].as_object_mut().unwrap().shift_remove("catalogue.bin")), &["catalogue.bin"]),
        (&|v| v["config"]["model"]["heads"] = 1.into(), &["weights.safetensors"]),
    ];
    for (number, (change, words)) in cases.into_iter().enumerate() {
        let (_folder, model) = saved.copy();
        forge(&model, change);
        println!("{number}: {}", refusal(&model));
        says(&refusal(&model), words);
    }
    for kind in ["base", "sim", "eta", "qin", "seminar"] {
        let (_folder, model) = saved.copy();
        forge(&model, |v| v["config"]["kind"] = kind.into());
        // BASE has the parts of TWIN: as long as the checksum fits, nothing tells them apart.
        match open(&model) {
            Ok(_) => assert_eq!(kind, "base"),
            Err(error) => says(&error.to_string(), &["weights.safetensors"]),
        }
    }
}

#[test]
fn a_folder_that_is_no_saved_model_says_what_to_do() {
    let saved = Saved::new();
    let run = tempfile::tempdir().unwrap();
    let path = run.path();
    says(&refusal(path), &["no model.json", "train --out RUN", "RUN/model"]);
    says(&refusal(&path.join("missing")), &["missing", "no model.json"]);

    // As version 0.1 leaves it, and as an unfinished run is.
    std::fs::write(path.join("experiment.json"), "{}").unwrap();
    std::fs::create_dir(path.join("checkpoint")).unwrap();
    for folder in [path.to_owned(), path.join("checkpoint"), path.join("model")] {
        says(&refusal(&folder), &["0.1", "--resume"]);
    }
    std::fs::rename(saved.copy().1, path.join("model")).unwrap();
    let model = path.join("model").display().to_string();
    says(&refusal(path), &["the folder of a run", &model]);
    open(&path.join("model")).unwrap();
    says(&refusal(&path.join("model/model.json")), &["model.json"]);
}

#[test]
fn another_type_of_model_is_an_error() {
    let saved = Saved::new();
    fn refused<M: SequenceModel>(model: &Path) -> String {
        match Recommender::<M>::open(model, &Device::flex()) {
            Ok(_) => panic!("opened as {}", std::any::type_name::<M>()),
            Err(error) => error.to_string(),
        }
    }
    says(&refused::<Twin>(&saved.model()), &["model.json", "another type"]);

    // A model of one type, saved: its configuration is that of every other type of this project.
    let config = ModelConfig { modalities: vec![ModalityKind::Id], ..small::model() };
    let device = Device::flex().autodiff();
    let corpus = Arc::new(Corpus::open(saved.data()).unwrap());
    let train = small::train_config();
    let tables = Tables::new(&train, &corpus, Modalities::default()).unwrap();
    let twin = Twin::init(&config, &device).unwrap();
    let mut trainer = Trainer::new(twin, tables, train, corpus, device).unwrap();
    let path = saved.data().join("twin");
    trainer.save_bundle(&path, &About::default()).unwrap();
    Recommender::<Twin>::open(&path, &Device::flex()).unwrap();
    for message in [
        refused::<AnyModel>(&path),
        refused::<Base>(&path),
        refused::<Sim>(&path),
        refused::<Eta>(&path),
        refused::<Qin>(&path),
        refused::<Seminar>(&path),
    ] {
        says(&message, &["model.json", "another type"]);
    }
}

/// Everything below a folder.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut all = BTreeMap::new();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            all.extend(contents(&entry.path()).into_iter().map(|(inner, b)| (format!("{name}/{inner}"), b)));
            all.insert(format!("{name}/"), Vec::new());
        } else {
            all.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
    all
}

#[test]
fn saving_replaces_a_saved_model_and_nothing_else() {
    let saved = Saved::new();
    let root = saved.data();
    let run = small::run(small::model());
    let mut trainer = small::trained(root, &run);
    let about = run.about(&Default::default());
    let refused = |trainer: &mut Trainer<AnyModel>, folder: &Path| {
        let before = contents(root);
        let error = trainer.save_bundle(folder, &about).unwrap_err().to_string();
        assert_eq!(contents(root), before, "{error}");
        error
    };
    // Foreign files alone; beside a saved model; beside a damaged one; a file in the folder's place.
    let foreign = root.join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("thesis.tex"), "years of work").unwrap();
    says(&refused(&mut trainer, &foreign), &["foreign", "another folder"]);
    small::save(root, &root.join("both"), small::model());
    std::fs::write(root.join("both/notes.txt"), "mine").unwrap();
    says(&refused(&mut trainer, &root.join("both")), &["both", "notes.txt"]);
    std::fs::remove_file(root.join("both/notes.txt")).unwrap();
    std::fs::create_dir_all(root.join("both/more")).unwrap();
    says(&refused(&mut trainer, &root.join("both")), &["both", "more"]);
    std::fs::write(foreign.join("model.json"), "{\"format\": \"seminar mod").unwrap();
    says(&refused(&mut trainer, &foreign), &["foreign", "another folder"]);
    std::fs::write(root.join("file"), "a file").unwrap();
    says(&refused(&mut trainer, &root.join("file")), &["file"]);

    // A model without text over one with it: nothing of the old one stays.
    let model = root.join("model");
    let old = answer(&open(&model).unwrap());
    let plain = ModelConfig { modalities: vec![ModalityKind::Id, ModalityKind::Query], ..small::model() };
    small::save(root, &model, plain);
    let names: Vec<String> = contents(&model).into_keys().collect();
    assert_eq!(names, ["catalogue.bin", "model.json", "weights.safetensors"]);
    assert_ne!(answer(&open(&model).unwrap()), old);
    trainer.save_bundle(&model, &about).unwrap();
    let first = contents(&model);
    assert_eq!(answer(&open(&model).unwrap()), old);
    // The same again: the same bytes. An empty folder, and one that is not there yet.
    trainer.save_bundle(&model, &about).unwrap();
    assert_eq!(contents(&model), first);
    std::fs::create_dir(root.join("empty")).unwrap();
    for folder in ["empty", "not/there/yet"] {
        trainer.save_bundle(&root.join(folder), &about).unwrap();
        assert_eq!(contents(&root.join(folder)), first);
    }
}

#[test]
fn an_open_model_outlives_its_replacement() {
    let saved = Saved::new();
    let opened = open(&saved.model()).unwrap();
    let before = answer(&opened);
    small::save(saved.data(), &saved.model(), ModelConfig { seed: 7, ..small::model() });
    assert_eq!(answer(&opened), before);
    assert_ne!(answer(&open(&saved.model()).unwrap()), before);
}

#[test]
fn every_metric_comes_back_to_the_bit() {
    let saved = Saved::new();
    let run = small::run(small::model());
    let mut trainer = small::trained(saved.data(), &run);
    let mut stream = seminar_dataset::rng::Stream::new(&[5]);
    let metrics: Metrics = (0..500).map(|n| (format!("m{n}"), stream.normal() * 1e-3)).collect();
    trainer.save_bundle(&saved.model(), &run.about(&metrics)).unwrap();
    assert_eq!(open(&saved.model()).unwrap().description().metrics, metrics);
    // JSON knows no NaN: the model is saved without it, or not at all.
    let nan = Metrics::from([("MRR".to_owned(), f64::NAN)]);
    let error = trainer.save_bundle(&saved.model(), &run.about(&nan)).unwrap_err().to_string();
    says(&error, &["MRR"]);
    assert_eq!(open(&saved.model()).unwrap().description().metrics, metrics);
}

#[test]
fn settings_that_disagree_are_named_before_the_first_step() {
    let saved = Saved::new();
    let corpus = Arc::new(Corpus::open(saved.data()).unwrap());
    let all = || Modalities::of_folder(saved.data(), &small::model().modalities).unwrap();
    let device = Device::flex().autodiff();
    // Training's settings, those of the tables, the model's.
    let refused = |train: TrainConfig, tables: TrainConfig, modalities: Modalities, model: ModelConfig| {
        let tables = Tables::new(&tables, &corpus, modalities).unwrap();
        let model = ModelKind::Twin.build(&model, 100, &device).unwrap();
        match Trainer::new(model, tables, train, corpus.clone(), device.clone()) {
            Ok(_) => panic!("accepted"),
            Err(Error::Config { field, message }) => (field, message),
            Err(error) => panic!("{error}"),
        }
    };
    let train = small::train_config;
    let (field, message) = refused(train(), train(), all(), ModelConfig { width: 16, ..small::model() });
    assert_eq!(field, "width");
    says(&message, &["16", "8"]);
    let wide = TrainConfig { width: 16, ..train() };
    let (field, message) = refused(train(), wide, all(), small::model());
    assert_eq!(field, "width");
    says(&message, &["8", "16", "item table"]);
    let (field, message) = refused(train(), train(), all(), ModelConfig { top_k: 9, ..small::model() });
    assert_eq!(field, "history_length");
    says(&message, &["9", "8"]);
    for (without, name) in [
        (Modalities { text: None, ..all() }, "text"),
        (Modalities { attributes: false, ..all() }, "attribute"),
    ] {
        let (field, message) = refused(train(), train(), without, small::model());
        assert_eq!(field, "modalities");
        says(&message, &[name, "without"]);
    }
    let image = ModelConfig { modalities: vec![ModalityKind::Id, ModalityKind::Image], ..small::model() };
    let (field, message) = refused(train(), train(), all(), image);
    assert_eq!(field, "modalities");
    says(&message, &["image"]);
    let (field, message) = refused(train(), train(), all(), ModelConfig { text_width: 6, ..small::model() });
    assert_eq!(field, "text_width");
    says(&message, &["6", "5"]);
}
