//! Tables of a saved model: rows are read from the mapped weight file.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
use rayon::prelude::*;
use seminar_models::weights::{Array, Placed, StateDict, places};

use super::description::{Hash, hash_of_blocks, problem};
use crate::embed::ReadRows;
use crate::error::{Error, Result};

/// Maps a file of a bundle.
pub fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(Error::io(path, "cannot open"))?;
    // SAFETY: the mapping is read-only, and this crate never writes a bundle in place: it exchanges whole folders, which
    // leaves the mapped inode alone. That another program overwrites the file while it is mapped is excluded by
    // documentation only, as for every memory-mapped format.
    unsafe { Mmap::map(&file) }.map_err(Error::io(path, "cannot map"))
}

/// Numbers that one thread looks through.
const NUMBERS: usize = 1 << 20;

/// A weight file, mapped and checked.
pub struct WeightFile {
    map: Arc<Mmap>,
    places: BTreeMap<String, Placed>,
}

impl WeightFile {
    /// Maps a file whose bytes must have this hash, and whose numbers must be finite.
    pub fn open(path: &Path, hash: &Hash) -> Result<Self> {
        let map = map(path)?;
        if hash_of_blocks(&map) != *hash {
            return Err(problem(path, "checksum differs: the file is damaged or belongs to another model"));
        }
        let places = places(&map, &path.display().to_string())?;
        for (name, place) in &places {
            let numbers = map[place.range.clone()].as_chunks::<4>().0;
            let bad = |bytes: &&[u8; 4]| !f32::from_le_bytes(**bytes).is_finite();
            let count: usize =
                numbers.par_chunks(NUMBERS).map(|numbers| numbers.iter().filter(bad).count()).sum();
            if count > 0 {
                return Err(problem(
                    path,
                    format!("`{name}` holds {count} numbers that are NaN or infinite"),
                ));
            }
        }
        Ok(Self { map: Arc::new(map), places })
    }

    /// Takes a table out of the file, if it has one of this name.
    pub fn take_table(&mut self, name: &str) -> Option<MappedTable> {
        let Placed { shape, range } = self.places.remove(name)?;
        let [rows, width] = shape[..] else { return None };
        Some(MappedTable { map: self.map.clone(), start: range.start, rows, width })
    }

    /// All other tensors, copied.
    pub fn rest(&self) -> StateDict {
        let copy = |(name, Placed { shape, range }): (&String, &Placed)| {
            let values = self.map[range.clone()].as_chunks().0.iter().map(|&b| f32::from_le_bytes(b));
            (name.clone(), Array { shape: shape.clone(), values: values.collect() })
        };
        self.places.iter().map(copy).collect()
    }
}

/// A matrix in a mapped file.
#[derive(Debug)]
pub struct MappedTable {
    map: Arc<Mmap>,
    start: usize,
    rows: usize,
    width: usize,
}

impl MappedTable {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

impl ReadRows for MappedTable {
    fn width(&self) -> usize {
        self.width
    }

    fn read(&self, ids: &[u32]) -> Vec<f32> {
        let size = 4 * self.width;
        let mut out = Vec::with_capacity(ids.len() * self.width);
        for &id in ids {
            // Tensors of other names may follow: a row beyond the table must not be one of theirs.
            assert!((id as usize) < self.rows, "row {id} of {}", self.rows);
            let bytes = &self.map[self.start + id as usize * size..][..size];
            out.extend(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)));
        }
        out
    }
}
