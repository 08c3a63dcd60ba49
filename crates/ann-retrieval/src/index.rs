//! What every index can do.

use crate::error::Result;

/// A found vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbor {
    /// Its id.
    pub id: u64,
    /// Its similarity to the query; larger is nearer.
    pub score: f32,
}

/// A searchable set of vectors. Each kind is built by a function of its own; only searching is shared.
pub trait AnnIndex: Send + Sync {
    /// The `k` nearest, best first, ties by id. Fewer if the index holds fewer.
    ///
    /// # Errors
    /// If the query has another width than the index.
    fn search(&self, query: &[f32], k: usize) -> Result<Vec<Neighbor>>;

    /// Number of vectors.
    fn len(&self) -> usize;

    /// Whether there is no vector.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Width of the vectors.
    fn dim(&self) -> usize;

    /// Memory that a vector takes, in bytes.
    fn bytes_per_item(&self) -> usize;
}
