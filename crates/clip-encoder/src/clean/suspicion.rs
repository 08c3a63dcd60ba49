//! Whether a text looks like mojibake: neighbours that nobody writes on purpose. The rules are those of `ftfy` 6.3.1.

use super::classes::{Kinds, kinds};

/// What may stand at one place of a rule: characters of some kinds, and single ones.
struct Place(Kinds, &'static str);

impl Place {
    fn takes(&self, (c, kinds): (char, Kinds)) -> bool {
        kinds.meets(self.0) || self.1.contains(c)
    }
}

const fn any(kinds: Kinds) -> Place {
    Place(kinds, "")
}

const fn one(characters: &'static str) -> Place {
    Place(Kinds::NONE, characters)
}

const C1: Kinds = Kinds::C1;
const BAD: Kinds = Kinds::BAD;
const LAW: Kinds = Kinds::LAW;
const CURRENCY: Kinds = Kinds::CURRENCY;
const OPENING: Kinds = Kinds::OPENING;
const CLOSING: Kinds = Kinds::CLOSING;
const NUMERIC: Kinds = Kinds::NUMERIC;
const UPPER: Kinds = Kinds::UPPER_ACCENTED;
const LOWER: Kinds = Kinds::LOWER_ACCENTED;
const BOX: Kinds = Kinds::BOX;
const LATIN: Kinds = Kinds::LOWER_LATIN.or(Kinds::UPPER_LATIN);
const ACCENTED: Kinds = LOWER.or(UPPER);
const QUOTES: Kinds = OPENING.or(CLOSING);
/// What a bad character does not stand beside.
const LOUD: Kinds = ACCENTED.or(BOX).or(QUOTES).or(CURRENCY).or(NUMERIC).or(LAW);
/// Second bytes of Arabic letters, in Windows-1252.
const ARABIC: Place = Place(
    Kinds::COMMON.or(CURRENCY).or(BAD).or(NUMERIC).or(OPENING),
    "\u{178}\u{160}\u{AE}\u{B0}\u{B5}\u{BB}",
);
/// Second bytes of letters of Greek and Cyrillic.
const BETWEEN: Kinds = C1.or(BAD).or(QUOTES).or(CURRENCY);

/// Each rule is a row of places. A text that has one of them somewhere is suspicious.
const RULES: &[&[Place]] = &[
    &[any(C1)],
    // Kinds that do not meet.
    &[any(LOUD.or(BAD)), any(BAD)],
    &[any(LATIN), any(Kinds::LOWER_COMMON.or(Kinds::UPPER_COMMON)), any(BAD)],
    &[any(BAD), any(LOUD)],
    &[any(LOWER.or(Kinds::LOWER_COMMON).or(BOX).or(CLOSING).or(CURRENCY).or(NUMERIC)), any(UPPER)],
    &[any(BOX.or(CLOSING).or(CURRENCY).or(NUMERIC)), any(LOWER)],
    &[any(LOWER.or(BOX).or(CLOSING)), any(CURRENCY)],
    &[any(Kinds::SPACE), any(UPPER), any(CURRENCY)],
    &[any(UPPER.or(BOX)), any(NUMERIC.or(LAW))],
    &[any(ACCENTED.or(BOX).or(CURRENCY).or(CLOSING)), any(OPENING), any(NUMERIC)],
    &[any(ACCENTED.or(CURRENCY).or(NUMERIC).or(BOX).or(LAW)), any(CLOSING), any(OPENING)],
    &[any(CURRENCY.or(NUMERIC).or(BOX)), any(OPENING)],
    &[any(Kinds::LOWER_LATIN), any(UPPER), any(OPENING.or(CURRENCY))],
    &[any(BOX), any(Kinds::FACES)],
    &[any(ACCENTED.or(CURRENCY).or(NUMERIC).or(QUOTES).or(LAW)), any(BOX)],
    &[any(BOX), any(CLOSING)],
    &[any(ACCENTED), any(QUOTES), any(Kinds::WORD)],
    // A joined oe before something else than a plain letter, a degree sign behind a capital.
    &[one("\u{152}\u{153}"), any(Kinds::NO_LATIN)],
    &[any(UPPER), one("\u{B0}")],
    // Latin-1, Greek and Cyrillic in Windows-1252.
    &[
        one("\u{C2}\u{C3}\u{CE}\u{D0}"),
        Place(
            QUOTES,
            "\u{20AC}\u{153}\u{160}\u{161}\u{A2}\u{A3}\u{178}\u{17E}\u{A0}\u{AD}\u{AE}\u{A9}\u{B0}\u{B7}\u{BB}\u{2013}\u{2014}\u{B4}",
        ),
    ],
    &[one("\u{C3}"), one("\u{A0}\u{A1}")],
    &[any(Kinds::LOWER_LATIN), one("\u{C2}\u{C3}"), one(" ")],
    &[any(Kinds::LOWER_LATIN), any(Kinds::SPACE), one("\u{C2}\u{C3}"), one(" ")],
    &[Place(Kinds::LOWER_LATIN.or(CLOSING), ".,?!"), one("\u{C2}"), Place(QUOTES, " ")],
    // Hebrew, Arabic and Indian letters in Windows-1252.
    &[one("\u{D7}"), one("\u{B2}\u{B3}")],
    &[one("\u{D8}\u{D9}"), ARABIC, one("\u{D8}\u{D9}"), ARABIC],
    &[one("\u{E0}"), one("\u{B2}\u{B5}\u{B9}\u{BC}\u{BD}\u{BE}")],
    // Mac OS Roman.
    &[
        one("\u{221A}"),
        one("\u{B1}\u{2202}\u{2020}\u{2260}\u{AE}\u{2122}\u{B4}\u{2264}\u{2265}\u{A5}\u{B5}\u{F8}"),
    ],
    &[one("\u{2248}"), one("\u{B0}\u{A2}")],
    &[
        one("\u{201A}"),
        one("\u{C4}"),
        one("\u{EC}\u{EE}\u{EF}\u{F2}\u{F4}\u{FA}\u{F9}\u{FB}\u{2020}\u{B0}\u{A2}\u{3C0}"),
    ],
    &[one("\u{201A}"), one("\u{E2}\u{F3}"), one("\u{E0}\u{E4}\u{B0}\u{EA}")],
    // Windows-1251, 1253 and 1257.
    &[one("\u{432}"), one("\u{402}")],
    &[
        one("\u{412}\u{413}\u{420}\u{421}"),
        Place(BETWEEN, "\u{B0}\u{B5}"),
        one("\u{412}\u{413}\u{420}\u{421}"),
    ],
    &[
        one("\u{413}"),
        one("\u{45E}"),
        one("\u{412}"),
        one("\u{402}"),
        one("\u{412}"),
        any(Kinds::IN_LINE),
        Place(LATIN, " "),
    ],
    &[one("\u{3B2}"), one("\u{20AC}"), one("\u{2122}\u{A0}\u{386}\u{AD}\u{AE}\u{B0}")],
    &[one("\u{392}\u{393}\u{39E}\u{39F}"), Place(BETWEEN, "\u{B0}"), one("\u{392}\u{393}\u{39E}\u{39F}")],
    &[one("\u{101}"), one("\u{20AC}")],
];

/// Whether some part of a text is more likely mojibake than meant.
pub(super) fn suspicious(text: &str) -> bool {
    if text.starts_with(['\u{C2}', '\u{C3}']) && text.chars().nth(1) == Some(' ') {
        return true;
    }
    let characters: Vec<(char, Kinds)> = text.chars().map(|c| (c, kinds(c))).collect();
    (0..characters.len()).any(|at| RULES.iter().any(|rule| follows(rule, &characters[at..])))
}

fn follows(rule: &[Place], characters: &[(char, Kinds)]) -> bool {
    rule.len() <= characters.len() && rule.iter().zip(characters).all(|(place, &c)| place.takes(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mojibake_is_suspicious_and_sound_texts_are_not() {
        for text in [
            "Caf\u{C3}\u{A9}",
            "It\u{E2}\u{20AC}\u{2122}s",
            "men\u{92}s",
            "\u{C3} la mode",
            "voil\u{C3} le",
            "\u{201A}\u{C4}\u{F4}",
            "\u{432}\u{402}\u{2122}",
            "\u{D8}\u{A7}\u{D9}\u{201E}",
        ] {
            assert!(suspicious(text), "{text}");
        }
        for text in [
            "",
            "plain",
            "\u{C5}ngstr\u{F6}m, na\u{EF}ve, \u{152}uvre",
            "5\u{B0} \u{A9}2014 \u{AE} \u{2122} \u{20AC}5",
            "\u{39A}\u{3B1}\u{3BB}\u{3B7}\u{3BC}\u{3AD}\u{3C1}\u{3B1}",
            "\u{6771}\u{4EAC}",
            "(\u{D2}\u{D3})",
        ] {
            assert!(!suspicious(text), "{text}");
        }
    }
}
