//! Encodings that change nothing of what is read, and forms that no reader takes.

use std::io::Write;

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn members(bytes: &[u8]) -> Vec<u8> {
    // Cuts fall within lines, and within letters of two bytes.
    let part = bytes.len().div_ceil(3).max(1);
    bytes.chunks(part).map(gzip).collect::<Vec<_>>().concat()
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    [gzip(bytes), vec![0; 1000]].concat()
}

fn bom(bytes: &[u8]) -> Vec<u8> {
    [b"\xEF\xBB\xBF", bytes].concat()
}

fn crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in bytes {
        out.extend_from_slice(if byte == b'\n' { b"\r\n" } else { std::slice::from_ref(&byte) });
    }
    out
}

fn blank_lines(bytes: &[u8]) -> Vec<u8> {
    let mut out = b"\n  \n".to_vec();
    for &byte in bytes {
        out.push(byte);
        if byte == b'\n' {
            out.extend_from_slice(b"\n \t \r\n");
        }
    }
    out
}

fn no_final_end(bytes: &[u8]) -> Vec<u8> {
    bytes.strip_suffix(b"\n").unwrap_or(bytes).to_vec()
}

pub type Encoding = (&'static str, fn(&[u8]) -> Vec<u8>);

/// Ways to write the same data.
pub const SAME: [Encoding; 17] = [
    ("as it is", |b| b.to_vec()),
    ("byte-order mark", bom),
    ("two byte-order marks", |b| bom(&bom(b))),
    ("CRLF", crlf),
    ("byte-order mark and CRLF", |b| bom(&crlf(b))),
    ("no final line end", no_final_end),
    ("blank lines", blank_lines),
    ("gzip", gzip),
    ("gzip of several members", members),
    ("gzip with zero padding", padded),
    ("gzip of several members with zeros between", |b| [members(b), vec![0; 7], gzip(b"\n")].concat()),
    ("zstd", zstd),
    ("zstd of two frames", |b| [zstd(&b[..b.len() / 2]), zstd(&b[b.len() / 2..])].concat()),
    ("zstd of a byte-order mark and CRLF", |b| zstd(&bom(&crlf(b)))),
    ("gzip of a byte-order mark and CRLF", |b| gzip(&bom(&crlf(b)))),
    ("members of a byte-order mark and CRLF", |b| members(&bom(&crlf(b)))),
    ("gzip of blank lines without a final line end", |b| padded(&no_final_end(&blank_lines(b)))),
];

fn utf16(bytes: &[u8], unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    std::str::from_utf8(bytes).unwrap().encode_utf16().flat_map(unit).collect()
}

fn tar(bytes: &[u8]) -> Vec<u8> {
    let mut archive = vec![0; 512];
    archive[..8].copy_from_slice(b"X_5.json");
    archive[257..263].copy_from_slice(b"ustar\0");
    [archive, bytes.to_vec()].concat()
}

fn behind(mark: &'static [u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    move |bytes| [mark, bytes].concat()
}

/// Forms that no reader takes: what the bytes become, and the words of the error.
pub fn foreign(bytes: &[u8]) -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let marked: [(&'static [u8], &str, &str); 15] = [
        (b"PK\x03\x04", "a zip archive", "unpack it"),
        (b"PK\x05\x06", "an empty zip archive", "fetch the file again"),
        (b"BZh91AY&SY", "bzip2", "unpack it"),
        (b"\xFD7zXZ\0", "xz", "unpack it"),
        (b"7z\xBC\xAF\x27\x1C", "7z", "unpack it"),
        (b"Rar!\x1A\x07\0", "rar", "unpack it"),
        (b"PAR1\x15\x04", "Parquet", "export it as text"),
        (b"\x89HDF\r\n\x1a\n", "HDF5", "export it as text"),
        (b"\x80\x04\x95", "pickle", "export it as text"),
        (b"\x93NUMPY\x01", "NumPy", "export it as text"),
        (b"SQLite format 3\0", "SQLite", "export it as text"),
        (b"\n<!DOCTYPE HTML>\n<html>", "an HTML page", "fetch the file again"),
        (b"<html lang=\"en\">", "an HTML page", "fetch the file again"),
        (b"<?xml version=\"1.0\"?><Error>", "an XML document", "fetch the file again"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS", "git lfs pull"),
    ];
    let mut all: Vec<_> =
        marked.into_iter().map(|(mark, form, remedy)| (behind(mark)(bytes), form, remedy)).collect();
    for little in [true, false] {
        let unit: fn(u16) -> [u8; 2] = if little { u16::to_le_bytes } else { u16::to_be_bytes };
        let ascii: Vec<u8> = bytes.iter().copied().filter(u8::is_ascii).collect();
        all.push(([unit(0xFEFF).to_vec(), utf16(bytes, unit)].concat(), "UTF-16", "convert it to UTF-8"));
        all.push((utf16(&ascii, unit), "UTF-16", "convert it to UTF-8"));
    }
    all.push((tar(bytes), "a tar archive", "unpack it"));
    all.push((gzip(&tar(bytes)), "gzip data around a tar archive", "unpack it"));
    all.push((gzip(&behind(b"PK\x03\x04")(bytes)), "gzip data around a zip archive", "unpack it"));
    all.push((gzip(&gzip(bytes)), "gzip data around gzip data", "unpack it once"));
    all.push((zstd(&tar(bytes)), "zstd data around a tar archive", "unpack it"));
    all.push((zstd(bytes)[..20].to_vec(), "zstd data damaged or cut off", ""));
    all.push((Vec::new(), "the file is empty", "no line of data"));
    all.push((gzip(b""), "the file is empty", "no line of data"));
    all.push((b"\xEF\xBB\xBF".to_vec(), "", ""));
    all.push((gzip(bytes)[..20].to_vec(), "gzip data damaged or cut off", ""));
    all.push(([gzip(bytes), b"trailing".to_vec()].concat(), "gzip data damaged or cut off", ""));
    all
}
