//! What can go wrong.

use std::path::{Path, PathBuf};

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Every failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading data failed.
    #[error(transparent)]
    Data(#[from] seminar_dataset::Error),
    /// A model cannot be built or refreshed.
    #[error(transparent)]
    Model(#[from] seminar_models::Error),
    /// A setting cannot work.
    #[error("{field}: {message}")]
    Config {
        /// The setting's name.
        field: &'static str,
        /// What is wrong with its value.
        message: String,
    },
    /// A loss or score is NaN or infinite.
    #[error("{what} is not finite at step {step}: the training diverged, or the data holds such numbers")]
    NotFinite {
        /// Which number.
        what: &'static str,
        /// Optimiser steps taken.
        step: u64,
    },
    /// The file system refused.
    #[error("{}: {doing}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was attempted.
        doing: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A folder that holds a run already.
    #[error("{}: {message}", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// What is there, and what to do.
        message: &'static str,
    },
    /// An observer asked training to stop. With checkpoints, one was written first.
    #[error("stopped after step {step}")]
    Stopped {
        /// Optimiser steps of this phase.
        step: u64,
    },
    /// A checkpoint does not fit what it is loaded into.
    #[error("{file}: {message}")]
    Checkpoint {
        /// The file.
        file: String,
        /// What was expected and what came.
        message: String,
    },
    /// A folder holds no model that can be served.
    #[error("{}: {message}", path.display())]
    Bundle {
        /// The folder or file.
        path: PathBuf,
        /// What was expected, what came, and what to do.
        message: String,
    },
    /// A number that no row of a table stands for.
    #[error(
        "{field}: there is no {what} {id}, only 1 to {last}: it came after training, or its number is another corpus's"
    )]
    UnknownId {
        /// Item or keyword.
        what: &'static str,
        /// Where it stands: history or candidates.
        field: &'static str,
        /// The number.
        id: u32,
        /// The largest that there is.
        last: u32,
    },
    /// An item that the model does not know, where that was not to be passed over.
    #[error("the model knows no item `{item}`; its items are named like `{example}`")]
    UnknownItem {
        /// The name that was given.
        item: String,
        /// A name that it knows.
        example: String,
    },
    /// A score that cannot be ranked.
    #[error(
        "the score of item `{item}` is not a finite number: the weights are damaged, or their training diverged"
    )]
    NotAScore {
        /// The item's name.
        item: String,
    },
    /// Metrics that no ranking can have.
    #[error("impossible metrics: {0}")]
    Impossible(String),
}

impl Error {
    /// Wraps a file-system failure with its path and the attempted action.
    pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.to_path_buf(), doing, source }
    }
}
