//! One file of named columns: versioned, checksummed, memory-mapped, opened without parsing.
//!
//! ```text
//! 0   magic "SEMINAR\0" | 8 kind | 16 version u32, sections u32 | 24 file length u64 | 32 checksum u64
//! 64  section table: per section  name [16] | element size u64 | offset u64 | bytes u64
//!     sections, each at a multiple of 64
//! ```
//! Numbers are little-endian. The checksum (XXH3) covers every byte of the file but its own eight.

mod columns;

use std::fs::File;
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytemuck::Pod;
use memmap2::Mmap;
use xxhash_rust::xxh3::Xxh3;

use crate::atomic;
use crate::error::{Error, Result};
pub(crate) use columns::{RaggedColumn, TextColumn, offsets_fit};

const MAGIC: &[u8; 8] = b"SEMINAR\0";
const VERSION: u32 = 1;
const HEADER: usize = 64;
const ENTRY: usize = 40;
const ALIGN: usize = 64;
const MAX_SECTIONS: usize = 64;
const CHECKSUM: Range<usize> = 32..40;
/// Bytes from which on a file is checked by two threads.
const LARGE: usize = 1 << 22;

#[cfg(target_endian = "big")]
compile_error!("corpus and embedding files are mapped as they are, which needs a little-endian machine");

/// Collects sections and writes them as one file.
pub struct ContainerWriter<'a> {
    kind: [u8; 8],
    version: u32,
    sections: Vec<(String, usize, &'a [u8])>,
}

impl<'a> ContainerWriter<'a> {
    /// An empty file of a kind: eight bytes, such as `corpus` and two spaces.
    pub fn new(kind: &[u8; 8]) -> Self {
        Self { kind: *kind, version: VERSION, sections: Vec::new() }
    }

    /// Sets the version of this kind of file, which is 1 otherwise.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Adds a column.
    ///
    /// # Panics
    /// If the name has more than 16 bytes.
    pub fn section<T: Pod>(mut self, name: impl Into<String>, values: &'a [T]) -> Self {
        let name = name.into();
        assert!(name.len() <= 16, "`{name}` is too long for the name of a section");
        self.sections.push((name, size_of::<T>(), bytemuck::cast_slice(values)));
        self
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// The file system's refusal; an older file is then as it was.
    pub fn write(&self, path: &Path) -> Result<()> {
        atomic::write_file(path, |out| self.write_to(out).map_err(Error::io(path, "cannot write")))
    }

    /// The same file in memory.
    pub(crate) fn in_memory(&self) -> Container {
        let mut words = vec![0u64; self.length().div_ceil(8)];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        // The memory is as long as what is written.
        let _ = self.write_to(&mut Cursor::new(bytes));
        let mut file =
            Container { path: PathBuf::from("memory"), map: Bytes::Memory(words), sections: Vec::new() };
        file.sections = file.read_table().unwrap_or_default();
        file
    }

    fn length(&self) -> usize {
        let head = HEADER + ENTRY * self.sections.len();
        self.sections.iter().fold(head.next_multiple_of(ALIGN), |at, (_, _, bytes)| {
            (at + bytes.len()).next_multiple_of(ALIGN)
        })
    }

    fn write_to(&self, out: &mut (impl Write + Seek)) -> std::io::Result<()> {
        let mut head = vec![0; HEADER + ENTRY * self.sections.len()];
        let mut offset = head.len().next_multiple_of(ALIGN);
        for (entry, (name, size, bytes)) in head[HEADER..].chunks_exact_mut(ENTRY).zip(&self.sections) {
            entry[..name.len()].copy_from_slice(name.as_bytes());
            entry[16..24].copy_from_slice(&(*size as u64).to_le_bytes());
            entry[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
            entry[32..40].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
            offset = (offset + bytes.len()).next_multiple_of(ALIGN);
        }
        head[..8].copy_from_slice(MAGIC);
        head[8..16].copy_from_slice(&self.kind);
        head[16..20].copy_from_slice(&self.version.to_le_bytes());
        head[20..24].copy_from_slice(&(self.sections.len() as u32).to_le_bytes());
        head[24..32].copy_from_slice(&(offset as u64).to_le_bytes());

        let mut hash = Xxh3::new();
        hash.update(&head[..CHECKSUM.start]);
        hash.update(&head[CHECKSUM.end..]);
        let padding = [0; ALIGN];
        let mut put = |out: &mut dyn Write, bytes: &[u8], at: &mut usize| {
            hash.update(bytes);
            *at += bytes.len();
            out.write_all(bytes)
        };
        out.write_all(&head)?;
        let mut at = head.len();
        for (_, _, bytes) in &self.sections {
            let gap = at.next_multiple_of(ALIGN) - at;
            put(out, &padding[..gap], &mut at)?;
            put(out, bytes, &mut at)?;
        }
        let gap = at.next_multiple_of(ALIGN) - at;
        put(out, &padding[..gap], &mut at)?;
        out.seek(SeekFrom::Start(CHECKSUM.start as u64))?;
        out.write_all(&hash.digest().to_le_bytes())?;
        out.flush()
    }
}

/// An opened file whose length, table and checksum are right.
#[derive(Debug)]
pub struct Container {
    path: PathBuf,
    map: Bytes,
    sections: Vec<(String, usize, Range<usize>)>,
}

/// Where the bytes of a container are: aligned for numbers of eight bytes at least.
#[derive(Debug)]
enum Bytes {
    Map(Mmap),
    Memory(Vec<u64>),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Map(map) => map,
            Self::Memory(words) => bytemuck::cast_slice(words),
        }
    }
}

