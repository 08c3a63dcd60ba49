//! From a batch of integers to the tensors that a model sees.
//!
//! [`tables`] keeps what numbers are turned into, [`sources`] says where rows are read, [`batch`] embeds a batch, each unique event
//! once, [`frozen`] reads frozen embeddings, projected once where many batches are scored.

mod batch;
mod frozen;
mod known;
mod sources;
mod tables;

pub use batch::{EmbeddedBatch, RowGradients, Shared};
pub(crate) use batch::{embed, unique_events};
pub(crate) use frozen::{Projected, ProjectedCatalogue, Stored};
pub(crate) use known::Eos;
pub use sources::AttributeLists;
pub(crate) use sources::{FrozenRows, ReadRows, Sources};
pub(crate) use tables::TABLES;
pub use tables::{Modalities, Tables, TablesSnapshot};
