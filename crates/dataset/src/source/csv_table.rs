//! One csv file with named columns: bad rows skipped and counted, row size limited, open quotes noticed.

use std::cell::Cell;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use csv::{ByteRecord, StringRecord};

use super::lines::{self, FileReport, Metered, ReadOptions, TooLong};
use crate::error::{Error, Position, Result};

/// Bytes that a field of a row takes in memory, were it empty: rows are shorter than lines by this factor.
const FIELD: usize = 8;

/// A reader of rows by column name.
pub(crate) struct Table {
    path: PathBuf,
    reader: csv::Reader<Quoted>,
    gzip: bool,
    columns: Vec<usize>,
    header: StringRecord,
    bytes: ByteRecord,
    record: StringRecord,
    lossy: bool,
    max_row: usize,
    /// What the current row may still take.
    left: Rc<Cell<usize>>,
    line: u64,
    last_row_fits: bool,
    pub report: FileReport,
}

/// A row; indexing gives the cell of the n-th column that [`Table::open`] was asked for.
pub(crate) struct Row<'a> {
    record: &'a StringRecord,
    columns: &'a [usize],
}

impl Row<'_> {
    /// The cell of a column found by [`Table::optional`].
    pub fn cell(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default()
    }
}

impl std::ops::Index<usize> for Row<'_> {
    type Output = str;
    fn index(&self, index: usize) -> &str {
        self.cell(self.columns[index])
    }
}

impl Table {
    /// Opens a file and finds the needed columns; each is given as its name and aliases.
    pub fn open(path: &Path, needed: &[&[&'static str]], options: &ReadOptions) -> Result<Self> {
        let (inner, gzip) = lines::open(path)?;
        let max_row = options.max_line_bytes / FIELD;
        let (inner, left) = Metered::new(inner, max_row);
        let source = Quoted { inner, quotes: 0 };
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source);
        let mut bytes = ByteRecord::new();
        reader.read_byte_record(&mut bytes).map_err(|e| read_error(path, gzip, max_row, 1, e))?;
        let header = StringRecord::from_byte_record_lossy(bytes.clone());
        let find = |names: &[&str]| header.iter().position(|h| names.contains(&h.trim()));
        let columns = needed.iter().map(|names| {
            find(names).ok_or_else(|| Error::MissingColumn {
                file: path.to_path_buf(),
                column: names[0],
                found: header.iter().take(40).collect::<Vec<_>>().join(", "),
            })
        });
        Ok(Self {
            columns: columns.collect::<Result<_>>()?,
            report: FileReport::new(path),
            path: path.to_path_buf(),
            reader,
            gzip,
            header,
            bytes,
            record: StringRecord::new(),
            lossy: options.lossy_utf8,
            max_row,
            left,
            line: 1,
            last_row_fits: true,
        })
    }

    /// The index of a column that may be absent.
    pub fn optional(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|h| h.trim() == name)
    }

    /// The next row as wide as the header; others are skipped and counted.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>> {
        loop {
            self.left.set(self.max_row);
            let more = self.reader.read_byte_record(&mut self.bytes);
            if !more.map_err(|e| read_error(&self.path, self.gzip, self.max_row, self.line + 1, e))? {
                return self.check_last_quote().map(|()| None);
            }
            self.report.lines += 1;
            self.line = self.bytes.position().map_or(0, csv::Position::line);
            self.last_row_fits = self.bytes.len() == self.header.len();
            if self.last_row_fits {
                break;
            }
            self.report.skip(self.line, "another number of columns than the header");
        }
        self.record = match StringRecord::from_byte_record(self.bytes.clone()) {
            Ok(record) => record,
            Err(e) if self.lossy => StringRecord::from_byte_record_lossy(e.into_byte_record()),
            Err(e) => {
                let byte = e.into_byte_record().position().map_or(0, csv::Position::byte);
                return Err(Error::Utf8 { at: self.position(byte) });
            }
        };
        Ok(Some(Row { record: &self.record, columns: &self.columns }))
    }

    /// At the end of the file: did the last row swallow the rest of it?
    fn check_last_quote(&self) -> Result<()> {
        let spans_lines = self.reader.position().line() > self.line + 1;
        if self.reader.get_ref().quotes % 2 == 1 && (spans_lines || !self.last_row_fits) {
            let message = "a quote opened in this row is still open at the end of the file";
            return Err(Error::format(&self.path, self.line, self.byte(), message));
        }
        Ok(())
    }

    /// Counts the current row as skipped.
    pub fn skip(&mut self, reason: &str) {
        self.report.skip(self.line, reason);
    }

    /// The error for a list in the current row that is over its limit.
    pub fn too_large(&self, what: &'static str, limit: usize) -> Error {
        Error::TooLarge { at: self.position(self.byte()), what, limit: limit as u64 }
    }

    /// The report, or the error if too much was skipped.
    pub fn finish(self, options: &ReadOptions) -> Result<FileReport> {
        self.report.finish(&self.path, options)
    }

    fn byte(&self) -> u64 {
        self.bytes.position().map_or(0, csv::Position::byte)
    }

    fn position(&self, byte: u64) -> Position {
        Position { file: self.path.clone(), line: self.line, byte }
    }
}

fn read_error(path: &Path, gzip: bool, limit: usize, line: u64, error: csv::Error) -> Error {
    let byte = error.position().map_or(0, csv::Position::byte);
    let at = Position { file: path.to_path_buf(), line, byte };
    match error.into_kind() {
        csv::ErrorKind::Io(source) => match source.downcast::<TooLong>() {
            Ok(TooLong) => Error::TooLarge { at, what: "a row's length", limit: limit as u64 },
            Err(source) if gzip => Error::Gzip { at, source },
            Err(source) => Error::io(path, "cannot read")(source),
        },
        other => Error::Format { at, message: format!("{other:?}") },
    }
}

/// Counts quotes on the way: an odd number of them at the end means that one was never closed.
struct Quoted {
    inner: Metered,
    quotes: u64,
}

impl Read for Quoted {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(out)?;
        self.quotes += memchr::memchr_iter(b'"', &out[..n]).count() as u64;
        Ok(n)
    }
}
