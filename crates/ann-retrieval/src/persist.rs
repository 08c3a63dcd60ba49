//! The file format of indexes: one file of named parts, versioned, checksummed, memory-mapped.
//!
//! ```text
//! 0   magic "SEMI-ANN" | 8 kind | 16 version u32, parts u32 | 24 file length u64 | 32 checksum u64 | 40 zeros
//! 64  table: per part  name [48] | offset u64 | bytes u64
//!     parts, each at a multiple of 64
//! ```
//! Numbers are little-endian. The checksum (XXH3) covers every byte of the file but its own eight. A part's length is
//! compared with the file's before anything is allocated for it.
//!
//! The `container` module of `seminar-dataset` has a similar format: neither crate may depend on the other.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytemuck::Pod;
use memmap2::Mmap;
use xxhash_rust::xxh3::Xxh3;

use crate::bytes::Bytes;
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"SEMI-ANN";
const VERSION: u32 = 1;
const HEADER: usize = 64;
const ENTRY: usize = 64;
const NAME: usize = 48;
const CHECKSUM: Range<usize> = 32..40;

#[cfg(target_endian = "big")]
compile_error!("index files are mapped as they are, which needs a little-endian machine");

/// Collects the parts of an index for [`Persist::write`](crate::Persist::write).
///
/// It has no public methods, so only types of this crate can implement [`Persist`](crate::Persist) and
/// [`StoredCodec`](crate::StoredCodec).
pub struct Writer<'a> {
    kind: [u8; 8],
    prefix: String,
    parts: Vec<(String, Cow<'a, [u8]>)>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(kind: [u8; 8]) -> Self {
        Self { kind, prefix: String::new(), parts: Vec::new() }
    }

    /// Adds a part that borrows its numbers from the index.
    pub(crate) fn put<T: Pod>(&mut self, name: &str, values: &'a [T]) {
        self.push(name, Cow::Borrowed(bytemuck::cast_slice(values)));
    }

    /// Adds a part with a copy of its numbers, for those that the index does not hold in this form.
    pub(crate) fn put_own<T: Pod>(&mut self, name: &str, values: &[T]) {
        self.push(name, Cow::Owned(bytemuck::cast_slice(values).to_vec()));
    }

    fn push(&mut self, name: &str, bytes: Cow<'a, [u8]>) {
        let name = format!("{}{name}", self.prefix);
        assert!(name.len() <= NAME, "the name of a part is a constant of this crate, and short");
        self.parts.push((name, bytes));
    }

    /// Adds the parts of an inner index.
    pub(crate) fn within(&mut self, name: &str, inner: impl FnOnce(&mut Self)) {
        let length = self.prefix.len();
        self.prefix.push_str(name);
        self.prefix.push('.');
        inner(self);
        self.prefix.truncate(length);
    }

    /// A number that differs where names or bytes of the parts differ.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hash = Xxh3::new();
        hash.update(&self.kind);
        for (name, bytes) in &self.parts {
            hash.update(&(name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
        hash.digest()
    }

    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // A kill leaves the file: its name says what it is.
        let prefix = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".tmp");
        // As for any new file, the process's mask decides who may read it.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(directory).map_err(Error::io(path, "cannot create"))?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        self.write_to(&mut out).map_err(Error::io(path, "cannot write"))?;
        let file = out.into_inner().map_err(|e| Error::io(path, "cannot write")(e.into_error()))?;
        file.as_file().sync_all().map_err(Error::io(path, "cannot write to the disk"))?;
        let temporary = file.into_temp_path();
        std::fs::rename(&temporary, path).map_err(Error::io(path, "cannot rename to"))?;
        // The temporary name is gone. Without this, dropping it would remove a file that took the same name since.
        let _ = temporary.keep();
        // The new name is on the disk only when the directory is.
        File::open(directory)
            .and_then(|d| d.sync_all())
            .map_err(Error::io(directory, "cannot write to the disk"))
    }

    pub(crate) fn write_to(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut head = vec![0; HEADER + ENTRY * self.parts.len()];
        let mut offset = head.len();
        for (entry, (name, bytes)) in head[HEADER..].chunks_exact_mut(ENTRY).zip(&self.parts) {
            entry[..name.len()].copy_from_slice(name.as_bytes());
            entry[NAME..][..8].copy_from_slice(&(offset as u64).to_le_bytes());
            entry[NAME + 8..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
            offset = (offset + bytes.len()).next_multiple_of(64);
        }
        head[..8].copy_from_slice(MAGIC);
        head[8..16].copy_from_slice(&self.kind);
        head[16..20].copy_from_slice(&VERSION.to_le_bytes());
        head[20..24].copy_from_slice(&(self.parts.len() as u32).to_le_bytes());
        head[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
        let padded = |bytes: &[u8]| bytes.len().next_multiple_of(64) - bytes.len();
        let checksum = digest(&head, |hash| {
            for (_, bytes) in &self.parts {
                hash.update(bytes);
                hash.update(&[0; 64][..padded(bytes)]);
            }
        });
        head[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        out.write_all(&head)?;
        for (_, bytes) in &self.parts {
            out.write_all(bytes)?;
            out.write_all(&[0; 64][..padded(bytes)])?;
        }
        out.flush()
    }
}

/// A kind of file as a person reads it.
pub(crate) fn name(kind: [u8; 8]) -> String {
    String::from_utf8_lossy(&kind).trim().escape_debug().to_string()
}

/// The checksum of a file: its first bytes are `head`, and `rest` adds the others to the hash.
fn digest(head: &[u8], rest: impl FnOnce(&mut Xxh3)) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&head[..CHECKSUM.start]);
    hash.update(&head[CHECKSUM.end..]);
    rest(&mut hash);
    hash.digest()
}

