//! Import of vectors from tab-separated text.

use std::path::Path;

use crate::embeddings::EmbeddingTable;
use crate::error::{Error, Result};
use crate::source::input::shown;
use crate::source::{LineReader, ReadOptions};

/// Reads lines of a key and the numbers of its vector, tab-separated: `key\tx\ty…`. The file may be gzip.
///
/// `item_of` says which item a key belongs to; keys without an item are counted in the second result. Vectors
/// with NaN or infinity are left out and counted in [`EmbeddingTable::refused`].
///
/// # Errors
/// A line with anything but numbers after its key, vectors that differ in dimension, or a file none of whose keys is an
/// item.
pub fn import_tsv(
    path: &Path,
    items: usize,
    item_of: impl FnMut(&str) -> Option<u32>,
) -> Result<(EmbeddingTable, u64)> {
    import_tsv_with(path, items, &ReadOptions::default(), item_of)
}

/// As [`import_tsv`], with a reader's tolerance. No line is skipped, whatever it allows.
///
/// # Errors
/// As [`import_tsv`].
pub fn import_tsv_with(
    path: &Path,
    items: usize,
    options: &ReadOptions,
    mut item_of: impl FnMut(&str) -> Option<u32>,
) -> Result<(EmbeddingTable, u64)> {
    let mut lines = LineReader::open(path, options)?;
    let mut table: Option<EmbeddingTable> = None;
    let mut extra = 0;
    while let Some(line) = lines.next_line()? {
        let fail = |message: String| Error::format(path, line.number, line.byte, message);
        let mut fields = line.text.split('\t');
        let Some(item) = fields.next().and_then(&mut item_of) else {
            extra += 1;
            continue;
        };
        let number = |(n, field): (usize, &str)| {
            let bad = |_| fail(format!("field {}: `{}` where a number is expected", n + 2, shown(field)));
            field.trim().parse().map_err(bad)
        };
        let vector = fields.enumerate().map(number).collect::<Result<Vec<f32>>>()?;
        let table = match &mut table {
            Some(table) => table,
            None => table.insert(EmbeddingTable::new(items, vector.len())?),
        };
        table.set(item, &vector).map_err(|error| fail(error.to_string()))?;
    }
    let none = || Error::damaged(path, format!("none of its {extra} keys is an item of the corpus"));
    Ok((table.ok_or_else(none)?, extra))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(text: &str) -> Result<(EmbeddingTable, u64)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        import_tsv(file.path(), 2, |key| {
            ["a", "b"].iter().position(|&name| name == key).map(|at| at as u32 + 1)
        })
    }

    #[test]
    fn keys_become_items() {
        let (table, extra) = import("b\t1\t-2.5\nelsewhere\t0\t0\na\t3\t4\n").unwrap();
        let mut expected = EmbeddingTable::new(2, 2).unwrap();
        expected.set(2, &[1.0, -2.5]).unwrap();
        expected.set(1, &[3.0, 4.0]).unwrap();
        assert_eq!((table, extra), (expected, 1));
    }

    #[test]
    fn errors_name_the_line() {
        for text in ["a\t1\t2\nb\t1\tx\n", "a\t1\t2\nb\t1\n"] {
            let error = import(text).unwrap_err().to_string();
            assert!(error.contains("line 2"), "{error}");
        }
        assert!(import("elsewhere\t1\n").is_err(), "no vector for any item");
        assert!(import("a\n").is_err(), "a vector of no numbers");
    }
}
