//! A corpus with more items than are scored at once, with queries, attributes, titles and text embeddings; and a trained run over it.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use seminar_dataset::rng::Stream;
use seminar_dataset::{BatchConfig, Corpus, EmbeddingTable, Numbered, Precision, Ragged};
use seminar_models::{AnyConfig, AnyModel, ModalityKind, ModelConfig, ModelKind, SoftSearch};
use seminar_trainer::{Modalities, Run, Silent, TrainConfig, Trainer};

pub const ITEMS: usize = 2500;
const USERS: usize = 40;
const TEXT: usize = 6;

/// Writes the corpus and `text.emb` into a folder.
pub fn write(folder: &Path) {
    let mut stream = Stream::new(&[7]);
    // The first user has each item once, so that all are there.
    let name = |item: u64| format!("item-{item}");
    let mut users: Vec<Vec<String>> = vec![(0..ITEMS as u64).map(name).collect()];
    for _ in 1..USERS {
        let length = 5 + stream.below(20) as usize;
        users.push((0..length).map(|_| name(stream.below(ITEMS as u64))).collect());
    }
    let queries: Vec<Vec<String>> = users
        .iter()
        .map(|items| {
            items
                .iter()
                .enumerate()
                .map(|(at, _)| if at % 3 == 0 { format!("red w{}", at % 7) } else { String::new() })
                .collect()
        })
        .collect();
    let titles =
        (0..ITEMS as u64).filter(|item| item % 5 != 0).map(|item| (name(item), format!("Title of {item}")));
    let mut data =
        Numbered::from_sequences(&users).with_queries(&queries).unwrap().with_titles(titles).unwrap();
    data.attribute_items = (1..=ITEMS as u32).filter(|item| item % 4 != 0).collect();
    data.item_attributes = data.attribute_items.iter().map(|item| [1 + item % 9, 10 + item % 3]).collect();
    let names: Ragged<u8> = (1..=12).map(|number| format!("attribute {number}").into_bytes()).collect();
    data.texts.attributes = names;
    Corpus::write(&data, folder).unwrap();
    let mut table = EmbeddingTable::new(ITEMS, TEXT).unwrap();
    for item in (1..=ITEMS as u32).filter(|item| item % 6 != 0) {
        let row: Vec<f32> = (0..TEXT).map(|_| stream.normal() as f32).collect();
        table.set(item, &row).unwrap();
    }
    table.write(&folder.join("text.emb"), Precision::F32).unwrap();
}

/// Every model, and each of SEMINAR's searches.
pub fn configs() -> Vec<AnyConfig> {
    let config = ModelConfig {
        width: 8,
        heads: 2,
        top_k: 4,
        stage_one_top_k: 6,
        hash_bits: 32,
        text_width: TEXT,
        sub_vectors: 4,
        centroids: 8,
        modalities: vec![ModalityKind::Id, ModalityKind::Query, ModalityKind::Text, ModalityKind::Attribute],
        ..ModelConfig::default()
    };
    let mut all: Vec<AnyConfig> =
        ModelKind::ALL.iter().map(|&kind| AnyConfig { kind, model: config.clone() }).collect();
    for soft_search in [SoftSearch::Lsh, SoftSearch::MultiPq] {
        let model = ModelConfig { soft_search, ..config.clone() };
        all.push(AnyConfig { kind: ModelKind::Seminar, model });
    }
    all
}

/// A short training.
pub fn trained(folder: &Path, config: AnyConfig) -> (Run<AnyConfig>, Trainer<AnyModel>) {
    let corpus = Arc::new(Corpus::open(folder).unwrap());
    let batches =
        BatchConfig { batch_size: 16, history_length: 12, targets_per_user: 4, ..BatchConfig::default() };
    let pretrain_epochs = u64::from(config.kind == ModelKind::Seminar);
    let modalities = Modalities::of_folder(folder, &config.model.modalities).unwrap();
    let train = TrainConfig { width: config.model.width, epochs: 1, batches, ..TrainConfig::default() };
    let run = Run { config, train, pretrain_epochs, dataset: "random".into() };
    let trainer = run.trainer(&corpus, modalities, &Device::flex()).unwrap();
    let trainer = run.train(trainer, None, &mut Silent).unwrap();
    (run, trainer)
}
