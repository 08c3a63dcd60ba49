//! Choices that configurations name: modalities, fusion, gate, search.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// An input modality.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, EnumString, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ModalityKind {
    /// A trained vector per item.
    Id,
    /// The search words of an event.
    Query,
    /// A frozen text embedding, projected.
    Text,
    /// A frozen image embedding, projected.
    Image,
    /// The mean of the item's trained attribute vectors.
    Attribute,
}

/// How a query and an item become one pair.
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
pub enum FusionKind {
    /// `a · query + (1 − a) · item`.
    #[default]
    WeightedAverage,
    /// `query + item`.
    Add,
    /// Two gates, a softmax of the item.
    SoftmaxGate,
    /// The same with Gumbel noise while training.
    GumbelGate,
}

/// Where the weights of the item modalities come from.
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
pub enum GateKind {
    /// One trained vector for all events, as published.
    #[default]
    Global,
    /// The event's own modalities.
    PerEvent,
    /// No gate: what an item has is added to its id's vector, each modality with a trained weight. Attributes enter as the sum of
    /// their vectors, and text and images from zero, so that training starts from ids.
    Sum,
}

/// How SEMINAR's general search unit compares events.
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
pub enum SoftSearch {
    /// The attention's own heads, as in TWIN.
    #[default]
    Mhta,
    /// Equal bits of random projections, as in ETA.
    Lsh,
    /// Multi-modal product quantisation.
    MultiPq,
}

/// What the candidates of a target are compared by in training.
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
pub enum LossKind {
    /// Binary cross-entropy: each candidate alone, as published.
    #[default]
    Bce,
    /// Cross-entropy of a softmax over the target and its negatives.
    Softmax,
}
