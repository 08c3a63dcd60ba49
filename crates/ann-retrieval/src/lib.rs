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
//! of threads. [`Update`] adds and removes, [`Persist`] saves to one checked file and maps it again, [`open_any`] opens a file
//! of any kind. Vectors keep ids of their own ([`Vectors::with_ids`]) and can be read back ([`AnnIndex::vector`]).
//! A [`Search`] takes a filter (a closure, a [`Bitmap`] or an [`IdList`]) and a least score.
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
//! assert_eq!(history.top_k(&target, 1)?[0].id, 0);
//! # Ok::<(), seminar_ann_retrieval::Error>(())
//! ```
//!
//! Each kind is saved to a file of its own, with the codebooks or without: [`History::open_with`] shares a codec that is
//! in memory.
//!
//! # Many users' histories: [`HistoryStore`]
//!
//! One folder with one codec, for millions of users. Behaviours are named by the caller; a call's changes are on the
//! disk when it returns; segments are mapped, so memory is bounded whatever the store holds.
//!
//! ```
//! use seminar_ann_retrieval::{HistoryStore, Kept, PqConfig, PqHistory, Vectors};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("users");
//! let items = Vectors::new(4, (0..400).map(|i| ((i * 7919) % 1000) as f32 / 1000.0).collect())?;
//! let book = PqConfig { sub_vectors: 2, centroids: 16, ..Default::default() }.train(&items)?;
//! let codec = PqHistory::codec(&[&book, &book])?; // two modalities of width 4
//! // Codes find 4 k behaviours, and their exact rows decide. `Kept::Codes` takes a small part of the room.
//! let store = HistoryStore::create(&path, codec, 2, Kept::CodesAndRows { factor: 4 })?;
//! for event in 0..50 {
//!     store.append(12, 1000 + event, &[items.row(event as usize), items.row(7)].concat())?;
//! }
//! // Many at once cost one write to the disk: here two users' behaviours.
//! store.append_many(&[(12, 2000), (99, 1)], &items.as_slice()[..16])?;
//! store.delete(12, 1007)?;
//! let target = store.prepare(&[items.row(3), items.row(7)].concat(), &[0.3, 0.7])?;
//! let best = store.get(12)?.top_k(&target, 10)?;
//! assert_eq!(best.len(), 10);
//! store.erase(99)?;
//! store.compact()?; // while readers go on
//! drop(store);
//! let store = HistoryStore::<seminar_ann_retrieval::ByteCodes>::open(&path)?;
//! assert_eq!((store.get(12)?.top_k(&target, 10)?, store.get(99)?.len()), (best, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
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
mod open;
mod persist;
mod pq;
mod rabitq;
mod recall;
mod refine;
mod residual;
mod rotation;
mod search;
mod tables;
mod top_k;
mod vectors;

pub use certified::{Certified, Proof};
pub use coded::{Codec, Coded, StoredCodec};
pub use deficits::{DeficitTables, Deficits};
pub use error::{Error, Result};
pub use filter::{Bitmap, Filter, IdList};
pub use flat::{Flat, Whole, WholeQuery};
pub use history::{
    ExactHistory, FusedHistory, History, HistoryIndex, HistoryStore, HistoryTarget, Kept, NibbleHistory,
    PqHistory, RescoredHistory, RescoredTarget, StoreLimits, StoreSizes, StoreTarget, TwoStage,
    TwoStageFound, UserHistory,
};
pub use hnsw::{Hnsw, HnswBuilder, HnswConfig};
pub use index::{AnnIndex, Neighbor, Persist, Update};
pub use ivf::{Ivf, IvfConfig};
pub use kmeans::{KMeans, KMeansConfig};
pub use lsh::{Lsh, LshConfig, Signs};
pub use metric::Metric;
pub use open::open_any;
pub use persist::{Reader, Writer};
pub use pq::{ByteCodes, FastScan, NibbleCodes, Pq, PqConfig, ProductQuantizer};
pub use rabitq::{Bounded, Interval, OneBitCodes, OneBitQuery, RaBitQ, RaBitQConfig};
pub use recall::{attention_mass, recall_at};
pub use refine::Refined;
pub use residual::{Residual, ResidualCodes, ResidualConfig};
pub use rotation::{Rotated, Rotation};
pub use search::{Hits, Search};
pub use tables::ScoreTables;
pub use top_k::TopK;
pub use vectors::Vectors;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
