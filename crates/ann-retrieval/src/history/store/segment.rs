//! A segment: many users' behaviours in one file that is written once and mapped.
//!
//! ```text
//! 0   magic "SEMI-SEG" | 8 version u64 | 16 fingerprint u64 | 24 users u64 | 32 index offset u64 | 40 file length u64
//! 48  gone u64 (deletions and erasures) | 56 checksum u64 of the other 56 bytes and the index
//! 64  runs, one per user, each at a multiple of 8:
//!       user u64 | behaviours u32, deletions u32 | erased u64 | names' checksum u64 | codes' checksum u64
//!       event u64 per behaviour, oldest first | deleted event u64 per deletion
//!       codes: whole blocks as the scan wants them, then the rest one after another, padded
//!       checksum u64 per exact row | exact rows, padded
//!     index: user u64 each, ascending | offset of each run u64, and the end of the last
//! ```
//! Opening checks header and index. A run is checked when it is used: its names, its codes, and each exact row by itself.
//! A deletion concerns behaviours of older segments; `erased` ends them all.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use xxhash_rust::xxh3::Xxh3;

use super::layout::{Layout, check_at, check_row, damaged, padded, segment_path, word};
use crate::bytes::Bytes;
use crate::coded::{CodeList, Codec};
use crate::error::{Error, Result};

pub(super) const MAGIC: &[u8; 8] = b"SEMI-SEG";
pub(super) const VERSION: u64 = 1;
pub(super) const HEADER: usize = 64;
pub(super) const RUN_HEADER: usize = 40;

/// A mapped segment whose header and index are sound.
#[derive(Debug)]
pub(super) struct Segment {
    pub number: u64,
    path: PathBuf,
    map: Arc<Mmap>,
    users: usize,
    index: usize,
    /// Deletions and erasures that older segments have to be read with.
    pub gone: u64,
}

/// Where the parts of one user's run lie in the file.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub offset: usize,
    pub events: usize,
    pub deleted: usize,
    pub erased: bool,
    end: usize,
}

/// The checksum in a segment's header.
pub(super) fn seal(header: &[u8], index: impl FnOnce(&mut Xxh3)) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&header[..HEADER - 8]);
    index(&mut hash);
    hash.digest()
}

