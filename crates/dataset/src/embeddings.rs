//! Embedding files: one vector per item, as f32 or f16, with presence bits and a checksum.

use std::path::Path;

use half::f16;
use rayon::prelude::*;

use crate::container::{Column, Container, ContainerWriter};
use crate::error::{Error, Result};

const EMBEDDINGS: &[u8; 8] = b"embeds  ";

/// How numbers are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 4 bytes.
    #[default]
    F32,
    /// 2 bytes.
    F16,
}

/// Vectors in memory, by item id, on their way into a file.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingTable {
    dim: usize,
    rows: Vec<f32>,
    present: Vec<bool>,
    /// Vectors that held NaN or infinity and were left out.
    pub refused: u64,
}

impl EmbeddingTable {
    /// A table for items `1..=items`, with no vector in it yet.
    ///
    /// # Errors
    /// If `dim` is 0 or the table does not fit into memory's address range.
    pub fn new(items: usize, dim: usize) -> Result<Self> {
        let size = items.checked_add(1).and_then(|rows| rows.checked_mul(dim)).filter(|_| dim > 0);
        let Some(size) = size.filter(|&s| s < 1 << 40) else {
            return Err(Error::Config {
                field: "dim",
                message: format!("{items} items of {dim} dimensions"),
            });
        };
        Ok(Self { dim, rows: vec![0.0; size], present: vec![false; items + 1], refused: 0 })
    }

    /// Width of the vectors.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many items have a vector.
    pub fn count(&self) -> usize {
        self.present.iter().filter(|&&present| present).count()
    }

    /// Stores the vector of an item; one with NaN or infinity is left out and counted.
    ///
    /// # Errors
    /// An unknown item, or another width than the table's.
    pub fn set(&mut self, item: u32, vector: &[f32]) -> Result<()> {
        if item == 0 || item as usize >= self.present.len() {
            let message = format!("item {item} is not among the {} items", self.present.len() - 1);
            return Err(Error::Config { field: "item", message });
        }
        if vector.len() != self.dim {
            let message = format!("item {item} has {} dimensions, the table {}", vector.len(), self.dim);
            return Err(Error::Config { field: "dim", message });
        }
        if vector.iter().any(|x| !x.is_finite()) {
            self.refused += 1;
            return Ok(());
        }
        self.rows[item as usize * self.dim..][..self.dim].copy_from_slice(vector);
        self.present[item as usize] = true;
        Ok(())
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// If a number is too large for 16 bits, or the file system refuses.
    pub fn write(&self, path: &Path, precision: Precision) -> Result<()> {
        let ids: Vec<u32> = (0..self.present.len() as u32).filter(|&i| self.present[i as usize]).collect();
        let mut bits = vec![0u8; self.present.len().div_ceil(8)];
        ids.iter().for_each(|&id| bits[id as usize / 8] |= 1 << (id % 8));
        let shape = [self.present.len() as u64 - 1, self.dim as u64];
        let vectors = ids.iter().flat_map(|&id| &self.rows[id as usize * self.dim..][..self.dim]);
        let writer = ContainerWriter::new(EMBEDDINGS).section("shape", &shape).section("ids", &ids);
        let writer = writer.section("present", &bits);
        match precision {
            Precision::F16 if vectors.clone().any(|&x| !f16::from_f32(x).is_finite()) => {
                let message = format!("a vector holds a number beyond {}, the largest of 16 bits", f16::MAX);
                Err(Error::Config { field: "precision", message })
            }
            Precision::F32 => writer.section("f32", &vectors.copied().collect::<Vec<f32>>()).write(path),
            Precision::F16 => {
                let halves: Vec<f16> = vectors.map(|&x| f16::from_f32(x)).collect();
                writer.section("f16", &halves).write(path)
            }
        }
    }
}

/// An embedding file, memory-mapped.
#[derive(Debug)]
pub struct Embeddings {
    file: Container,
    items: usize,
    dim: usize,
    ids: Column<u32>,
    present: Column<u8>,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    F32(Column<f32>),
    F16(Column<f16>),
}

impl Embeddings {
    /// Opens a file written by [`EmbeddingTable::write`].
    ///
    /// # Errors
    /// If it is missing, damaged in any way, or holds NaN or infinity.
    pub fn open(path: &Path) -> Result<Self> {
        let file = Container::open(path, EMBEDDINGS)?;
        let shape = file.column::<u64>("shape")?;
        let [items, dim] = *file.get(&shape) else {
            return Err(file.damaged("section `shape` does not hold two numbers"));
        };
        let (ids, present) = (file.column::<u32>("ids")?, file.column::<u8>("present")?);
        let (len, rows) = match file.column::<f32>("f32") {
            Ok(column) => (file.get(&column).len(), Rows::F32(column)),
            Err(_) => {
                let column = file.column::<f16>("f16")?;
                (file.get(&column).len(), Rows::F16(column))
            }
        };
        let stored = file.get(&ids);
        let sorted = stored.windows(2).all(|pair| pair[0] < pair[1]);
        let in_range = stored.first() != Some(&0) && stored.last().is_none_or(|&id| u64::from(id) <= items);
        let sizes = (stored.len() as u64).checked_mul(dim) == Some(len as u64)
            && items.checked_add(1).map(|n| n.div_ceil(8)) == Some(file.get(&present).len() as u64);
        if !(sorted && in_range && sizes && dim > 0) {
            return Err(file.damaged("its sections do not fit each other"));
        }
        let found = Self { items: items as usize, dim: dim as usize, ids, present, rows, file };
        match found.not_finite() {
            Some(item) => Err(found.file.damaged(format!("the vector of item {item} holds NaN or infinity"))),
            None => Ok(found),
        }
    }

