//! When the events of a row happened.

use super::super::Refusal;
use super::super::loose::Loose;
use super::events::{DATE, TIME};
use super::schema::EventTable;
use super::shape::Shape;
use super::time::{self, SECOND};

/// The times of the events of a row.
pub(super) enum Instants {
    All(i64),
    Each(Vec<i64>),
}

impl Instants {
    pub fn first(&self) -> i64 {
        self.at(0)
    }

    pub fn at(&self, place: usize) -> i64 {
        match self {
            Self::All(time) => *time,
            Self::Each(times) => times.get(place).copied().unwrap_or(0),
        }
    }

    pub fn fits(&self, items: usize) -> std::result::Result<(), Refusal> {
        match self {
            Self::Each(times) if times.len() != items => Err((
                "another number of times than of items".to_owned(),
                format!("{} for {items}", times.len()),
            )),
            _ => Ok(()),
        }
    }
}

/// The time of a row in microseconds; 0 where the file has none.
pub(super) fn time_of(
    table: &EventTable,
    shape: &Shape,
    cells: &[Loose<'_>],
) -> std::result::Result<i64, Refusal> {
    if shape.bound[DATE].is_some() {
        let whole = |slot: usize| {
            cells[slot].as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 1e6).map(|n| n as i64)
        };
        let date = [DATE, DATE + 1, DATE + 2].map(whole);
        let shown = || {
            let parts = (DATE..DATE + 3).map(|slot| match &cells[slot] {
                Loose::Str(text) => text.to_string(),
                other => other.to_string(),
            });
            parts.collect::<Vec<_>>().join("/")
        };
        let [Some(day), Some(month), Some(year)] = date else {
            return Err(("no day, month and year".to_owned(), shown()));
        };
        return time::day(year, month, day).ok_or_else(|| ("there is no such day".to_owned(), shown()));
    }
    if shape.bound[TIME].is_none() {
        return Ok(0);
    }
    let label = &shape.labels[TIME];
    let read = match &cells[TIME] {
        Loose::Null => return Err((format!("`{label}` is missing"), String::new())),
        Loose::Str(text) => time::parse(text, table.time_form),
        Loose::Int(number) => time::of_whole(*number, table.time_form),
        other => other.as_f64().and_then(|number| time::of_number(number, table.time_form)),
    };
    read.filter(|time| time.abs() < 300_000_000_000 * SECOND).ok_or_else(|| {
        let value = match &cells[TIME] {
            Loose::Str(text) => text.to_string(),
            other => other.to_string(),
        };
        (format!("`{label}` is no time"), value)
    })
}
