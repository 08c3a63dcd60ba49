//! HTML character references.

use std::borrow::Cow;

use html_escape::NAMED_ENTITIES;

/// Most characters of a name, its semicolon not counted.
const LONGEST_NAME: usize = 32;

/// Names that HTML also accepts without a semicolon, as old pages write them.
const BARE: [&str; 106] = [
    "AElig", "AMP", "Aacute", "Acirc", "Agrave", "Aring", "Atilde", "Auml", "COPY", "Ccedil", "ETH",
    "Eacute", "Ecirc", "Egrave", "Euml", "GT", "Iacute", "Icirc", "Igrave", "Iuml", "LT", "Ntilde", "Oacute",
    "Ocirc", "Ograve", "Oslash", "Otilde", "Ouml", "QUOT", "REG", "THORN", "Uacute", "Ucirc", "Ugrave",
    "Uuml", "Yacute", "aacute", "acirc", "acute", "aelig", "agrave", "amp", "aring", "atilde", "auml",
    "brvbar", "ccedil", "cedil", "cent", "copy", "curren", "deg", "divide", "eacute", "ecirc", "egrave",
    "eth", "euml", "frac12", "frac14", "frac34", "gt", "iacute", "icirc", "iexcl", "igrave", "iquest",
    "iuml", "laquo", "lt", "macr", "micro", "middot", "nbsp", "not", "ntilde", "oacute", "ocirc", "ograve",
    "ordf", "ordm", "oslash", "otilde", "ouml", "para", "plusmn", "pound", "quot", "raquo", "reg", "sect",
    "shy", "sup1", "sup2", "sup3", "szlig", "thorn", "times", "uacute", "ucirc", "ugrave", "uml", "uuml",
    "yacute", "yen", "yuml",
];

/// Decodes every character reference as a browser does, those without a semicolon included: Python's `html.unescape`.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    replace(text, |rest| numeric(rest).or_else(|| named(rest)))
}

/// Decodes references that end in a semicolon, and names in capitals (`&EACUTE;`) of letters that have capitals.
pub(super) fn unescape_whole(text: &str) -> Cow<'_, str> {
    replace(text, |rest| {
        let name = rest.strip_prefix('#').unwrap_or(rest);
        let length = name.bytes().take(25).take_while(u8::is_ascii_alphanumeric).count();
        if !(1..=24).contains(&length) || name.as_bytes().get(length) != Some(&b';') {
            return None;
        }
        let whole = rest.len() - name.len() + length + 1;
        if rest.starts_with('#') {
            // A reference to the semicolon itself is left, as one of which only the first digits are a number.
            return numeric(rest).filter(|(value, used)| *used == whole && *value != ";");
        }
        let name = &name[..length];
        let value = value(name).map(Cow::Borrowed).or_else(|| capitals(name))?;
        Some((value, whole))
    })
}

/// Replaces what follows an ampersand: `decode` sees the rest of the text and gives a value and how many bytes it stands for.
fn replace<'a>(
    text: &'a str,
    decode: impl Fn(&'a str) -> Option<(Cow<'static, str>, usize)>,
) -> Cow<'a, str> {
    let Some(first) = text.find('&') else { return Cow::Borrowed(text) };
    let mut out = text[..first].to_owned();
    let mut rest = &text[first..];
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        rest = match decode(after) {
            Some((value, used)) => {
                out.push_str(&value);
                &after[used..]
            }
            None => {
                out.push('&');
                after
            }
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// `#233`, `#xE9`, each perhaps with a semicolon.
fn numeric(rest: &str) -> Option<(Cow<'static, str>, usize)> {
    let digits = rest.strip_prefix('#')?;
    let (digits, radix) = match digits.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => (hexadecimal, 16),
        None => (digits, 10),
    };
    let length = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    if length == 0 {
        return None;
    }
    // A number too large for its type is too large for a character as well.
    let number = u32::from_str_radix(&digits[..length], radix).unwrap_or(u32::MAX);
    let used = rest.len() - digits.len() + length;
    Some((character(number), used + usize::from(digits[length..].starts_with(';'))))
}

