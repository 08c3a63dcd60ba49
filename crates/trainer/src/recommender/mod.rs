//! Recommendations from a saved model.
//!
//! | file | holds |
//! |---|---|
//! | `core` | [`Recommender`]: a saved model, opened |
//! | `history`, `numbering`, `logs` | [`History`]: a caller's events, their numbers, the users of a corpus |
//! | `request`, `items`, `format` | what is asked for and what comes back |
//! | `answers` | `recommend`, `recommend_batch`, `score`, `similar` |
//! | `rank`, `explain` | scoring in chunks and the best of them; the events that they lean on |
//! | `job` | all users of a corpus, into one file |

mod answers;
mod core;
mod explain;
mod format;
mod history;
mod items;
mod job;
mod logs;
mod numbering;
mod rank;
mod request;

pub use self::core::Recommender;
pub use format::HitFormat;
pub use history::{Event, History, Unknown};
pub use items::{Item, ItemSet};
pub use job::{Job, JobReport};
pub use logs::CorpusHistories;
pub use request::{Because, Candidates, Filter, Hit, Request, SeenItems};
