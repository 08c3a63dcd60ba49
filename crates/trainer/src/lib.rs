//! Trains any [`SequenceModel`](seminar_models::SequenceModel) on a prepared corpus and ranks its candidates.
//!
//! ```toml
//! [dependencies]
//! seminar-trainer = { version = "0.1", features = ["flex"] }
//! seminar-models = "0.1"                                    # the models and their settings
//! seminar-dataset = "0.1"                                   # corpora and batches
//! burn = { version = "0.22", default-features = false }    # devices
//! ```
//! A saved model opens without the corpus and recommends:
//!
//! ```no_run
//! use burn::tensor::Device;
//! use seminar_models::AnyModel;
//! use seminar_trainer::{Recommender, Request};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recommender = Recommender::<AnyModel>::open("out/quickstart/model", &Device::flex())?;
//! let user = recommender.history(["B0091JKVU0", "B00CHQ7I2S"])?; // external ids, oldest first
//! assert!(user.unknown().is_empty(), "ids that the model does not know are passed over, and listed here");
//! for hit in recommender.recommend(&user, &Request { k: 10, ..Default::default() })? {
//!     println!("{} {:.3} {}", hit.id, hit.score, hit.title);
//! }
//! # Ok(()) }
//! ```
//! Build with `--release`: without optimisation a request takes seconds.
//!
//! A backend is a feature: `flex` (plain Rust on the processor, `Device::flex()`), `tch` (LibTorch), `wgpu`, `cuda`. None is on by default.
//!
//! Such a model is trained on a corpus:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use burn::tensor::Device;
//! use seminar_dataset::{BatchConfig, Corpus, Numbered, Split};
//! use seminar_models::{ModelConfig, ModelKind};
//! use seminar_trainer::{Modalities, Silent, Tables, TrainConfig, Trainer};
//!
//! # let folder = tempfile::tempdir()?;
//! let users: Vec<Vec<String>> =
//!     (0..40).map(|user| (0..8).map(|step| format!("item {}", (user + step) % 30)).collect()).collect();
//! Corpus::write(&Numbered::from_sequences(&users), folder.path())?;
//! let corpus = Arc::new(Corpus::open(folder.path())?);
//! let device = Device::flex().autodiff();
//! let batches = BatchConfig { batch_size: 16, history_length: 10, evaluation_negatives: 20, ..Default::default() };
//! let config = TrainConfig { width: 16, batches: batches.clone(), ..Default::default() };
//! let model = ModelKind::Twin.build(&ModelConfig { width: 16, top_k: 5, ..Default::default() }, 10, &device)?;
//!
//! let tables = Tables::new(&config, &corpus, Modalities::default())?;
//! let mut trainer = Trainer::new(model, tables, config, corpus, device)?;
//! trainer.fit(&mut Silent)?;
//! let figures = trainer.evaluate(Split::Test, &batches)?;
//! assert_eq!(figures.users, 40);
//! # Ok(()) }
//! ```
//!
//! A step: rows of the [`Table`]s are gathered into leaf tensors, the model scores, the gradients of dense weights
//! go to burn's Adam and those of the rows to the tables' own.

mod bundle;
mod checkpoint;
mod clip;
mod config;
mod embed;
mod error;
mod evaluate;
mod exchange;
mod fit;
mod host;
pub mod metrics;
mod observer;
mod optimizer;
mod popularity;
mod pretrain;
mod progress;
mod recommender;
pub mod report;
mod run;
mod schedule;
mod scorer;
mod scoring;
mod step_log;
mod table;
mod taken;
mod trainer;
mod vocabulary;

pub use bundle::{About, Description, FrozenFile, Hash, check_bundle_folder};
pub use checkpoint::CheckpointConfig;
pub use config::TrainConfig;
pub use embed::{AttributeLists, EmbeddedBatch, Modalities, RowGradients, Tables, TablesSnapshot};
pub use error::{Error, Result};
pub use exchange::read_weights;
pub use metrics::{Evaluation, Metrics};
pub use observer::{Both, EpochInfo, Observer, Silent, StepInfo};
pub use popularity::{popularity, popularity_in_catalogue};
pub use progress::{FitReport, Phase, Progress};
pub use recommender::{
    Because, Candidates, CorpusHistories, Event, Filter, History, Hit, HitFormat, Item, ItemSet, Job,
    JobReport, Recommender, Request, SeenItems, Unknown,
};
pub use run::{Output, Run, Start};
pub use schedule::{Decay, Schedule};
pub use step_log::StepLog;
pub use table::{AdamConfig, Table, TableConfig, TableRows};
pub use taken::{RowMatching, WeightsTaken};
pub use trainer::Trainer;
pub use vocabulary::RowsTaken;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
