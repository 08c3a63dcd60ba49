//! Opening a file: recognised, decompressed, without its byte-order mark; and limiting how much is read from it.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use super::BLOCK;
use super::form::{HEAD, refuse_foreign};
use super::gzip::Members;
use crate::error::{Error, Position, Result};

/// What a reader of text expects of a file.
const EXPECTED: &str = "plain or gzip text";
/// The mark that some programs put before UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// An opened file.
pub(crate) struct Input {
    /// Its text, decompressed and without a byte-order mark.
    pub reader: Box<dyn Read + Send>,
    /// Whether it is compressed: read errors are then errors of its content.
    pub gzip: bool,
    /// Length of what was taken from its beginning: positions count from there.
    pub start: u64,
}

/// Opens a text file for reading. Its first bytes decide what it is, not its name.
///
/// # Errors
/// If it cannot be opened, is empty, is a folder, or has a form that no reader takes.
pub(crate) fn open(path: &Path) -> Result<Input> {
    let mut file = File::open(path).map_err(Error::io(path, "cannot open"))?;
    if file.metadata().map_err(Error::io(path, "cannot open"))?.is_dir() {
        let (found, remedy) = ("a folder", "name the file in it");
        return Err(Error::Form { file: path.to_path_buf(), found, within: "", expected: EXPECTED, remedy });
    }
    let (head, failure) = read_head(&mut file);
    if let Some(source) = failure {
        return Err(Error::io(path, "cannot read")(source));
    }
    refuse_foreign(path, &head, "", EXPECTED)?;
    let gzip = head.starts_with(b"\x1F\x8B");
    let whole = BufReader::with_capacity(BLOCK, Cursor::new(head).chain(file));
    let mut reader: Box<dyn Read + Send> = if gzip { Box::new(Members::new(whole)) } else { Box::new(whole) };
    let (mut head, failure) = read_head(&mut reader);
    if gzip {
        refuse_foreign(path, &head, "gzip data around ", EXPECTED)?;
        if head.starts_with(b"\x1F\x8B") {
            let (found, remedy) = ("gzip data around gzip data", "unpack it once");
            return Err(Error::Form {
                file: path.to_path_buf(),
                found,
                within: "",
                expected: EXPECTED,
                remedy,
            });
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
    Ok(Input { reader: Box::new(Cursor::new(head).chain(rest)), gzip, start: start as u64 })
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
pub(crate) fn read_error(at: Position, gzip: bool, source: std::io::Error) -> Error {
    match gzip {
        true => Error::Gzip { at, source },
        false => Error::Io { path: at.file, doing: "cannot read", source },
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
