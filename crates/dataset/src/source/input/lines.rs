//! Bounded lines out of a plain or gzip file, with positions.
//!
//! Decompression runs on a thread of its own, so that parsing overlaps with it; lines still come in file order. A file of one block
//! is read at once.

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::open::BYTE_ORDER_MARK;
use super::quotes::QuoteScan;
use super::{BLOCK, Input, Packing, ReadOptions, open, read_error};
use crate::error::{Error, Position, Result};

const BLOCKS_IN_FLIGHT: usize = 8;

/// One line with its place, without its line end.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// Line number from 1.
    pub number: u64,
    /// Offset of its first byte after decompression.
    pub byte: u64,
}

/// Non-empty lines of a file, in order.
pub struct LineReader {
    path: PathBuf,
    options: ReadOptions,
    packing: Packing,
    blocks: Receiver<std::io::Result<Vec<u8>>>,
    /// Gives the blocks; taken when it has ended.
    thread: Option<JoinHandle<()>>,
    buffer: Vec<u8>,
    start: usize,
    number: u64,
    byte: u64,
    ended: bool,
    /// Whether each byte is a letter of Latin-1, instead of UTF-8.
    latin1: bool,
}

impl LineReader {
    /// Opens `path` and starts to decompress it.
    ///
    /// # Errors
    /// If the file cannot be opened, is empty, or has a form that is no text, such as a zip archive: the error names it.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        Self::over(open(path)?, path, options)
    }

    /// Lines of an input; `path` is for messages.
    fn over(input: Input, path: &Path, options: &ReadOptions) -> Result<Self> {
        let Input { mut reader, packing, start } = input;
        let (sender, blocks) = sync_channel(BLOCKS_IN_FLIGHT);
        // Reads a block; whether more may follow. A failed send means that the receiver gave up: nothing left to do.
        let mut read = move |mut block: Vec<u8>| {
            let result = reader.by_ref().take(BLOCK as u64).read_to_end(&mut block);
            let full = block.len() == BLOCK;
            let sent = block.is_empty() || sender.send(Ok(block)).is_ok();
            if let Err(error) = result {
                let _ = sender.send(Err(error));
                return false;
            }
            sent && full
        };
        let mut thread = None;
        if read(Vec::new()) {
            let rest = move || while read(Vec::with_capacity(BLOCK)) {};
            let spawned = std::thread::Builder::new().name("decompress".into()).spawn(rest);
            thread = Some(spawned.map_err(Error::io(path, "cannot start the reading thread"))?);
        }
        Ok(Self {
            path: path.to_path_buf(),
            options: options.clone(),
            packing,
            blocks,
            thread,
            buffer: Vec::new(),
            start: 0,
            number: 0,
            byte: start,
            ended: false,
            latin1: false,
        })
    }

    /// Reads bytes as Latin-1.
    pub(crate) fn latin1(mut self, latin1: bool) -> Self {
        self.latin1 = latin1;
        self
    }

    /// The next line that is not empty, or `None` at the end.
    ///
    /// # Errors
    /// Damaged gzip data, bytes that are not UTF-8, an over-long line: each with its position.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>> {
        self.next_record(None)
    }

    /// As [`next_line`](Self::next_line), but a line end between quotes is a part of the line: quotes that stand at its start or
    /// behind this separator. The number is that of the first line.
    pub(crate) fn next_record(&mut self, quoted: Option<&[u8]>) -> Result<Option<Line<'_>>> {
        loop {
            let (mut end, mut lines, mut scan) = (0, 1, QuoteScan::default());
            loop {
                let Some(found) = self.fill_line(end)? else { return Ok(None) };
                let Some(separator) = quoted else {
                    end = found;
                    break;
                };
                if !scan.is_open(&self.buffer[self.start..self.start + found], separator) {
                    end = found;
                    break;
                }
                end = found + 1;
                if self.ended && self.start + end >= self.buffer.len() {
                    let message = "a quote opened in this row is still open at the end of the file: close it, or read the file without \
                         quotes";
                    return Err(Error::format(&self.path, self.number + 1, self.byte, message));
                }
                lines += 1;
            }
            let start = self.start;
            let end = start + end;
            let number = self.number + 1;
            self.number += lines;
            self.start = (end + 1).min(self.buffer.len());
            let mut byte = self.byte;
            self.byte += (self.start - start) as u64;
            let mut line = start..end;
            // A file that was put together from several has the mark where each began.
            if self.buffer[line.clone()].starts_with(BYTE_ORDER_MARK) {
                line.start += BYTE_ORDER_MARK.len();
                byte += BYTE_ORDER_MARK.len() as u64;
            }
            if self.buffer[line.clone()].ends_with(b"\r") {
                line.end -= 1;
            }
            if !self.buffer[line.clone()].iter().all(u8::is_ascii_whitespace) {
                return self.text(line, number, byte).map(Some);
            }
        }
    }

    /// The position of byte `byte` in line `line` of this file.
    pub fn position(&self, line: u64, byte: u64) -> Position {
        Position { file: self.path.clone(), line, byte }
    }

    fn text(&self, line: std::ops::Range<usize>, number: u64, byte: u64) -> Result<Line<'_>> {
        let bytes = &self.buffer[line];
        if self.latin1 {
            let text = match str::from_utf8(bytes) {
                Ok(text) if bytes.is_ascii() => Cow::Borrowed(text),
                _ => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
            };
            return Ok(Line { text, number, byte });
        }
        let text = self.options.text(bytes).map_err(|valid| {
            let line = number + memchr::memchr_iter(b'\n', &bytes[..valid]).count() as u64;
            Error::Utf8 { at: self.position(line, byte + valid as u64), bad: bytes[valid] }
        })?;
        Ok(Line { text, number, byte })
    }

    /// Makes the buffer hold a whole line from `start` on, whose end is not before `from`, counted from there; returns that end.
    fn fill_line(&mut self, from: usize) -> Result<Option<usize>> {
        let mut searched = from;
        loop {
            let rest = self.buffer.get(self.start + searched..).unwrap_or_default();
            if let Some(found) = memchr::memchr(b'\n', rest) {
                return self.within_limit(searched + found).map(Some);
            }
            searched = (self.buffer.len() - self.start).max(from);
            if self.ended {
                return if searched > 0 { self.within_limit(searched).map(Some) } else { Ok(None) };
            }
            self.within_limit(searched)?;
            self.buffer.drain(..self.start);
            self.start = 0;
            match self.blocks.recv() {
                Ok(Ok(block)) => self.buffer.extend_from_slice(&block),
                Ok(Err(source)) => return Err(self.read_error(source)),
                Err(_) => {
                    // The thread gives no more. Only if it returned is that the end of the file.
                    if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
                        std::panic::resume_unwind(panic);
                    }
                    self.ended = true;
                }
            }
        }
    }

    fn within_limit(&self, end: usize) -> Result<usize> {
        let limit = self.options.max_line_bytes;
        if end <= limit {
            return Ok(end);
        }
        let at = self.position(self.number + 1, self.byte);
        Err(Error::TooLarge { at, what: "a line's length", limit: limit as u64 })
    }

    fn read_error(&self, source: std::io::Error) -> Error {
        let at = self.position(self.number, self.byte + (self.buffer.len() - self.start) as u64);
        read_error(at, self.packing, source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn lines_of(bytes: &[u8], options: &ReadOptions) -> Result<Vec<(u64, u64, String)>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut reader = LineReader::open(file.path(), options)?;
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line()? {
            lines.push((line.number, line.byte, line.text.into_owned()));
        }
        Ok(lines)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn bom_crlf_empty_lines_and_missing_final_newline() {
        let lines = lines_of(b"\xEF\xBB\xBFa\r\n\n  \nbc", &ReadOptions::default()).unwrap();
        assert_eq!(lines, [(1, 3, "a".into()), (4, 10, "bc".into())]);
        let joined = lines_of(b"a\n\xEF\xBB\xBFb\n", &ReadOptions::default()).unwrap();
        assert_eq!(joined, [(1, 0, "a".into()), (2, 5, "b".into())]);
    }

    #[test]
    fn gzip_members_follow_each_other() {
        let bytes = [gzip(b"a\nb"), gzip(b"c\nd\n")].concat();
        let lines = lines_of(&bytes, &ReadOptions::default()).unwrap();
        assert_eq!(lines.iter().map(|l| l.2.as_str()).collect::<Vec<_>>(), ["a", "bc", "d"]);
    }

    #[test]
    fn zeros_after_a_member_are_padding_and_other_bytes_are_damage() {
        for zeros in [1, 511, 600_000] {
            let padded = [gzip(b"a\n"), vec![0; zeros]].concat();
            assert_eq!(lines_of(&padded, &ReadOptions::default()).unwrap().len(), 1, "{zeros}");
            let between = [padded.clone(), gzip(b"b\n")].concat();
            assert_eq!(lines_of(&between, &ReadOptions::default()).unwrap().len(), 2, "{zeros}");
            let error =
                lines_of(&[padded, b"rubbish".to_vec()].concat(), &ReadOptions::default()).unwrap_err();
            assert!(matches!(error, Error::Gzip { .. }), "{error}");
        }
    }

    #[test]
    fn every_truncation_of_a_gzip_file_is_an_error() {
        let text: String = (0..200).map(|i| format!("line {i}\n")).collect();
        let whole = gzip(text.as_bytes());
        for cut in 3..whole.len() {
            let error = lines_of(&whole[..cut], &ReadOptions::default()).unwrap_err();
            assert!(matches!(error, Error::Gzip { .. }), "cut at {cut}: {error}");
        }
    }

    #[test]
    fn bad_utf8_names_line_and_byte_or_is_replaced() {
        let error = lines_of(b"ab\ncd\xFFe\n", &ReadOptions::default()).unwrap_err();
        assert!(matches!(error, Error::Utf8 { at, bad: 0xFF } if at.line == 2 && at.byte == 5));
        let lossy = ReadOptions { lossy_utf8: true, ..Default::default() };
        assert_eq!(lines_of(b"cd\xFFe\n", &lossy).unwrap()[0].2, "cd\u{FFFD}e");
    }

    #[test]
    fn over_long_line_is_refused_before_it_is_held() {
        let options = ReadOptions { max_line_bytes: 1000, ..Default::default() };
        let mut text = b"short\n".to_vec();
        text.resize(5_000_000, b'x');
        let error = lines_of(&text, &options).unwrap_err();
        assert!(matches!(error, Error::TooLarge { at, .. } if at.line == 2 && at.byte == 6));
    }

    #[test]
    fn a_panic_of_the_reading_thread_is_no_end_of_file() {
        struct Bomb;
        impl Read for Bomb {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                panic!("the decoder has a defect")
            }
        }
        let text = std::io::Cursor::new(vec![b'\n'; BLOCK - 2]).chain(&b"a\n"[..]).chain(&b"b\n"[..]);
        let input = Input { reader: Box::new(text.chain(Bomb)), packing: Packing::Gzip, start: 0 };
        let mut lines = LineReader::over(input, Path::new("x"), &ReadOptions::default()).unwrap();
        assert_eq!(lines.next_line().unwrap().unwrap().text, "a");
        let next = std::panic::AssertUnwindSafe(|| lines.next_line().map(|line| line.is_none()));
        let caught = std::panic::catch_unwind(next).unwrap_err();
        assert_eq!(caught.downcast_ref::<&str>(), Some(&"the decoder has a defect"));
    }
}
