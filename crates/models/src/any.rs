//! One type for all models, chosen by name: what a command line needs.

use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::base::Base;
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::eta::Eta;
use crate::events::{Events, UniqueEvents};
use crate::kinds::{LossKind, ModalityKind};
use crate::model::{PretrainBatch, PretrainLosses, Scores, SequenceModel, Successors};
use crate::muse::Muse;
use crate::needs::Needs;
use crate::qin::Qin;
use crate::sasrec::SasRec;
use crate::sdim::Sdim;
use crate::seminar::Seminar;
use crate::sim::Sim;
use crate::twin::Twin;

/// The names of the models.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantArray,
    VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = Error, parse_err_fn = unknown_model)]
pub enum ModelKind {
    /// The last K events.
    Base,
    /// A transformer over the newest events.
    #[serde(rename = "sasrec")]
    #[strum(serialize = "sasrec")]
    SasRec,
    /// Inner product.
    Sim,
    /// Hash bits.
    Eta,
    /// Query, then item.
    Qin,
    /// The attention's own heads.
    Twin,
    /// Hash buckets in place of attention.
    Sdim,
    /// Cosines of frozen vectors.
    Muse,
    /// Multi-modal pairs, pretrained.
    Seminar,
}

fn unknown_model(name: &str) -> Error {
    let message = format!("`{name}` is none of {}", ModelKind::NAMES.join(", "));
    Error::Config { field: "model", message }
}

impl ModelKind {
    /// All models, simplest first.
    pub const ALL: &[Self] = <Self as VariantArray>::VARIANTS;
    /// Their names.
    pub const NAMES: &[&str] = <Self as VariantNames>::VARIANTS;

    /// The name as command lines and files write it.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// A model with initial weights.
    ///
    /// # Errors
    /// If the configuration cannot work for histories of `history_length` events.
    pub fn build(self, config: &ModelConfig, history_length: usize, device: &Device) -> Result<AnyModel> {
        config.validate(history_length)?;
        AnyModel::init(&AnyConfig { kind: self, model: config.clone() }, device)
    }
}

/// Which model, and its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnyConfig {
    /// Which.
    pub kind: ModelKind,
    /// Its settings.
    pub model: ModelConfig,
}

/// Any of the models.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "one model lives at a time")]
pub enum AnyModel {
    /// [`Base`].
    Base(Base),
    /// [`SasRec`].
    SasRec(SasRec),
    /// [`Sim`].
    Sim(Sim),
    /// [`Eta`].
    Eta(Eta),
    /// [`Qin`].
    Qin(Qin),
    /// [`Twin`].
    Twin(Twin),
    /// [`Sdim`].
    Sdim(Sdim),
    /// [`Muse`].
    Muse(Muse),
    /// [`Seminar`].
    Seminar(Seminar),
}

macro_rules! each {
    ($self:ident, $model:ident => $body:expr) => {
        match $self {
            Self::Base($model) => $body,
            Self::SasRec($model) => $body,
            Self::Sim($model) => $body,
            Self::Eta($model) => $body,
            Self::Qin($model) => $body,
            Self::Twin($model) => $body,
            Self::Sdim($model) => $body,
            Self::Muse($model) => $body,
            Self::Seminar($model) => $body,
        }
    };
}

/// The same for methods that take the model and give it back.
macro_rules! each_into {
    ($self:ident, $model:ident => $body:expr) => {
        match $self {
            Self::Base($model) => Self::Base($body),
            Self::SasRec($model) => Self::SasRec($body),
            Self::Sim($model) => Self::Sim($body),
            Self::Eta($model) => Self::Eta($body),
            Self::Qin($model) => Self::Qin($body),
            Self::Twin($model) => Self::Twin($body),
            Self::Sdim($model) => Self::Sdim($body),
            Self::Muse($model) => Self::Muse($body),
            Self::Seminar($model) => Self::Seminar($body),
        }
    };
}

impl AnyModel {
    /// Which model it is.
    pub fn kind(&self) -> ModelKind {
        match self {
            Self::Base(_) => ModelKind::Base,
            Self::SasRec(_) => ModelKind::SasRec,
            Self::Sim(_) => ModelKind::Sim,
            Self::Eta(_) => ModelKind::Eta,
            Self::Qin(_) => ModelKind::Qin,
            Self::Twin(_) => ModelKind::Twin,
            Self::Sdim(_) => ModelKind::Sdim,
            Self::Muse(_) => ModelKind::Muse,
            Self::Seminar(_) => ModelKind::Seminar,
        }
    }
}

