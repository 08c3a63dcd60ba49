//! Finding the nearest vectors: exactly, and by short codes.
//!
//! ```
//! use seminar_ann_retrieval::{AnnIndex, Flat, Metric, Vectors};
//!
//! let rows = Vectors::new(2, vec![1.0, 0.0, 0.0, 1.0, 0.6, 0.8])?;
//! let index = Flat::build(&rows, Metric::InnerProduct);
//! let best = index.search(&[0.0, 2.0], 2)?;
//! assert_eq!(best.iter().map(|n| n.id).collect::<Vec<_>>(), [1, 2]);
//! # Ok::<(), seminar_ann_retrieval::Error>(())
//! ```
//!
//! [`KMeans`] and [`ProductQuantizer`] train codebooks; the models use them for SEMINAR's quantised search.
//! All of it gives the same result for any number of threads.

mod error;
mod flat;
mod index;
mod kmeans;
mod metric;
mod pq;
mod top_k;
mod vectors;

pub use error::{Error, Result};
pub use flat::Flat;
pub use index::{AnnIndex, Neighbor};
pub use kmeans::{KMeans, KMeansConfig};
pub use metric::Metric;
pub use pq::{PqConfig, ProductQuantizer};
pub use top_k::TopK;
pub use vectors::Vectors;
