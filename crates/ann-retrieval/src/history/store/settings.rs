//! Settings and sizes of a store.

/// What a store keeps of each behaviour; fixed when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Codes alone.
    Codes,
    /// Codes and exact rows: the best `factor · k` codes are scored again exactly.
    CodesAndRows {
        /// At least 1.
        factor: usize,
    },
}

/// When a store writes segments and merges them. The limits belong to an opened store, not to its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Bytes of the log at which it becomes a segment: 64 MiB. It bounds memory, to about twice as much, and the time of
    /// opening.
    pub log_bytes: u64,
    /// Segments above which neighbours of like size are merged, by the call that finds the log full: 8. With `usize::MAX` only
    /// [`HistoryStore::compact`](super::HistoryStore::compact) merges.
    pub segments: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self { log_bytes: 64 << 20, segments: 8 }
    }
}

/// Sizes of an opened store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSizes {
    /// Number of segments.
    pub segments: usize,
    /// Bytes of their files.
    pub segment_bytes: u64,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Bytes of memory for what the log holds. Segments are mapped: the system keeps of them in memory what it has room
    /// for.
    pub memory_bytes: usize,
}
