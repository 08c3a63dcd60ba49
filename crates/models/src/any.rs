//! One type for all models, chosen by name: what a command line needs.

use std::str::FromStr;

use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::base::Base;
use crate::config::{ModalityKind, ModelConfig};
use crate::error::{Error, Result};
use crate::eta::Eta;
use crate::events::Events;
use crate::model::{PretrainBatch, PretrainLosses, Scores, SequenceModel};
use crate::qin::Qin;
use crate::seminar::Seminar;
use crate::sim::Sim;
use crate::twin::Twin;

/// The names of the models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// The last K events.
    Base,
    /// Inner product.
    Sim,
    /// Hash bits.
    Eta,
    /// Query, then item.
    Qin,
    /// The attention's own heads.
    Twin,
    /// Multi-modal pairs, pretrained.
    Seminar,
}

impl ModelKind {
    /// All models, simplest first.
    pub const ALL: [Self; 6] = [Self::Base, Self::Sim, Self::Eta, Self::Qin, Self::Twin, Self::Seminar];

    /// The name as command lines and files write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Sim => "sim",
            Self::Eta => "eta",
            Self::Qin => "qin",
            Self::Twin => "twin",
            Self::Seminar => "seminar",
        }
    }

    /// A model with initial weights.
    ///
    /// # Errors
    /// If the configuration cannot work for histories of `history_length` events.
    pub fn build(self, config: &ModelConfig, history_length: usize, device: &Device) -> Result<AnyModel> {
        config.validate(history_length)?;
        Ok(match self {
            Self::Base => AnyModel::Base(Base::new(config, device)),
            Self::Sim => AnyModel::Sim(Sim::new(config, device)),
            Self::Eta => AnyModel::Eta(Eta::new(config, device)),
            Self::Qin => AnyModel::Qin(Qin::new(config, device)),
            Self::Twin => AnyModel::Twin(Twin::new(config, device)),
            Self::Seminar => AnyModel::Seminar(Seminar::new(config, device)),
        })
    }
}

impl FromStr for ModelKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
            Error::Config { field: "model", message: format!("`{name}` is none of {}", known.join(", ")) }
        })
    }
}

/// Any of the models.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "one model lives at a time")]
pub enum AnyModel {
    /// [`Base`].
    Base(Base),
    /// [`Sim`].
    Sim(Sim),
    /// [`Eta`].
    Eta(Eta),
    /// [`Qin`].
    Qin(Qin),
    /// [`Twin`].
    Twin(Twin),
    /// [`Seminar`].
    Seminar(Seminar),
}

macro_rules! each {
    ($self:ident, $model:ident => $body:expr) => {
        match $self {
            Self::Base($model) => $body,
            Self::Sim($model) => $body,
            Self::Eta($model) => $body,
            Self::Qin($model) => $body,
            Self::Twin($model) => $body,
            Self::Seminar($model) => $body,
        }
    };
}

impl SequenceModel for AnyModel {
    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        each!(self, model => model.score(history, candidates))
    }

    fn project(&self, kind: ModalityKind, rows: Tensor<2>) -> Option<Tensor<2>> {
        each!(self, model => model.project(kind, rows))
    }

    fn auxiliary_loss(
        &self,
        scores: &Scores,
        labels: &Tensor<2>,
        real: &Tensor<2, Bool>,
    ) -> Option<Tensor<1>> {
        each!(self, model => model.auxiliary_loss(scores, labels, real))
    }

    fn logits_loss(&self) -> bool {
        each!(self, model => model.logits_loss())
    }

    fn pretrain_losses(&self, batch: &PretrainBatch) -> Option<PretrainLosses> {
        each!(self, model => model.pretrain_losses(batch))
    }

    fn fine_tune(self) -> Self {
        match self {
            Self::Seminar(model) => Self::Seminar(model.fine_tune()),
            other => other,
        }
    }

    fn refresh(self, sample: &Events) -> Result<Self> {
        Ok(match self {
            Self::Seminar(model) => Self::Seminar(model.refresh(sample)?),
            other => other,
        })
    }
}
