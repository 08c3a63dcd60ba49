//! A small corpus with queries, attributes, titles and text embeddings, and a short training over it.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use seminar_dataset::rng::Stream;
use seminar_dataset::{BatchConfig, Corpus, EmbeddingTable, Numbered, Precision, Ragged};
use seminar_models::{AnyConfig, AnyModel, ModalityKind, ModelConfig, ModelKind};
use seminar_trainer::{Modalities, Recommender, Run, Silent, TrainConfig, Trainer};

pub const ITEMS: usize = 40;
pub const TEXT: usize = 5;
pub const LENGTH: usize = 8;

/// Titles that a csv file has to quote.
const ODD: [&str; 5] = ["Nail, red", "The \"best\" one", "two\nlines", "cr\r\nlf, \"", ""];

/// Writes a corpus of so many users and `text.emb` into a folder. `seed` changes events, titles and embeddings.
pub fn write(folder: &Path, users: usize, seed: u64) {
    let mut stream = Stream::new(&[seed]);
    let name = |item: u64| format!("item-{item}");
    // The first user has each item once, so that all are there.
    let mut events: Vec<Vec<String>> = vec![(0..ITEMS as u64).map(name).collect()];
    for _ in 1..users {
        let length = 5 + stream.below(10) as usize;
        events.push((0..length).map(|_| name(stream.below(ITEMS as u64))).collect());
    }
    let queries: Vec<Vec<&str>> = events
        .iter()
        .map(|items| (0..items.len()).map(|at| ["", "red", "blue shoe"][at % 3]).collect())
        .collect();
    let titles = (0..ITEMS as u64).map(|item| (name(item), ODD[(item + seed) as usize % ODD.len()]));
    let mut data =
        Numbered::from_sequences(&events).with_queries(&queries).unwrap().with_titles(titles).unwrap();
    data.attribute_items = (1..=ITEMS as u32).filter(|item| item % 4 != 0).collect();
    data.item_attributes = data.attribute_items.iter().map(|item| [1 + item % 3]).collect();
    let names: Ragged<u8> = (1..=3).map(|number| format!("attribute {number}").into_bytes()).collect();
    data.texts.attributes = names;
    Corpus::write(&data, folder).unwrap();
    let mut table = EmbeddingTable::new(ITEMS, TEXT).unwrap();
    for item in (1..=ITEMS as u32).filter(|item| item % 6 != 0) {
        let row: Vec<f32> = (0..TEXT).map(|_| stream.normal() as f32).collect();
        table.set(item, &row).unwrap();
    }
    table.write(&folder.join("text.emb"), Precision::F32).unwrap();
}

/// A model over all that [`write()`] writes.
pub fn model() -> ModelConfig {
    use ModalityKind::*;
    ModelConfig {
        width: 8,
        heads: 2,
        top_k: 4,
        hash_bits: 32,
        text_width: TEXT,
        modalities: vec![Id, Query, Text, Attribute],
        ..ModelConfig::default()
    }
}

pub fn train_config() -> TrainConfig {
    let batches = BatchConfig { batch_size: 16, history_length: LENGTH, ..BatchConfig::default() };
    TrainConfig { width: 8, batches, ..TrainConfig::default() }
}

pub fn run(model: ModelConfig) -> Run<AnyConfig> {
    let config = AnyConfig { kind: ModelKind::Twin, model };
    Run { config, train: train_config(), pretrain_epochs: 0, dataset: "small".into() }
}

/// A run's trainer over the corpus in a folder, trained for an epoch.
pub fn trained(data: &Path, run: &Run<AnyConfig>) -> Trainer<AnyModel> {
    let corpus = Arc::new(Corpus::open(data).unwrap());
    let modalities = Modalities::of_folder(data, &run.config.model.modalities).unwrap();
    run.train(run.trainer(&corpus, modalities, &Device::flex()).unwrap(), None, &mut Silent).unwrap()
}

/// Trains TWIN on the corpus in a folder and saves it.
pub fn save(data: &Path, out: &Path, model: ModelConfig) {
    let run = run(model);
    trained(data, &run).save_bundle(out, &run.about(&Default::default())).unwrap();
}

pub fn open(path: &Path) -> seminar_trainer::Result<Recommender<AnyModel>> {
    Recommender::open(path, &Device::flex())
}
