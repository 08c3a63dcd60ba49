//! What can go wrong.

use std::path::{Path, PathBuf};

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Every failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The encoder has no model for this kind of input.
    #[error("this encoder does not read {0}")]
    Unsupported(&'static str),
    /// The file system refused. The message leaves the reason to [`std::error::Error::source`].
    #[error("{path}: {doing}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed, such as `cannot open`.
        doing: &'static str,
        /// The system's reason; its kind tells a missing file from a forbidden one.
        source: std::io::Error,
    },
    /// A file of weights that is not what it should be.
    #[error("{file}: {message}")]
    Checkpoint {
        /// The file.
        file: String,
        /// What is wrong with it.
        message: String,
    },
    /// A setting that no model has.
    #[error("{0}")]
    Setting(String),
    /// An image that cannot be used.
    #[error("image: {0}")]
    Image(String),
    /// The model's result cannot be read.
    #[error("model: {0}")]
    Model(String),
}

impl Error {
    /// Wraps a failure of the file system with its path and the attempted action.
    pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.into(), doing, source }
    }
}
