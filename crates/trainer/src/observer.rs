//! Who wants to know how training goes.

use crate::error::Result;
use crate::progress::Phase;

/// One step taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepInfo {
    /// Pretraining or training.
    pub phase: Phase,
    /// Epoch, from 0.
    pub epoch: u64,
    /// Step of the epoch, from 0.
    pub step: u64,
    /// Steps of an epoch.
    pub steps: u64,
    /// Examples in the batch.
    pub examples: u64,
    /// The batch's loss.
    pub loss: f64,
}

/// One epoch done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochInfo {
    /// Pretraining or training.
    pub phase: Phase,
    /// Epoch, from 0.
    pub epoch: u64,
    /// Mean loss.
    pub loss: f64,
    /// The watched validation figure, where it is taken.
    pub valid: Option<f64>,
}

/// Is told of every step and epoch: progress bars, logs.
pub trait Observer {
    /// After a step.
    fn step(&mut self, _: &StepInfo) {}
    /// After an epoch.
    fn epoch(&mut self, _: &EpochInfo) {}
    /// Whether training should stop after this step. With checkpoints, one is written first.
    fn stop(&self) -> bool {
        false
    }
    /// Before a checkpoint is written: what was told so far has to outlive a kill.
    ///
    /// # Errors
    /// If it cannot be kept; training stops.
    fn checkpoint(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Wants to know nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}

impl<O: Observer + ?Sized> Observer for &mut O {
    fn step(&mut self, info: &StepInfo) {
        (**self).step(info);
    }

    fn epoch(&mut self, info: &EpochInfo) {
        (**self).epoch(info);
    }

    fn stop(&self) -> bool {
        (**self).stop()
    }

    fn checkpoint(&mut self) -> Result<()> {
        (**self).checkpoint()
    }
}

/// Two observers.
#[derive(Debug)]
pub struct Both<A, B>(pub A, pub B);

impl<A: Observer, B: Observer> Observer for Both<A, B> {
    fn step(&mut self, info: &StepInfo) {
        self.0.step(info);
        self.1.step(info);
    }

    fn epoch(&mut self, info: &EpochInfo) {
        self.0.epoch(info);
        self.1.epoch(info);
    }

    fn stop(&self) -> bool {
        self.0.stop() || self.1.stop()
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.0.checkpoint()?;
        self.1.checkpoint()
    }
}
