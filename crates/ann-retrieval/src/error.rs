//! What can go wrong.

use std::path::{Path, PathBuf};

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Every failure of this crate; each says what was expected and what came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A vector or table of another width.
    #[error("{what}: expected {expected} numbers, got {found}")]
    Dimension {
        /// Which thing.
        what: &'static str,
        /// What the index holds.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// A query or vector with NaN or infinity.
    #[error("{what} holds a number that is not finite")]
    NotFinite {
        /// Which thing.
        what: &'static str,
    },
    /// A table with NaN or infinity.
    #[error("row {row} holds a number that is not finite")]
    NotFiniteRow {
        /// The row, from 0.
        row: usize,
    },
    /// A row whose numbers are finite, but not their squares.
    #[error("row {row} is too long: the square of its length is not finite; scale the rows down")]
    TooLarge {
        /// The row, from 0.
        row: usize,
    },
    /// A query or vector whose numbers are finite, but not their squares.
    #[error("{what} is too long: the square of its length is not finite; scale it down")]
    TooLong {
        /// Which thing.
        what: &'static str,
    },
    /// A setting cannot work.
    #[error("{field}: {message}")]
    Config {
        /// The setting's name.
        field: &'static str,
        /// What is wrong with its value.
        message: String,
    },
    /// An id that is there already, or given twice.
    #[error("id {0} is there already, or given twice")]
    Duplicate(u64),
    /// Whoever watched the building stopped it.
    #[error("stopped before all vectors were linked")]
    Stopped,
    /// A behaviour that the history, or the user in a store, does not have.
    #[error("event {0} is not in the history of this user")]
    Unknown(u64),
    /// The file system refused. The message leaves the reason to [`std::error::Error::source`].
    #[error("{path}: {doing}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What failed, such as `cannot open`.
        doing: &'static str,
        /// The system's reason; its kind tells a missing file from a forbidden one.
        source: std::io::Error,
    },
    /// A file that is not what it should be.
    #[error("{path}: {message}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
}

impl Error {
    /// Wraps a failure of the file system with its path and the attempted action.
    pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.into(), doing, source }
    }
}
