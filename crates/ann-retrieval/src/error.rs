//! What can go wrong.

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Every failure of this crate; each says what was expected and what came.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
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
    /// A vector with NaN or infinity.
    #[error("row {row} holds a number that is not finite")]
    NotFinite {
        /// The row, from 0.
        row: usize,
    },
    /// A setting cannot work.
    #[error("{field}: {message}")]
    Config {
        /// The setting's name.
        field: &'static str,
        /// What is wrong with its value.
        message: String,
    },
}