impl SequenceModel for AnyModel {
    type Config = AnyConfig;

    fn init(config: &AnyConfig, device: &Device) -> Result<Self> {
        let AnyConfig { kind, model } = config;
        Ok(match kind {
            ModelKind::Base => Self::Base(Base::init(model, device)?),
            ModelKind::SasRec => Self::SasRec(SasRec::init(model, device)?),
            ModelKind::Sim => Self::Sim(Sim::init(model, device)?),
            ModelKind::Eta => Self::Eta(Eta::init(model, device)?),
            ModelKind::Qin => Self::Qin(Qin::init(model, device)?),
            ModelKind::Twin => Self::Twin(Twin::init(model, device)?),
            ModelKind::Sdim => Self::Sdim(Sdim::init(model, device)?),
            ModelKind::Muse => Self::Muse(Muse::init(model, device)?),
            ModelKind::Seminar => Self::Seminar(Seminar::init(model, device)?),
        })
    }

    fn config(&self) -> AnyConfig {
        AnyConfig { kind: self.kind(), model: each!(self, model => model.config()) }
    }

    fn training_only() -> &'static [&'static str] {
        ModelConfig::TRAINING_ONLY
    }

    fn needs(&self) -> Needs {
        each!(self, model => model.needs())
    }

    fn score(&self, history: &Events, candidates: &Events) -> Scores {
        each!(self, model => model.score(history, candidates))
    }

    fn attention_weights(&self, history: &Events, candidates: &Events) -> Option<Tensor<3>> {
        each!(self, model => model.attention_weights(history, candidates))
    }

    fn item_vectors(&self, items: &UniqueEvents) -> Tensor<2> {
        each!(self, model => model.item_vectors(items))
    }

    fn target_vectors(&self, items: &UniqueEvents) -> Tensor<2> {
        each!(self, model => model.target_vectors(items))
    }

    fn loss_kind(&self) -> LossKind {
        each!(self, model => model.loss_kind())
    }

    fn successor_loss(&self, scores: &Scores, batch: &Successors<'_>) -> Option<Tensor<1>> {
        each!(self, model => model.successor_loss(scores, batch))
    }

    fn project(&self, kind: ModalityKind, rows: Tensor<2>) -> Option<Tensor<2>> {
        each!(self, model => model.project(kind, rows))
    }

    fn logits_loss(&self) -> bool {
        each!(self, model => model.logits_loss())
    }

    fn auxiliary_loss(
        &self,
        scores: &Scores,
        labels: &Tensor<2>,
        mask: &Tensor<2, Bool>,
    ) -> Option<Tensor<1>> {
        each!(self, model => model.auxiliary_loss(scores, labels, mask))
    }

    fn loss(&self, scores: &Scores, labels: &Tensor<2>, mask: &Tensor<2, Bool>) -> Tensor<1> {
        each!(self, model => model.loss(scores, labels, mask))
    }

    fn pretrain_losses(&self, batch: &PretrainBatch) -> Option<PretrainLosses> {
        each!(self, model => model.pretrain_losses(batch))
    }

    fn fine_tune(self) -> Self {
        each_into!(self, model => model.fine_tune())
    }

    fn refresh(self, sample: &Events) -> Result<Self> {
        Ok(each_into!(self, model => model.refresh(sample)?))
    }
}

#[cfg(test)]
mod tests {
    /// A method that is not forwarded would silently be the trait's default.
    #[test]
    fn every_method_of_the_trait_is_forwarded() {
        let methods = |text: &str| -> Vec<String> {
            let names = text.split("\n    fn ").skip(1);
            let mut names: Vec<String> =
                names.filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned).collect();
            names.sort();
            names
        };
        let body = |text: &str, start: &str| {
            let (_, rest) = text.split_once(start).expect("the file holds it");
            rest.split("\n}\n").next().expect("the text before its end").to_owned()
        };
        let of_the_trait = methods(&body(include_str!("model.rs"), "pub trait SequenceModel: Module {"));
        assert!(of_the_trait.len() >= 13, "{of_the_trait:?}");
        assert_eq!(methods(&body(include_str!("any.rs"), "impl SequenceModel for AnyModel {")), of_the_trait);
    }
}
