//! Bytes to text by the encoding policy, and values shortened for messages.

use std::borrow::Cow;

use super::ReadOptions;

/// Longest value shown in a message, in characters.
const SHOWN: usize = 60;

impl ReadOptions {
    /// These bytes as text. Bytes that are not UTF-8 are replaced if the options say so; else the offset of the first one is
    /// the error.
    pub(crate) fn text<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, str>, usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_) if self.lossy_utf8 => Ok(String::from_utf8_lossy(bytes)),
            Err(error) => Err(error.valid_up_to()),
        }
    }
}

/// A value as messages show it: its first characters on one line.
pub(crate) fn shown(value: &str) -> String {
    let mut letters = value.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let start: String = letters.by_ref().take(SHOWN).collect();
    if letters.next().is_some() { format!("{start}…") } else { start }
}
