//! Small sound things to damage: reviews, the text files of a data set, a corpus, a trainer on it, a saved model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use seminar_dataset::{BatchConfig, Corpus, EmbeddingTable, Numbered, Precision, Queries, s3rec};
use seminar_models::{AnyConfig, AnyModel, ModalityKind, ModelConfig, ModelKind};
use seminar_trainer::{About, CheckpointConfig, Modalities, Run, Tables, TrainConfig, Trainer};

/// A line of Amazon's reviews.
pub fn review(user: usize, item: usize) -> String {
    format!(
        "{{\"overall\": 5.0, \"verified\": true, \"reviewerID\": \"A{user}\", \"asin\": \"B{item}\", \"style\": {{\"Format:\": \" DVD\"}}, \"reviewText\": \"good \\\"one\\\"\", \"unixReviewTime\": {}}}\n",
        1_500_000_000 + 7 * item
    )
}

/// Seven users with the same seven items: they survive the core filter.
pub fn reviews() -> String {
    (0..7).flat_map(|user| (0..7).map(move |item| review(user, item))).collect()
}

/// The files of a small data set by their endings.
pub const TEXT_FILES: [(&str, &str); 6] = [
    (".txt", "1 1 2 3 4 5\n2 5 4 3 2\n7 2 3 1 5 4 2\n"),
    ("_queries.txt", "1 1,2 3 0 4,5,6 1\n2 1 2 3 4,4\n7 0 0 0 1,2 3 4\n"),
    ("_item2attributes.json", "{\"1\": [1, 2], \"2\": [3], \"3\": [1], \"5\": [2, 3, 1]}"),
    ("_id2dummy_query.json", "{\"1\": \"1,2,3\", \"2\": \"3\", \"3\": \"\", \"4\": \"5,6\", \"5\": \"1\"}"),
    ("_sample.txt", "1 2 3 4\n2 1 1 1\n7 3 4 5\n"),
    (
        "_items.jsonl",
        "{\"item\": 1, \"asin\": \"B1\", \"title\": \"Nail, red\", \"categories\": [\"Beauty\", \"Nails\"], \"brand\": \"OPI\", \"price\": 12.0}\n{\"item\": 2, \"asin\": \"B2\", \"title\": null, \"imUrl\": \"http://a/b.jpg\"}\n",
    ),
];

/// Writes [`TEXT_FILES`] into a folder, under the name `toy`.
///
/// # Errors
/// If the file system refuses.
pub fn write_texts(folder: &Path) -> std::io::Result<()> {
    TEXT_FILES.iter().try_for_each(|(ending, text)| std::fs::write(folder.join(format!("toy{ending}")), text))
}

/// Writes the corpus of [`TEXT_FILES`], and them, into a folder.
///
/// # Errors
/// If the file system refuses.
pub fn write_corpus(folder: &Path) -> anyhow::Result<()> {
    write_texts(folder)?;
    Ok(Corpus::write(&s3rec::import(folder, "toy", Queries::Logged)?.data, folder)?)
}

/// A small data set in memory: five items with titles and attributes, some events with queries. With `more`, a further user buys
/// an item that nobody else has.
///
/// # Errors
/// None: the lists fit each other.
pub fn toy(more: bool) -> anyhow::Result<Numbered> {
    let mut users = vec![
        vec!["pen", "ink", "paper", "glue", "tape"],
        vec!["tape", "glue", "paper", "ink"],
        vec!["ink", "paper", "pen", "tape", "glue", "ink"],
    ];
    if more {
        users.push(vec!["pen", "ruler", "ink", "tape"]);
    }
    let query = |at: usize| ["red", "", "blue paper"][at % 3];
    let queries: Vec<Vec<&str>> = users.iter().map(|items| (0..items.len()).map(query).collect()).collect();
    let titles = [("pen", "A red pen"), ("ink", "Ink, \"black\""), ("tape", "Tape")];
    let mut data = Numbered::from_sequences(&users).with_queries(&queries)?.with_titles(titles)?;
    data.attribute_items = vec![1, 2, 3, 5];
    data.item_attributes = [vec![1, 2], vec![3], vec![1], vec![2, 3, 1]].into_iter().collect();
    Ok(data)
}

/// Writes the corpus of [`toy`] into a folder.
///
/// # Errors
/// If the file system refuses.
pub fn write_toy(folder: &Path) -> anyhow::Result<()> {
    Ok(Corpus::write(&toy(false)?, folder)?)
}

/// Width of the text embeddings of [`write_bundle`].
const TEXT: usize = 3;

/// An untrained TWIN of this seed over the corpus of [`toy`], with text embeddings and attributes, in training.
///
/// # Errors
/// If the file system refuses.
pub fn with_text(folder: &Path, seed: u64) -> anyhow::Result<Trainer<AnyModel>> {
    use ModalityKind::{Attribute, Id, Query, Text};
    write_toy(folder)?;
    let corpus = Arc::new(Corpus::open(folder)?);
    let mut texts = EmbeddingTable::new(corpus.item_count(), TEXT)?;
    for item in 1..corpus.item_count() as u32 {
        texts.set(item, &[item as f32, 0.5, -1.0])?;
    }
    texts.write(&folder.join("text.emb"), Precision::F32)?;
    let modalities = vec![Id, Query, Text, Attribute];
    let run = Run {
        config: AnyConfig {
            kind: ModelKind::Twin,
            model: ModelConfig { modalities: modalities.clone(), text_width: TEXT, seed, ..model() },
        },
        train: train_config(),
        pretrain_epochs: 0,
        dataset: "toy".into(),
    };
    Ok(run.trainer(&corpus, Modalities::of_folder(folder, &modalities)?, &Device::flex())?)
}

/// Saves [`with_text`] as `model` in a folder, and returns where that is.
///
/// # Errors
/// If the file system refuses.
pub fn write_bundle(folder: &Path, seed: u64) -> anyhow::Result<PathBuf> {
    let path = folder.join("model");
    with_text(folder, seed)?.save_bundle(&path, &About::default())?;
    Ok(path)
}

/// A model over a corpus, with the tables that it needs.
///
/// # Errors
/// If the settings cannot work.
pub fn build(
    kind: ModelKind,
    model: &ModelConfig,
    config: TrainConfig,
    corpus: Arc<Corpus>,
) -> anyhow::Result<Trainer<AnyModel>> {
    let device = Device::flex().autodiff();
    let model = kind.build(model, config.batches.history_length, &device)?;
    let tables = Tables::new(&config, &corpus, Modalities::default())?;
    Ok(Trainer::new(model, tables, config, corpus, device)?)
}

fn model() -> ModelConfig {
    ModelConfig { width: 4, heads: 1, top_k: 2, stage_one_top_k: 3, ..ModelConfig::default() }
}

fn train_config() -> TrainConfig {
    let batches =
        BatchConfig { batch_size: 2, history_length: 4, evaluation_negatives: 2, ..BatchConfig::default() };
    TrainConfig { width: 4, batches, ..TrainConfig::default() }
}

/// TWIN over the corpus in a folder, with checkpoints there.
///
/// # Errors
/// If there is no corpus.
pub fn trainer(folder: &Path) -> anyhow::Result<Trainer<AnyModel>> {
    let corpus = Arc::new(Corpus::open(folder)?);
    let trainer = build(ModelKind::Twin, &model(), train_config(), corpus)?;
    Ok(trainer.with_checkpoints(checkpoints(folder)))
}

/// Where [`trainer`] keeps its checkpoints: one after every step.
pub fn checkpoints(folder: &Path) -> CheckpointConfig {
    CheckpointConfig { folder: folder.to_owned(), every: 1 }
}
