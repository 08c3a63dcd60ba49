//! The parts that models are composed of.

mod attention;
mod fusion;
mod gate;
mod hash;
mod head;
mod pair;
pub(crate) mod scan;
mod select;
pub(crate) mod stage_one;

pub(crate) use attention::search_layer;
pub use attention::{Projected, TargetAttention};
pub use fusion::PairFusion;
pub use gate::ModalityGate;
pub use hash::HashBits;
pub use head::Head;
pub use pair::{Channel, PairEncoder};
pub use select::{Selection, select_last_k, select_top_k};
