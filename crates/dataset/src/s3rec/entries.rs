//! JSON objects too large to be read whole: their entries, one at a time.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Position, Result};
use crate::source::ReadOptions;
use crate::source::input::json::{Json, reason};
use crate::source::input::{Input, Packing, open, read_error, shown};

/// Streams the entries of a JSON object in file order.
pub(super) fn for_each_entry<V: DeserializeOwned>(
    path: &Path,
    options: &ReadOptions,
    mut entry: impl FnMut(&str, V) -> std::result::Result<(), String>,
) -> Result<()> {
    let mut scan = Scan::open(path, options)?;
    let mut json = Json::default();
    scan.expect(b'{', "an object with item ids as keys")?;
    let mut first = true;
    while !scan.eat(b'}')? {
        if !first {
            scan.expect(b',', "`,` or `}` after an entry")?;
        }
        first = false;
        let (key, at) = scan.key()?;
        scan.expect(b':', "`:` after a key")?;
        let value = scan.value()?;
        let parsed = json.parse(&value).map_err(|error| reason(&error));
        parsed.and_then(|parsed| entry(&key, parsed)).map_err(|message| {
            let message = format!("entry `{}`: {message}, in `{}`", shown(&key), shown(&value));
            Error::Format { at, message }
        })?;
    }
    match scan.peek()? {
        None => Ok(()),
        Some(other) => Err(scan.unexpected(other, "the end of the file after the object")),
    }
}

/// A position in a file of one JSON object.
struct Scan<'a> {
    path: &'a Path,
    options: &'a ReadOptions,
    reader: BufReader<Box<dyn Read + Send>>,
    packing: Packing,
    line: u64,
    byte: u64,
    /// The bytes of the key or value that is being read.
    piece: Vec<u8>,
}

impl<'a> Scan<'a> {
    fn open(path: &'a Path, options: &'a ReadOptions) -> Result<Self> {
        let Input { reader, packing, start } = open(path)?;
        let reader = BufReader::with_capacity(1 << 16, reader);
        Ok(Self { path, options, reader, packing, line: 1, byte: start, piece: Vec::new() })
    }

    fn at(&self) -> Position {
        Position { file: self.path.to_path_buf(), line: self.line, byte: self.byte }
    }

    /// The next byte, if there is one.
    fn next_byte(&mut self) -> Result<Option<u8>> {
        match self.reader.fill_buf() {
            Ok(buffer) => Ok(buffer.first().copied()),
            Err(source) => Err(read_error(self.at(), self.packing, source)),
        }
    }

    /// The next byte, which has to be there.
    fn inside(&mut self) -> Result<u8> {
        self.next_byte()?.ok_or_else(|| Error::Format {
            at: self.at(),
            message: "EOF before the object's closing `}`: the file is cut off".into(),
        })
    }

    fn advance(&mut self, byte: u8) {
        self.reader.consume(1);
        self.byte += 1;
        self.line += u64::from(byte == b'\n');
    }

