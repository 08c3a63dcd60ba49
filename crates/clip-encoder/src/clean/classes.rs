//! Kinds of the characters that occur in mojibake, some four hundred. Facts of `ftfy` 6.3.1.

use std::collections::HashMap;
use std::ops::BitOr;
use std::sync::LazyLock;

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds(u32);

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    /// Frequent in sound texts as well.
    pub(super) const COMMON: Self = Self(1);
    /// Control characters between ASCII and Latin-1.
    pub(super) const C1: Self = Self(1 << 1);
    /// Hardly ever written on purpose.
    pub(super) const BAD: Self = Self(1 << 2);
    pub(super) const LAW: Self = Self(1 << 3);
    pub(super) const CURRENCY: Self = Self(1 << 4);
    /// Opens a quotation or a list, or stands before a word.
    pub(super) const OPENING: Self = Self(1 << 5);
    /// Closes a quotation, or stands after a word.
    pub(super) const CLOSING: Self = Self(1 << 6);
    pub(super) const NUMERIC: Self = Self(1 << 7);
    /// Parts of faces, such as Ò in (ÒÓ).
    pub(super) const FACES: Self = Self(1 << 8);
    pub(super) const UPPER_ACCENTED: Self = Self(1 << 9);
    pub(super) const LOWER_ACCENTED: Self = Self(1 << 10);
    /// Capitals of Greek and Cyrillic, and thorn.
    pub(super) const UPPER_COMMON: Self = Self(1 << 11);
    /// Small letters of Greek and Cyrillic.
    pub(super) const LOWER_COMMON: Self = Self(1 << 12);
    pub(super) const BOX: Self = Self(1 << 13);
    /// A to Z.
    pub(super) const UPPER_LATIN: Self = Self(1 << 14);
    /// a to z.
    pub(super) const LOWER_LATIN: Self = Self(1 << 15);
    /// Anything but A to Z and a to z.
    pub(super) const NO_LATIN: Self = Self(1 << 16);
    /// White space.
    pub(super) const SPACE: Self = Self(1 << 17);
    /// Letters, digits and the underscore.
    pub(super) const WORD: Self = Self(1 << 18);
    /// Anything but a line break.
    pub(super) const IN_LINE: Self = Self(1 << 19);

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Kinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

/// Characters of each kind; `-` between two stands for all from one to the other.
const MEMBERS: [(Kinds, &str); 14] = [
    (Kinds::COMMON, "\u{A0}\u{AD}·´\u{2013}\u{2014}\u{2015}…\u{2019}"),
    (Kinds::C1, "\u{80}-\u{9F}"),
    (Kinds::BAD, "¦¤¨¬¯¸ƒˆˇ˘˛˜†‡‰⌐◊\u{FFFD}ªº"),
    (Kinds::LAW, "¶§"),
    (Kinds::CURRENCY, "¢£¥₧€"),
    (Kinds::OPENING, "¡«¿©΄΅\u{2018}\u{201A}\u{201C}\u{201E}•‹\u{F8FF}"),
    (Kinds::CLOSING, "®»˝\u{201D}›™"),
    (Kinds::NUMERIC, "²³¹±¼½¾×µ÷⁄∂∆∏∑√∞∩∫≈≠≡≤≥№"),
    (Kinds::FACES, "Ò-ÖÙ-Üò-öø-üŐŌŪŲ°"),
    (Kinds::UPPER_ACCENTED, "À-ÑØÜÝĂĀĄĆČĎĐĘĚĒĖĞĢİĪĶĹĽŁĻŃŇŅŒŘŚŞŠŢŤŮŰŸŹŻŽҐ"),
    (Kinds::LOWER_ACCENTED, "ßà-ñăąāćčďđęěēėğģįīķĺľłļœŕśşšťüźżžґ\u{FB01}\u{FB02}"),
    (Kinds::UPPER_COMMON, "ÞΑ-ΩΆΈΉΊΌΎΏΪΫЁ-Я"),
    (Kinds::LOWER_COMMON, "α-ωάέήίΰа-џ"),
    (Kinds::BOX, "│┌┐┘├┤┬┼═-╬▀▄█▌▐░▒▓"),
];

static KINDS: LazyLock<HashMap<char, Kinds>> = LazyLock::new(|| {
    let mut kinds: HashMap<char, Kinds> = HashMap::new();
    for (kind, members) in MEMBERS {
        let members: Vec<char> = members.chars().collect();
        for (at, &c) in members.iter().enumerate() {
            let range = match members.get(at + 1..at + 3) {
                Some(&['-', last]) => c..=last,
                _ => c..=c,
            };
            range.for_each(|c| {
                let known = kinds.entry(c).or_default();
                *known = *known | kind;
            });
        }
    }
    kinds.remove(&'-');
    kinds
});

/// All kinds of a character.
pub(super) fn kinds(c: char) -> Kinds {
    let own = KINDS.get(&c).copied().unwrap_or(Kinds::NONE);
    let latin = match c {
        'A'..='Z' => Kinds::UPPER_LATIN,
        'a'..='z' => Kinds::LOWER_LATIN,
        _ => Kinds::NO_LATIN,
    };
    // Separators of files and records are white space to Python.
    let space =
        if c.is_whitespace() || matches!(c, '\u{1C}'..='\u{1F}') { Kinds::SPACE } else { Kinds::NONE };
    let word = if word(c) { Kinds::WORD } else { Kinds::NONE };
    let in_line = if c == '\n' { Kinds::NONE } else { Kinds::IN_LINE };
    own | latin | space | word | in_line
}

/// Python's `\w`: letters, digits and the underscore, but neither marks nor circled letters.
fn word(c: char) -> bool {
    let circled = matches!(c, '\u{24B6}'..='\u{24E9}' | '\u{1F130}'..='\u{1F189}');
    c == '_' || c.is_alphanumeric() && !circled && !unicode_normalization::char::is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_ranges() {
        assert_eq!(KINDS.len(), 449);
        assert!(kinds('Ü').meets(Kinds::FACES) && kinds('Ü').meets(Kinds::UPPER_ACCENTED));
        assert!(kinds('Ó').meets(Kinds::FACES) && !kinds('Ó').meets(Kinds::UPPER_ACCENTED));
        assert!(kinds('-') == kinds('+') && !kinds('\n').meets(Kinds::IN_LINE));
        assert!(kinds('\u{3B2}').meets(Kinds::LOWER_COMMON) && kinds('\u{90}').meets(Kinds::C1));
        assert!(kinds('\u{436}').meets(Kinds::WORD) && !kinds('\u{24B6}').meets(Kinds::WORD));
    }
}
