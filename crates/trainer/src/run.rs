//! A run: everything that decides a trained model, and the way from its start to its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use seminar_dataset::atomic::write_text;
use seminar_dataset::{Corpus, Embeddings};
use seminar_models::{ModalityKind, SequenceModel};
use serde::{Deserialize, Serialize};

use crate::bundle::About;
use crate::checkpoint::CheckpointConfig;
use crate::config::TrainConfig;
use crate::embed::{Modalities, Tables};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::observer::{Both, Observer};
use crate::step_log::StepLog;
use crate::trainer::Trainer;

/// All settings of a run: with the corpus, they decide every bit of its result. As JSON, the fields of the model's configuration
/// stand beside the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run<C> {
    /// The model's configuration: a struct with named fields.
    #[serde(flatten)]
    pub config: C,
    /// The trainer's settings.
    pub train: TrainConfig,
    /// Epochs of pretraining before training.
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

impl Modalities {
    /// What a corpus folder holds of some modalities: `text.emb` and `image.emb`, and attributes.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn of_folder(folder: &Path, kinds: &[ModalityKind]) -> Result<Self> {
        let open = |kind, file: &str| match kinds.contains(&kind) {
            true => Embeddings::open(&folder.join(file)).map(Some),
            false => Ok(None),
        };
        Ok(Self {
            attributes: kinds.contains(&ModalityKind::Attribute),
            text: open(ModalityKind::Text, "text.emb")?,
            image: open(ModalityKind::Image, "image.emb")?,
        })
    }
}

impl<C> Run<C> {
    /// A trainer with initial weights on `device`, with autodiff.
    ///
    /// # Errors
    /// If settings cannot work, or modalities are missing, of another width or of another corpus.
    pub fn trainer<M: SequenceModel<Config = C>>(
        &self,
        corpus: &Arc<Corpus>,
        modalities: Modalities,
        device: &Device,
    ) -> Result<Trainer<M>> {
        let device = device.clone().autodiff();
        let model = M::init(&self.config, &device)?;
        let tables = Tables::new(&self.train, corpus, modalities)?;
        Trainer::new(model, tables, self.train.clone(), corpus.clone(), device)
    }

    /// Pretrains and trains, or does what is left of it after a kill. With an output, settings are written to `experiment.json` once
    /// it is sure that they belong to the checkpoint.
    ///
    /// # Errors
    /// If training fails or a checkpoint does not fit.
    pub fn train<M: SequenceModel<Config = C>>(
        &self,
        trainer: Trainer<M>,
        output: Option<&Output>,
        observer: &mut dyn Observer,
    ) -> Result<Trainer<M>>
    where
        C: Serialize,
    {
        let Some(output) = output else { return self.go(trainer, observer) };
        let folder = output.folder.join("checkpoint");
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder, "cannot create"))?;
        let config = CheckpointConfig { folder, every: output.every };
        if !output.resume {
            for stale in [config.last(), config.best()].iter().filter(|path| path.exists()) {
                std::fs::remove_file(stale).map_err(Error::io(stale, "cannot remove"))?;
            }
        }
        let mut trainer = trainer.with_checkpoints(config);
        trainer.resume()?;
        let settings = serde_json::to_value(self)
            .map_err(|error| Error::Config { field: "config", message: error.to_string() })?;
        write_text(&output.folder.join("experiment.json"), &format!("{settings:#}\n"))?;
        let log = StepLog::open(&output.folder.join("steps.jsonl"), trainer.progress().logged_steps())?;
        self.go(trainer, &mut Both(log, observer))
    }

    fn go<M: SequenceModel>(
        &self,
        mut trainer: Trainer<M>,
        observer: &mut dyn Observer,
    ) -> Result<Trainer<M>> {
        if self.pretrain_epochs > 0 {
            trainer.pretrain(self.pretrain_epochs, observer)?;
        }
        trainer.fit(observer)?;
        Ok(trainer)
    }

    /// What a saved model of this run says of itself.
    pub fn about(&self, metrics: &Metrics) -> About {
        About {
            dataset: self.dataset.clone(),
            pretrain_epochs: self.pretrain_epochs,
            metrics: metrics.clone(),
        }
    }
}