/// A column of a container: where it lies. [`Container::get`] gives the values.
#[derive(Clone, Debug)]
pub struct Column<T> {
    range: Range<usize>,
    element: std::marker::PhantomData<fn() -> T>,
}

impl<T> Default for Column<T> {
    /// No values.
    fn default() -> Self {
        Self { range: 0..0, element: std::marker::PhantomData }
    }
}

impl Container {
    /// Maps a file and checks everything that does not depend on what its columns mean.
    ///
    /// # Errors
    /// If the file is not there, of another kind or version, cut off or altered.
    pub fn open(path: &Path, kind: &[u8; 8]) -> Result<Self> {
        Self::open_until(path, kind, VERSION)
    }

    /// Opens a file of version 1 to `newest`.
    ///
    /// # Errors
    /// As [`Container::open`].
    pub(crate) fn open_until(path: &Path, kind: &[u8; 8], newest: u32) -> Result<Self> {
        Ok(Self::open_checked(path, kind, newest, |_| Ok(()))?.0)
    }

    /// The version of the file.
    pub(crate) fn version(&self) -> u32 {
        self.word(16)
    }

    /// Opens a file, and does `check` with it on another thread while the checksum is formed: in a large file both take long.
    ///
    /// `check` may meet an altered file, so it must not trust it. Its result counts only if the file is sound.
    pub(crate) fn open_and<T: Send>(
        path: &Path,
        kind: &[u8; 8],
        check: impl FnOnce(&Self) -> Result<T> + Send,
    ) -> Result<(Self, T)> {
        Self::open_checked(path, kind, VERSION, check)
    }

    fn open_checked<T: Send>(
        path: &Path,
        kind: &[u8; 8],
        newest: u32,
        check: impl FnOnce(&Self) -> Result<T> + Send,
    ) -> Result<(Self, T)> {
        let file = File::open(path).map_err(Error::io(path, "cannot open"))?;
        // SAFETY: the mapping is read-only, and this crate never writes a file in place: it renames a new
        // one over it, which leaves the mapped inode alone. That another program overwrites the file while
        // it is mapped is excluded by documentation only, as for every memory-mapped format.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(path, "cannot map"))?;
        let mut file = Self { path: path.to_path_buf(), map: Bytes::Map(map), sections: Vec::new() };
        file.check_head(kind, newest)?;
        let table = file.read_table().map(|sections| file.sections = sections);
        let (sound, checked) = if file.map.len() < LARGE {
            (file.is_sound(), table.and_then(|()| check(&file)))
        } else {
            rayon::join(|| file.is_sound(), || table.and_then(|()| check(&file)))
        };
        if !sound {
            return Err(file.damaged("checksum differs: the file is damaged"));
        }
        Ok((file, checked?))
    }

    /// Checks what stands before the table of sections.
    fn check_head(&self, kind: &[u8; 8], newest: u32) -> Result<()> {
        let map = &self.map;
        if map.len() < HEADER || &map[..8] != MAGIC {
            return Err(self.damaged(format!("not a SEMINAR file ({} bytes)", map.len())));
        }
        if &map[8..16] != kind {
            let (found, wanted) = (String::from_utf8_lossy(&map[8..16]), String::from_utf8_lossy(kind));
            let (found, wanted) = (found.trim(), wanted.trim());
            return Err(self.damaged(format!("a `{found}` file where a `{wanted}` file is expected")));
        }
        if !(VERSION..=newest).contains(&self.version()) {
            let understood =
                if newest == VERSION { VERSION.to_string() } else { format!("{VERSION} to {newest}") };
            return Err(self.damaged(format!("version {} where {understood} is understood", self.version())));
        }
        if self.long(24) != map.len() as u64 {
            let (found, said) = (map.len(), self.long(24));
            return Err(
                self.damaged(format!("{found} bytes where its header says {said}: cut off or extended"))
            );
        }
        let count = self.word(20) as usize;
        if count > MAX_SECTIONS || map.len() < HEADER + ENTRY * count {
            return Err(self.damaged(format!("{count} sections do not fit")));
        }
        Ok(())
    }

