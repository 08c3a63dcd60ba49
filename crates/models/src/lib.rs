//! SEMINAR and its baselines behind one trait.
//!
//! ```toml
//! [dependencies]
//! seminar-models = { version = "0.1", features = ["flex"] }
//! burn = { version = "0.22", default-features = false }    # tensors and devices
//! ```
//! A backend is a feature: `flex` (plain Rust on the processor, `Device::flex()`), `tch` (LibTorch), `wgpu`, `cuda`. None is on by default.
//!
//! Shapes are written with B users, L events of history, C candidates per user, D width, H heads, K kept events,
//! U unique events of a batch.
//!
//! ```
//! use burn::tensor::{Bool, Device, Tensor};
//! use seminar_models::{Events, ModelConfig, ModelKind, SequenceModel, UniqueEvents, integers};
//!
//! let device = Device::flex();
//! let config = ModelConfig { width: 8, top_k: 2, ..ModelConfig::default() };
//! let model = ModelKind::Twin.build(&config, 3, &device)?;
//!
//! // Four distinct items, two users with three events each, two candidates per user.
//! let unique = || UniqueEvents::of_items(Tensor::<2>::ones([4, 8], &device));
//! let events = |width: usize, index: &[u32]| Events {
//!     unique: unique(),
//!     inverse: integers([2, width], index, &device),
//!     mask: Tensor::<2, Bool>::from_data([[true; 3]; 2], &device).narrow(1, 0, width),
//!     sees: None,
//!     times: None,
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
//! | general search unit | [`gsu`], one file per search |
//! | exact search unit | [`parts::TargetAttention`] |
//! | output | [`parts::Head`] |
//!
//! Every departure from the published code has a field in [`Switches`]; [`ModelConfig::reference`] sets them all.

#[macro_use]
mod shared_methods;

mod any;
mod base;
mod config;
mod error;
mod eta;
mod events;
pub mod fused;
pub mod gsu;
mod init;
mod kinds;
pub mod losses;
mod model;
mod muse;
mod needs;
pub mod parts;
mod pooling;
mod qin;
mod sasrec;
mod sdim;
mod seminar;
mod sim;
mod twin;
mod two_stage;
pub mod weights;

pub use any::{AnyConfig, AnyModel, ModelKind};
pub use base::Base;
pub use config::{ModelConfig, Switches};
pub use error::{Error, Result};
pub use eta::Eta;
pub use events::{Events, Modality, Times, UniqueEvents, integers};
pub use kinds::{FusionKind, GateKind, LossKind, ModalityKind, SoftSearch};
pub use model::{PretrainBatch, PretrainLosses, Retrieval, Scores, SequenceModel, Successors};
pub use muse::Muse;
pub use needs::Needs;
pub use qin::Qin;
pub use sasrec::SasRec;
pub use sdim::Sdim;
pub use seminar::{Codebooks, CodebooksConfig, Projection, ProjectionConfig, Seminar};
pub use sim::Sim;
pub use twin::Twin;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
