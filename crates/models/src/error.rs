//! What can go wrong: a configuration that cannot work, or weights that do not fit.

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Every failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting cannot work.
    #[error("{field}: {message}")]
    Config {
        /// The setting's name.
        field: &'static str,
        /// What is wrong with its value.
        message: String,
    },
    /// A weight file cannot be read, or does not fit the model.
    #[error("{file}: {message}")]
    Weights {
        /// The file.
        file: String,
        /// What was expected and what came.
        message: String,
    },
    /// Training a quantiser failed.
    #[error("codebooks: {0}")]
    Codebooks(#[from] seminar_ann_retrieval::Error),
}
