//! Encoding a large catalogue takes hours: finished chunks go to a journal, and a killed run goes on after the last one.
//!
//! ```text
//! 0   magic "EMBJRNL1" | 8 items u64 | 16 dim u64 | 24 fingerprint u64
//! 32  records: length of the payload u64 | checksum of the payload u64 | payload
//!     payload: vectors u32, failures u32, item ids u32 each, vectors f32, then item u32 | length u32 | text a failure
//! ```

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::embeddings::{EmbeddingTable, Precision};
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"EMBJRNL1";
const HEADER: usize = 32;

/// An item and why it has no vector.
pub type Failure = (u32, String);

/// Vectors that are known so far, in memory and on the disk.
#[derive(Debug)]
pub struct EmbeddingJournal {
    path: PathBuf,
    file: File,
    table: EmbeddingTable,
    dim: usize,
    chunks: usize,
    failures: Vec<Failure>,
    /// Where the whole records end: what a failed write left behind it is written over.
    end: u64,
}

impl EmbeddingJournal {
    /// Goes on with the journal at `path` if it was begun for as many items, the same width and the same fingerprint
    /// (of whatever decides the vectors); begins a new one otherwise. What a kill left half-written is dropped.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn open(path: &Path, items: usize, dim: usize, fingerprint: u64) -> Result<Self> {
        let mut table = EmbeddingTable::new(items, dim)?;
        let mut header = MAGIC.to_vec();
        for number in [items as u64, dim as u64, fingerprint] {
            header.extend(number.to_le_bytes());
        }
        let fail = || Error::io(path, "cannot open");
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(path).map_err(fail())?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::io(path, "cannot read"))?;
        let (mut chunks, mut failures, mut end) = (0, Vec::new(), HEADER);
        if bytes.get(..HEADER) == Some(&header) {
            while let Some((payload, next)) = record(&bytes, end) {
                let Some(()) = apply(payload, dim, &mut table, &mut failures) else { break };
                (chunks, end) = (chunks + 1, next);
            }
            file.set_len(end as u64).map_err(fail())?;
        } else {
            file.set_len(0).map_err(fail())?;
            file.seek(SeekFrom::Start(0)).map_err(fail())?;
            file.write_all(&header).map_err(Error::io(path, "cannot write"))?;
        }
        Ok(Self { path: path.to_owned(), file, table, dim, chunks, failures, end: end as u64 })
    }

    /// Chunks that are finished.
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// Adds a finished chunk: the vectors `[items.len(), dim]`, and the items that have none with the reason. When this
    /// returns, the chunk is on the disk.
    ///
    /// # Errors
    /// An unknown item, another width, or the file system's refusal.
    pub fn append(&mut self, items: &[u32], rows: &[f32], failures: &[Failure]) -> Result<()> {
        if rows.len() != items.len() * self.dim {
            let message = format!("{} numbers for {} vectors of {}", rows.len(), items.len(), self.dim);
            return Err(Error::Config { field: "rows", message });
        }
        let mut payload = Vec::with_capacity(8 + 4 * (items.len() + rows.len()));
        payload.extend((items.len() as u32).to_le_bytes());
        payload.extend((failures.len() as u32).to_le_bytes());
        items.iter().for_each(|item| payload.extend(item.to_le_bytes()));
        rows.iter().for_each(|x| payload.extend(x.to_le_bytes()));
        for (item, reason) in failures {
            payload.extend(item.to_le_bytes());
            payload.extend((reason.len() as u32).to_le_bytes());
            payload.extend(reason.as_bytes());
        }
        for (item, row) in items.iter().zip(rows.chunks_exact(self.dim)) {
            self.table.set(*item, row)?;
        }
        let mut record = (payload.len() as u64).to_le_bytes().to_vec();
        record.extend(xxh3_64(&payload).to_le_bytes());
        record.extend(payload);
        let write = |file: &mut File| {
            file.seek(SeekFrom::Start(self.end))?;
            file.write_all(&record)?;
            file.sync_data()
        };
        write(&mut self.file).map_err(Error::io(&self.path, "cannot write"))?;
        self.end += record.len() as u64;
        self.failures.extend_from_slice(failures);
        self.chunks += 1;
        Ok(())
    }

    /// Writes the embedding file, removes the journal and returns the items without a vector.
    ///
    /// # Errors
    /// If the file system refuses; the journal then stays.
    pub fn finish(self, target: &Path, precision: Precision) -> Result<Vec<Failure>> {
        self.table.write(target, precision)?;
        drop(self.file);
        std::fs::remove_file(&self.path).map_err(Error::io(&self.path, "cannot remove"))?;
        Ok(self.failures)
    }
}

