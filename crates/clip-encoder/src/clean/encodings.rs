//! The one-byte encodings that UTF-8 is often mistaken for.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::bytes::LOST;

/// An encoding of one byte per character whose lower half is ASCII.
pub(super) struct Encoding {
    /// The bytes of the upper half's characters.
    bytes: HashMap<char, u8>,
    /// Whether bytes without a character go through as Latin-1's, and byte 1A is a character that was lost.
    pub(super) sloppy: bool,
    mac: bool,
}

/// In the order in which they are tried.
pub(super) static ENCODINGS: LazyLock<[Encoding; 10]> = LazyLock::new(|| {
    let encoding = |upper: &[&'static str; 4], sloppy, mac| Encoding {
        bytes: upper_half(upper).zip(0x80..=0xFF).collect(),
        sloppy,
        mac,
    };
    [
        encoding(&LATIN_1, false, false),
        encoding(&WINDOWS_1252, true, false),
        encoding(&WINDOWS_1251, true, false),
        encoding(&WINDOWS_1250, true, false),
        encoding(&WINDOWS_1253, true, false),
        encoding(&WINDOWS_1254, true, false),
        encoding(&WINDOWS_1257, true, false),
        encoding(&ISO_8859_2, false, false),
        encoding(&MAC_ROMAN, false, true),
        encoding(&CODE_PAGE_437, false, false),
    ]
});

/// The encodings that keep Latin-1's order of bytes, in which sequences of UTF-8 are recognised by their letters.
const ALIKE: [&[&str; 4]; 7] =
    [&LATIN_1, &WINDOWS_1252, &WINDOWS_1251, &WINDOWS_1250, &WINDOWS_1253, &WINDOWS_1254, &WINDOWS_1257];

/// What a character can be in a sequence of UTF-8 that was read in one of [`ALIKE`].
static ROLES: LazyLock<HashMap<char, Role>> = LazyLock::new(|| {
    let mut roles: HashMap<char, Role> = HashMap::new();
    for upper in ALIKE {
        for (c, byte) in upper_half(upper).zip(0x80u8..=0xFF) {
            let role = roles.entry(c).or_default();
            match byte {
                0x80..=0xBF => role.continues = true,
                0xC2..=0xDF => role.length = 2,
                0xE0..=0xEF => role.length = 3,
                // Of the others, some begin nothing, and some only characters that nobody has defined.
                0xF0 | 0xF3 => role.length = 4,
                _ => {}
            }
        }
    }
    roles
});

#[derive(Clone, Copy, Default)]
struct Role {
    /// Length of the sequence that it begins; 0 for none.
    length: usize,
    continues: bool,
}

/// Length of the sequence that a character begins, 0 for none.
pub(super) fn sequence_length(c: char) -> usize {
    ROLES.get(&c).map_or(0, |role| role.length)
}

/// Whether a character can stand inside a sequence; a space can, as it may have been a no-break space.
pub(super) fn continues(c: char) -> bool {
    c == ' ' || ROLES.get(&c).is_some_and(|role| role.continues)
}

/// The same, without the spaces, dashes, quotes and dots that also stand beside a sequence.
pub(super) fn continues_strictly(c: char) -> bool {
    let punctuation = matches!(c,
        ' ' | '\u{2013}'..='\u{2015}' | '\u{2018}'..='\u{201A}' | '\u{201C}'..='\u{201E}' | '\u{2022}' | '\u{2026}');
    !punctuation && continues(c)
}

/// The character of a byte in Windows-1252; that of Latin-1 where there is none.
pub(super) fn windows_1252(byte: u8) -> char {
    match byte {
        0..=0x7F => char::from(byte),
        _ => upper_half(&WINDOWS_1252).nth(usize::from(byte) - 0x80).unwrap_or(char::from(byte)),
    }
}

impl Encoding {
    /// The bytes of a text, if the encoding has all its characters.
    pub(super) fn encode(&self, text: &str) -> Option<Vec<u8>> {
        let byte = |c: char| match c {
            '\u{1A}' if self.sloppy => None,
            '\u{FFFD}' if self.sloppy => Some(LOST),
            '\0'..='\u{7F}' => Some(c as u8),
            _ => self.bytes.get(&c).copied(),
        };
        text.chars().map(byte).collect()
    }

    /// Whether a space inside a sequence may have been a no-break space. On the Mac, an en dash before a space would look
    /// like one.
    pub(super) fn keeps_spaces(&self) -> bool {
        !self.mac
    }
}

