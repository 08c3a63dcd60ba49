//! Text whose bytes were read in the wrong encoding: reads them in the right one.

use std::borrow::Cow;

use super::bytes;
use super::encodings::{self, ENCODINGS, windows_1252};
use super::suspicion::suspicious;

/// Decodes mojibake, layer by layer, as long as the text looks like it.
pub(super) fn decode(mut text: String) -> String {
    while !text.is_ascii() && suspicious(&text) {
        let next = decode_once(&text);
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// Undoes one layer: of the whole text if it has an encoding, else of its parts.
fn decode_once(text: &str) -> String {
    if let Some(decoded) = ENCODINGS.iter().find_map(|encoding| {
        let mut raw = encoding.encode(text)?;
        if encoding.keeps_spaces()
            && let Some(restored) = bytes::restore_spaces(&raw)
        {
            raw = restored;
        }
        if encoding.sloppy {
            raw = bytes::mark_lost(&raw);
        }
        bytes::decode(&raw)
    }) {
        return decoded;
    }
    let parts = decode_parts(text);
    if parts != text { parts } else { replace_c1(text).into_owned() }
}

/// Decodes the sequences of a text that look like UTF-8 in some encoding, each by itself.
fn decode_parts(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        // Inside a longer garble, a part alone would come out worse than it is.
        let inside = at > 0 && encodings::continues_strictly(characters[at - 1]);
        let length = if inside { 0 } else { sequences(&characters[at..]) };
        if length == 0 {
            out.push(characters[at]);
            at += 1;
            continue;
        }
        let part: String = characters[at..at + length].iter().collect();
        at += length;
        // A whole text is no part: it would be decoded forever.
        if length < characters.len() && suspicious(&part) {
            out.push_str(&decode(part));
        } else {
            out.push_str(&part);
        }
    }
    out
}

/// Length of the sequences at the start that look like UTF-8.
fn sequences(characters: &[char]) -> usize {
    let mut at = 0;
    while let Some(&first) = characters.get(at) {
        let length = encodings::sequence_length(first);
        let whole = characters.get(at + 1..at + length);
        if length == 0 || !whole.is_some_and(|rest| rest.iter().all(|&c| encodings::continues(c))) {
            break;
        }
        at += length;
    }
    at
}

/// Characters of the C1 range become what Windows-1252 has in their places, as in browsers.
pub(super) fn replace_c1(text: &str) -> Cow<'_, str> {
    let c1 = |c: char| matches!(c, '\u{80}'..='\u{9F}');
    if !text.contains(c1) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if c1(c) { windows_1252(c as u8) } else { c }).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_texts_parts_and_single_characters() {
        for (text, expected) in [
            ("Caf\u{C3}\u{A9}", "Caf\u{E9}"),
            ("voil\u{C3} le travail", "voil\u{E0} le travail"),
            // Two layers.
            ("sch\u{C3}\u{192}\u{C2}\u{B6}n", "sch\u{F6}n"),
            // A part of a text that no encoding holds.
            ("\u{6771}\u{4EAC} Caf\u{C3}\u{A9}", "\u{6771}\u{4EAC} Caf\u{E9}"),
            ("It\u{92}s \u{93}great\u{94}", "It\u{2019}s \u{201C}great\u{201D}"),
            // UTF-8 in the encodings of the Mac, of DOS and of Cyrillic Windows.
            ("It\u{201A}\u{C4}\u{F4}s", "It\u{2019}s"),
            ("caf\u{251C}\u{2310}", "caf\u{E9}"),
            ("It\u{432}\u{402}\u{2122}s", "It\u{2019}s"),
            // Sound texts.
            ("\u{C5}ngstr\u{F6}m 5\u{B0} \u{A9}2014", "\u{C5}ngstr\u{F6}m 5\u{B0} \u{A9}2014"),
            ("\u{41F}\u{440}\u{438}\u{432}\u{435}\u{442}", "\u{41F}\u{440}\u{438}\u{432}\u{435}\u{442}"),
        ] {
            assert_eq!(decode(text.to_owned()), expected, "{text}");
        }
    }
}
