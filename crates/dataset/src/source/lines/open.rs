//! Opening plain and gzip files, and limiting how much is read from them.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use super::BLOCK;
use crate::error::{Error, Result};

/// Opens a file for reading, decompressed if it is gzip.
pub(crate) fn open(path: &Path) -> Result<(Box<dyn Read + Send>, bool)> {
    let mut file = File::open(path).map_err(Error::io(path, "cannot open"))?;
    let mut magic = Vec::new();
    file.by_ref().take(2).read_to_end(&mut magic).map_err(Error::io(path, "cannot read"))?;
    let gzip = magic == [0x1f, 0x8b];
    let whole = BufReader::with_capacity(BLOCK, std::io::Cursor::new(magic).chain(file));
    Ok(if gzip {
        (Box::new(flate2::bufread::MultiGzDecoder::new(whole)), true)
    } else {
        (Box::new(whole), false)
    })
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
