//! The parts that models are composed of, each with a configuration that builds it alone.
//!
//! ```
//! use burn::tensor::Device;
//! use seminar_models::parts::{HeadConfig, TargetAttentionConfig};
//!
//! let device = Device::flex().autodiff();
//! let attention = TargetAttentionConfig { dim: 32, heads: 2, ..Default::default() }.init(&device);
//! let head = HeadConfig { dim: 32, ..Default::default() }.init(&device);
//! assert_eq!((attention.query.len(), head.hidden.weight.dims()), (2, [64, 32]));
//! ```

mod attention;
mod dropout;
mod fusion;
mod gate;
mod hash;
mod head;
mod pair;
mod recency;
mod select;
mod short_term;
mod sum;

pub(crate) use attention::weights as attention_weights;
pub use attention::{Projected, TargetAttention, TargetAttentionConfig};
pub use dropout::Dropout;
pub use fusion::{PairFusion, PairFusionConfig};
pub use gate::{ModalityGate, ModalityGateConfig};
pub use hash::{HashBits, HashBitsConfig};
pub use head::{Head, HeadConfig};
pub use pair::{ModalityRows, PairEncoder, PairEncoderConfig, Pairs};
pub use recency::Recency;
pub(crate) use recency::{PlacedRows, RecencyConfig};
pub(crate) use select::NOT_SELECTED;
pub use select::{Selection, select_last_k, select_top_k};
pub use short_term::{ShortTerm, ShortTermConfig, States};
pub use sum::{ModalitySum, ModalitySumConfig};
