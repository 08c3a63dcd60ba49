//! What can go wrong.

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
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Its answer.
        source: std::io::Error,
    },
    /// A checkpoint does not fit what it is loaded into.
    #[error("{file}: {message}")]
    Checkpoint {
        /// The file.
        file: String,
        /// What was expected and what came.
        message: String,
    },
    /// Figures that no ranking can have.
    #[error("impossible figures: {0}")]
    Impossible(String),
}
