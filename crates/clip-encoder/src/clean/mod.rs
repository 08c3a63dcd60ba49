//! The cleaning that CLIP's tokenizer gives a text before it looks for words.
//!
//! OpenAI's code calls the Python library `ftfy` (`fix_text`, version 6.3.1, its default settings), then Python's
//! `html.unescape` twice, joins white space and lowers the letters. The rules of `ftfy` (Robyn Speer, Apache-2.0) are
//! implemented here anew; `tests/cleaning.rs` compares both on 50,000 texts.
//!
//! | file | step |
//! |---|---|
//! | `entities` | HTML entities: `ftfy`'s careful way and `html.unescape`'s generous one |
//! | `mojibake` | UTF-8 that was read in a one-byte encoding is read anew |
//! | `suspicion`, `classes` | whether a text looks like mojibake, by the kinds of neighbouring characters |
//! | `encodings` | the one-byte encodings |
//! | `bytes` | UTF-8 sequences that lost a byte on the way |
//! | `characters` | ligatures, widths, quotes, line breaks, terminal escapes, control characters |

mod bytes;
mod characters;
mod classes;
mod encodings;
mod entities;
mod mojibake;
mod suspicion;

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// Most characters that are repaired as one piece; longer lines are cut.
const PIECE: usize = 1_000_000;
/// Most passes over a piece. Each undoes one layer of damage; texts of people need three. A bound, since a long chain of
/// `&amp;amp;amp;…` loses one link per pass.
const PASSES: usize = 100;

/// A text as CLIP's tokenizer sees it: repaired, one space between words, small letters. [`Tokenizer`](crate::Tokenizer) calls
/// it.
///
/// ```
/// use seminar_clip_encoder::clean_text;
///
/// assert_eq!(clean_text("Men\u{E2}\u{20AC}\u{2122}s  Caf&eacute; &#153;"), "men's caf\u{E9} \u{2122}");
/// ```
pub fn clean_text(text: &str) -> String {
    let repaired = repair(text);
    let plain = entities::unescape(&entities::unescape(&repaired)).into_owned();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Repairs a text line by line.
fn repair(text: &str) -> Cow<'_, str> {
    // Printing ASCII without entities is left as it is by every step.
    if text.bytes().all(|b| matches!(b, b' '..=b'~' | b'\n' | b'\t') && b != b'&') {
        return Cow::Borrowed(text);
    }
    let mut repaired = String::with_capacity(text.len());
    // A `<` marks HTML: entities stay from that line on.
    let mut html = false;
    for piece in text.split_inclusive('\n').flat_map(pieces) {
        html |= piece.contains('<');
        repaired.push_str(&repair_piece(piece, !html));
    }
    Cow::Owned(repaired)
}

/// A line in pieces of at most [`PIECE`] characters.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(PIECE).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Applies all steps until nothing changes any more.
fn repair_piece(piece: &str, unescape: bool) -> String {
    let mut text = piece.to_owned();
    for _ in 0..PASSES {
        let unescaped = if unescape { entities::unescape_whole(&text) } else { Cow::Borrowed(&*text) };
        let decoded = mojibake::decode(unescaped.into_owned());
        let next: String = characters::simplify(&mojibake::replace_c1(&decoded)).nfc().collect();
        if next == text {
            break;
        }
        text = next;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_of_several_layers_is_undone() {
        assert_eq!(clean_text("It\u{2019}s  &amp;amp; \u{FB01}ne\u{3000}\u{FF21}\n"), "it's & fine a");
        assert_eq!(clean_text("Acme&Acirc;&reg; Caf\u{C3}\u{192}\u{C2}\u{A9}"), "acme\u{AE} caf\u{E9}");
    }

    #[test]
    fn entities_stay_from_a_bracket_on_until_the_last_step() {
        // The quotes of the first line are made straight, those behind the bracket are only unescaped.
        let text = "&ldquo;a&rdquo;\n<i>&ldquo;b&rdquo;\n&ldquo;c&rdquo;";
        assert_eq!(clean_text(text), "\"a\" <i>\u{201C}b\u{201D} \u{201C}c\u{201D}");
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = "\u{E9}".repeat(PIECE + 7);
        let found: Vec<usize> = pieces(&line).map(|piece| piece.chars().count()).collect();
        assert_eq!(found, [PIECE, 7]);
        assert_eq!(pieces("").count(), 0);
    }

    #[test]
    fn endless_chains_of_entities_end() {
        let chain = format!("&{}lt;", "amp;".repeat(300_000));
        assert!(clean_text(&chain).starts_with('&'));
    }
}
