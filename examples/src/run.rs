//! One training run: model, tables, trainer, evaluation, result.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use burn::tensor::Device;
use seminar_dataset::{BatchConfig, Corpus, Embeddings, Split};
use seminar_models::{AnyModel, ModalityKind, ModelConfig, ModelKind};
use seminar_trainer::{Modalities, Observer, Tables, TrainConfig, Trainer};

use crate::machine::peak_rss_bytes;
use crate::results::{RunResult, Seconds};

/// All settings of a run.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// Which model.
    pub kind: ModelKind,
    /// Its settings.
    pub model: ModelConfig,
    /// The trainer's.
    pub train: TrainConfig,
    /// Epochs of pretraining before training; only SEMINAR has any.
    pub pretrain_epochs: u64,
    /// The data set's name.
    pub dataset: &'a str,
    /// The corpus folder, where embedding files lie.
    pub data: &'a Path,
}

/// The modalities that a corpus folder has content for.
pub fn available(corpus: &Corpus, data: &Path) -> Vec<ModalityKind> {
    let mut modalities = vec![ModalityKind::Id];
    let checks = [
        (ModalityKind::Query, corpus.query_count() > 1),
        (ModalityKind::Text, data.join("text.emb").is_file()),
        (ModalityKind::Image, data.join("image.emb").is_file()),
        (ModalityKind::Attribute, corpus.attribute_count() > 0),
    ];
    modalities.extend(checks.into_iter().filter(|(_, there)| *there).map(|(kind, _)| kind));
    modalities
}

/// Modalities as a command line writes them.
pub fn modality_names(modalities: &[ModalityKind]) -> String {
    let names: Vec<String> = modalities.iter().map(|m| format!("{m:?}").to_lowercase()).collect();
    names.join(",")
}

/// Reads a comma-separated list of modalities.
///
/// # Errors
/// Names one that is not known.
pub fn parse_modalities(text: &str) -> anyhow::Result<Vec<ModalityKind>> {
    let parse = |name: &str| {
        let quoted = serde_json::Value::String(name.trim().to_owned());
        serde_json::from_value(quoted)
            .with_context(|| format!("`{name}` is none of id, query, text, image, attribute"))
    };
    text.split(',').map(parse).collect()
}

/// Trains a model and evaluates it on the test split in each of the given batch settings.
///
/// # Errors
/// If settings, data or training fail.
pub fn train_and_evaluate(
    run: &Run<'_>,
    corpus: &Arc<Corpus>,
    device: &Device,
    evaluations: &[BatchConfig],
    observer: &mut dyn Observer,
) -> anyhow::Result<Vec<RunResult>> {
    let (mut trainer, fit) = train(run, corpus, device, observer)?;
    let mut results = Vec::with_capacity(evaluations.len());
    for batches in evaluations {
        let start = Instant::now();
        let evaluation = trainer.evaluate(Split::Test, batches)?;
        let seconds = Seconds {
            train: fit.seconds,
            train_steps: fit.step_seconds,
            evaluate: start.elapsed().as_secs_f64(),
        };
        results.push(RunResult {
            seed: run.model.seed,
            modalities: modality_names(&run.model.modalities),
            seconds,
            steps: fit.steps,
            epochs: fit.epochs,
            examples_per_second: fit.examples as f64 / fit.step_seconds.max(1e-9),
            peak_rss_bytes: peak_rss_bytes(),
            ..RunResult::of(run.kind.name(), run.dataset, batches.test_mode, evaluation)
        });
    }
    Ok(results)
}

fn train(
    run: &Run<'_>,
    corpus: &Arc<Corpus>,
    device: &Device,
    observer: &mut dyn Observer,
) -> anyhow::Result<(Trainer<AnyModel>, seminar_trainer::FitReport)> {
    let has = |kind| run.model.modalities.contains(&kind);
    let open = |kind: ModalityKind, file: &str| match has(kind) {
        true => Embeddings::open(&run.data.join(file)).map(Some),
        false => Ok(None),
    };
    let modalities = Modalities {
        attributes: has(ModalityKind::Attribute),
        text: open(ModalityKind::Text, "text.emb")?,
        image: open(ModalityKind::Image, "image.emb")?,
    };
    let mut config = run.model.clone();
    config.text_width = modalities.text.as_ref().map_or(config.text_width, Embeddings::dim);
    config.image_width = modalities.image.as_ref().map_or(config.image_width, Embeddings::dim);
    let device = device.clone().autodiff();
    device.seed(config.seed);
    let model = run.kind.build(&config, run.train.batches.history_length, &device)?;
    let tables = Tables::new(&run.train, corpus, modalities)?;
    let mut trainer = Trainer::new(model, tables, run.train.clone(), corpus.clone(), device)?;
    let pretraining = match run.pretrain_epochs {
        0 => 0.0,
        epochs => trainer.pretrain(epochs, observer)?.seconds,
    };
    let mut fit = trainer.fit(observer)?;
    fit.seconds += pretraining;
    Ok((trainer, fit))
}
