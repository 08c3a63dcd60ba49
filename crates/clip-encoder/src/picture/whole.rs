//! Whether a picture's file goes on to its end. Decoders fill what is missing with grey, or leave it black.

use image::ImageFormat;

/// Whether the bytes reach what their format ends with. Formats that are not opened here count as whole.
pub(super) fn ends(format: ImageFormat, bytes: &[u8]) -> bool {
    let end = match format {
        ImageFormat::Jpeg => jpeg(bytes),
        ImageFormat::Png => png(bytes),
        ImageFormat::Gif => gif(bytes),
        ImageFormat::WebP => webp(bytes),
        ImageFormat::Bmp => bmp(bytes),
        _ => Some(0),
    };
    end.is_some_and(|end| end <= bytes.len())
}

fn be(bytes: &[u8], at: usize, count: usize) -> Option<usize> {
    Some(
        bytes
            .get(at..at.checked_add(count)?)?
            .iter()
            .fold(0, |number, &byte| number << 8 | usize::from(byte)),
    )
}

fn le(bytes: &[u8], at: usize, count: usize) -> Option<usize> {
    Some(
        bytes
            .get(at..at.checked_add(count)?)?
            .iter()
            .rfold(0, |number, &byte| number << 8 | usize::from(byte)),
    )
}

/// The end of the marker "end of image". Segments are skipped by their lengths, since they may hold pictures of their own.
fn jpeg(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        // Coded data is skipped up to the next marker: FF is followed by 00 in it, or by a number of a restart.
        let marker = |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0 | 1 | 0xD0..=0xD7 | 0xFF);
        at += bytes.get(at..)?.windows(2).position(marker)?;
        match bytes[at + 1] {
            0xD9 => return Some(at + 2),
            0xD8 => at += 2,
            _ => at += 2 + be(bytes, at + 2, 2)?,
        }
    }
}

/// The end of the chunk IEND.
fn png(bytes: &[u8]) -> Option<usize> {
    let mut at: usize = 8;
    loop {
        let kind = bytes.get(at + 4..at + 8)?;
        let next = at.checked_add(12)?.checked_add(be(bytes, at, 4)?)?;
        if kind == b"IEND" {
            return Some(next);
        }
        at = next;
    }
}

/// The end of the trailer.
fn gif(bytes: &[u8]) -> Option<usize> {
    // A table of colours, if the flags before it announce one.
    let colours = |flags: usize| if flags & 0x80 == 0 { 0 } else { 6 << (flags & 7) };
    let blocks = |mut at: usize| loop {
        match be(bytes, at, 1)? {
            0 => return Some(at + 1),
            length => at += 1 + length,
        }
    };
    let mut at: usize = 13 + colours(be(bytes, 10, 1)?);
    loop {
        at = match be(bytes, at, 1)? {
            0x3B => return Some(at + 1),
            0x21 => blocks(at + 2)?,
            0x2C => blocks(at + 11 + colours(be(bytes, at + 9, 1)?))?,
            // Between blocks, readers skip what they do not know.
            _ => at + 1,
        };
    }
}

/// The end of the RIFF container.
fn webp(bytes: &[u8]) -> Option<usize> {
    le(bytes, 4, 4)?.checked_add(8)
}

/// The end of the pixels. Where they are compressed, of the file by its header.
fn bmp(bytes: &[u8]) -> Option<usize> {
    let header = le(bytes, 14, 4)?;
    let (width, height, bits, compression) = if header == 12 {
        (le(bytes, 18, 2)?, le(bytes, 20, 2)?, le(bytes, 24, 2)?, 0)
    } else {
        // A negative height means that rows go from top to bottom.
        let height = (le(bytes, 22, 4)? as u32 as i32).unsigned_abs() as usize;
        (le(bytes, 18, 4)?, height, le(bytes, 28, 2)?, le(bytes, 30, 4)?)
    };
    if matches!(compression, 1 | 2) {
        return le(bytes, 2, 4);
    }
    let row = width.checked_mul(bits)?.div_ceil(32) * 4;
    row.checked_mul(height)?.checked_add(le(bytes, 10, 4)?)
}
