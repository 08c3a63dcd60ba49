//! One csv file with named columns: bad rows skipped and counted, row size limited, open quotes noticed.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use csv::{ByteRecord, StringRecord};

use super::input::{self, FileReport, Input, Metered, Packing, ReadOptions, TooLong};
use crate::error::{Error, Position, Result};

/// Bytes of memory per field, even an empty one. Rows are limited to the length of lines divided by this.
const FIELD: usize = 8;

/// A reader of rows by column name.
pub(crate) struct Table {
    path: PathBuf,
    reader: csv::Reader<Quoted>,
    packing: Packing,
    columns: Vec<usize>,
    header: StringRecord,
    bytes: ByteRecord,
    record: StringRecord,
    options: ReadOptions,
    max_row: usize,
    /// What the current row may still take.
    left: Rc<Cell<usize>>,
    /// Where the current row begins.
    line: u64,
    byte: u64,
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
        let Input { reader, packing, start } = input::open(path)?;
        let max_row = options.max_line_bytes / FIELD;
        let (inner, left) = Metered::new(reader, max_row);
        let source = Quoted { inner, quotes: 0, read: start, lines: Lines::from(start) };
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source);
        let mut bytes = ByteRecord::new();
        // Blank lines may come before the header.
        while {
            let more =
                reader.read_byte_record(&mut bytes).map_err(|e| read_error(path, packing, max_row, 1, e))?;
            more && is_blank(&bytes)
        } {}
        let header = StringRecord::from_byte_record_lossy(bytes.clone());
        let find = |names: &[&str]| header.iter().position(|h| names.contains(&h.trim()));
        let columns = needed.iter().map(|names| {
            find(names).ok_or_else(|| Error::MissingColumn {
                file: path.to_path_buf(),
                column: names[0].to_owned(),
                found: header_told(&header),
            })
        });
        Ok(Self {
            columns: columns.collect::<Result<_>>()?,
            report: FileReport::new(path),
            path: path.to_path_buf(),
            reader,
            packing,
            header,
            bytes,
            record: StringRecord::new(),
            options: options.clone(),
            max_row,
            left,
            line: 1,
            byte: start,
            last_row_fits: true,
        })
    }

    /// The index of a column that may be absent.
    pub fn optional(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|h| h.trim() == name)
    }

    /// The next row as wide as the header; others are skipped and counted.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>> {
        // One buffer serves all rows: it was the last row's text until here.
        self.bytes = std::mem::take(&mut self.record).into_byte_record();
        loop {
            self.left.set(self.max_row);
            let more = self.reader.read_byte_record(&mut self.bytes);
            if !more.map_err(|e| read_error(&self.path, self.packing, self.max_row, self.line + 1, e))? {
                return self.check_last_quote().map(|()| None);
            }
            if is_blank(&self.bytes) {
                continue;
            }
            self.report.lines += 1;
            let end = self.reader.position().byte();
            (self.line, self.byte) = self.reader.get_mut().lines.start_of(&self.bytes, end);
            self.last_row_fits = self.bytes.len() == self.header.len();
            if self.last_row_fits {
                break;
            }
            let columns = format!("{} where the header has {}", self.bytes.len(), self.header.len());
            self.report.skip(self.line, "another number of columns than the header", &columns);
        }
        self.record = match StringRecord::from_byte_record(std::mem::take(&mut self.bytes)) {
            Ok(record) => record,
            Err(e) if self.options.lossy_utf8 => StringRecord::from_byte_record_lossy(e.into_byte_record()),
            Err(e) => {
                let (cell, valid) = (e.utf8_error().field(), e.utf8_error().valid_up_to());
                let bad = e.into_byte_record()[cell][valid];
                return Err(Error::Utf8 { at: self.position(self.byte), bad });
            }
        };
        Ok(Some(Row { record: &self.record, columns: &self.columns }))
    }

    /// At the end of the file: did the last row swallow the rest of it?
    fn check_last_quote(&self) -> Result<()> {
        let spans_lines = self.reader.get_ref().lines.until_end() > self.line;
        if self.reader.get_ref().quotes % 2 == 1 && (spans_lines || !self.last_row_fits) {
            let message = "a quote opened in this row is still open at the end of the file";
            return Err(Error::format(&self.path, self.line, self.byte, message));
        }
        Ok(())
    }

    /// Counts the current row as skipped.
    pub fn skip(&mut self, cause: &str, value: &str) {
        self.report.skip(self.line, cause, value);
    }

    /// Counts something worth knowing of the current row.
    pub fn note(&mut self, what: &str, value: &str) {
        self.report.note(self.line, what, value);
    }

    /// The error for a list in the current row that is over its limit.
    pub fn too_large(&self, what: &'static str, limit: usize) -> Error {
        Error::TooLarge { at: self.position(self.byte), what, limit: limit as u64 }
    }

    /// The report, or the error if too much was skipped.
    pub fn finish(self) -> Result<FileReport> {
        self.report.finish(&self.path, &self.options)
    }

    fn position(&self, byte: u64) -> Position {
        Position { file: self.path.clone(), line: self.line, byte }
    }
}