/// The characters of bytes 80 to FF. A space in the table means Latin-1's character.
fn upper_half(rows: &[&'static str; 4]) -> impl Iterator<Item = char> + use<> {
    let latin_1 = (0x80..=0xFFu8).map(char::from);
    let written = rows.map(str::chars).into_iter().flatten();
    written.zip(latin_1).map(|(c, latin_1)| if c == ' ' { latin_1 } else { c })
}

const LATIN_1: [&str; 4] = ["                                "; 4];

const WINDOWS_1252: [&str; 4] = [
    "€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ",
    "\u{A0}¡¢£¤¥¦§¨©ª«¬\u{AD}®¯°±²³´µ¶·¸¹º»¼½¾¿",
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞß",
    "àáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ",
];

const WINDOWS_1251: [&str; 4] = [
    "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–— ™љ›њќћџ",
    "\u{A0}ЎўЈ¤Ґ¦§Ё©Є«¬\u{AD}®Ї°±Ііґµ¶·ё№є»јЅѕї",
    "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ",
    "абвгдежзийклмнопрстуфхцчшщъыьэюя",
];

const WINDOWS_1250: [&str; 4] = [
    "€ ‚ „…†‡ ‰Š‹ŚŤŽŹ ‘’“”•–— ™š›śťžź",
    "\u{A0}ˇ˘Ł¤Ą¦§¨©Ş«¬\u{AD}®Ż°±˛ł´µ¶·¸ąş»Ľ˝ľż",
    "ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß",
    "ŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
];

const WINDOWS_1253: [&str; 4] = [
    "€ ‚ƒ„…†‡ ‰ ‹     ‘’“”•–— ™ ›    ",
    "\u{A0}΅Ά£¤¥¦§¨© «¬\u{AD}®―°±²³΄µ¶·ΈΉΊ»Ό½ΎΏ",
    "ΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡ ΣΤΥΦΧΨΩΪΫάέήί",
    "ΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώ ",
];

const WINDOWS_1254: [&str; 4] = [
    "€ ‚ƒ„…†‡ˆ‰Š‹Œ    ‘’“”•–—˜™š›œ  Ÿ",
    "\u{A0}¡¢£¤¥¦§¨©ª«¬\u{AD}®¯°±²³´µ¶·¸¹º»¼½¾¿",
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏĞÑÒÓÔÕÖ×ØÙÚÛÜİŞß",
    "àáâãäåæçèéêëìíîïğñòóôõö÷øùúûüışÿ",
];

const WINDOWS_1257: [&str; 4] = [
    "€ ‚ „…†‡ ‰ ‹ ¨ˇ¸ ‘’“”•–— ™ › ¯˛ ",
    "\u{A0} ¢£¤ ¦§Ø©Ŗ«¬\u{AD}®Æ°±²³´µ¶·ø¹ŗ»¼½¾æ",
    "ĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽß",
    "ąįāćäåęēčéźėģķīļšńņóōõö÷ųłśūüżž˙",
];

const ISO_8859_2: [&str; 4] = [
    "                                ",
    "\u{A0}Ą˘Ł¤ĽŚ§¨ŠŞŤŹ\u{AD}ŽŻ°ą˛ł´ľśˇ¸šşťź˝žż",
    "ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß",
    "ŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
];

const MAC_ROMAN: [&str; 4] = [
    "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü",
    "†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø",
    "¿¡¬√ƒ≈∆«»…\u{A0}ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ",
    "‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\u{F8FF}ÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ",
];

const CODE_PAGE_437: [&str; 4] = [
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ",
    "áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐",
    "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀",
    "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{A0}",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_whole() {
        for upper in ALIKE.into_iter().chain([&ISO_8859_2, &MAC_ROMAN, &CODE_PAGE_437]) {
            assert!(upper.iter().all(|row| row.chars().count() == 32), "{upper:?}");
        }
        // No character has two bytes.
        assert!(ENCODINGS.iter().all(|encoding| encoding.bytes.len() == 128));
        assert_eq!((windows_1252(0x99), windows_1252(0x81), windows_1252(b'a')), ('\u{2122}', '\u{81}', 'a'));
    }

    #[test]
    fn lost_characters_have_a_byte_in_sloppy_encodings_alone() {
        let [latin_1, windows, ..] = &*ENCODINGS;
        assert_eq!(windows.encode("\u{20AC}\u{FFFD}"), Some(vec![0x80, LOST]));
        assert_eq!((windows.encode("\u{1A}"), latin_1.encode("\u{1A}")), (None, Some(vec![LOST])));
        assert_eq!(latin_1.encode("\u{FFFD}"), None);
    }

    #[test]
    fn roles_do_not_overlap_between_lengths() {
        assert_eq!(
            ["\u{C3}", "\u{E2}", "\u{F0}", "a"].map(|c| sequence_length(c.chars().next().unwrap())),
            [2, 3, 4, 0]
        );
        assert!(continues(' ') && !continues_strictly(' ') && continues_strictly('\u{2122}'));
    }
}
