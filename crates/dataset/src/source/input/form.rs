//! Forms of files that no reader takes, recognised by their first bytes, so that the error can name them.

use std::path::Path;

use crate::error::{Error, Result};

/// How many first bytes decide; a tar archive has its mark at byte 257.
pub(super) const HEAD: usize = 512;

/// A form's name and what to do about it.
type Form = (&'static str, &'static str);

const UNPACK: &str = "unpack it";
const EXPORT: &str = "export it as text";
const FETCH: &str = "fetch the file again";
const CONVERT: &str = "convert it to UTF-8, by `iconv -f UTF-16 -t UTF-8` for example";

/// Marks at the start of a file. The ones that letters could make need a byte that is no letter behind them.
const MARKS: &[(&[u8], Form)] = &[
    (b"PK\x03\x04", ("a zip archive", UNPACK)),
    (b"PK\x05\x06", ("an empty zip archive", FETCH)),
    (b"PK\x07\x08", ("a part of a zip archive", UNPACK)),
    (b"\xFD7zXZ\0", ("xz data", UNPACK)),
    (b"LZIP\x01", ("lzip data", UNPACK)),
    (b"\x04\x22\x4D\x18", ("lz4 data", UNPACK)),
    (b"\x1F\x9D", ("data of `compress`", UNPACK)),
    (b"7z\xBC\xAF\x27\x1C", ("a 7z archive", UNPACK)),
    (b"Rar!\x1A\x07", ("a rar archive", UNPACK)),
    (b"ARROW1\0", ("an Arrow file", EXPORT)),
    (b"Obj\x01", ("an Avro file", EXPORT)),
    (b"\x89HDF\r\n", ("an HDF5 file", EXPORT)),
    (b"\x93NUMPY", ("a NumPy array", EXPORT)),
    (b"SQLite format 3\0", ("an SQLite database", EXPORT)),
    (b"\xD0\xCF\x11\xE0", ("an Excel or Word document", EXPORT)),
    (b"%PDF-", ("a PDF document", EXPORT)),
    (b"version https://git-lfs", ("a pointer of Git LFS, not the file itself", "run `git lfs pull`")),
    (b"\xFF\xFE\0\0", ("UTF-32 text", CONVERT)),
    (b"\0\0\xFE\xFF", ("UTF-32 text", CONVERT)),
    (b"\xFF\xFE", ("UTF-16 text", CONVERT)),
    (b"\xFE\xFF", ("UTF-16 text", CONVERT)),
];

/// The form that these first bytes of a file show, if no reader takes it.
fn foreign(head: &[u8]) -> Option<Form> {
    if let Some((_, form)) = MARKS.iter().find(|(mark, _)| head.starts_with(mark)) {
        return Some(*form);
    }
    match head {
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, 0x41 | 0x72, ..] => return Some(("bzip2 data", UNPACK)),
        [0x80, 2..=5, ..] => return Some(("a Python pickle", EXPORT)),
        [b'P', b'A', b'R', b'1', 0..=8 | 0x0E..=0x1F, ..] => return Some(("a Parquet file", EXPORT)),
        [b'O', b'R', b'C', 0..=8 | 0x0E..=0x1F, ..] => return Some(("an ORC file", EXPORT)),
        _ => {}
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some(("a tar archive", UNPACK));
    }
    if let Some(order) = utf16(head) {
        return Some((order, CONVERT));
    }
    let text = head.trim_ascii_start();
    let begins = |with: &str| text.get(..with.len()).is_some_and(|t| t.eq_ignore_ascii_case(with.as_bytes()));
    if ["<!doctype html", "<html", "<head>"].into_iter().any(begins) {
        return Some(("an HTML page, as servers send instead of a file", FETCH));
    }
    begins("<?xml").then_some(("an XML document, as servers send instead of a file", FETCH))
}

/// UTF-16 without a mark: every second byte of the first Latin letters is zero.
fn utf16(head: &[u8]) -> Option<&'static str> {
    let pairs = head[..head.len().min(32)].as_chunks::<2>().0;
    if pairs.len() < 4 {
        return None;
    }
    let all = |zero: usize| pairs.iter().all(|pair| pair[zero] == 0 && pair[1 - zero] != 0);
    (all(0) || all(1)).then_some("UTF-16 text")
}

/// Refuses forms that no reader takes. `what` names the stage: the file itself, or what gzip holds.
pub(crate) fn refuse_foreign(
    path: &Path,
    head: &[u8],
    within: &'static str,
    expected: &'static str,
) -> Result<()> {
    match foreign(head) {
        None => Ok(()),
        Some((form, remedy)) => {
            Err(Error::Form { file: path.to_path_buf(), found: form, within, expected, remedy })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_begins_like_a_mark_is_text() {
        for text in [
            "",
            "PK 1 2",
            "BZh123 4",
            "PAR1\t0.5\t1",
            "ORC\t1",
            "LZIP\t1",
            "7z 4",
            "Obj 1",
            "<b> 1",
            "1 2",
            "\u{feff}1",
        ] {
            assert_eq!(foreign(text.as_bytes()), None, "{text}");
        }
        // Chinese text as UTF-8 has no zero bytes; a run of zeros is no UTF-16 either.
        assert_eq!(foreign("搞笑,空".as_bytes()), None);
        assert_eq!(foreign(&[0; 64]), None);
    }
}
