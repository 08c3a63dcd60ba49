//! Raw shopping and video logs in, batches of plain integers out.
//!
//! ```toml
//! [dependencies]
//! seminar-dataset = "0.1"
//! ```
//! Feature `parquet` reads and writes Parquet files; the default build does without its crates.
//!
//! One way through the crate, one call per step:
//!
//! ```text
//! EventSource ── PrepareConfig::prepare ─▶ Numbered ── Corpus::write ─▶ corpus.bin
//! (AmazonReviews, KuaiSar, yours)                          Corpus::open ─▶ Batches ─▶ Epoch ─▶ Batch
//! s3rec::import ─────────────────────────▶ Numbered        s3rec::export ─▶ text files
//! Numbered::from_sequences ──────────────▶ Numbered        Catalogue::write ─▶ names and words without the events
//! ```
//! [`write_folder`] does the writing in one call: corpus, statistics and text files in a folder that appears whole.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use seminar_dataset::{AmazonReviews, BatchConfig, Batches, Corpus, NegativeSampler, PrepareConfig, Split};
//!
//! # let folder = tempfile::tempdir()?;
//! # let line = |u, i, t| format!("{{\"reviewerID\":\"u{u}\",\"asin\":\"i{i}\",\"overall\":5,\"unixReviewTime\":{t}}}\n");
//! # let text: String = (0..6).flat_map(|u| (0..6).map(move |i| line(u, i, i))).collect();
//! # std::fs::write(folder.path().join("Toys_5.json"), text)?;
//! let source = AmazonReviews::locate(folder.path(), "Toys")?;
//! let prepared = PrepareConfig::amazon().prepare(&source)?;
//! Corpus::write(&prepared.data, folder.path())?;
//!
//! let corpus = Arc::new(Corpus::open(folder.path())?);
//! let config = BatchConfig { batch_size: 4, history_length: 8, ..BatchConfig::default() };
//! let batches = Batches::new(corpus, Split::Test, config)?;
//! let batch = batches.epoch(0).prefetch(0).next().ok_or("no batch")?;
//! assert_eq!((batch.history.rows, batch.history.width), (4, 8));
//! # Ok(()) }
//! ```
//!
//! Same input, same seed, same bytes, whatever the number of threads. Bad input is a clear [`Error`] with its
//! place, or is skipped and counted in a [`FileReport`]; nothing here prints, and files appear whole or not at all.

pub mod atomic;
mod batch;
mod builder;
mod catalogue;
pub mod container;
mod corpus;
mod embedding_journal;
mod embeddings;
mod error;
mod event;
mod export;
mod ids;
mod instant;
mod matrix;
mod negatives;
mod numbered;
mod output;
mod prepare;
mod preset;
mod pth;
mod ragged;
pub mod rng;
pub mod s3rec;
mod source;
mod split;
mod statistics;
pub mod synthetic;
mod tsv;
mod words;

pub use batch::{Batch, BatchConfig, Batches, BlockTimes, Epoch, Event, IdBlock, Prefetch, TestMode};
pub use builder::{CorpusBuilder, EventMut, ItemMut};
pub use catalogue::Catalogue;
pub use corpus::{Corpus, History, ItemFieldColumn};
pub use embedding_journal::{EmbeddingJournal, Failure};
pub use embeddings::{EmbeddingTable, Embeddings, Precision};
pub use error::{Error, Position, Result};
pub use event::{EventKind, ItemField, Part, RawEvent, RawItem, Times};
pub use export::{ExportForm, export};
pub use ids::{PAD, Vocabulary};
pub use matrix::import_matrix;
pub use negatives::{NegativeSampler, Sampling, Scratch, published_negatives};
pub use numbered::{Field, Numbered, Sampled, Texts};
pub use output::{MANIFEST, OutputFolder, WholeFolder, check_name};
pub use prepare::{
    Counts, Numbers, PrepareConfig, PrepareReport, Prepared, Queries, Repeats, SplitAt, Step, core_filter,
    write_folder,
};
pub use preset::{Defaults, Preset, Reader};
pub use pth::import_pth;
pub use ragged::Ragged;
pub use source::{
    AmazonReviews, Column, Encoding, EventSource, EventTable, FieldColumn, FileReport, Form, Interactions,
    ItemTable, KindColumn, KuaiSar, Line, LineReader, ListForm, Occurrence, ReadOptions, TableForm,
    TableSchema, TimeForm, parse_time,
};
pub use split::{Example, Split};
pub use statistics::{Percentiles, Range, Statistics};
pub use synthetic::SyntheticConfig;
pub use tsv::{import_tsv, import_tsv_with};
pub use words::keywords;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