impl Segment {
    pub fn open<C: Codec>(folder: &Path, layout: &Layout<C>, number: u64) -> Result<Self> {
        let path = segment_path(folder, number);
        let file = File::open(&path).map_err(Error::io(&path, "cannot open"))?;
        // SAFETY: the mapping is read-only, and a segment is complete before it is named in the manifest and never
        // written again. That another program writes into it is excluded by documentation only, as for every
        // memory-mapped format.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(&path, "cannot map"))?;
        if map.len() < HEADER || &map[..8] != MAGIC {
            return Err(damaged(&path, 0, format_args!("not a segment ({} bytes)", map.len())));
        }
        let [version, fingerprint, users, index, length, gone, own] =
            [8, 16, 24, 32, 40, 48, 56].map(|at| word(&map, at));
        if version != VERSION {
            return Err(damaged(&path, 8, format_args!("version {version} where {VERSION} is understood")));
        }
        if fingerprint != layout.fingerprint {
            return Err(damaged(&path, 16, "the segment belongs to another store"));
        }
        let expected = users.checked_mul(16).and_then(|n| n.checked_add(index)?.checked_add(8));
        if length != map.len() as u64 || expected != Some(length) || index % 8 != 0 || index < HEADER as u64 {
            return Err(damaged(
                &path,
                24,
                format_args!("{} bytes, which its header contradicts", map.len()),
            ));
        }
        let (users, index) = (users as usize, index as usize);
        if seal(&map[..HEADER], |hash| hash.update(&map[index..])) != own {
            return Err(damaged(
                &path,
                56,
                "the checksum of header and index is wrong: the file was altered; restore it from a copy",
            ));
        }
        let segment = Self { number, path, map: Arc::new(map), users, index, gone };
        let ascending = (1..users).all(|i| segment.user(i - 1) < segment.user(i));
        let whole = (0..users).all(|i| {
            let (start, end) = (segment.start(i), segment.start(i + 1));
            end % 8 == 0 && start.saturating_add(RUN_HEADER as u64) <= end
        });
        if !ascending || !whole || segment.start(0) != HEADER as u64 || segment.start(users) != index as u64 {
            return Err(damaged(&segment.path, index as u64, "the index contradicts itself"));
        }
        Ok(segment)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    pub fn users(&self) -> usize {
        self.users
    }

    /// The user of run `i`.
    pub fn user(&self, i: usize) -> u64 {
        word(&self.map, self.index + 8 * i)
    }

    fn start(&self, i: usize) -> u64 {
        word(&self.map, self.index + 8 * (self.users + i))
    }

    /// The run of a user, if there is one.
    pub fn find<C: Codec>(&self, layout: &Layout<C>, user: u64) -> Result<Option<Run>> {
        let (mut low, mut high) = (0, self.users);
        while low < high {
            let middle = low.midpoint(high);
            if self.user(middle) < user { low = middle + 1 } else { high = middle }
        }
        if low < self.users && self.user(low) == user { self.run(layout, low).map(Some) } else { Ok(None) }
    }

    /// Run `i`, its names checked.
    pub fn run<C: Codec>(&self, layout: &Layout<C>, i: usize) -> Result<Run> {
        let (offset, end) = (self.start(i) as usize, self.start(i + 1) as usize);
        let bytes = &self.map[offset..end];
        let counts = word(bytes, 8);
        let (events, deleted) = ((counts & u64::from(u32::MAX)) as usize, (counts >> 32) as usize);
        let run = Run { offset, events, deleted, erased: word(bytes, 16) == 1, end };
        let names = RUN_HEADER + 8 * (events + deleted);
        let length = names + padded(events * layout.code) + run.rows_bytes(layout);
        if length != bytes.len() || word(bytes, 0) != self.user(i) {
            return Err(self.damaged(&run, "a run's header was altered"));
        }
        if word(bytes, 24) != check_names(offset, &bytes[..24], &bytes[RUN_HEADER..names]) {
            return Err(self.damaged(&run, "the checksum of a run's events is wrong: it was altered"));
        }
        Ok(run)
    }

    fn damaged(&self, run: &Run, message: &str) -> Error {
        let user = word(&self.map, run.offset);
        let advice = "restore the file from a copy, or erase this user";
        damaged(&self.path, run.offset as u64, format_args!("user {user}: {message}; {advice}"))
    }

    fn part(&self, run: &Run, part: Range<usize>) -> &[u8] {
        &self.map[run.offset + part.start..run.offset + part.end]
    }

    pub fn event(&self, run: &Run, i: usize) -> u64 {
        word(&self.map, run.offset + RUN_HEADER + 8 * i)
    }

    pub fn events(&self, run: &Run) -> impl ExactSizeIterator<Item = u64> {
        words(self.part(run, RUN_HEADER..RUN_HEADER + 8 * run.events))
    }

    pub fn deleted(&self, run: &Run) -> impl ExactSizeIterator<Item = u64> {
        let start = RUN_HEADER + 8 * run.events;
        words(self.part(run, start..start + 8 * run.deleted))
    }

    /// Checks the codes of a run and the list of its rows' checksums.
    pub fn check_codes<C: Codec>(&self, layout: &Layout<C>, run: &Run) -> Result<()> {
        let codes = run.codes_start();
        let end = run.rows_start(layout) - run.offset;
        if check_at(run.offset as u64, self.part(run, codes..end)) == word(&self.map, run.offset + 32) {
            return Ok(());
        }
        Err(self.damaged(run, "the checksum of a run's codes is wrong: it was altered"))
    }

    /// The whole blocks of a run, mapped.
    pub fn blocks<C: Codec>(&self, layout: &Layout<C>, run: &Run) -> CodeList<C> {
        let (start, rows) = (run.offset + run.codes_start(), layout.in_blocks(run.events));
        CodeList::over(Bytes::mapped(self.map.clone(), start..start + rows * layout.code), rows)
    }

    /// The code of behaviour `i`, which lies behind the whole blocks.
    pub fn loose_code<C: Codec>(&self, layout: &Layout<C>, run: &Run, i: usize) -> &[u8] {
        debug_assert!(i >= layout.in_blocks(run.events));
        let start = run.codes_start() + i * layout.code;
        self.part(run, start..start + layout.code)
    }

    /// Copies the code of behaviour `i`.
    pub fn code<C: Codec>(&self, layout: &Layout<C>, run: &Run, i: usize, code: &mut [u8]) {
        if i >= layout.in_blocks(run.events) {
            return code.copy_from_slice(self.loose_code(layout, run, i));
        }
        let length = C::BLOCK * layout.code;
        let start = run.codes_start() + i / C::BLOCK * length;
        layout.codec.take(self.part(run, start..start + length), i % C::BLOCK, code);
    }

    /// The exact row of behaviour `i`, checked.
    pub fn row<C: Codec>(&self, layout: &Layout<C>, run: &Run, i: usize) -> Result<&[u8]> {
        let start = run.rows_start(layout) + i * layout.row;
        let row = &self.map[start..start + layout.row];
        if check_row(row) == word(&self.map, run.rows_start(layout) - 8 * (run.events - i)) {
            return Ok(row);
        }
        Err(damaged(&self.path, start as u64, "the checksum of a row is wrong: it was altered"))
    }

    /// Whether the padding at the end of a run is zeros, as it was written; merging asks, as it reads everything.
    pub fn ends_in_zeros<C: Codec>(&self, layout: &Layout<C>, run: &Run) -> Result<()> {
        let end = run.rows_start(layout) + run.events * layout.row;
        match self.map[end..run.end].iter().all(|&byte| byte == 0) {
            true => Ok(()),
            false => Err(self.damaged(run, "the padding of a run was altered")),
        }
    }
}

impl Run {
    fn codes_start(&self) -> usize {
        RUN_HEADER + 8 * (self.events + self.deleted)
    }

    /// Bytes of exact rows and their checksums.
    fn rows_bytes<C>(&self, layout: &Layout<C>) -> usize {
        if layout.row == 0 { 0 } else { 8 * self.events + padded(self.events * layout.row) }
    }

    /// Offset of the exact rows in the file.
    fn rows_start<C>(&self, layout: &Layout<C>) -> usize {
        let checks = if layout.row == 0 { 0 } else { 8 * self.events };
        self.offset + self.codes_start() + padded(self.events * layout.code) + checks
    }
}

fn words(bytes: &[u8]) -> impl ExactSizeIterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word))
}

/// The checksum of a run's counts and events.
pub(super) fn check_names(offset: usize, counts: &[u8], names: &[u8]) -> u64 {
    let mut hash = Xxh3::with_seed(offset as u64);
    hash.update(counts);
    hash.update(names);
    hash.digest()
}
