//! A run: everything that decides a trained model, and the way from its start to its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use seminar_dataset::atomic::write_text;
use seminar_dataset::{Batches, Corpus, Embeddings, MANIFEST, OutputFolder, Split};
use seminar_models::{ModalityKind, SequenceModel};
use serde::{Deserialize, Serialize};

use crate::bundle::{About, remove_bundle};
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
    /// What happens if it holds a run.
    pub start: Start,
    /// Steps between checkpoints inside an epoch.
    pub every: u64,
}

/// What happens if the folder of a run holds one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// It is an error.
    #[default]
    New,
    /// The run goes on from its last checkpoint, if there is one.
    Resume,
    /// Its files are removed once it is sure that the new run can start.
    Replace,
}

/// The program that files in a run's folder belong to.
const WRITER: &str = "train";
const DESCRIPTION: &str = "experiment.json";
const STEPS: &str = "steps.jsonl";
const CHECKPOINTS: &str = "checkpoint";
/// What belongs to a run and is no file of its own: the saved model, and evaluations of it.
const MODEL: &str = "model";
const EVALUATION: &str = "evaluation";
/// What a run writes, and what programs write about it once it is finished.
const FILES: [&str; 7] = [
    DESCRIPTION,
    STEPS,
    "checkpoint/last.ckpt",
    "checkpoint/best.ckpt",
    "metrics.json",
    "report.html",
    "weights.safetensors",
];

impl Output {
    /// The run's folder, if a run can start in it. Nothing is written.
    ///
    /// # Errors
    /// If it holds a run and [`Start::New`] is asked, or files of others stand where the run's would.
    pub fn open(&self) -> Result<OutputFolder> {
        let listed = self.folder.join(MANIFEST).exists();
        // Release 0.1 kept no list of its files.
        let old = self.start == Start::Resume && !listed && self.is_described();
        let mut folder = match old {
            true => OutputFolder::open_input(&self.folder, WRITER)?,
            false => OutputFolder::open(&self.folder, WRITER)?,
        };
        if old {
            folder.adopt(&FILES);
        }
        folder.check(&FILES)?;
        if self.start == Start::New && FILES.iter().any(|name| folder.holds(name)) {
            let message = "holds a run already: go on with it (--resume), replace it (--force), or choose another folder";
            return Err(Error::Occupied { path: self.folder.clone(), message });
        }
        Ok(folder)
    }

    /// Whether the folder holds the description of a run.
    fn is_described(&self) -> bool {
        let text = std::fs::read_to_string(self.folder.join(DESCRIPTION)).unwrap_or_default();
        serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|run| run.get("train").is_some())
    }

    /// Whether there is a checkpoint to go on from.
    pub fn has_checkpoint(&self) -> bool {
        CheckpointConfig { folder: self.folder.join(CHECKPOINTS), every: self.every }.last().is_file()
    }

    /// Takes the names of all files of a run, of its results too, before they are written.
    ///
    /// # Errors
    /// As for [`Output::open`], or if the file system refuses.
    pub fn claim(&self) -> Result<()> {
        let mut folder = self.open()?;
        if self.start == Start::Replace {
            folder.clear()?;
            remove_bundle(&self.folder.join(MODEL))?;
            let evaluation = self.folder.join(EVALUATION);
            if evaluation.join(MANIFEST).is_file() {
                OutputFolder::open(&evaluation, "evaluate")?.clear()?;
            }
        }
        Ok(folder.claim(&FILES)?)
    }
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
        let config = self.settings(corpus)?;
        let tables = Tables::new(&config, corpus, modalities)?;
        Trainer::new(model, tables, config, corpus.clone(), device)
    }

    /// The trainer's settings. A decay of the learning rate without an end ends with the longer one of pretraining and training.
    fn settings(&self, corpus: &Arc<Corpus>) -> Result<TrainConfig> {
        let mut config = self.train.clone();
        let schedule = &mut config.adam.schedule;
        if schedule.decay.has_end() && schedule.total == 0 {
            schedule.total = self.steps(corpus)?;
        }
        Ok(config)
    }

    /// Steps of the longer one of pretraining and training.
    fn steps(&self, corpus: &Arc<Corpus>) -> Result<u64> {
        let mut most = 0;
        for (split, epochs) in [(Split::Pretrain, self.pretrain_epochs), (Split::Train, self.train.epochs)] {
            if epochs > 0 {
                let batches = Batches::new(corpus.clone(), split, self.train.batches.clone())?;
                most = most.max(epochs.saturating_mul(batches.len() as u64));
            }
        }
        Ok(most)
    }

    /// A warm-up that is longer than the run would end before the learning rate is what was asked for.
    fn check_warmup(&self, corpus: &Arc<Corpus>) -> Result<()> {
        let warmup = self.train.adam.schedule.warmup;
        if warmup == 0 {
            return Ok(());
        }
        let steps = self.steps(corpus)?;
        if steps > 0 && warmup >= steps {
            let message = format!(
                "{warmup} steps are as many as the whole run has ({steps}): the learning rate never gets there"
            );
            return Err(Error::Config { field: "warmup", message });
        }
        Ok(())
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
        self.check_warmup(trainer.corpus())?;
        let Some(output) = output else { return self.go(trainer, observer) };
        output.open()?;
        let folder = output.folder.join(CHECKPOINTS);
        let config = CheckpointConfig { folder: folder.clone(), every: output.every };
        let mut trainer = trainer.with_checkpoints(config);
        if output.start == Start::Resume {
            trainer.resume()?;
        }
        output.claim()?;
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder, "cannot create"))?;
        let settings = serde_json::to_value(self)
            .map_err(|error| Error::Config { field: "config", message: error.to_string() })?;
        write_text(&output.folder.join(DESCRIPTION), &format!("{settings:#}\n"))?;
        let log = StepLog::open(&output.folder.join(STEPS), trainer.progress().logged_steps())?;
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
