//! A table of vectors, checked once.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::persist::{Reader, Writer};

/// Rows of equal width, row-major; every number is finite. Rows may have ids of their own.
///
/// ```
/// use seminar_ann_retrieval::{AnnIndex, HnswConfig, Metric, Vectors};
/// let rows = Vectors::new(1, vec![3.0, 2.0])?.with_ids(vec![700, 12])?;
/// let index = HnswConfig::default().build(&rows, Metric::InnerProduct)?;
/// assert_eq!(index.search(&[1.0], 1)?[0].id, 700);
/// # Ok::<(), seminar_ann_retrieval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    dim: usize,
    rows: Vec<f32>,
    ids: Option<Vec<u64>>,
}

impl Vectors {
    /// Takes `rows.len() / dim` vectors.
    ///
    /// # Errors
    /// If `dim` is 0, the last row is not whole, or a number is not finite.
    pub fn new(dim: usize, rows: Vec<f32>) -> Result<Self> {
        if dim == 0 {
            return Err(Error::Config { field: "dim", message: "must be at least 1".into() });
        }
        if !rows.len().is_multiple_of(dim) {
            return Err(Error::Dimension { what: "the last row", expected: dim, found: rows.len() % dim });
        }
        match rows.iter().position(|x| !x.is_finite()) {
            Some(at) => Err(Error::NotFiniteRow { row: at / dim }),
            None => Ok(Self { dim, rows, ids: None }),
        }
    }

    /// The rows under ids, under which an index that is built from them returns them. Without ids, a row's number is its id.
    ///
    /// # Errors
    /// If there are more or fewer ids than rows, or one comes twice.
    pub fn with_ids(mut self, ids: Vec<u64>) -> Result<Self> {
        if ids.len() != self.len() {
            return Err(Error::Dimension { what: "the ids", expected: self.len(), found: ids.len() });
        }
        let mut seen = HashSet::with_capacity(ids.len());
        if let Some(&twice) = ids.iter().find(|&&id| !seen.insert(id)) {
            return Err(Error::Duplicate(twice));
        }
        self.ids = Some(ids);
        Ok(self)
    }

    /// The ids, where the rows have some of their own.
    pub fn ids(&self) -> Option<&[u64]> {
        self.ids.as_deref()
    }

    /// Width of each vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.rows.len() / self.dim
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Vector `index`, from 0.
    ///
    /// # Panics
    /// If there is no such vector.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.rows[index * self.dim..][..self.dim]
    }

    /// At most `most` rows, evenly spaced and without ids where they are fewer: for training on a part.
    pub fn sample(&self, most: usize) -> Cow<'_, Self> {
        let kept = most.clamp(1, self.len().max(1));
        if kept >= self.len() {
            return Cow::Borrowed(self);
        }
        let spaced = (0..kept as u128).map(|i| (i * self.len() as u128 / kept as u128) as usize);
        let rows = spaced.flat_map(|row| self.row(row)).copied().collect();
        Cow::Owned(Self { dim: self.dim, rows, ids: None })
    }

    /// The row of a code; the first one for a code that is none.
    pub(crate) fn row_or_first(&self, code: u8) -> &[f32] {
        let code = usize::from(code);
        self.row(if code < self.len() { code } else { 0 })
    }

    /// Multiplies every number; one that would go beyond the largest becomes the largest.
    pub(crate) fn scale(&mut self, factor: f32) {
        self.rows.iter_mut().for_each(|x| *x = (*x * factor).clamp(f32::MIN, f32::MAX));
    }

    /// All numbers, row-major.
    pub fn as_slice(&self) -> &[f32] {
        &self.rows
    }

    /// The ids under which an index takes the rows: their own, or `first`, `first + 1`, ….
    pub(crate) fn named_from(&self, first: u64) -> Result<Cow<'_, [u64]>> {
        if let Some(ids) = &self.ids {
            return Ok(Cow::Borrowed(ids));
        }
        let len = self.len() as u64;
        match first.checked_add(len.saturating_sub(1)) {
            Some(_) => Ok(Cow::Owned((0..len).map(|row| first + row).collect())),
            None => {
                let message = format!("{len} ids from {first} on go beyond the largest, {}", u64::MAX);
                Err(Error::Config { field: "first", message })
            }
        }
    }

    /// Names the numbers in a file.
    pub(crate) fn write<'a>(&'a self, name: &str, out: &mut Writer<'a>) {
        out.put_own(&format!("{name}.dim"), &[self.dim as u64]);
        out.put(name, &self.rows);
    }

    /// Takes the numbers from a file.
    pub(crate) fn read(name: &str, from: &Reader) -> Result<Self> {
        let [dim] = from.header(&format!("{name}.dim"))?;
        let rows: Vec<f32> = from.numbers(name)?;
        let dim = usize::try_from(dim).map_err(|_| from.damaged("a width does not fit"))?;
        Self::new(dim, rows).map_err(|error| from.damaged(format!("`{name}`: {error}")))
    }

    /// Takes a number of equal tables from a file; at least one, none of them empty.
    pub(crate) fn read_books(from: &Reader) -> Result<Vec<Self>> {
        let shape = from.header::<3>("books")?;
        let centroids: Vec<f32> = from.numbers("centroids")?;
        let product = shape.iter().try_fold(1u64, |all, &n| all.checked_mul(n));
        from.ensure(product == Some(centroids.len() as u64) && !centroids.is_empty(), "codebooks")?;
        let [_, rows, dim] = shape.map(|n| n as usize);
        let books = centroids.chunks_exact(rows * dim).map(|book| Self::new(dim, book.to_vec()));
        books.collect::<Result<_>>().map_err(|error| from.damaged(format!("codebooks: {error}")))
    }
}
