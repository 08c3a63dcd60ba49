//! Characters that mean another one: ligatures, forms for grids, curled quotes, line breaks; and those that mean nothing.

use std::sync::OnceLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

/// Takes apart Latin ligatures, brings characters to their usual width, makes quotes straight and line breaks `\n`, and
/// drops terminal escapes and control characters.
pub(super) fn simplify(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => plain.push('\n'),
            '\u{2BC}' | '\u{2018}'..='\u{201B}' => plain.push('\''),
            '\u{201C}'..='\u{201F}' => plain.push('"'),
            '\u{3000}' => plain.push(' '),
            '\u{FF01}'..='\u{FFEF}' => plain.extend(std::iter::once(c).nfkc()),
            _ => match ligature(c) {
                Some(letters) => plain.push_str(letters),
                None => plain.push(c),
            },
        }
    }
    static ESCAPES: OnceLock<Regex> = OnceLock::new();
    let escapes = ESCAPES.get_or_init(|| {
        Regex::new(r"\x1B\[[\d;]*[A-Za-z]").expect("the pattern is a constant that compiles")
    });
    let mut plain = escapes.replace_all(&plain, "").into_owned();
    plain.retain(|c| !without_meaning(c));
    plain
}

/// The letters of a Latin ligature or digraph that fonts and old encodings made one character.
fn ligature(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{132}' => "IJ",
        '\u{133}' => "ij",
        // Its apostrophe is a quote, which is made straight like the others.
        '\u{149}' => "'n",
        '\u{1C4}' => "D\u{17D}",
        '\u{1C5}' => "D\u{17E}",
        '\u{1C6}' => "d\u{17E}",
        '\u{1C7}' => "LJ",
        '\u{1C8}' => "Lj",
        '\u{1C9}' => "lj",
        '\u{1CA}' => "NJ",
        '\u{1CB}' => "Nj",
        '\u{1CC}' => "nj",
        '\u{1F1}' => "DZ",
        '\u{1F2}' => "Dz",
        '\u{1F3}' => "dz",
        '\u{FB00}' => "ff",
        '\u{FB01}' => "fi",
        '\u{FB02}' => "fl",
        '\u{FB03}' => "ffi",
        '\u{FB04}' => "ffl",
        '\u{FB05}' => "\u{17F}t",
        '\u{FB06}' => "st",
        _ => return None,
    })
}

/// Control characters that are neither white space nor C1, deprecated format characters, the byte order mark, and marks of
/// annotations and embedded objects.
fn without_meaning(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{B}' | '\u{E}'..='\u{1F}' | '\u{7F}'
        | '\u{206A}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFC}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind() {
        for (text, expected) in [
            ("a\r\nb\rc\u{2028}d", "a\nb\nc\nd"),
            ("\u{2BC}\u{149}\u{201E}", "''n\""),
            ("\u{1B}[31;1mred\u{1B}[0m \u{1B}x", "red x"),
            // A wide bracket opens an escape too, since widths come first.
            ("\u{1B}\u{FF3B}0m\u{FF01}", "!"),
            ("\u{FEFF}a\u{7F}\u{FFFC}\u{C}b\u{81}", "a\u{C}b\u{81}"),
            ("\u{FF76}\u{FF9E}\u{FFE5}", "\u{30AB}\u{3099}\u{A5}"),
        ] {
            assert_eq!(simplify(text), expected, "{text:?}");
        }
    }
}
