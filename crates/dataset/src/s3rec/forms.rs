//! What the text files may hold in more than one form: sequences a line or a pair a line, numbers and queries in JSON.

use std::path::Path;

use hashbrown::HashMap;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::grammar::{Place, keywords};
use crate::error::{Error, Result};
use crate::source::FileReport;
use crate::source::input::shown;
use crate::source::loose::Loose;

/// Lines of `NAME.txt` as they are read: one user a line, or SASRec's form, a pair of user and item a line.
#[derive(Default)]
pub(super) struct Sequences {
    pub items: Vec<u32>,
    users: Vec<u32>,
    ends: Vec<u64>,
    /// The line of each user.
    first_lines: HashMap<u32, u64>,
    /// The first line whose user has one already.
    repeated: Option<Misplaced>,
    /// The first line whose user is smaller than the one before.
    falling: Option<Misplaced>,
    /// The first line that is no pair.
    longer: Option<u64>,
}

/// A line that one of the two forms does not have, with the line that it contradicts.
#[derive(Clone, Copy)]
struct Misplaced {
    user: u32,
    line: u64,
    byte: u64,
    /// The earlier line of the user, or the larger user before.
    other: u64,
}

/// User numbers, offsets of their events, items.
type Users = (Vec<u32>, Vec<u64>, Vec<u32>);

impl Sequences {
    /// Ends a line whose items are `items[before..]`.
    pub fn end_line(&mut self, place: &Place<'_>, user: u32, before: usize) -> Result<()> {
        let (line, byte) = (place.line, place.byte);
        if self.items.len() - before != 1 {
            self.longer.get_or_insert(line);
        }
        if let Some(&previous) = self.users.last().filter(|&&previous| previous > user) {
            self.falling.get_or_insert(Misplaced { user, line, byte, other: previous.into() });
        }
        let first = *self.first_lines.entry(user).or_insert(line);
        if first != line {
            self.repeated.get_or_insert(Misplaced { user, line, byte, other: first });
        }
        // Known to fit neither form: the rest of the file need not be read.
        if let (Some(repeated), Some(longer)) = (self.repeated, self.longer) {
            let Misplaced { user, line, byte, other } = repeated;
            let message = format!(
                "user {user} has line {other} already: one line for each user is expected, or `user item` in every line (line \
                 {longer} is no pair)"
            );
            return Err(Error::format(place.path, line, byte, message));
        }
        self.users.push(user);
        self.ends.push(self.items.len() as u64);
        Ok(())
    }

    pub fn lines(&self) -> u64 {
        self.users.len() as u64
    }

    /// The users and their events.
    ///
    /// If users repeat, every line is a pair. They are SASRec's form if they stand in the order of users.
    pub fn users(self, path: &Path, report: &mut FileReport) -> Result<Users> {
        let Self { items, users, ends, repeated, falling, .. } = self;
        if repeated.is_none() {
            return Ok((users, [0].into_iter().chain(ends).collect(), items));
        }
        if let Some(Misplaced { user, line, byte, other }) = falling {
            let message = format!(
                "user {user} comes after user {other}: lines of `user item` are expected in the order of users, of each user \
                 oldest first (`sort -s -n -k 1,1`)"
            );
            return Err(Error::format(path, line, byte, message));
        }
        report.note(1, "read as SASRec's form, one `user item` a line", "");
        let (mut numbers, mut offsets) = (Vec::new(), vec![0]);
        for own in users.chunk_by(|a, b| a == b) {
            numbers.push(own[0]);
            offsets.push(offsets[offsets.len() - 1] + own.len() as u64);
        }
        Ok((numbers, offsets, items))
    }
}

/// A whole number of a JSON file, also when written as `7.0` or in quotes.
pub(super) struct Whole(pub u32);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let value = Loose::deserialize(deserializer)?;
        item_number(&value).map(Self).map_err(D::Error::custom)
    }
}

/// The number that stands for an item.
pub(super) fn item_number(value: &Loose<'_>) -> std::result::Result<u32, String> {
    let number = value.as_time().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| match value {
        Loose::Null => "`item` is missing".to_owned(),
        other => format!("`{}` where a whole number is expected", shown(&other.to_string())),
    })
}

/// An item's query: keyword ids joined by commas, one id, or null for none.
pub(super) struct QueryText(String);

impl<'de> Deserialize<'de> for QueryText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match Loose::deserialize(deserializer)? {
            Loose::Null => Ok(Self(String::new())),
            Loose::Str(text) => Ok(Self(text.into_owned())),
            other => match other.into_id() {
                Ok(id) => Ok(Self(id.into_owned())),
                Err(other) => {
                    Err(D::Error::custom(format!("{other} where keyword ids in quotes are expected")))
                }
            },
        }
    }
}

/// The keyword ids of an item's query.
pub(super) fn word_list(query: &QueryText) -> std::result::Result<Vec<u32>, String> {
    keywords(query.0.trim())
}
