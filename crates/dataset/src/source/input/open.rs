//! Opening a file: recognised, decompressed, without its byte-order mark; and limiting how much is read from it.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use super::BLOCK;
use super::form::{HEAD, refuse_foreign};
use super::gzip::Members;
use super::zstd::Frames;
use crate::error::{Error, Position, Result};

/// What a reader of text expects of a file.
const EXPECTED: &str = "plain, gzip or zstd text";
/// The mark that some programs put before UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    No,
    Gzip,
    Zstd,
}

impl Packing {
    /// By the first bytes of a file.
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1F, 0x8B, ..] => Self::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            _ => Self::No,
        }
    }
}

/// An opened file.
pub(crate) struct Input {
    /// Its text, decompressed and without a byte-order mark.
    pub reader: Box<dyn Read + Send>,
    /// How it is compressed: read errors are then errors of its content.
    pub packing: Packing,
    /// Length of what was taken from its beginning: positions count from there.
    pub start: u64,
}

/// Opens a text file for reading. Its first bytes decide what it is, not its name.
///
/// # Errors
/// If it cannot be opened, is empty, is a folder, or has a form that no reader takes.
pub(crate) fn open(path: &Path) -> Result<Input> {
    // Asked before it is opened: opening a pipe waits for somebody to write.
    let kind = std::fs::metadata(path).map_err(Error::io(path, "cannot open"))?;
    if !kind.is_file() {
        let (found, remedy) = match kind.is_dir() {
            true => ("a folder", "name the file in it"),
            false => ("a pipe or a device", "write it to a file first: it is read more than once"),
        };
        return Err(Error::Form { file: path.to_path_buf(), found, within: "", expected: EXPECTED, remedy });
    }
    let mut file = File::open(path).map_err(Error::io(path, "cannot open"))?;
    let (head, failure) = read_head(&mut file);
    if let Some(source) = failure {
        return Err(Error::io(path, "cannot read")(source));
    }
    refuse_foreign(path, &head, "", EXPECTED)?;
    let packing = Packing::of(&head);
    let whole = BufReader::with_capacity(BLOCK, Cursor::new(head).chain(file));
    let (mut reader, around): (Box<dyn Read + Send>, _) = match packing {
        Packing::No => (Box::new(whole), ""),
        Packing::Gzip => (Box::new(Members::new(whole)), "gzip data around "),
        Packing::Zstd => (Box::new(Frames::new(whole)), "zstd data around "),
    };
    let (mut head, failure) = read_head(&mut reader);
    if packing != Packing::No {
        refuse_foreign(path, &head, around, EXPECTED)?;
        let found = match Packing::of(&head) {
            Packing::No => None,
            Packing::Gzip => Some("gzip data"),
            Packing::Zstd => Some("zstd data"),
        };
        if let Some(found) = found {
            let (file, within, remedy) = (path.to_path_buf(), around, "unpack it once");
            return Err(Error::Form { file, found, within, expected: EXPECTED, remedy });
        }
    }
    let mut start = 0;
    while head[start..].starts_with(BYTE_ORDER_MARK) {
        start += BYTE_ORDER_MARK.len();
    }
    head.drain(..start);
    if head.is_empty() && failure.is_none() {
        return Err(Error::format(path, 0, 0, "the file is empty: it holds no line of data"));
    }
    let rest = Failing(failure).chain(reader);
    Ok(Input { reader: Box::new(Cursor::new(head).chain(rest)), packing, start: start as u64 })
}

/// The first bytes, and the error that ended them early.
fn read_head(reader: &mut impl Read) -> (Vec<u8>, Option<std::io::Error>) {
    let mut head = Vec::new();
    let failure = reader.take(HEAD as u64).read_to_end(&mut head).err();
    (head, failure)
}

/// Gives the error of the first bytes in its place, after them; nothing without one.
struct Failing(Option<std::io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// The error for a read that failed at `at`: of the compressed data, or of the file system.
pub(crate) fn read_error(at: Position, packing: Packing, source: std::io::Error) -> Error {
    match packing {
        Packing::Gzip => Error::Gzip { at, source },
        Packing::Zstd => Error::Zstd { at, source },
        Packing::No => Error::Io { path: at.file, doing: "cannot read", source },
    }
}

/// A reader with a byte budget that its owner renews, so that no row of a file decides how much memory is taken.
pub(crate) struct Metered {
    inner: Box<dyn Read + Send>,
    left: Rc<Cell<usize>>,
}

/// The error of [`Metered`] when its budget is used up.
#[derive(Debug, thiserror::Error)]
#[error("longer than the limit")]
pub(crate) struct TooLong;

impl Metered {
    /// A reader with a budget of `left` bytes, and the cell by which to renew it.
    pub fn new(inner: Box<dyn Read + Send>, left: usize) -> (Self, Rc<Cell<usize>>) {
        let left = Rc::new(Cell::new(left));
        (Self { inner, left: left.clone() }, left)
    }
}

impl Read for Metered {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.left.get() == 0 {
            return Err(std::io::Error::other(TooLong));
        }
        let read = self.inner.read(out)?;
        self.left.set(self.left.get().saturating_sub(read));
        Ok(read)
    }
}