    /// The names of the sections, the sizes of their elements and where they lie.
    fn read_table(&self) -> Result<Vec<(String, usize, Range<usize>)>> {
        let section = |index| {
            let at = HEADER + ENTRY * index;
            let name = String::from_utf8_lossy(&self.map[at..at + 16]).trim_end_matches('\0').to_owned();
            let (size, offset, bytes) = (self.long(at + 16), self.long(at + 24), self.long(at + 32));
            let end = offset.checked_add(bytes).filter(|&end| end <= self.map.len() as u64);
            let sound = offset % ALIGN as u64 == 0 && (1..=16).contains(&size) && bytes % size == 0;
            let Some(end) = end.filter(|_| sound) else {
                return Err(self.damaged(format!("section `{name}` lies outside the file")));
            };
            Ok((name, size as usize, offset as usize..end as usize))
        };
        (0..self.word(20) as usize).map(section).collect()
    }

    /// Whether the checksum is right.
    fn is_sound(&self) -> bool {
        let mut hash = Xxh3::new();
        hash.update(&self.map[..CHECKSUM.start]);
        hash.update(&self.map[CHECKSUM.end..]);
        hash.digest() == self.checksum()
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.map[at..at + 4].try_into().expect("4 bytes"))
    }

    fn long(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.map[at..at + 8].try_into().expect("8 bytes"))
    }

    /// As [`column`](Self::column), for one that older versions of the file do not have: it is empty there.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn column_since<T: Pod>(&self, version: u32, name: &str) -> Result<Column<T>> {
        match self.version() < version {
            true => Ok(Column::default()),
            false => self.column(name),
        }
    }

    /// Finds a column and checks its element size.
    ///
    /// # Errors
    /// If it is missing or holds other elements.
    pub fn column<T: Pod>(&self, name: &str) -> Result<Column<T>> {
        match self.sections.iter().find(|s| s.0 == name) {
            Some((_, size, range)) if *size == size_of::<T>() => {
                Ok(Column { range: range.clone(), element: std::marker::PhantomData })
            }
            Some((_, size, _)) => {
                let wanted = size_of::<T>();
                Err(self.damaged(format!("section `{name}` has elements of {size} bytes, not {wanted}")))
            }
            None => Err(self.damaged(format!("section `{name}` is missing"))),
        }
    }

    /// The values of a column of this container.
    pub fn get<T: Pod>(&self, column: &Column<T>) -> &[T] {
        // Sections start at multiples of 64 in a page-aligned mapping, and their size was checked.
        bytemuck::cast_slice(&self.map[column.range.clone()])
    }

    /// The checksum that the file holds over its content: equal files have equal ones.
    pub fn checksum(&self) -> u64 {
        self.long(CHECKSUM.start)
    }

    /// An error about this file.
    pub fn damaged(&self, message: impl Into<String>) -> Error {
        Error::damaged(&self.path, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_columns_equal_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        ContainerWriter::new(b"test    ")
            .section("bytes", &[1u8, 2, 3])
            .section("longs", &[7i64, -1])
            .section("none", &[0u32; 0])
            .write(&path)
            .unwrap();
        let file = Container::open(&path, b"test    ").unwrap();
        assert_eq!(file.get(&file.column::<u8>("bytes").unwrap()), [1, 2, 3]);
        assert_eq!(file.get(&file.column::<i64>("longs").unwrap()), [7, -1]);
        assert!(file.get(&file.column::<u32>("none").unwrap()).is_empty());
        assert!(file.column::<u32>("longs").is_err() && file.column::<u8>("absent").is_err());
        let stored = std::fs::read(&path).unwrap();
        assert_eq!(file.checksum().to_le_bytes(), stored[32..40]);
        assert!(Container::open(&path, b"other   ").unwrap_err().to_string().contains("`test`"));
    }

    #[test]
    fn a_wrong_checksum_comes_before_what_the_check_finds() {
        let folder = tempfile::tempdir().unwrap();
        for len in [1, LARGE] {
            let path = folder.path().join(len.to_string());
            ContainerWriter::new(b"test    ").section("bytes", &vec![7u8; len]).write(&path).unwrap();
            let open = |wanted: usize| {
                Container::open_and(&path, b"test    ", |file| {
                    let found = file.get(&file.column::<u8>("bytes")?).len();
                    if found == wanted { Ok(found) } else { Err(file.damaged("another length")) }
                })
            };
            assert_eq!(open(len).unwrap().1, len);
            assert!(open(0).unwrap_err().to_string().contains("another length"));
            // The first section lies at 128, its entry in the table at 64.
            for at in [64, 64 + 24, 128] {
                let mut damaged = std::fs::read(&path).unwrap();
                damaged[at] ^= 1;
                let whole = std::fs::read(&path).unwrap();
                std::fs::write(&path, damaged).unwrap();
                assert!(open(0).unwrap_err().to_string().contains("checksum"), "byte {at}");
                std::fs::write(&path, whole).unwrap();
            }
        }
    }
}
