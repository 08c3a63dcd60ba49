//! What every index can do, and what some can.

use std::borrow::Cow;
use std::path::Path;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::kernel::float::dot;
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::search::{Hits, Search};
use crate::vectors::Vectors;

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
    /// result is shorter only if fewer than `k` are accepted.
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

    /// Whether there is a vector of this id.
    fn contains(&self, id: u64) -> bool;

    /// The vector of an id as the index keeps it: scaled to length 1 under the cosine, decoded where it is kept as a code.
    /// None for an id that is not there, and for codes that cannot be decoded, such as signs.
    fn vector(&self, id: u64) -> Option<Cow<'_, [f32]>>;

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

    /// What a search asks for in full: filter, least score, and whether there was more to find.
    ///
    /// # Errors
    /// As [`AnnIndex::search_into`], or if the least score is NaN.
    fn hits(&self, query: &[f32], search: &Search<'_>) -> Result<Hits> {
        let least = search.least_score.unwrap_or(f32::NEG_INFINITY);
        if least.is_nan() {
            return Err(Error::NotFinite { what: "the least score" });
        }
        let mut found = Vec::new();
        // One more, to learn whether there is one.
        self.search_into(query, search.k.saturating_add(1), search.filter, &mut found)?;
        found.truncate(found.partition_point(|n| n.score >= least));
        let exhausted = found.len() <= search.k;
        found.truncate(search.k);
        Ok(Hits { found, exhausted })
    }

    /// The `k` nearest of each of many queries `[n, dim]`, on all threads.
    ///
    /// # Errors
    /// As [`AnnIndex::search_into`], or if the last query is not whole.
    fn search_many(&self, queries: &[f32], k: usize) -> Result<Vec<Vec<Neighbor>>> {
        rows_of(queries, self.dim())?.map(|query| self.search(query, k)).collect()
    }

    /// [`AnnIndex::hits`] of each of many queries `[n, dim]`, on all threads.
    ///
    /// # Errors
    /// As [`AnnIndex::search_many`].
    fn hits_many(&self, queries: &[f32], search: &Search<'_>) -> Result<Vec<Hits>> {
        rows_of(queries, self.dim())?.map(|query| self.hits(query, search)).collect()
    }
}

/// An index that vectors can be added to and removed from.
///
/// Where a search compares all vectors, it then gives the same result as in an index built from the remaining vectors with
/// the same codebooks. A graph links what is added and mends what is removed: its recall is kept.
pub trait Update: AnnIndex {
    /// Adds a vector under an id that is not in the index.
    ///
    /// # Errors
    /// If the id is there already, or the vector does not fit.
    fn add(&mut self, id: u64, row: &[f32]) -> Result<()>;

    /// Adds many vectors, on all threads: under the ids of the table or, where it has none, `first`, `first + 1`, ….
    ///
    /// # Errors
    /// If an id is there already, the ids or the rows are more than there can be, or the rows do not fit; nothing is added
    /// then.
    fn extend(&mut self, first: u64, rows: &Vectors) -> Result<()>;

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

    /// Writes one file: the new one is complete, or the old one stays. Whoever has the old one open goes on with it. A kill in
    /// between may leave `.NAME.….tmp` beside it, which may be removed.
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
            message: "vectors have at least 1 number, and 0 were asked for".into(),
        }),
        _ => Ok(()),
    }
}

/// Queries side by side, for all threads.
fn rows_of(queries: &[f32], dim: usize) -> Result<rayon::slice::ChunksExact<'_, f32>> {
    check_width(dim)?;
    match queries.len() % dim {
        0 => Ok(queries.par_chunks_exact(dim)),
        found => Err(Error::Dimension { what: "the last query", expected: dim, found }),
    }
}

/// Whether scores can be numbers: the square of a length must be one, and that of the largest distance. Under the cosine
/// everything is scaled to length 1.
fn is_short(metric: Metric, row: &[f32]) -> bool {
    metric == Metric::Cosine || (4.0 * dot(row, row)).is_finite()
}

/// Refuses rows that are too long for scores that are numbers.
pub(crate) fn check_lengths(metric: Metric, rows: &Vectors) -> Result<()> {
    match rows.as_slice().chunks_exact(rows.dim()).position(|row| !is_short(metric, row)) {
        Some(row) => Err(Error::TooLarge { row }),
        None => Ok(()),
    }
}

/// Checks a query or a row, and that scores of it are numbers.
pub(crate) fn check_scored(what: &'static str, metric: Metric, row: &[f32], dim: usize) -> Result<()> {
    check(what, row, dim)?;
    if is_short(metric, row) { Ok(()) } else { Err(Error::TooLong { what }) }
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