/// An opened file for [`Persist::read`](crate::Persist::read). Its length, table of parts and checksum are correct.
///
/// It has no public methods, so only types of this crate can implement [`Persist`](crate::Persist) and
/// [`StoredCodec`](crate::StoredCodec).
pub struct Reader {
    path: PathBuf,
    map: Arc<Mmap>,
    prefix: String,
    parts: Arc<[(String, Range<usize>)]>,
}

impl Reader {
    /// Opens a file of one kind.
    pub(crate) fn open(path: &Path, kind: [u8; 8]) -> Result<Self> {
        let (found, reader) = Self::open_kind(path, Some(kind))?;
        debug_assert_eq!(found, kind);
        Ok(reader)
    }

    /// Opens a file and says of which kind it is; with an expected kind, another one is an error.
    pub(crate) fn open_kind(path: &Path, expected: Option<[u8; 8]>) -> Result<([u8; 8], Self)> {
        let file = File::open(path).map_err(Error::io(path, "cannot open"))?;
        // SAFETY: the mapping is read-only, and this crate never writes a file in place: it renames a new one over
        // it, which leaves the mapped one alone. That another program writes into the file while it is mapped is
        // excluded by documentation only, as for every memory-mapped format.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io(path, "cannot map"))?;
        let bad = |message: String| Error::Damaged { path: path.into(), message };
        if map.len() < HEADER || &map[..8] != MAGIC {
            return Err(bad(format!("not an index file ({} bytes)", map.len())));
        }
        let kind: [u8; 8] = map[8..16].try_into().expect("8 bytes");
        if let Some(expected) = expected.filter(|&expected| expected != kind) {
            return Err(bad(format!("holds a `{}` where a `{}` is expected", name(kind), name(expected))));
        }
        let word = |at: usize| u32::from_le_bytes(map[at..at + 4].try_into().expect("4 bytes"));
        let long = |at: usize| u64::from_le_bytes(map[at..at + 8].try_into().expect("8 bytes"));
        if word(16) != VERSION {
            return Err(bad(format!("version {} where {VERSION} is understood", word(16))));
        }
        if long(24) != map.len() as u64 {
            return Err(bad(format!("{} bytes where its header says {}", map.len(), long(24))));
        }
        let end = (word(20) as usize).checked_mul(ENTRY).and_then(|table| table.checked_add(HEADER));
        let Some(end) = end.filter(|&end| end <= map.len()) else {
            return Err(bad(format!("a table of {} parts does not fit", word(20))));
        };
        if digest(&map[..end], |hash| hash.update(&map[end..])) != long(CHECKSUM.start) {
            return Err(bad(
                "the checksum is wrong: the file was altered; restore it from a copy, or build it again"
                    .into(),
            ));
        }
        let mut parts = Vec::new();
        for entry in (HEADER..end).step_by(ENTRY) {
            let name = String::from_utf8_lossy(&map[entry..entry + NAME]).trim_end_matches('\0').to_owned();
            let (offset, bytes) = (long(entry + NAME), long(entry + NAME + 8));
            match offset.checked_add(bytes) {
                Some(last) if offset.is_multiple_of(64) && last <= map.len() as u64 => {
                    parts.push((name, offset as usize..last as usize));
                }
                _ => return Err(bad(format!("part `{name}` lies outside the file"))),
            }
        }
        let reader =
            Self { path: path.into(), map: Arc::new(map), prefix: String::new(), parts: parts.into() };
        Ok((kind, reader))
    }

    /// A view of the parts of an inner index.
    pub(crate) fn within(&self, name: &str) -> Self {
        let prefix = format!("{}{name}.", self.prefix);
        Self { path: self.path.clone(), map: self.map.clone(), prefix, parts: self.parts.clone() }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.range(name).is_ok()
    }

    fn range(&self, name: &str) -> Result<Range<usize>> {
        let full = format!("{}{name}", self.prefix);
        let found = self.parts.iter().find(|(own, _)| *own == full);
        found
            .map(|(_, range)| range.clone())
            .ok_or_else(|| self.damaged(format!("there is no part `{full}`")))
    }

    /// A part as it lies in the file.
    pub(crate) fn bytes(&self, name: &str) -> Result<Bytes> {
        Ok(Bytes::mapped(self.map.clone(), self.range(name)?))
    }

    /// A copy of a part.
    pub(crate) fn numbers<T: Pod>(&self, name: &str) -> Result<Vec<T>> {
        let bytes = &self.map[self.range(name)?];
        bytemuck::try_cast_slice(bytes)
            .map(<[T]>::to_vec)
            .map_err(|_| self.damaged(format!("part `{name}` has {} bytes", bytes.len())))
    }

    /// A part of exactly `N` numbers.
    pub(crate) fn header<const N: usize>(&self, name: &str) -> Result<[u64; N]> {
        let numbers: Vec<u64> = self.numbers(name)?;
        let count = numbers.len();
        numbers.try_into().map_err(|_| self.damaged(format!("part `{name}` has {count} numbers, not {N}")))
    }

    pub(crate) fn damaged(&self, message: impl Into<String>) -> Error {
        Error::Damaged { path: self.path.clone(), message: message.into() }
    }

    /// Gives an error if the parts do not fit each other; `what` names them.
    pub(crate) fn ensure(&self, fits: bool, what: &str) -> Result<()> {
        if fits { Ok(()) } else { Err(self.damaged(format!("{what}: the parts do not belong together"))) }
    }
}
