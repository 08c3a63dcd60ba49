//! One trial of a search: a run of `train` with some flags, a few epochs at a time.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use seminar_dataset::Corpus;
use seminar_trainer::{Both, EpochInfo, Error, Observer, Output, Phase, Start};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::parts::{begin, keep, kept};
use crate::progress::TrainingBar;
use crate::run::{Experiment, trainer};
use crate::stop::Interrupt;

/// What is known of a trial.
const KEPT: &str = "trial.json";

/// How far a trial came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number, from 0.
    pub number: u64,
    /// What it sets, as `--flag=value`.
    pub flags: Vec<String>,
    /// The watched validation figure after so many epochs, where it was taken.
    pub valid: BTreeMap<u64, f64>,
    /// Epochs trained.
    pub epochs: u64,
    /// Seconds of training, over all its parts.
    pub seconds: f64,
    /// It ended by itself: validation had stopped improving.
    pub finished: bool,
    /// Why it could not go on, such as a loss that is not finite.
    pub failed: Option<String>,
}

impl Trial {
    /// The best validation figure so far.
    pub fn best(&self) -> Option<f64> {
        self.valid.values().copied().reduce(f64::max)
    }

    /// The order of trials: those that came furthest in validation first, of equal ones the earlier.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let best = |trial: &Self| trial.best().unwrap_or(f64::NEG_INFINITY);
        best(other).total_cmp(&best(self)).then(self.number.cmp(&other.number))
    }
}

/// Where a trial trains.
pub struct Bench<'a> {
    /// The corpus.
    pub corpus: &'a Arc<Corpus>,
    /// Its folder.
    pub data: &'a Path,
    /// Folder of the trials.
    pub trials: PathBuf,
    /// Device of tensors.
    pub device: &'a Device,
}

impl Bench<'_> {
    /// Trains a trial until it has seen `epochs` epochs, from where it ended before.
    ///
    /// # Errors
    /// If files cannot be read or written, or the user stops it. Training that fails is told in the trial.
    pub fn advance(
        &self,
        number: u64,
        flags: &[String],
        run: &Experiment,
        epochs: u64,
    ) -> anyhow::Result<Trial> {
        let folder = self.trials.join(format!("{number:03}"));
        let path = folder.join(KEPT);
        let fingerprint = format!("{:016x}", self.corpus.fingerprint());
        let key = json!({ "corpus": fingerprint, "settings": serde_json::to_value(run)? });
        let mut trial = match kept(&path, &key) {
            Some(trial) => trial,
            None => {
                let trial = Trial { number, flags: flags.to_vec(), ..Trial::default() };
                begin(&folder, KEPT)?;
                // A listed file that is not there is no longer listed after the next claim.
                keep(&path, &key, &trial)?;
                trial
            }
        };
        if trial.finished || trial.failed.is_some() || trial.epochs >= epochs {
            return Ok(trial);
        }
        let start = Instant::now();
        let mut run = run.clone();
        let fresh = trainer(&mut run, self.corpus, self.data, self.device)?;
        let mut watch = Until { epochs, trial: &mut trial, path: &path, key: &key };
        let output = Output { folder, start: Start::Resume, every: 0 };
        let interrupt = Interrupt::watch()?;
        let bar = TrainingBar::new(&format!("trial {number}"));
        let ended = run.train(fresh, Some(&output), &mut Both(&mut watch, Both(bar, interrupt)));
        let reached = watch.stop();
        match ended {
            Ok(_) => trial.finished = true,
            Err(Error::Stopped { .. }) if reached => {}
            Err(stopped @ Error::Stopped { .. }) => return Err(stopped.into()),
            Err(error @ (Error::NotFinite { .. } | Error::Config { .. })) => {
                trial.failed = Some(error.to_string())
            }
            Err(error) => return Err(error.into()),
        }
        trial.seconds += start.elapsed().as_secs_f64();
        keep(&path, &key, &trial)?;
        Ok(trial)
    }
}

/// Notes validation figures, and stops training in the first step after so many epochs: a checkpoint is written there.
struct Until<'a> {
    epochs: u64,
    trial: &'a mut Trial,
    path: &'a Path,
    key: &'a Value,
}

impl Observer for Until<'_> {
    fn epoch(&mut self, info: &EpochInfo) {
        if info.phase != Phase::Pretrain {
            // An epoch is told twice if a kill came between this note and its checkpoint.
            self.trial.epochs = info.epoch + 1;
            self.trial.valid.extend(info.valid.map(|valid| (info.epoch + 1, valid)));
        }
    }

    fn stop(&self) -> bool {
        self.trial.epochs >= self.epochs
    }

    /// What a checkpoint holds is noted before it is written: after a kill nobody tells it again.
    fn checkpoint(&mut self) -> seminar_trainer::Result<()> {
        Ok(keep(self.path, self.key, self.trial)?)
    }
}