/// The columns of a header, and the separator if it seems to be another one.
fn header_told(header: &StringRecord) -> String {
    let names = header.iter().take(40).collect::<Vec<_>>().join(", ");
    let separator = [';', '\t', '|'].into_iter().find(|&other| header.len() == 1 && names.contains(other));
    match separator {
        Some(other) => format!("{names} (separated by `{}`: commas are expected)", other.escape_default()),
        None => names,
    }
}

fn read_error(path: &Path, packing: Packing, limit: usize, line: u64, error: csv::Error) -> Error {
    let byte = error.position().map_or(0, csv::Position::byte);
    let at = Position { file: path.to_path_buf(), line, byte };
    match error.into_kind() {
        csv::ErrorKind::Io(source) => match source.downcast::<TooLong>() {
            Ok(TooLong) => Error::TooLarge { at, what: "a row's length", limit: limit as u64 },
            Err(source) => input::read_error(at, packing, source),
        },
        other => Error::Format { at, message: format!("{other:?}") },
    }
}

/// The csv crate passes over empty lines, not over blank ones.
fn is_blank(row: &ByteRecord) -> bool {
    row.len() == 1 && row[0].trim_ascii().is_empty()
}

/// Counts quotes on the way: an odd number of them at the end means that one was never closed. Keeps where lines end, because
/// the csv crate tells where it began to look for a row, which blank lines and CRLF put before the row.
struct Quoted {
    inner: Metered,
    quotes: u64,
    read: u64,
    lines: Lines,
}

impl Read for Quoted {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(out)?;
        self.quotes += memchr::memchr_iter(b'"', &out[..n]).count() as u64;
        self.lines.ahead.extend(memchr::memchr_iter(b'\n', &out[..n]).map(|at| self.read + at as u64 + 1));
        self.read += n as u64;
        Ok(n)
    }
}

/// Where lines start.
struct Lines {
    /// Length of the byte-order mark, which the csv crate does not see.
    mark: u64,
    /// Starts of lines behind the current row, as far as the file was read.
    ahead: VecDeque<u64>,
    /// Starts of lines up to there, from the last one of the row before.
    passed: Vec<u64>,
    /// The number of the first of them.
    first: u64,
}

impl Lines {
    fn from(mark: u64) -> Self {
        Self { mark, ahead: VecDeque::new(), passed: vec![mark], first: 1 }
    }

    /// Line and byte at which a row begins, of which the csv crate has read up to `end`.
    fn start_of(&mut self, row: &ByteRecord, end: u64) -> (u64, u64) {
        let end = end + self.mark;
        self.first += self.passed.len() as u64 - 1;
        self.passed.drain(..self.passed.len() - 1);
        while let Some(&start) = self.ahead.front().filter(|&&start| start <= end) {
            self.passed.push(start);
            self.ahead.pop_front();
        }
        let within = row.iter().map(|cell| memchr::memchr_iter(b'\n', cell).count()).sum::<usize>();
        // A row that ends in CR alone, as far as the csv crate sees, or with the file has no line start behind it.
        let behind = usize::from(self.passed.last() == Some(&end));
        let at = (self.passed.len() - 1).saturating_sub(within + behind);
        (self.first + at as u64, self.passed[at])
    }

    /// How many lines end before the end of the file, once it is read.
    fn until_end(&self) -> u64 {
        self.first + (self.passed.len() - 1 + self.ahead.len()) as u64 - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_of_rows_whatever_ends_and_precedes_them() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mark, end) in [("", "\n"), ("", "\r\n"), ("\u{feff}", "\n"), ("\u{feff}", "\r\n")] {
            let rows = ["a,b", "1,x", "", " ", "2,\"y\nz\"", "3,\"\"\"\"", "", "4,é"];
            let text = format!("{mark}{}", rows.join(end));
            std::fs::write(file.path(), &text).unwrap();
            let mut table = Table::open(file.path(), &[&["a"]], &ReadOptions::default()).unwrap();
            let mut lines = Vec::new();
            while let Some(row) = table.next_row().unwrap() {
                let number = row[0].to_owned();
                assert_eq!(table.byte as usize, text.find(&format!("{number},")).unwrap(), "{number}{end:?}");
                lines.push(table.line);
            }
            assert_eq!(lines, [2, 5, 7, 9]);
        }
    }

    #[test]
    fn rows_share_a_buffer_and_keep_their_places() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"a,b\n1,long text\n\n2,\nonly one\n3,\xff\n4,d\n").unwrap();
        let read = |lossy_utf8| {
            let options = ReadOptions { lossy_utf8, ..ReadOptions::default() };
            let mut table = Table::open(file.path(), &[&["b"], &["a"]], &options).unwrap();
            let mut rows = Vec::new();
            while let Some(row) = table.next_row()? {
                let cells = [row[1].to_owned(), row[0].to_owned()];
                let Error::TooLarge { at, .. } = table.too_large("a list", 1) else { unreachable!() };
                rows.push((cells, at.line, at.byte));
            }
            Ok(rows)
        };
        let place = |cells: [&str; 2], line, byte| (cells.map(str::to_owned), line, byte);
        let expected = [
            place(["1", "long text"], 2, 4),
            place(["2", ""], 4, 17),
            place(["3", "\u{fffd}"], 6, 29),
            place(["4", "d"], 7, 33),
        ];
        assert_eq!(read(true).unwrap(), expected);
        assert!(matches!(read(false), Err(Error::Utf8 { at, bad: 0xFF }) if (at.line, at.byte) == (6, 29)));
    }
}
