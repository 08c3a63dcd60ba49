//! UTF-8 sequences that lost a byte when they were taken for text in a one-byte encoding.

/// Stands for a byte that no one knows any more: it had become U+FFFD.
pub(super) const LOST: u8 = 0x1A;

/// A byte that continues a UTF-8 sequence.
fn continues(byte: u8) -> bool {
    matches!(byte, 0x80..=0xBF)
}

/// Writes the no-break space's byte where a space stands inside what is a sequence of UTF-8 otherwise; `None` if there is no
/// such place.
///
/// Programs that tidy white space turn byte A0 into a space. Only sequences that are likely are considered.
pub(super) fn restore_spaces(bytes: &[u8]) -> Option<Vec<u8>> {
    (0..bytes.len()).find_map(|at| spaced(&bytes[at..]))?;
    let mut words = Vec::with_capacity(bytes.len());
    // A single `à` is a word: the space behind it stays one. In Portuguese it may begin a word.
    for (at, &byte) in bytes.iter().enumerate() {
        words.push(byte);
        let after = &bytes[at..];
        let begins = |word: &[u8]| after[2..].starts_with(word);
        if after.starts_with(b"\xC3 ")
            && ![&b" "[..], b"quele", b"quela", b"quilo", b"s "].into_iter().any(begins)
        {
            words.push(0xA0);
        }
    }
    let mut at = 0;
    while at < words.len() {
        let length = spaced(&words[at..]).unwrap_or(1);
        let restored = &mut words[at..at + length];
        if length > 1 {
            restored.iter_mut().filter(|byte| **byte == b' ').for_each(|byte| *byte = 0xA0);
        }
        at += length;
    }
    Some(words)
}

/// Length of the sequence at the start that would be UTF-8 with byte A0 for its space.
fn spaced(bytes: &[u8]) -> Option<usize> {
    // A0 has its own rule as a space; 85 is the ellipsis of Windows-1252, which people write.
    let near = |byte: u8| continues(byte) && byte != 0x85 && byte != 0xA0;
    match *bytes {
        [0xC2 | 0xC3 | 0xC5 | 0xCE | 0xD0 | 0xD9, b' ', ..] => Some(2),
        [0xE2 | 0xE3, b' ', c, ..] if near(c) => Some(3),
        [0xE0..=0xE3, c, b' ', ..] if near(c) => Some(3),
        [0xF0, b, c, d, ..] => {
            let parts = [b, c, d];
            let spaces = parts.iter().filter(|&&byte| byte == b' ').count();
            (spaces == 1 && parts.iter().all(|&byte| byte == b' ' || continues(byte))).then_some(4)
        }
        _ => None,
    }
}

/// Writes U+FFFD where a sequence of UTF-8 lost some of its bytes, and where a single byte was lost.
pub(super) fn mark_lost(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match damaged(&bytes[at..]) {
            Some(length) => {
                out.extend("\u{FFFD}".bytes());
                at += length;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// Length of the damaged sequence at the start. A question mark may stand for a lost byte, once per sequence.
fn damaged(bytes: &[u8]) -> Option<usize> {
    let lost = |byte: u8| byte == LOST || byte == b'?';
    let part = |byte: u8| lost(byte) || continues(byte);
    let once = |parts: &[u8]| {
        parts.iter().all(|&byte| part(byte))
            && parts.iter().any(|&byte| lost(byte))
            && parts.iter().filter(|&&byte| byte == b'?').count() <= 1
    };
    match *bytes {
        [0xC2..=0xDF, LOST, ..] | [0xC2 | 0xC3, b'?', ..] => Some(2),
        // A pair of surrogates, each a sequence of its own.
        [0xED, 0xA0..=0xAF, b, 0xED, 0xB0..=0xBF, d, ..] if part(b) && part(d) && (lost(b) || lost(d)) => {
            Some(6)
        }
        [0xE0..=0xEF, b, c, ..] if once(&[b, c]) => Some(3),
        [0xF0..=0xF4, b, c, d, ..] if once(&[b, c, d]) => Some(4),
        [LOST, ..] => Some(1),
        _ => None,
    }
}

/// Decodes UTF-8, with two habits of other software: characters outside the basic plane as two surrogates of three bytes
/// each (CESU-8), and zero as C0 80 (Java).
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        at += match bytes[at..] {
            // Python's decoder also takes a C0 before the last line break for such a zero.
            [0xC0, 0x80, ..] | [0xC0, b'\n'] => {
                plain.push(0);
                2
            }
            [0xED, a @ 0xA0..=0xAF, b @ 0x80..=0xBF, 0xED, c @ 0xB0..=0xBF, d @ 0x80..=0xBF, ..] => {
                let bits = |byte: u8, mask: u8, shift: u32| u32::from(byte & mask) << shift;
                let number = bits(a, 0xF, 16) + bits(b, 0x3F, 10) + bits(c, 0xF, 6) + bits(d, 0x3F, 0);
                plain.extend(char::from_u32(0x1_0000 + number)?.encode_utf8(&mut [0; 4]).bytes());
                6
            }
            [byte, ..] => {
                plain.push(byte);
                1
            }
            [] => break,
        };
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_inside_sequences_become_a0() {
        for (bytes, expected) in [
            (&b"voil\xC3 le"[..], Some(&b"voil\xC3\xA0 le"[..])),
            (b"\xC3 s pressas", Some(b"\xC3\xA0s pressas")),
            (b"\xC3  x", Some(b"\xC3\xA0 x")),
            (b"\xE2 \x80 \xE1\x90 ", Some(b"\xE2\xA0\x80 \xE1\x90\xA0")),
            (b"\xF0\x9F\x98 ", Some(b"\xF0\x9F\x98\xA0")),
            (b"\xE1 \x90 \xE2\x85 \xF0  \x90", None),
        ] {
            assert_eq!(restore_spaces(bytes).as_deref(), expected, "{bytes:X?}");
        }
    }

    #[test]
    fn sequences_with_lost_bytes_are_marked() {
        for (bytes, expected) in [
            (&b"a\xC3\x1Ab\x1Ac"[..], "a\u{FFFD}b\u{FFFD}c"),
            (b"\xC3?\xE2\x80?\xE2?\x1A", "\u{FFFD}\u{FFFD}\u{FFFD}"),
            (b"\xF0\x9F?\x80 \xED\xA0?\xED\xB0?", "\u{FFFD} \u{FFFD}"),
        ] {
            assert_eq!(String::from_utf8(mark_lost(bytes)).unwrap(), expected);
        }
        assert_eq!(mark_lost(b"\xE2?? \xC4?"), b"\xE2?? \xC4?");
    }

    #[test]
    fn variants_of_utf_8() {
        assert_eq!(decode(b"\xED\xA0\xBD\xED\xB8\x80\xC0\x80\xED\x95\x9C").unwrap(), "\u{1F600}\0\u{D55C}");
        for broken in [&b"\xED\xA0\xBD"[..], b"\xC0\x81", b"\xC0", b"\xE2\x82", b"\xF5\x80\x80\x80"] {
            assert!(decode(broken).is_none(), "{broken:X?}");
        }
    }
}
