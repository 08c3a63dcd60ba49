//! From a batch of integers to the tensors that a model sees.
//!
//! [`tables`] keeps what numbers are turned into, [`batch`] embeds a batch, each unique event once, [`frozen`] reads frozen
//! embeddings, projected once where many batches are scored.

mod batch;
mod frozen;
mod tables;

pub use batch::{EmbeddedBatch, RowGradients};
pub(crate) use batch::{embed, host, unique_events};
pub(crate) use frozen::{FrozenRows, Projected, ProjectedCatalogue, Stored};
pub use tables::{AttributeLists, Modalities, Tables, TablesSnapshot};
pub(crate) use tables::{ReadRows, Sources};
