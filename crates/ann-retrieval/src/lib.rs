//! Finding the nearest vectors and the most relevant behaviours of a long history: exactly, and by short codes.
//!
//! ```toml
//! [dependencies]
//! seminar-ann-retrieval = "0.1"
//! ```
//! It has no features.
//!
//! ```
//! use seminar_ann_retrieval::{AnnIndex, Flat, Metric, Vectors};
//!
//! let rows = Vectors::new(2, vec![1.0, 0.0, 0.0, 1.0, 0.6, 0.8])?;
//! let index = Flat::build(&rows, Metric::InnerProduct)?;
//! let best = index.search(&[0.0, 2.0], 2)?;
//! assert_eq!(best.iter().map(|n| n.id).collect::<Vec<_>>(), [1, 2]);
//! # Ok::<(), seminar_ann_retrieval::Error>(())
//! ```
//!
//! # Single vectors: [`AnnIndex`]
//!
//! | index | a vector is kept as | found by |
//! |---|---|---|
//! | [`Flat`] | itself | comparing all |
//! | [`Hnsw`] | itself and links | a walk through a graph |
//! | [`Lsh`] | signs of projections | counting equal bits |
//! | [`RaBitQ`] | signs after a rotation, and two numbers | counting bits; exact scores are bounded |
//! | [`Pq`] | one byte per sub-vector | adding table entries |
//! | [`FastScan`] | half a byte per sub-vector | the same, inside registers |
//! | [`Residual`] | one byte per stage | adding table entries |
//! | [`Ivf`] | any code, in the list of its nearest centroid | the nearest lists only |
//!
//! [`Refined`] scores a shortlist of any of them again, exactly; [`Certified`] proves that its result is the exact top,
//! and how much of the attention it holds; [`Rotated`] learns a rotation before quantising. All
//! but HNSW scan, and give the exact top of their scores: the result depends neither on the processor nor on the number
//! of threads. [`Update`] adds and removes, [`Persist`] saves to one checked file and maps it again.
//!
//! # A user's history: [`HistoryIndex`]
//!
//! [`ExactHistory`], [`FusedHistory`], [`PqHistory`], [`NibbleHistory`] and [`RescoredHistory`] take behaviours with
//! several modalities one by one, and search for many targets in one pass. [`TwoStage`] is the published method.
//!
//! ```
//! use seminar_ann_retrieval::{ExactHistory, HistoryIndex};
//!
//! // Two modalities of width 2: query and text.
//! let mut history = ExactHistory::exact(2, 2)?;
//! history.append(&[1.0, 0.0, 0.0, 1.0])?;
//! history.append(&[0.0, 1.0, 0.0, 1.0])?;
//! let target = history.prepare(&[1.0, 0.0, 1.0, 0.0], &[0.5, 0.5])?;
//! assert_eq!(history.top_k(&target, 1)[0].id, 0);
//! # Ok::<(), seminar_ann_retrieval::Error>(())
//! ```

mod bytes;
mod certified;
mod coded;
mod deficits;
mod error;
mod filter;
mod flat;
mod history;
mod hnsw;
mod ids;
mod index;
mod ivf;
mod kernel;
mod kmeans;
mod lsh;
mod metric;
mod persist;
mod pq;
mod rabitq;
mod recall;
mod refine;
mod residual;
mod rotation;
mod tables;
mod top_k;
mod vectors;

pub use certified::{Certified, Proof};
pub use coded::{Codec, Coded, StoredCodec};
pub use deficits::{DeficitTables, Deficits};
pub use error::{Error, Result};
pub use filter::Filter;
pub use flat::{Flat, Whole, WholeQuery};
pub use history::{
    ExactHistory, FusedHistory, History, HistoryIndex, NibbleHistory, PqHistory, RescoredHistory, TwoStage,
    TwoStageFound,
};
pub use hnsw::{Hnsw, HnswBuilder, HnswConfig};
pub use index::{AnnIndex, Neighbor, Persist, Update};
pub use ivf::{Ivf, IvfConfig};
pub use kmeans::{KMeans, KMeansConfig};
pub use lsh::{Lsh, LshConfig, Signs};
pub use metric::Metric;
pub use persist::{Reader, Writer};
pub use pq::{ByteCodes, FastScan, NibbleCodes, Pq, PqConfig, ProductQuantizer};
pub use rabitq::{Bounded, Interval, OneBitCodes, OneBitQuery, RaBitQ, RaBitQConfig};
pub use recall::{attention_mass, recall_at};
pub use refine::Refined;
pub use residual::{Residual, ResidualCodes, ResidualConfig};
pub use rotation::{Rotated, Rotation};
pub use tables::ScoreTables;
pub use top_k::TopK;
pub use vectors::Vectors;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
