//! The lines of the text files: a user number, then fields separated by single spaces.

use std::path::Path;

use crate::error::{Error, Result};
use crate::source::{LineReader, ReadOptions};

/// Largest id accepted.
const MAX_ID: u32 = 1 << 31;

/// Where a line stands.
pub(super) struct Place<'a> {
    path: &'a Path,
    line: u64,
    byte: u64,
}

impl Place<'_> {
    /// An error in this line.
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::format(self.path, self.line, self.byte, message)
    }
}

/// Hands over each line's user number and its other fields. A user may have none: no events, or no negatives.
pub(super) fn for_each_row(
    path: &Path,
    mut row: impl FnMut(Place<'_>, u32, std::str::SplitTerminator<'_, char>) -> Result<()>,
) -> Result<()> {
    let mut reader = LineReader::open(path, &ReadOptions::default())?;
    let mut empty = true;
    while let Some(line) = reader.next_line()? {
        let place = Place { path, line: line.number, byte: line.byte };
        let (user, rest) = line.text.split_once(' ').unwrap_or((&line.text, ""));
        let user = id(user).map_err(|m| place.error(m))?;
        row(place, user, rest.trim_end().split_terminator(' '))?;
        empty = false;
    }
    if empty { Err(Error::format(path, 0, 0, "the file holds no line of data")) } else { Ok(()) }
}

/// An item or user number.
pub(super) fn id(field: &str) -> std::result::Result<u32, String> {
    match field.parse::<u32>() {
        Ok(id) if (1..=MAX_ID).contains(&id) => Ok(id),
        _ => Err(format!("`{field}` where an id from 1 to {MAX_ID} is expected")),
    }
}

/// `0` is the empty query; otherwise keyword ids joined by commas.
pub(super) fn keywords(field: &str) -> std::result::Result<Vec<u32>, String> {
    if field == "0" || field.is_empty() {
        return Ok(Vec::new());
    }
    let word = |w: &str| match w.parse::<u32>() {
        Ok(word) if word <= MAX_ID => Ok(word),
        _ => Err(format!("`{field}` where keyword ids joined by commas are expected")),
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
