//! The loop: gather, score, backward, step; and evaluation by sampled ranking.

use std::sync::Arc;
use std::time::Instant;

use burn::optim::{AdamConfig as DenseAdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use seminar_dataset::rng::Stream;
use seminar_dataset::{Batch, BatchConfig, Batches, Corpus, Split};
use seminar_models::{PretrainBatch, SequenceModel};

use crate::config::TrainConfig;
use crate::embed::{EmbeddedBatch, Tables, host};
use crate::error::{Error, Result};
use crate::metrics::{Evaluation, Ranked, Ties, rank};
use crate::observer::{EpochInfo, Observer, StepInfo};

/// A model in training, with its tables.
pub struct Trainer<M: SequenceModel> {
    model: M,
    tables: Tables,
    optimizer: ModuleOptimizer,
    config: TrainConfig,
    corpus: Arc<Corpus>,
    device: Device,
    step: u64,
}

/// What [`Trainer::fit`] did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FitReport {
    /// Optimiser steps.
    pub steps: u64,
    /// Training examples seen.
    pub examples: u64,
    /// Epochs begun.
    pub epochs: u64,
    /// Seconds in all, validation included.
    pub seconds: f64,
    /// Seconds in training steps.
    pub step_seconds: f64,
    /// Mean loss of each epoch.
    pub losses: Vec<f64>,
    /// Validation MRR after each epoch, where it was taken.
    pub valid_mrr: Vec<f64>,
}

/// Names the stream of relevance negatives.
const RELEVANCE: u64 = 0x7265_6c65;
/// Relevance negatives a position.
const RELEVANCE_NEGATIVES: usize = 5;

