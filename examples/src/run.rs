//! One training run: model, tables, trainer, evaluation, result.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use burn::tensor::Device;
use seminar_dataset::atomic::write_text;
use seminar_dataset::{BatchConfig, Corpus, Embeddings, Split};
use seminar_models::{AnyModel, ModalityKind, ModelConfig, ModelKind};
use seminar_trainer::metrics::Ties;
use seminar_trainer::report::RunResult;
use seminar_trainer::{
    Both, CheckpointConfig, Evaluation, Modalities, Observer, StepLog, Tables, TrainConfig, Trainer,
};
use serde::{Deserialize, Serialize};

use crate::machine::peak_rss_bytes;

/// All settings of a run: with the corpus, they decide every bit of its result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Experiment {
    /// Which model.
    pub kind: ModelKind,
    /// Its settings.
    pub model: ModelConfig,
    /// The trainer's.
    pub train: TrainConfig,
    /// Epochs of pretraining before training; only SEMINAR has any.
    pub pretrain_epochs: u64,
    /// The data set's name.
    pub dataset: String,
}

/// Where a run leaves checkpoints and the log of its steps.
#[derive(Clone, Debug)]
pub struct Output {
    /// The folder.
    pub folder: PathBuf,
    /// Go on from the last checkpoint, if there is one; else start afresh and remove older ones.
    pub resume: bool,
    /// Steps between checkpoints inside an epoch.
    pub every: u64,
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

impl Experiment {
    /// A trainer with initial weights; embedding files are opened in the corpus folder `data`.
    ///
    /// # Errors
    /// If settings cannot work or embedding files are missing or of another corpus.
    pub fn trainer(
        &self,
        corpus: &Arc<Corpus>,
        data: &Path,
        device: &Device,
    ) -> anyhow::Result<Trainer<AnyModel>> {
        let has = |kind| self.model.modalities.contains(&kind);
        let open = |kind: ModalityKind, file: &str| match has(kind) {
            true => Embeddings::open(&data.join(file)).map(Some),
            false => Ok(None),
        };
        let modalities = Modalities {
            attributes: has(ModalityKind::Attribute),
            text: open(ModalityKind::Text, "text.emb")?,
            image: open(ModalityKind::Image, "image.emb")?,
        };
        let mut config = self.model.clone();
        config.text_width = modalities.text.as_ref().map_or(config.text_width, Embeddings::dim);
        config.image_width = modalities.image.as_ref().map_or(config.image_width, Embeddings::dim);
        let device = device.clone().autodiff();
        let model = self.kind.build(&config, self.train.batches.history_length, &device)?;
        let tables = Tables::new(&self.train, corpus, modalities)?;
        Ok(Trainer::new(model, tables, self.train.clone(), corpus.clone(), device)?)
    }

    /// Pretrains and trains, or does what is left of it after a kill.
    ///
    /// # Errors
    /// If training fails or a checkpoint does not fit.
    pub fn train(
        &self,
        trainer: Trainer<AnyModel>,
        output: Option<&Output>,
        observer: &mut dyn Observer,
    ) -> anyhow::Result<Trainer<AnyModel>> {
        let Some(output) = output else { return self.run(trainer, observer) };
        let folder = output.folder.join("checkpoint");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let config = CheckpointConfig { folder, every: output.every };
        if !output.resume {
            for stale in [config.last(), config.best()] {
                if stale.exists() {
                    std::fs::remove_file(&stale)
                        .with_context(|| format!("cannot remove {}", stale.display()))?;
                }
            }
        }
        write_text(&output.folder.join("experiment.json"), &format!("{:#}\n", serde_json::to_value(self)?))?;
        let mut trainer = trainer.with_checkpoints(config);
        if trainer.resume()? {
            let progress = trainer.progress();
            tracing::info!(
                "resumed at {:?}, epoch {}, batch {}",
                progress.phase,
                progress.epoch + 1,
                progress.batch
            );
        }
        let log = StepLog::open(&output.folder.join("steps.jsonl"), trainer.progress().logged_steps())?;
        self.run(trainer, &mut Both(log, observer))
    }

    fn run(
        &self,
        mut trainer: Trainer<AnyModel>,
        observer: &mut dyn Observer,
    ) -> anyhow::Result<Trainer<AnyModel>> {
        if self.pretrain_epochs > 0 {
            trainer.pretrain(self.pretrain_epochs, observer)?;
        }
        trainer.fit(observer)?;
        Ok(trainer)
    }

    /// A row of the results.
    ///
    /// # Errors
    /// If the evaluation fails, or its figures are impossible.
    pub fn evaluate(
        &self,
        trainer: &mut Trainer<AnyModel>,
        corpus: &Corpus,
        split: Split,
        batches: &BatchConfig,
        ties: Ties,
    ) -> anyhow::Result<RunResult> {
        let start = Instant::now();
        let ranking = trainer.rank(split, batches, ties)?;
        let evaluation = Evaluation::of(&ranking, batches.seed).with_popularity(&ranking, corpus);
        let row = RunResult::new(self.kind.name(), &self.dataset, split, batches.test_mode, evaluation)?;
        let progress = trainer.progress();
        let mut row = row.trained(&progress.pretrain, &progress.fit);
        row.seed = self.model.seed;
        row.modalities = modality_names(&self.model.modalities);
        row.seconds.evaluate = start.elapsed().as_secs_f64();
        row.peak_rss_bytes = peak_rss_bytes();
        Ok(row)
    }
}