    /// The first item whose vector is not of finite numbers.
    fn not_finite(&self) -> Option<u32> {
        let at = match &self.rows {
            Rows::F32(column) => self.file.get(column).par_iter().position_first(|x| !x.is_finite()),
            Rows::F16(column) => self.file.get(column).par_iter().position_first(|x| !x.is_finite()),
        };
        self.ids().get(at? / self.dim).copied()
    }

    /// Largest item id that the file is made for.
    pub fn item_count(&self) -> usize {
        self.items
    }

    /// The file's checksum: it differs, but for accidents, between files that differ in anything.
    pub fn checksum(&self) -> u64 {
        self.file.checksum()
    }

    /// Width of the vectors.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Ids of the items that have a vector, ascending.
    pub fn ids(&self) -> &[u32] {
        self.file.get(&self.ids)
    }

    /// Whether an item has a vector.
    pub fn is_present(&self, item: u32) -> bool {
        let bits = self.file.get(&self.present);
        bits.get(item as usize / 8).is_some_and(|byte| byte & (1 << (item % 8)) != 0)
    }

    /// Copies the vector of an item into `out`; false, and `out` untouched, where there is none.
    ///
    /// # Panics
    /// If `out` has another width than the file.
    pub fn read(&self, item: u32, out: &mut [f32]) -> bool {
        let Some(row) = self.row_of(item) else { return false };
        let range = row * self.dim..(row + 1) * self.dim;
        match &self.rows {
            Rows::F32(column) => out.copy_from_slice(&self.file.get(column)[range]),
            Rows::F16(column) => {
                let halves = &self.file.get(column)[range];
                out.iter_mut().zip(halves).for_each(|(o, h)| *o = h.to_f32());
            }
        }
        true
    }

    /// The row in which an item's vector is stored.
    fn row_of(&self, item: u32) -> Option<usize> {
        let ids = self.ids();
        if ids.len() == self.items {
            // Ascending ids from 1 to `items`, and as many: every item is there, at its place.
            return (item as usize).checked_sub(1).filter(|&row| row < self.items);
        }
        ids.binary_search(&item).ok()
    }
}