fn dense_optimizer(config: &TrainConfig) -> ModuleOptimizer {
    let adam = &config.adam;
    let dense = DenseAdamConfig::new().with_beta_1(adam.beta_1).with_beta_2(adam.beta_2);
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
        let optimizer = dense_optimizer(&config);
        Ok(Self { model, tables, optimizer, config, corpus, device, step: 0 })
    }

    /// The model as it is now.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The tables as they are now.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Trains for the configured epochs; with patience, stops early and goes back to the best epoch.
    ///
    /// # Errors
    /// If the split is empty, or a loss is not finite.
    pub fn fit(&mut self, observer: &mut dyn Observer) -> Result<FitReport> {
        let start = Instant::now();
        let batches = Batches::new(self.corpus.clone(), Split::Train, self.config.batches.clone())?;
        let mut report = FitReport::default();
        let mut best: Option<(f64, M, crate::embed::TablesSnapshot)> = None;
        let mut since_best = 0;
        self.model = self.model.clone().fine_tune();
        for epoch in 0..self.config.epochs {
            report.epochs += 1;
            let loss = self.train_epoch(&batches, epoch, observer, &mut report)?;
            report.losses.push(loss);
            let valid = match self.config.patience {
                0 => None,
                _ => Some(self.evaluate(Split::Valid, &self.config.batches.clone())?.metrics["MRR"]),
            };
            observer.epoch(&EpochInfo { epoch, loss, valid_mrr: valid });
            let Some(valid) = valid else { continue };
            report.valid_mrr.push(valid);
            if best.as_ref().is_none_or(|(mrr, ..)| valid > *mrr) {
                best = Some((valid, self.model.clone(), self.tables.snapshot()));
                since_best = 0;
            } else {
                since_best += 1;
                if since_best >= self.config.patience {
                    break;
                }
            }
        }
        if let Some((_, model, tables)) = best {
            self.model = model;
            self.tables.restore(&tables);
        }
        self.tables.catch_up(self.step);
        report.seconds = start.elapsed().as_secs_f64();
        Ok(report)
    }

    /// Pretrains for some epochs, then starts the optimiser afresh, as a separate published run does.
    ///
    /// # Errors
    /// If the model has no pretraining, no user has enough events, or a loss is not finite.
    pub fn pretrain(&mut self, epochs: u64, observer: &mut dyn Observer) -> Result<FitReport> {
        let start = Instant::now();
        let batches = Batches::new(self.corpus.clone(), Split::Pretrain, self.config.batches.clone())?;
        let mut report = FitReport { epochs, ..FitReport::default() };
        for epoch in 0..epochs {
            let mut sum = 0.0;
            for (index, batch) in batches.epoch(epoch).prefetch(0).enumerate() {
                let loss = self.pretrain_step(&batch, epoch, index as u64)?;
                let examples = batch.users.len() as u64;
                report.steps += 1;
                report.examples += examples;
                sum += loss * examples as f64;
                let steps = batches.len() as u64;
                observer.step(&StepInfo { epoch, step: index as u64, steps, examples, loss });
            }
            let loss = sum / batches.example_count() as f64;
            report.losses.push(loss);
            observer.epoch(&EpochInfo { epoch, loss, valid_mrr: None });
        }
        self.tables.catch_up(self.step);
        let values = self.tables.snapshot();
        self.tables.restore(&values);
        self.optimizer = dense_optimizer(&self.config);
        self.step = 0;
        report.seconds = start.elapsed().as_secs_f64();
        report.step_seconds = report.seconds;
        Ok(report)
    }

    fn pretrain_step(&mut self, batch: &Batch, epoch: u64, index: u64) -> Result<f64> {
        let embedded = self.tables.embed(batch, &self.corpus, self.step, &self.device);
        let key = [self.config.batches.seed, RELEVANCE, epoch, index];
        let input = PretrainBatch {
            history: embedded.history.clone(),
            candidates: embedded.candidates.clone(),
            labels: embedded.labels.clone(),
            negatives: other_positions(batch.history.width, &mut Stream::new(&key)),
        };
        let Some(losses) = self.model.pretrain_losses(&input) else {
            return Err(Error::Config { field: "pretrain", message: "this model has no pretraining".into() });
        };
        self.apply(embedded, losses.joint)
    }

    fn train_epoch(
        &mut self,
        batches: &Batches,
        epoch: u64,
        observer: &mut dyn Observer,
        report: &mut FitReport,
    ) -> Result<f64> {
        let mut sum = 0.0;
        let mut seen = 0;
        for (index, batch) in batches.epoch(epoch).prefetch(0).enumerate() {
            let start = Instant::now();
            if index == 0 {
                self.refresh(&batch)?;
            }
            let loss = self.train_step(&batch)?;
            report.step_seconds += start.elapsed().as_secs_f64();
            report.steps += 1;
            report.examples += batch.users.len() as u64;
            sum += loss * batch.users.len() as f64;
            seen += batch.users.len();
            observer.step(&StepInfo {
                epoch,
                step: index as u64,
                steps: batches.len() as u64,
                examples: batch.users.len() as u64,
                loss,
            });
        }
        Ok(sum / seen.max(1) as f64)
    }

    /// Lets the model look at a batch before an epoch, for codebooks.
    fn refresh(&mut self, batch: &Batch) -> Result<()> {
        let embedded = self.tables.embed(batch, &self.corpus, self.step, &self.device);
        self.model = self.model.clone().refresh(&embedded.history)?;
        Ok(())
    }

    /// One optimiser step; the batch's loss.
    ///
    /// # Errors
    /// If the loss is not finite: nothing is changed then.
    pub fn train_step(&mut self, batch: &Batch) -> Result<f64> {
        let embedded = self.tables.embed(batch, &self.corpus, self.step, &self.device);
        let scores = self.model.score(&embedded.history, &embedded.candidates);
        let loss = self.model.loss(&scores, &embedded.labels, &embedded.candidates.real);
        self.apply(embedded, loss)
    }

    fn apply(&mut self, embedded: EmbeddedBatch, loss: Tensor<1>) -> Result<f64> {
        let value = f64::from(loss.clone().into_scalar::<f32>());
        if !value.is_finite() {
            return Err(Error::NotFinite { what: "the loss", step: self.step });
        }
        let mut grads = loss.backward();
        self.step += 1;
        self.tables.update(&embedded, &mut grads, self.step);
        let grads = GradientsParams::from_grads(grads, &self.model);
        self.model = self.optimizer.step(self.config.adam.learning_rate, self.model.clone(), grads);
        Ok(value)
    }

    /// Ranks each user's answer among its sampled negatives.
    ///
    /// # Errors
    /// If the split is empty, or a score is NaN.
    pub fn rank(&mut self, split: Split, batches: &BatchConfig) -> Result<Vec<Ranked>> {
        self.tables.catch_up(self.step);
        let config = BatchConfig { batch_size: self.config.evaluation_batch, ..batches.clone() };
        let batches = Batches::new(self.corpus.clone(), split, config)?;
        let model = self.model.valid();
        let device = self.device.clone().inner();
        let mut ranks = Vec::with_capacity(batches.example_count());
        for batch in batches.epoch(0).prefetch(0) {
            let embedded = self.tables.embed_fixed(&batch, &self.corpus, &device);
            let logits = host(model.score(&embedded.history, &embedded.candidates).logits);
            let width = batch.candidates.width;
            for (row, scores) in logits.chunks_exact(width).enumerate() {
                // Candidates are padded on the right where a user has fewer.
                let real = batch.candidates.row(row).iter().take_while(|&&item| item != 0).count();
                let ranked = rank(&scores[..real], Ties::Mean);
                ranks.push(ranked.ok_or(Error::NotFinite { what: "a score", step: self.step })?);
            }
        }
        Ok(ranks)
    }

    /// The figures of a split with the given batches' negatives and test mode.
    ///
    /// # Errors
    /// As for [`Trainer::rank`].
    pub fn evaluate(&mut self, split: Split, batches: &BatchConfig) -> Result<Evaluation> {
        Ok(Evaluation::of(&self.rank(split, batches)?, batches.seed))
    }
}
