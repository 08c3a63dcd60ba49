//! A model in training: its construction, one step (gather, score, backward, update), and the state to go on from.

use std::path::Path;
use std::sync::Arc;

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use seminar_dataset::rng::Stream;
use seminar_dataset::{Batch, Corpus};
use seminar_models::{ModalityKind, Scores, SequenceModel, Successors};

use crate::checkpoint::{CheckpointConfig, Fingerprints, State};
use crate::clip;
use crate::config::TrainConfig;
use crate::embed::{EmbeddedBatch, Eos, Shared, Tables};
use crate::error::{Error, Result};
use crate::optimizer::dense_optimizer;
use crate::progress::{Phase, Progress};
use crate::schedule::after_cuts;
use crate::taken::WeightsTaken;

/// A model in training, with its tables.
pub struct Trainer<M: SequenceModel> {
    pub(crate) model: M,
    pub(crate) tables: Tables,
    pub(crate) config: TrainConfig,
    pub(crate) corpus: Arc<Corpus>,
    pub(crate) device: Device,
    pub(crate) progress: Progress,
    pub(crate) checkpoints: Option<CheckpointConfig>,
    optimizer: ModuleOptimizer,
    fingerprints: Fingerprints,
}

/// Names the seeds of the device's noise.
const NOISE: u64 = 0x6e6f_6973;
impl<M: SequenceModel> Trainer<M> {
    /// A trainer for a model whose weights lie on `device` with autodiff.
    ///
    /// # Errors
    /// If the settings cannot work, or tables and batches do not give what the model [needs](SequenceModel::needs): names the
    /// setting and both values.
    pub fn new(
        model: M,
        tables: Tables,
        config: TrainConfig,
        corpus: Arc<Corpus>,
        device: Device,
    ) -> Result<Self> {
        config.validate()?;
        if !device.is_autodiff() {
            let message = "records no gradients: `device.autodiff()` does".into();
            return Err(Error::Config { field: "device", message });
        }
        check_needs(&model, &tables, &config)?;
        let (optimizer, fingerprints) = (dense_optimizer(&config), Fingerprints::of(&corpus));
        let progress = Progress::default();
        Ok(Self {
            model,
            tables,
            config,
            corpus,
            device,
            progress,
            checkpoints: None,
            optimizer,
            fingerprints,
        })
    }

    /// Writes checkpoints from now on.
    pub fn with_checkpoints(mut self, config: CheckpointConfig) -> Self {
        self.checkpoints = Some(config);
        self
    }

    /// Goes on from the last checkpoint, if there is one; says whether there was.
    ///
    /// # Errors
    /// If it is damaged, or was made with another corpus, model or other settings.
    pub fn resume(&mut self) -> Result<bool> {
        let Some(path) = self.checkpoints.as_ref().map(CheckpointConfig::last).filter(|path| path.exists())
        else {
            return Ok(false);
        };
        self.state().load(&path, false)?;
        if self.progress.phase != Phase::Pretrain {
            self.model = self.model.clone().fine_tune();
        }
        self.tables.scale_rate(after_cuts(self.progress.cuts));
        Ok(true)
    }

    /// Takes the weights of a checkpoint, such as `best.ckpt`, and nothing else of it. Rows of tables find their items by name, so
    /// that the corpus may have grown; new items get the initial values of a new table.
    ///
    /// # Errors
    /// If it is damaged, holds NaN, has no item in common with the corpus, or was made with settings that score otherwise.
    pub fn load_weights(&mut self, path: &Path) -> Result<WeightsTaken> {
        self.state().load(path, true)
    }

    /// The corpus that it trains on.
    pub fn corpus(&self) -> &Arc<Corpus> {
        &self.corpus
    }

    /// The settings of training.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The model as it is now.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The tables as they are now.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Where training stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// A batch as the model sees it, with every row up to date.
    ///
    /// # Errors
    /// If the batch holds an item or a keyword that the corpus does not have: names it.
    pub fn embed(&mut self, batch: &Batch) -> Result<EmbeddedBatch> {
        let eos = if self.config.batches.published { Eos::AmongCandidates } else { Eos::Nowhere };
        self.embed_with(batch, eos)
    }

    pub(crate) fn embed_with(&mut self, batch: &Batch, eos: Eos) -> Result<EmbeddedBatch> {
        self.tables.embed_with(batch, eos, self.progress.step, &self.device)
    }

    /// Starts the optimiser afresh, as a separate published run does.
    pub(crate) fn reset_optimizer(&mut self) {
        self.tables.catch_up(self.progress.step);
        let values = self.tables.snapshot();
        self.tables.restore(&values, 0);
        self.optimizer = dense_optimizer(&self.config);
        self.progress.step = 0;
    }