/// The text of a numeric reference by HTML's rules: Windows-1252 in the range of C1, nothing for what is no character.
fn character(number: u32) -> Cow<'static, str> {
    match number {
        0 | 0xD800..=0xDFFF | 0x11_0000.. => Cow::Borrowed("\u{FFFD}"),
        0x80..=0x9F => super::encodings::windows_1252(number as u8).to_string().into(),
        0x01..=0x08 | 0x0B | 0x0E..=0x1F | 0x7F | 0xFDD0..=0xFDEF => Cow::Borrowed(""),
        _ if number & 0xFFFE == 0xFFFE => Cow::Borrowed(""),
        _ => char::from_u32(number).map(String::from).unwrap_or_default().into(),
    }
}

/// A name with its semicolon, or the longest name without one that the rest begins with.
fn named(rest: &str) -> Option<(Cow<'static, str>, usize)> {
    let ends = |c: char| matches!(c, '\t' | '\n' | '\u{C}' | ' ' | '<' | '&' | '#' | ';');
    let length = rest
        .char_indices()
        .enumerate()
        .find(|&(count, (_, c))| count == LONGEST_NAME || ends(c))
        .map_or(rest.len(), |(_, (at, _))| at);
    let name = &rest[..length];
    if rest[length..].starts_with(';')
        && let Some(value) = value(name)
    {
        return Some((Cow::Borrowed(value), length + 1));
    }
    let longest = BARE.iter().filter(|bare| name.starts_with(**bare)).max_by_key(|bare| bare.len())?;
    Some((Cow::Borrowed(value(longest)?), longest.len()))
}

/// What a name stands for, written exactly so.
fn value(name: &str) -> Option<&'static str> {
    let at = NAMED_ENTITIES.binary_search_by(|(known, _)| (*known).cmp(name.as_bytes())).ok()?;
    Some(NAMED_ENTITIES[at].1)
}

/// What a name in capitals stands for: the capital of what the small name does. Names that a browser reads otherwise are
/// none.
fn capitals(name: &str) -> Option<Cow<'static, str>> {
    if name.bytes().any(|b| b.is_ascii_lowercase()) || named(&format!("{name};")).is_some() {
        return None;
    }
    value(&name.to_ascii_lowercase()).map(|value| value.to_uppercase().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_of_html_is_decoded_with_and_without_semicolon() {
        for (name, value) in NAMED_ENTITIES {
            let name = std::str::from_utf8(name).unwrap();
            assert_eq!(unescape(&format!("a&{name};b")), format!("a{value}b"));
        }
        for name in BARE {
            assert_eq!(unescape(&format!("a&{name} b")), format!("a{} b", value(name).unwrap()));
            assert_eq!(unescape_whole(&format!("a&{name} b")), format!("a&{name} b"));
        }
    }

    #[test]
    fn numbers_follow_html() {
        for (text, expected) in [
            ("&#153;&#150;&#x92;", "\u{2122}\u{2013}\u{2019}"),
            ("&#129;", "\u{81}"),
            ("&#0;&#xD800;&#x110000;&#99999999999;", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
            ("&#1;&#xFFFE;&#xFDD0;&#127;", ""),
            ("&#8482 x&#13;", "\u{2122} x\r"),
            ("&#;&#x;&# &", "&#;&#x;&# &"),
            ("&notit;&notin;&ampamp", "\u{AC}it;\u{2209}&amp"),
        ] {
            assert_eq!(unescape(text), expected, "{text}");
        }
    }

    #[test]
    fn careful_decoding_leaves_what_is_unclear() {
        for text in ["&#59;", "&#12ab;", "&nTILDE;", "fish &amp chips", "this&not that", "&LT3;", "&x"] {
            assert_eq!(unescape_whole(text), text);
        }
        assert_eq!(unescape_whole("P&EACUTE;REZ &SZLIG; &NTILDE;"), "P\u{C9}REZ SS \u{D1}");
    }
}
