//! What can go wrong.

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Every failure of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The encoder has no model for this kind of input.
    #[error("this encoder does not read {0}")]
    Unsupported(&'static str),
    /// A file of weights that is not what it should be.
    #[error("{file}: {message}")]
    Checkpoint {
        /// The file.
        file: String,
        /// What is wrong with it.
        message: String,
    },
    /// An image that cannot be used.
    #[error("image: {0}")]
    Image(String),
    /// The model's result cannot be read.
    #[error("model: {0}")]
    Model(String),
}
