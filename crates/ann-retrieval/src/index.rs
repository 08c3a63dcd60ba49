//! What every index can do, and what some can.

use std::path::Path;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::persist::{Reader, Writer};

/// A found vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbor {
    /// Its id.
    pub id: u64,
    /// Its similarity to the query; larger is nearer.
    pub score: f32,
}

/// A searchable set of vectors. Each kind is built by a function of its own; searching is shared.
pub trait AnnIndex: Send + Sync {
    /// Replaces the contents of `out` with the `k` nearest vectors that the filter accepts, best first, ties by id. The
    /// result is shorter if fewer are accepted.
    ///
    /// # Errors
    /// If the query has another width than the index, or holds a number that is not finite.
    fn search_into(
        &self,
        query: &[f32],
        k: usize,
        filter: Option<&dyn Filter>,
        out: &mut Vec<Neighbor>,
    ) -> Result<()>;

    /// Number of vectors.
    fn len(&self) -> usize;

    /// Width of the vectors.
    fn dim(&self) -> usize;

    /// Bytes of memory in all: vectors, codes, links, ids and codebooks.
    fn bytes(&self) -> usize;

    /// Whether there is no vector.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes per vector: [`AnnIndex::bytes`], codebooks included, over the number of vectors.
    fn bytes_per_item(&self) -> f64 {
        self.bytes() as f64 / self.len().max(1) as f64
    }

    /// The `k` nearest, best first.
    ///
    /// # Errors
    /// As [`AnnIndex::search_into`].
    fn search(&self, query: &[f32], k: usize) -> Result<Vec<Neighbor>> {
        let mut out = Vec::new();
        self.search_into(query, k, None, &mut out)?;
        Ok(out)
    }

    /// The `k` nearest that the filter accepts, best first.
    ///
    /// # Errors
    /// As [`AnnIndex::search_into`].
    fn search_filtered(&self, query: &[f32], k: usize, filter: &dyn Filter) -> Result<Vec<Neighbor>> {
        let mut out = Vec::new();
        self.search_into(query, k, Some(filter), &mut out)?;
        Ok(out)
    }

    /// The `k` nearest of each of many queries `[n, dim]`, on all threads.
    ///
    /// # Errors
    /// As [`AnnIndex::search_into`].
    fn search_many(&self, queries: &[f32], k: usize) -> Result<Vec<Vec<Neighbor>>> {
        check_width(self.dim())?;
        if !queries.len().is_multiple_of(self.dim()) {
            let found = queries.len() % self.dim();
            return Err(Error::Dimension { what: "the last query", expected: self.dim(), found });
        }
        queries.par_chunks_exact(self.dim()).map(|query| self.search(query, k)).collect()
    }
}

/// An index that vectors can be added to and removed from. Searches then give the same result as in an index built
/// from the remaining vectors with the same codebooks.
pub trait Update: AnnIndex {
    /// Adds a vector under an id that is not in the index.
    ///
    /// # Errors
    /// If the id is there already, or the vector does not fit.
    fn add(&mut self, id: u64, row: &[f32]) -> Result<()>;

    /// Removes a vector. Returns whether it was in the index.
    fn remove(&mut self, id: u64) -> bool;
}

/// An index that can be saved to a file, which opening maps into memory.
///
/// The trait is sealed in effect: [`Writer`] and [`Reader`] have no public methods, so only types of this crate can
/// implement it.
pub trait Persist: Sized {
    /// Eight letters in the file's header that tell the kind of index.
    const KIND: [u8; 8];

    /// Names the parts of the index.
    fn write<'a>(&'a self, out: &mut Writer<'a>);

    /// Takes the parts from an opened file and checks that they belong together.
    ///
    /// # Errors
    /// If a part is missing or does not fit the others.
    fn read(from: &Reader) -> Result<Self>;

    /// Writes one file: the new one is complete, or the old one stays.
    ///
    /// # Errors
    /// The file system's refusal.
    fn save(&self, path: &Path) -> Result<()> {
        let mut out = Writer::new(Self::KIND);
        self.write(&mut out);
        out.save(path)
    }

    /// Maps a file that [`Persist::save`] wrote.
    ///
    /// # Errors
    /// If the file is missing, of another kind or version, cut off or altered.
    fn open(path: &Path) -> Result<Self> {
        Self::read(&Reader::open(path, Self::KIND)?)
    }
}

/// Refuses an index of vectors without numbers: codecs of any width can be made.
pub(crate) fn check_width(dim: usize) -> Result<()> {
    match dim {
        0 => Err(Error::Config {
            field: "dim",
            message: "vectors have at least 1 number, this index 0".into(),
        }),
        _ => Ok(()),
    }
}

/// Checks a query or a row.
pub(crate) fn check(what: &'static str, row: &[f32], dim: usize) -> Result<()> {
    if row.len() != dim {
        return Err(Error::Dimension { what, expected: dim, found: row.len() });
    }
    if row.iter().any(|x| !x.is_finite()) {
        return Err(Error::NotFinite { what });
    }
    Ok(())
}
