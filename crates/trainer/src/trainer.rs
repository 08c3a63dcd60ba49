//! One step: gather, score, backward, update.

use std::path::Path;
use std::sync::Arc;

use burn::optim::{AdamConfig as DenseAdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use seminar_dataset::rng::Stream;
use seminar_dataset::{Batch, Corpus};
use seminar_models::{PretrainBatch, SequenceModel};

use crate::checkpoint::{CheckpointConfig, State};
use crate::clip;
use crate::config::TrainConfig;
use crate::embed::{EmbeddedBatch, Tables};
use crate::error::{Error, Result};
use crate::progress::{Phase, Progress};

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
    corpus_hash: u64,
}

/// Names the stream of relevance negatives.
const RELEVANCE: u64 = 0x7265_6c65;
/// Names the seeds of the device's noise.
const NOISE: u64 = 0x6e6f_6973;
/// Relevance negatives a position.
const RELEVANCE_NEGATIVES: usize = 5;

pub(crate) fn dense_optimizer(config: &TrainConfig) -> ModuleOptimizer {
    let adam = &config.adam;
    let mut dense = DenseAdamConfig::new().with_beta_1(adam.beta_1).with_beta_2(adam.beta_2);
    if adam.weight_decay > 0.0 {
        let decay = burn::optim::decay::WeightDecayConfig::new(adam.weight_decay);
        dense = dense.with_weight_decay(Some(decay));
    }
    dense.with_epsilon(adam.epsilon).init()
}

/// For each position of a history, a few others, as far as there are any.
fn other_positions(length: usize, stream: &mut Stream) -> Vec<Vec<u32>> {
    let draw = |own: usize, stream: &mut Stream| {
        let mut other = stream.below(length.max(2) as u64 - 1) as usize;
        other += usize::from(other >= own);
        other.min(length - 1) as u32
    };
    (0..length).map(|own| (0..RELEVANCE_NEGATIVES).map(|_| draw(own, stream)).collect()).collect()
}

/// The same as the published code draws them: without repeats, and of one more than needed it drops, where the position
/// itself is not among them, the last in the order of Python's sets, which is that of the remainder by 32.
fn published_positions(length: usize, stream: &mut Stream) -> Vec<Vec<u32>> {
    let drawn = RELEVANCE_NEGATIVES + 1;
    if length < drawn {
        // The published code fails there.
        return other_positions(length, stream);
    }
    let draw = |own: usize, stream: &mut Stream| {
        let mut all: Vec<u32> = (0..length as u32).collect();
        for place in 0..drawn {
            all.swap(place, place + stream.below((length - place) as u64) as usize);
        }
        all.truncate(drawn);
        all.retain(|&position| position as usize != own);
        all.sort_unstable_by_key(|&position| (position % 32, position));
        all.truncate(RELEVANCE_NEGATIVES);
        all
    };
    (0..length).map(|own| draw(own, stream)).collect()
}

impl<M: SequenceModel> Trainer<M> {
    /// A trainer for a model whose weights lie on `device` with autodiff.
    ///
    /// # Errors
    /// If the settings cannot work.
    pub fn new(
        model: M,
        tables: Tables,
        config: TrainConfig,
        corpus: Arc<Corpus>,
        device: Device,
    ) -> Result<Self> {
        config.validate()?;
        let (optimizer, corpus_hash) = (dense_optimizer(&config), corpus.fingerprint());
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
            corpus_hash,
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
        Ok(true)
    }

    /// Takes the weights of a checkpoint, such as `best.ckpt`, and nothing else of it.
    ///
    /// # Errors
    /// If it is damaged, or does not fit corpus or model.
    pub fn load_weights(&mut self, path: &Path) -> Result<()> {
        self.state().load(path, true)
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
    pub fn embed(&mut self, batch: &Batch) -> EmbeddedBatch {
        self.tables.embed(batch, &self.corpus, self.progress.step, &self.device)
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
            corpus: self.corpus_hash,
        }
    }

    /// One pretraining step; the batch's joint loss.
    ///
    /// # Errors
    /// If the model has no pretraining, or the loss is not finite: nothing is changed then.
    pub fn pretrain_step(&mut self, batch: &Batch) -> Result<f64> {
        self.seed_noise();
        let embedded = self.embed(batch);
        let key = [self.config.batches.seed, RELEVANCE, self.progress.epoch, self.progress.batch];
        let input = PretrainBatch {
            history: embedded.history.clone(),
            candidates: embedded.candidates.clone(),
            labels: embedded.labels.clone(),
            negatives: match self.config.batches.published {
                true => published_positions(batch.history.width, &mut Stream::new(&key)),
                false => other_positions(batch.history.width, &mut Stream::new(&key)),
            },
        };
        let Some(losses) = self.model.pretrain_losses(&input) else {
            return Err(Error::Config { field: "pretrain", message: "this model has no pretraining".into() });
        };
        self.apply(embedded, losses.joint)
    }

    /// One optimiser step; the batch's loss.
    ///
    /// # Errors
    /// If the loss is not finite: nothing is changed then.
    pub fn train_step(&mut self, batch: &Batch) -> Result<f64> {
        self.seed_noise();
        let embedded = self.embed(batch);
        let scores = self.model.score(&embedded.history, &embedded.candidates);
        let loss = self.model.loss(&scores, &embedded.labels, &embedded.candidates.real);
        self.apply(embedded, loss)
    }

    /// Lets the model look at a batch before an epoch, for codebooks.
    pub(crate) fn refresh(&mut self, batch: &Batch) -> Result<()> {
        let embedded = self.embed(batch);
        self.model = self.model.clone().refresh(&embedded.history)?;
        Ok(())
    }

    /// Noise, where a model draws any, depends on the step alone, so that a resumed run draws the same.
    fn seed_noise(&self) {
        let phase = u64::from(self.progress.phase == Phase::Fit);
        let key = [self.config.batches.seed, NOISE, phase, self.progress.step];
        self.device.seed(Stream::new(&key).next_u64());
    }

    fn apply(&mut self, embedded: EmbeddedBatch, loss: Tensor<1>) -> Result<f64> {
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
        let rate = adam.learning_rate * adam.schedule.factor(step);
        self.model = self.optimizer.step(rate, self.model.clone(), dense);
        Ok(value)
    }
}