/// A whole record at a place: its payload and where the next one begins.
fn record(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?));
    let (length, checksum) = (usize::try_from(long(at)?).ok()?, long(at + 8)?);
    let end = (at + 16).checked_add(length)?;
    let payload = bytes.get(at + 16..end)?;
    (xxh3_64(payload) == checksum).then_some((payload, end))
}

/// Puts a payload's vectors into the table.
fn apply(payload: &[u8], dim: usize, table: &mut EmbeddingTable, failures: &mut Vec<Failure>) -> Option<()> {
    let mut at = 0;
    let mut word = || {
        let bytes = payload.get(at..at + 4)?;
        at += 4;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let (count, failed) = (word()? as usize, word()? as usize);
    let items: Vec<u32> = (0..count).map(|_| word()).collect::<Option<_>>()?;
    let length = count.checked_mul(dim)?.checked_mul(4)?;
    let rows: Vec<f32> = payload
        .get(at..at.checked_add(length)?)?
        .as_chunks()
        .0
        .iter()
        .map(|&b| f32::from_le_bytes(b))
        .collect();
    at += length;
    for (item, row) in items.iter().zip(rows.chunks_exact(dim)) {
        table.set(*item, row).ok()?;
    }
    for _ in 0..failed {
        let head = payload.get(at..at + 8)?;
        let (item, length) = head.split_at(4);
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let reason = payload.get(at + 8..at + 8 + length)?;
        failures
            .push((u32::from_le_bytes(item.try_into().ok()?), String::from_utf8_lossy(reason).into_owned()));
        at += 8 + length;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embeddings::Embeddings;

    fn chunk(n: u32) -> ([u32; 2], [f32; 6], Vec<Failure>) {
        let row = std::array::from_fn(|i| (n * 10) as f32 + i as f32);
        ([2 * n + 1, 2 * n + 2], row, vec![(100 + n, format!("reason {n}"))])
    }

    /// Cut off anywhere, or with any byte altered, a journal goes on and ends with the same file.
    #[test]
    fn every_cut_and_every_flip_ends_in_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("text.emb.partial"), folder.path().join("text.emb"));
        let finish = || {
            let mut journal = EmbeddingJournal::open(&path, 200, 3, 77).unwrap();
            for n in journal.chunks() as u32..4 {
                let (items, rows, failures) = chunk(n);
                journal.append(&items, &rows, &failures).unwrap();
            }
            let failures = journal.finish(&target, Precision::F32).unwrap();
            assert!(!path.exists());
            (std::fs::read(&target).unwrap(), failures)
        };
        let expected = finish();
        assert_eq!(expected.1.len(), 4);
        assert_eq!(Embeddings::open(&target).unwrap().ids(), [1, 2, 3, 4, 5, 6, 7, 8]);
        let mut journal = EmbeddingJournal::open(&path, 200, 3, 77).unwrap();
        for n in 0..3 {
            let (items, rows, failures) = chunk(n);
            journal.append(&items, &rows, &failures).unwrap();
        }
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(finish() == expected, "cut off at {length}");
        }
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1 << (at % 8);
            std::fs::write(&path, &altered).unwrap();
            assert!(finish() == expected, "byte {at} altered");
        }
    }

    #[test]
    fn another_fingerprint_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let mut journal = EmbeddingJournal::open(&path, 9, 3, 1).unwrap();
        journal.append(&[1, 2], &[0.5; 6], &[]).unwrap();
        assert!(
            journal.append(&[1], &[0.5; 6], &[]).is_err() && journal.append(&[10], &[0.5; 3], &[]).is_err()
        );
        assert_eq!(EmbeddingJournal::open(&path, 9, 3, 1).unwrap().chunks(), 1);
        assert_eq!(EmbeddingJournal::open(&path, 9, 3, 2).unwrap().chunks(), 0);
        assert_eq!(EmbeddingJournal::open(&path, 9, 3, 1).unwrap().chunks(), 0);
    }
}
