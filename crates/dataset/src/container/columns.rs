//! Columns of a container that hold rows of different lengths: lists of numbers, and texts.

use std::str;

use bytemuck::Pod;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::{Column, Container};
use crate::error::Result;
use crate::ragged::row;

/// Rows of different lengths: a column of offsets and a column of values. By default there are no rows.
#[derive(Debug, Default)]
pub(crate) struct RaggedColumn<T> {
    offsets: Column<u64>,
    values: Column<T>,
}

impl<T: Pod> RaggedColumn<T> {
    /// Finds both columns and checks that every row lies within the values.
    pub fn open(file: &Container, offsets: &str, values: &str) -> Result<Self> {
        let column = Self { offsets: file.column(offsets)?, values: file.column(values)? };
        let (stored, len) = (column.offsets(file), column.values(file).len());
        if stored.is_empty() || !offsets_fit(stored, stored.len() - 1, len) {
            return Err(file.damaged(format!("section `{offsets}` is inconsistent")));
        }
        Ok(column)
    }

    /// One more than there are rows, from 0, never falling.
    pub fn offsets<'a>(&self, file: &'a Container) -> &'a [u64] {
        file.get(&self.offsets)
    }

    /// All rows, back to back.
    pub fn values<'a>(&self, file: &'a Container) -> &'a [T] {
        file.get(&self.values)
    }

    /// Number of rows.
    pub fn rows(&self, file: &Container) -> usize {
        self.offsets(file).len().saturating_sub(1)
    }

    /// Row `index`, from 0. Panics if there is no such row.
    pub fn row<'a>(&self, file: &'a Container, index: usize) -> &'a [T] {
        row(self.offsets(file), self.values(file), index)
    }
}

/// Texts that are checked together.
const RUN: usize = 1024;

/// Texts, checked to be UTF-8 when the file is opened. By default there are none.
#[derive(Debug, Default)]
pub(crate) struct TextColumn(RaggedColumn<u8>);

impl TextColumn {
    /// Finds both columns and checks every text.
    pub fn open(file: &Container, offsets: &str, bytes: &str) -> Result<Self> {
        let column = RaggedColumn::<u8>::open(file, offsets, bytes)?;
        let (offsets, all) = (column.offsets(file), column.values(file));
        // A long run of texts at a time, then the ends of each: much quicker than a check per text, and one pass over memory.
        let sound = |first: usize| {
            let ends = &offsets[first..(first + RUN + 1).min(offsets.len())];
            let (start, end) = (ends[0] as usize, ends[ends.len() - 1] as usize);
            let run = str::from_utf8(&all[start..end]);
            run.is_ok_and(|run| ends.iter().all(|&at| run.is_char_boundary(at as usize - start)))
        };
        let rows = 0..offsets.len() - 1;
        // Waking other threads takes longer than a few runs do.
        let sound = match rows.len() > 16 * RUN {
            true => rows.into_par_iter().step_by(RUN).all(sound),
            false => rows.step_by(RUN).all(sound),
        };
        if !sound {
            return Err(file.damaged(format!("section `{bytes}` is not UTF-8")));
        }
        Ok(Self(column))
    }

    /// The offsets and the bytes of all texts.
    pub fn parts<'a>(&self, file: &'a Container) -> (&'a [u64], &'a [u8]) {
        (self.0.offsets(file), self.0.values(file))
    }

    /// Number of texts.
    pub fn rows(&self, file: &Container) -> usize {
        self.0.rows(file)
    }

    /// Text `index`, from 0. Panics if there is no such text.
    pub fn get<'a>(&self, file: &'a Container, index: usize) -> &'a str {
        // Every text was checked when the file was opened; an empty text is the answer if that is ever wrong.
        str::from_utf8(self.0.row(file, index)).unwrap_or_default()
    }
}

/// Whether offsets cut `values` values into `rows` rows.
pub(crate) fn offsets_fit(offsets: &[u64], rows: usize, values: usize) -> bool {
    offsets.len() == rows + 1
        && offsets[0] == 0
        && offsets[rows] == values as u64
        && offsets.windows(2).all(|pair| pair[0] <= pair[1])
}

#[cfg(test)]
mod tests {
    use super::super::ContainerWriter;
    use super::*;

    fn texts(offsets: &[u64], bytes: &[u8]) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        ContainerWriter::new(b"test    ").section("o", offsets).section("b", bytes).write(&path)?;
        let file = Container::open(&path, b"test    ")?;
        let column = TextColumn::open(&file, "o", "b")?;
        Ok((0..column.rows(&file)).map(|index| column.get(&file, index).to_owned()).collect())
    }

    #[test]
    fn each_text_is_utf8_by_itself() {
        let bytes = "aé€".as_bytes();
        assert_eq!(texts(&[0, 1, 1, 3, 6], bytes).unwrap(), ["a", "", "é", "€"]);
        assert!(texts(&[0, 2, 6], bytes).is_err(), "é is cut in two");
        assert!(texts(&[0, 1], b"\xff").is_err());
        for rows in [2 * RUN, 20 * RUN] {
            let even: Vec<u64> = (0..=rows as u64).map(|row| 2 * row).collect();
            let mut many = "é".repeat(rows).into_bytes();
            assert_eq!(texts(&even, &many).unwrap(), vec!["é"; rows]);
            let mut cut = even.clone();
            cut[RUN] += 1;
            assert!(texts(&cut, &many).is_err(), "é is cut between two runs");
            many[2 * rows - 1] = b'a';
            assert!(texts(&even, &many).is_err(), "the last text is damaged");
        }
    }

    #[test]
    fn offsets_that_do_not_fit_are_an_error() {
        for offsets in [&[][..], &[0], &[1, 3], &[0, 2], &[0, 4], &[0, 2, 1, 3], &[0, u64::MAX, 3]] {
            assert!(texts(offsets, b"abc").is_err(), "{offsets:?}");
        }
        assert_eq!(texts(&[0], b"").unwrap(), [""; 0]);
    }
}
