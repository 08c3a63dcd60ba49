//! Sizes that all files of a store share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::coded::Codec;
use crate::error::{Error, Result};

/// The shape of a store's behaviours.
#[derive(Debug)]
pub(super) struct Layout<C> {
    pub codec: Arc<C>,
    pub modalities: usize,
    /// Exact rows are kept, and the best `factor · k` codes are scored again with them.
    pub factor: Option<usize>,
    /// Bytes of a code.
    pub code: usize,
    /// Bytes of an exact row; 0 if none is kept.
    pub row: usize,
    /// Tells the files of this kind of store from others.
    pub fingerprint: u64,
}

impl<C: Codec> Layout<C> {
    pub fn new(codec: Arc<C>, modalities: usize, factor: Option<usize>, fingerprint: u64) -> Self {
        let (code, width) = (codec.code_len(), codec.dim() * size_of::<f32>());
        Self { codec, modalities, factor, code, row: factor.map_or(0, |_| width), fingerprint }
    }

    /// Codes in whole blocks of a run of so many behaviours.
    pub fn in_blocks(&self, events: usize) -> usize {
        events / C::BLOCK * C::BLOCK
    }
}

/// Everything in the files begins at a multiple of 8.
pub(super) fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(8)
}

/// Fills up to a multiple of 8 with zeros.
pub(super) fn pad(out: &mut Vec<u8>) {
    out.resize(padded(out.len()), 0);
}

/// The checksum of bytes that lie at an offset: the same bytes elsewhere have another.
pub(super) fn check_at(offset: u64, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, offset)
}

/// The checksum of an exact row, which moves with the row when segments are merged.
pub(super) fn check_row(row: &[u8]) -> u64 {
    xxh3_64(row)
}

/// The number at `at`.
///
/// # Panics
/// If the bytes end before it: callers have compared lengths.
pub(super) fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

pub(super) fn log_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.log"))
}

pub(super) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.segment"))
}

pub(super) fn damaged(path: &Path, offset: u64, message: impl std::fmt::Display) -> Error {
    Error::Damaged { path: path.into(), message: format!("at byte {offset}: {message}") }
}

/// Puts names of a folder on the disk.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    std::fs::File::open(folder)
        .and_then(|directory| directory.sync_all())
        .map_err(Error::io(folder, "cannot write to the disk"))
}
