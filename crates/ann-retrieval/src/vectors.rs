//! A table of vectors, checked once.

use crate::error::{Error, Result};

/// Rows of equal width, row-major; every number is finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    dim: usize,
    rows: Vec<f32>,
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
            Some(at) => Err(Error::NotFinite { row: at / dim }),
            None => Ok(Self { dim, rows }),
        }
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

    /// All numbers, row-major.
    pub fn as_slice(&self) -> &[f32] {
        &self.rows
    }
}