    pub(crate) fn state(&mut self) -> State<'_, M> {
        State {
            model: &mut self.model,
            tables: &mut self.tables,
            optimizer: &mut self.optimizer,
            progress: &mut self.progress,
            config: &self.config,
            fingerprints: self.fingerprints,
            corpus: &self.corpus,
        }
    }

    /// One optimiser step; the batch's loss.
    ///
    /// # Errors
    /// If the loss is not finite, or the batch holds what the corpus does not have: nothing is changed then.
    pub fn train_step(&mut self, batch: &Batch) -> Result<f64> {
        self.seed_noise();
        let embedded = self.embed(batch)?;
        let scores = self.model.score(&embedded.history, &embedded.candidates);
        let mut loss = self.model.loss(&scores, &embedded.labels, &embedded.candidates.mask);
        if let Some(successors) = self.successor_loss(&scores, &embedded) {
            loss = loss + successors;
        }
        self.apply(embedded, loss)
    }

    /// The loss over what follows the events whose followers are targets of the batch: in one pass the newest ones, else the newest.
    fn successor_loss(&self, scores: &Scores, embedded: &EmbeddedBatch) -> Option<Tensor<1>> {
        let Shared { items, same } = embedded.shared.as_ref()?;
        let batch = Successors {
            history: &embedded.history,
            candidates: &embedded.candidates,
            negatives: items,
            same: same.clone(),
            newest: if self.config.batches.one_pass { self.config.batches.targets_per_user } else { 1 },
        };
        self.model.successor_loss(scores, &batch)
    }

    /// Lets the model look at a batch before an epoch, for codebooks.
    pub(crate) fn refresh(&mut self, batch: &Batch) -> Result<()> {
        let embedded = self.embed(batch)?;
        self.model = self.model.clone().refresh(&embedded.history)?;
        Ok(())
    }

    /// Noise, where a model draws any, depends on the step alone, so that a resumed run draws the same.
    pub(crate) fn seed_noise(&self) {
        let phase = u64::from(self.progress.phase == Phase::Fit);
        let key = [self.config.batches.seed, NOISE, phase, self.progress.step];
        self.device.seed(Stream::new(&key).next_u64());
    }

    pub(crate) fn apply(&mut self, embedded: EmbeddedBatch, loss: Tensor<1>) -> Result<f64> {
        let value = f64::from(loss.clone().into_scalar::<f32>());
        if !value.is_finite() {
            return Err(Error::NotFinite { what: "the loss", step: self.progress.step });
        }
        let adam = &self.config.adam;
        let mut grads = loss.backward();
        let rows = embedded.gradients(&mut grads);
        let mut dense = GradientsParams::from_grads(grads, &self.model);
        let mut scale = 1.0;
        if adam.clip_norm > 0.0 {
            let norm = (rows.squares() + clip::squares(&self.model, &dense)).sqrt() as f32;
            if norm > adam.clip_norm {
                scale = adam.clip_norm / norm;
                dense = clip::scaled(&self.model, dense, scale);
            }
        }
        self.progress.step += 1;
        let step = self.progress.step;
        let frozen = self.config.freeze_tables && self.progress.phase == Phase::Fit;
        if !frozen {
            self.tables.update(&embedded, rows, scale, step);
        }
        let rate = adam.learning_rate * adam.schedule.factor(step) * after_cuts(self.progress.cuts);
        self.model = self.optimizer.step(rate, self.model.clone(), dense);
        Ok(value)
    }
}

/// Compares what the model needs with what tables and batches give.
fn check_needs<M: SequenceModel>(model: &M, tables: &Tables, config: &TrainConfig) -> Result<()> {
    let needs = model.needs();
    let fail = |field, message: String| Err(Error::Config { field, message });
    for (what, width) in [("training's", config.width), ("the item table's", tables.items.width())] {
        if let Some(needed) = needs.width.filter(|&needed| needed != width) {
            return fail("width", format!("the model's is {needed}, {what} {width}"));
        }
    }
    let length = config.batches.history_length;
    if needs.history_length > length {
        let message = format!("the model keeps {} events, histories have {length}", needs.history_length);
        return fail("history_length", message);
    }
    for kind in &needs.modalities {
        let there = match kind {
            ModalityKind::Id | ModalityKind::Query => true,
            ModalityKind::Text => tables.text.is_some(),
            ModalityKind::Image => tables.image.is_some(),
            ModalityKind::Attribute => tables.attributes.is_some(),
        };
        if !there {
            let kind: &str = kind.into();
            return fail("modalities", format!("the model sees `{kind}`, the tables were made without it"));
        }
    }
    let widths =
        [("text_width", needs.text_width, &tables.text), ("image_width", needs.image_width, &tables.image)];
    for (field, needed, file) in widths {
        if let (Some(needed), Some(file)) = (needed, file)
            && needed != file.dim()
        {
            return fail(field, format!("the model's is {needed}, the embeddings' {}", file.dim()));
        }
    }
    Ok(())
}
