//! SEMINAR and its baselines behind one trait.
//!
//! Shapes are written with B users, L events of history, C candidates a user, D width, H heads, K kept events,
//! U distinct events of a batch.
//!
//! ```
//! use burn::tensor::{Bool, Device, Tensor};
//! use seminar_models::{Events, ModelConfig, ModelKind, Rows, SequenceModel, integers};
//!
//! let device = Device::flex();
//! let config = ModelConfig { width: 8, top_k: 2, ..ModelConfig::default() };
//! let model = ModelKind::Twin.build(&config, 3, &device)?;
//!
//! // Four distinct items, two users with three events each, two candidates a user.
//! let rows = || Rows::of_items(Tensor::<2>::ones([4, 8], &device));
//! let events = |width: usize, index: &[u32]| Events {
//!     rows: rows(),
//!     index: integers([2, width], index, &device),
//!     real: Tensor::<2, Bool>::from_data([[true; 3]; 2], &device).narrow(1, 0, width),
//! };
//! let scores = model.score(&events(3, &[0, 1, 2, 3, 1, 0]), &events(2, &[0, 1, 2, 3]));
//! assert_eq!(scores.logits.dims(), [2, 2]);
//! # Ok::<(), seminar_models::Error>(())
//! ```
//!
//! | part of the publication's figure | here |
//! |---|---|
//! | embedding, gate, pair fusion | [`parts::PairEncoder`], [`parts::ModalityGate`], [`parts::PairFusion`] |
//! | pretraining search unit and its tasks | [`Seminar`], [`losses`] |
//! | general search unit | each model's relevance, then [`parts::select_top_k`] |
//! | exact search unit | [`parts::TargetAttention`] |
//! | output | [`parts::Head`] |
//!
//! Every departure from the published code has a field in [`Switches`]; [`ModelConfig::reference`] sets them all.

mod any;
mod base;
mod config;
mod error;
mod eta;
mod events;
mod init;
pub mod losses;
mod model;
pub mod parts;
mod qin;
mod seminar;
mod sim;
mod twin;
mod two_stage;
pub mod weights;

pub use any::{AnyModel, ModelKind};
pub use base::Base;
pub use config::{FusionKind, GateKind, ModalityKind, ModelConfig, SoftSearch, Switches};
pub use error::{Error, Result};
pub use eta::Eta;
pub use events::{Events, Modality, Rows, bag_means, integers};
pub use model::{PretrainBatch, PretrainLosses, Scores, Search, SequenceModel};
pub use qin::Qin;
pub use seminar::{Codebooks, Projection, Seminar};
pub use sim::Sim;
pub use twin::Twin;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
