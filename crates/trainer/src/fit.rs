//! The loops: pretraining, training with early stopping, checkpoints in between.

use std::time::Instant;

use seminar_dataset::{Batches, Split};
use seminar_models::SequenceModel;

use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::observer::{EpochInfo, Observer, StepInfo};
use crate::progress::{FitReport, Phase, Progress};
use crate::schedule::{Decay, after_cuts};
use crate::trainer::Trainer;

impl<M: SequenceModel> Trainer<M> {
    /// Pretrains for some epochs, then starts the optimiser afresh, as a separate published run does.
    ///
    /// After [`Trainer::resume`] it does what is left to do.
    ///
    /// # Errors
    /// If the model has no pretraining, no user has enough events, a loss is not finite, the observer stops it, or a checkpoint
    /// cannot be written.
    pub fn pretrain(&mut self, epochs: u64, observer: &mut dyn Observer) -> Result<FitReport> {
        if self.progress.phase != Phase::Pretrain {
            return Ok(self.progress.pretrain.clone());
        }
        let batches = Batches::new(self.corpus.clone(), Split::Pretrain, self.config.batches.clone())?;
        loop {
            if self.progress.epoch < epochs {
                let start = Instant::now();
                let (epoch, loss) = (self.progress.epoch, self.epoch(&batches, observer)?);
                self.progress.pretrain.seconds += start.elapsed().as_secs_f64();
                observer.epoch(&EpochInfo { phase: Phase::Pretrain, epoch, loss, valid: None });
            }
            let done = self.progress.epoch >= epochs;
            if done {
                self.reset_optimizer();
                self.enter(Phase::Fit);
            }
            self.save_last(observer)?;
            if done {
                return Ok(self.progress.pretrain.clone());
            }
        }
    }

    /// Trains for the configured epochs; with patience, stops early and goes back to the best epoch.
    ///
    /// After [`Trainer::resume`] it does what is left to do.
    ///
    /// # Errors
    /// If the split is empty, a loss is not finite, the observer stops it, or a checkpoint cannot be written.
    pub fn fit(&mut self, observer: &mut dyn Observer) -> Result<FitReport> {
        let batches = Batches::new(self.corpus.clone(), Split::Train, self.config.batches.clone())?;
        if self.progress.phase == Phase::Pretrain {
            self.enter(Phase::Fit);
        }
        self.model = self.model.clone().fine_tune();
        let mut best = self.best_so_far()?;
        while self.progress.phase == Phase::Fit {
            let start = Instant::now();
            if self.progress.epoch < self.config.epochs {
                let (epoch, loss) = (self.progress.epoch, self.epoch(&batches, observer)?);
                let valid = if self.is_time_to_validate() { Some(self.validate()?) } else { None };
                observer.epoch(&EpochInfo { phase: Phase::Fit, epoch, loss, valid });
                if let Some(valid) = valid {
                    self.watch(valid, &mut best)?;
                }
            }
            let patience = self.config.patience;
            // Each cut of the learning rate counts, so that tiny gains at a tiny rate do not go on for ever.
            let worse = self.progress.since_best.max(u64::from(self.progress.cuts));
            let stopped = patience > 0 && worse >= patience;
            if stopped || self.progress.epoch >= self.config.epochs {
                self.go_back(&best);
                self.tables.catch_up(self.progress.step);
                self.progress.phase = Phase::Done;
                self.save_best()?;
            }
            self.progress.fit.seconds += start.elapsed().as_secs_f64();
            self.save_last(observer)?;
        }
        Ok(self.progress.fit.clone())
    }

    fn enter(&mut self, phase: Phase) {
        self.progress.phase = phase;
        self.progress.epoch = 0;
        self.progress.batch = 0;
    }

