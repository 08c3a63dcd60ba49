//! Who wants to know how training goes.

/// One step taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepInfo {
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
    /// Epoch, from 0.
    pub epoch: u64,
    /// Mean loss.
    pub loss: f64,
    /// Validation MRR, where it is taken.
    pub valid_mrr: Option<f64>,
}

/// Is told of every step and epoch: progress bars, logs.
pub trait Observer {
    /// After a step.
    fn step(&mut self, _: &StepInfo) {}
    /// After an epoch.
    fn epoch(&mut self, _: &EpochInfo) {}
}

/// Wants to know nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