    /// The next byte that is no blank, if there is one.
    fn peek(&mut self) -> Result<Option<u8>> {
        while let Some(byte) = self.next_byte()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.advance(byte);
        }
        Ok(None)
    }

    fn eat(&mut self, byte: u8) -> Result<bool> {
        self.peek()?;
        let found = self.inside()? == byte;
        if found {
            self.advance(byte);
        }
        Ok(found)
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<()> {
        if self.eat(byte)? {
            return Ok(());
        }
        let other = self.inside()?;
        Err(self.unexpected(other, what))
    }

    fn unexpected(&self, found: u8, expected: &str) -> Error {
        let message = format!("`{}` where {expected} is expected", found.escape_ascii());
        Error::Format { at: self.at(), message }
    }

    /// A key and where it stands.
    fn key(&mut self) -> Result<(String, Position)> {
        self.peek()?;
        let at = self.at();
        let found = self.inside()?;
        if found != b'"' {
            return Err(self.unexpected(found, "a key in quotes"));
        }
        self.piece.clear();
        self.string(&at)?;
        let text = self.text(&at)?;
        match serde_json::from_str(&text) {
            Ok(key) => Ok((key, at)),
            Err(error) => {
                Err(Error::Format { at, message: format!("`{}`: {}", shown(&text), reason(&error)) })
            }
        }
    }

    /// The text of a value up to the `,` or `}` behind it.
    fn value(&mut self) -> Result<String> {
        self.peek()?;
        let at = self.at();
        self.piece.clear();
        let mut depth = 0u32;
        loop {
            match self.inside()? {
                b'"' => self.string(&at)?,
                b',' | b'}' if depth == 0 => return self.text(&at),
                byte => {
                    match byte {
                        b'[' | b'{' => depth += 1,
                        b']' | b'}' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    self.take(byte, &at)?;
                }
            }
        }
    }

    /// Reads a string, quotes included, into the piece.
    fn string(&mut self, at: &Position) -> Result<()> {
        self.take(b'"', at)?;
        loop {
            let byte = self.inside()?;
            self.take(byte, at)?;
            match byte {
                b'"' => return Ok(()),
                b'\\' => {
                    let escaped = self.inside()?;
                    self.take(escaped, at)?;
                }
                _ => {}
            }
        }
    }

    fn take(&mut self, byte: u8, at: &Position) -> Result<()> {
        let limit = self.options.max_line_bytes;
        if self.piece.len() == limit {
            return Err(Error::TooLarge { at: at.clone(), what: "an entry's length", limit: limit as u64 });
        }
        self.piece.push(byte);
        self.advance(byte);
        Ok(())
    }

    /// The piece that begins at `at` as text.
    fn text(&self, at: &Position) -> Result<String> {
        self.options.text(self.piece.trim_ascii_end()).map(Into::into).map_err(|valid| {
            let lines = memchr::memchr_iter(b'\n', &self.piece[..valid]).count() as u64;
            let at = Position { line: at.line + lines, byte: at.byte + valid as u64, ..at.clone() };
            Error::Utf8 { at, bad: self.piece[valid] }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &[u8], options: &ReadOptions) -> Result<Vec<(String, serde_json::Value)>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut all = Vec::new();
        for_each_entry(file.path(), options, |key, value| {
            all.push((key.to_owned(), value));
            Ok(())
        })?;
        Ok(all)
    }

    proptest::proptest! {
        #[test]
        fn reads_what_serde_reads(
            values in proptest::collection::vec(("[a-c\"\\\\{},\u{e9}]{0,4}", "[1-9][0-9]{0,2}|\"[x,}\\\\]\\[ é]{0,5}|\\[1, \\[\\]\\]|\\{\"a\":\\[\\]\\}"), 0..6),
            blank in "[ \n\t]{0,2}", cut in proptest::arbitrary::any::<proptest::sample::Index>(),
        ) {
            let value = |text: &str| match text.strip_prefix('"') {
                Some(rest) => serde_json::to_string(rest).unwrap(),
                None => text.to_owned(),
            };
            let body: Vec<String> = values.iter().map(|(key, v)| {
                format!("{blank}{}{blank}:{blank}{}{blank}", serde_json::to_string(key).unwrap(), value(v))
            }).collect();
            let text = format!("{blank}{{{}{blank}}}{blank}", body.join(","));
            let expected: Vec<(String, serde_json::Value)> = values.iter()
                .map(|(key, v)| (key.clone(), serde_json::from_str(&value(v)).unwrap())).collect();
            let read = entries(text.as_bytes(), &ReadOptions::default()).unwrap();
            proptest::prop_assert_eq!(read, expected);
            let cut = cut.index(text.trim_end().len());
            proptest::prop_assert!(entries(&text.as_bytes()[..cut], &ReadOptions::default()).is_err());
        }
    }

    #[test]
    fn errors_say_where_and_what() {
        for (text, expected) in [
            ("[1]", "line 1, byte 0: `[` where an object with item ids as keys is expected"),
            ("{\"1\": 2\n \"3\": 4}", "line 1, byte 1: entry `1`: trailing characters, in `2  \"3\": 4`"),
            ("{\"1\": 2,\n3: 4}", "line 2, byte 9: `3` where a key in quotes is expected"),
            ("{\"1\": 2} x", "`x` where the end of the file"),
            ("{\"1\": nan}", "line 1, byte 1: entry `1`: expected ident, in `nan`"),
            ("{\"1\": 2,", "EOF"),
            ("  ", "EOF"),
        ] {
            let error = entries(text.as_bytes(), &ReadOptions::default()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let latin1 = b"{\"1\":\n \"Caf\xE9\"}";
        let error = entries(latin1, &ReadOptions::default()).unwrap_err();
        assert!(matches!(error, Error::Utf8 { at, bad: 0xE9 } if (at.line, at.byte) == (2, 11)));
        let lossy = ReadOptions { lossy_utf8: true, ..Default::default() };
        assert_eq!(entries(latin1, &lossy).unwrap()[0].1, "Caf\u{FFFD}");
        let short = ReadOptions { max_line_bytes: 8, ..Default::default() };
        assert!(matches!(entries(b"{\"1\": [1, 2, 3, 4, 5]}", &short), Err(Error::TooLarge { .. })));
    }
}
