//! Where training stands: everything that decides its future and is not a weight.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// What is being done.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Phase {
    /// Pretraining, or nothing yet.
    #[default]
    Pretrain,
    /// Training.
    Fit,
    /// Nothing is left to do.
    Done,
}

/// What [`Trainer::fit`](crate::Trainer::fit) or [`Trainer::pretrain`](crate::Trainer::pretrain) did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// The watched validation figure after each epoch, where it was taken.
    pub valid: Vec<f64>,
}

/// Place in the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Optimiser steps of this phase.
    pub step: u64,
    /// Epoch of this phase, from 0.
    pub epoch: u64,
    /// Batches of this epoch that are done.
    pub batch: u64,
    /// Sum of losses, each times its examples, and the examples, of this epoch.
    pub loss_sum: f64,
    /// Examples of this epoch.
    pub seen: u64,
    /// The best validation figure.
    pub best: Option<f64>,
    /// Validations since then.
    pub since_best: u64,
    /// The step of the last validation.
    #[serde(default)]
    pub validated: u64,
    /// How often the learning rate was cut.
    #[serde(default)]
    pub cuts: u32,
    /// What pretraining did.
    pub pretrain: FitReport,
    /// What training did.
    pub fit: FitReport,
}

impl Progress {
    /// Steps of both phases: the lines of the step log.
    pub fn logged_steps(&self) -> u64 {
        self.pretrain.steps + self.fit.steps
    }

    /// The report of the current phase.
    pub(crate) fn report(&mut self) -> &mut FitReport {
        match self.phase {
            Phase::Pretrain => &mut self.pretrain,
            Phase::Fit | Phase::Done => &mut self.fit,
        }
    }
}