    /// One epoch from where it stands; its mean loss.
    fn epoch(&mut self, batches: &Batches, observer: &mut dyn Observer) -> Result<f64> {
        if self.progress.batch == 0 {
            self.progress.report().epochs += 1;
        }
        let (phase, epoch, steps) = (self.progress.phase, self.progress.epoch, batches.len() as u64);
        for batch in batches.epoch(epoch).prefetch(self.progress.batch as usize) {
            let start = Instant::now();
            let loss = match phase {
                Phase::Pretrain => self.pretrain_step(&batch)?,
                Phase::Fit | Phase::Done => {
                    if self.progress.batch == 0 {
                        self.refresh(&batch)?;
                    }
                    self.train_step(&batch)?
                }
            };
            let examples = batch.users.len() as u64;
            let step = self.progress.batch;
            self.progress.batch += 1;
            self.progress.loss_sum += loss * examples as f64;
            self.progress.seen += examples;
            let report = self.progress.report();
            report.step_seconds += start.elapsed().as_secs_f64();
            report.steps += 1;
            report.examples += examples;
            observer.step(&StepInfo { phase, epoch, step, steps, examples, loss });
            let every = self.checkpoints.as_ref().map_or(0, |checkpoints| checkpoints.every);
            if every > 0 && self.progress.step.is_multiple_of(every) && step + 1 < steps {
                self.save_last(observer)?;
            }
            if observer.stop() {
                self.save_last(observer)?;
                return Err(Error::Stopped { step: self.progress.step });
            }
        }
        let progress = &mut self.progress;
        let loss = progress.loss_sum / progress.seen.max(1) as f64;
        (progress.loss_sum, progress.seen, progress.batch) = (0.0, 0, 0);
        progress.epoch += 1;
        progress.report().losses.push(loss);
        Ok(loss)
    }

    /// Whether enough steps were taken since the last validation, or none will follow.
    fn is_time_to_validate(&self) -> bool {
        let TrainConfig { patience, validate_every, epochs, .. } = self.config;
        let Progress { step, validated, epoch, .. } = self.progress;
        patience > 0 && (step - validated >= validate_every || epoch >= epochs)
    }

    /// The watched metric of the validation split.
    fn validate(&mut self) -> Result<f64> {
        let batches = self.config.batches.clone();
        let evaluation = self.evaluate(Split::Valid, &batches)?;
        evaluation.watched(&self.config.watch).ok_or_else(|| Error::Config {
            field: "patience",
            message: format!(
                "{} is undefined: no user of the validation split has a negative, as everybody knows every item. Without early \
                 stopping (0), nothing is validated",
                self.config.watch
            ),
        })
    }

    /// Compares a validation figure with the best.
    fn watch(&mut self, valid: f64, best: &mut Option<Best<M>>) -> Result<()> {
        self.progress.fit.valid.push(valid);
        self.progress.validated = self.progress.step;
        if self.progress.best.is_none_or(|known| valid > known) {
            self.progress.best = Some(valid);
            self.progress.since_best = 0;
            *best = Some((self.model.clone(), self.tables.snapshot()));
            self.save_best()
        } else {
            self.progress.since_best += 1;
            if self.config.adam.schedule.decay == Decay::Plateau {
                self.cut_rate(best);
            }
            Ok(())
        }
    }

    /// Takes the best epoch's weights, if there are any.
    fn go_back(&mut self, best: &Option<Best<M>>) {
        if let Some((model, tables)) = best {
            self.model = model.clone();
            self.tables.restore(tables, self.progress.step);
        }
    }

    /// Goes on from the best epoch's weights with a smaller learning rate.
    fn cut_rate(&mut self, best: &Option<Best<M>>) {
        self.go_back(best);
        self.progress.cuts += 1;
        self.tables.scale_rate(after_cuts(self.progress.cuts));
    }

    /// The best epoch's weights after a resumption: they are in a file of their own.
    fn best_so_far(&mut self) -> Result<Option<Best<M>>> {
        let path = self.checkpoints.as_ref().map(|checkpoints| checkpoints.best());
        let (Some(_), Some(path), Phase::Fit) = (self.progress.best, path, self.progress.phase) else {
            return Ok(None);
        };
        let (model, tables) = (self.model.clone(), self.tables.state());
        self.state().load(&path, true)?;
        let best = (self.model.clone(), self.tables.snapshot());
        self.model = model;
        self.tables.restore(&tables, self.progress.step);
        Ok(Some(best))
    }

    fn save_last(&mut self, observer: &mut dyn Observer) -> Result<()> {
        let Some(path) = self.checkpoints.as_ref().map(|checkpoints| checkpoints.last()) else {
            return Ok(());
        };
        // The log has to reach at least as far as the checkpoint.
        observer.checkpoint()?;
        self.state().save(&path, false)
    }

    fn save_best(&mut self) -> Result<()> {
        match self.checkpoints.as_ref().map(|checkpoints| checkpoints.best()) {
            Some(path) => self.state().save(&path, true),
            None => Ok(()),
        }
    }
}

/// The weights of the best epoch.
type Best<M> = (M, crate::embed::TablesSnapshot);
