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
}
