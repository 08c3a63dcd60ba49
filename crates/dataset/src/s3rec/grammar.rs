//! The lines of the text files: a user number, then fields separated by single spaces.

use std::path::Path;

use crate::error::{Error, Result};
use crate::source::input::shown;
use crate::source::{LineReader, ReadOptions};

/// Largest id accepted.
const MAX_ID: u32 = 1 << 31;

/// Where a line stands.
pub(super) struct Place<'a> {
    pub path: &'a Path,
    pub line: u64,
    pub byte: u64,
}

impl Place<'_> {
    /// An error in this line.
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::format(self.path, self.line, self.byte, message)
    }
}

/// Hands over each line's user number and what follows it. `lone`: whether a line may hold the user alone.
pub(super) fn for_each_row(
    path: &Path,
    options: &ReadOptions,
    lone: bool,
    mut row: impl FnMut(Place<'_>, u32, &str) -> Result<()>,
) -> Result<()> {
    let mut reader = LineReader::open(path, options)?;
    let mut empty = true;
    while let Some(line) = reader.next_line()? {
        let place = Place { path, line: line.number, byte: line.byte };
        let text = line.text.trim();
        let (user, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        let user = id(user).map_err(|m| place.error(m))?;
        if rest.is_empty() && !lone {
            return Err(place.error(format!("user {user} without any item: `user item item …` is expected")));
        }
        row(place, user, rest)?;
        empty = false;
    }
    if empty { Err(Error::format(path, 0, 0, "the file holds no line of data")) } else { Ok(()) }
}

/// The item numbers of a line.
pub(super) fn ids<'a>(place: &'a Place<'_>, fields: &'a str) -> impl Iterator<Item = Result<u32>> + 'a {
    let numbered = fields.split_ascii_whitespace().enumerate();
    numbered.map(|(n, field)| id(field).map_err(|m| place.error(format!("field {}: {m}", n + 2))))
}

/// The queries of a line, one for each item: of two blanks in a row, an empty one stands between.
pub(super) fn queries<'a>(
    place: &'a Place<'_>,
    fields: &'a str,
) -> impl Iterator<Item = Result<Vec<u32>>> + 'a {
    let numbered = fields.split([' ', '\t']).filter(|_| !fields.is_empty()).enumerate();
    numbered.map(|(n, field)| keywords(field).map_err(|m| place.error(format!("field {}: {m}", n + 2))))
}

/// The largest number of a keyword or an attribute: tables have a row for each number up to the largest.
pub(super) const MOST_NUMBER: u32 = 10_000_000;

/// An item or user number.
pub(super) fn id(field: &str) -> std::result::Result<u32, String> {
    match field.parse::<u32>() {
        Ok(id) if (1..=MAX_ID).contains(&id) => Ok(id),
        _ => Err(format!("`{}` where an id from 1 to {MAX_ID} is expected", shown(field))),
    }
}

/// `0` is the empty query; otherwise keyword ids joined by commas.
pub(super) fn keywords(field: &str) -> std::result::Result<Vec<u32>, String> {
    if field == "0" || field.is_empty() {
        return Ok(Vec::new());
    }
    let word = |w: &str| match w.parse::<u32>() {
        Ok(word) if word <= MOST_NUMBER => Ok(word),
        _ => Err(format!(
            "`{}` where keyword ids up to {MOST_NUMBER}, joined by commas, are expected",
            shown(field)
        )),
    };
    field.split(',').map(word).collect()
}

/// Checks that a line's user is the one in this row of `NAME.txt`, and returns the row.
pub(super) fn aligned_user(place: &Place<'_>, row: usize, number: u32, users: &[u32]) -> Result<usize> {
    match users.get(row) {
        Some(&user) if user == number => Ok(row),
        Some(user) => Err(place.error(format!("user {number} where NAME.txt has user {user}"))),
        None => Err(place.error(too_many("lines", users.len()))),
    }
}

/// The message where a file goes on after its end is expected.
pub(super) fn too_many(what: &str, expected: usize) -> String {
    format!("more {what} than the {expected} expected")
}

/// Checks that a file has a line for each user.
pub(super) fn same_length(path: &Path, lines: usize, users: usize) -> Result<()> {
    if lines == users {
        return Ok(());
    }
    Err(Error::format(path, lines as u64 + 1, 0, format!("{lines} lines for {users} users")))
}
