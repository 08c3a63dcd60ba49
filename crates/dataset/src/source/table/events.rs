//! Rows of a table as events.

use std::borrow::Cow;

use super::super::Refusal;
use super::super::input::{FileReport, ReadOptions};
use super::super::loose::Loose;
use super::super::record::needed;
use super::columns::{ITEMS, RATINGS, Slot, TIMES, USERS};
use super::instants::{Instants, time_of};
use super::list::values;
use super::rows::{Row, for_each_row};
use super::schema::{Column, EventTable, ListForm};
use super::shape::Shape;
use super::time;
use crate::error::{Error, Result};
use crate::event::{EventKind, RawEvent};
use crate::ids::Vocabulary;

/// The note of a row that rates too low to count.
const TOO_LOW: &str = "not above the rating threshold";
const NO_MARK: &str = "none of the columns that mark an event is set";
const OTHER_ACTION: &str = "another action than those that are events";
const OTHER_KIND: &str = "neither a search nor a recommendation";
const NOT_CHOSEN: &str = "list entries whose label is 0";

const USER: usize = 0;
const ITEM: usize = 1;
pub(super) const TIME: usize = 2;
const RATING: usize = 3;
const QUERY: usize = 4;
const KIND: usize = 5;
const ACTION: usize = 6;
pub(super) const DATE: usize = 7;
/// Where the columns of `any_of` begin.
const MARKS: usize = 10;

/// The columns that a table of events asks for.
pub(super) fn slots(table: &EventTable, wants_rating: bool) -> Vec<Slot> {
    let usual = |what, column, names| Slot::new(what, column).usually(names);
    let user = match table.sequence && table.user.is_empty() {
        true => Slot::new("user", &Column::from("1")),
        false => usual("user", &table.user, USERS).needed(),
    };
    let item = match table.sequence {
        true => Slot::new("items", &Column::default()),
        false => usual("item", &table.item, ITEMS).needed(),
    };
    let time = match table.no_time || !table.date.is_empty() || table.sequence {
        true => Slot::new("time", &Column::default()),
        false => usual("time", &table.time, TIMES),
    };
    let rating = match wants_rating {
        true => usual("rating", &table.rating, RATINGS).needed(),
        false => Slot::new("rating", &Column::default()),
    };
    let kind = table.kind.as_ref().map(|kind| kind.column.clone()).unwrap_or_default();
    let mut slots = vec![
        user,
        item,
        time,
        rating,
        Slot::new("query", &table.query),
        Slot::new("kind", &kind),
        Slot::new("action", &table.action),
    ];
    for (place, what) in ["day", "month", "year"].into_iter().enumerate() {
        slots.push(Slot::new(what, table.date.get(place).unwrap_or(&Column::default())));
    }
    slots.extend(table.any_of.iter().map(|column| Slot::new("mark", column)));
    slots
}

/// Whether the rows of a file have times.
pub(super) fn has_times(shape: &Shape) -> bool {
    shape.bound[TIME].is_some() || shape.bound[DATE].is_some()
}

/// Whether a description can be read.
pub(super) fn check(table: &EventTable) -> Result<()> {
    if !(table.date.is_empty() || table.date.len() == 3) {
        let message = format!("{} columns where those of day, month and year are expected", table.date.len());
        return Err(Error::Config { field: "date", message });
    }
    if table.history && table.list.is_none() {
        return Err(Error::Config { field: "history", message: "needs the form of the list: `list`".into() });
    }
    Ok(())
}

/// Reads the events of one file after another; the reports of all files.
pub(super) fn read(
    table: &EventTable,
    shapes: &[Shape],
    rating_above: Option<f64>,
    options: &ReadOptions,
    visit: &mut dyn FnMut(RawEvent<'_>) -> Result<()>,
) -> Result<Vec<FileReport>> {
    let columns: Vec<Column> =
        slots(table, rating_above.is_some()).into_iter().map(|slot| slot.column).collect();
    let mut first_times = match table.history {
        true => Some(first_times(table, shapes, &columns, options)?),
        false => None,
    };
    let mut seen = Seen::default();
    let mut reports = Vec::new();
    for shape in shapes {
        let mut reader =
            Reader { table, shape, rating_above, seen: &mut seen, first_times: first_times.as_mut() };
        let report = for_each_row(shape, &columns, table.sequence, options, &mut |row, report| {
            let line = row.line;
            match reader.row(row, report, visit)? {
                Ok(()) => {}
                Err((cause, value)) => report.skip(line, &cause, &value),
            }
            Ok(())
        })?;
        reports.push(report);
    }
    Ok(reports)
}

/// Of each user the time of the first row, by time.
fn first_times(
    table: &EventTable,
    shapes: &[Shape],
    columns: &[Column],
    options: &ReadOptions,
) -> Result<(Vocabulary, Vec<Option<i64>>)> {
    let (mut users, mut times) = (Vocabulary::default(), Vec::<Option<i64>>::new());
    for shape in shapes {
        for_each_row(shape, columns, false, options, &mut |row, _| {
            let user = std::mem::take(&mut row.cells[USER]).into_id();
            if let (Ok(user), Ok(time)) = (user, time_of(table, shape, row.cells)) {
                let user = users.insert(user.as_bytes()) as usize - 1;
                times.resize(times.len().max(user + 1), None);
                let first = times[user].map_or(time, |old| old.min(time));
                times[user] = Some(first);
            }
            Ok(())
        })?;
    }
    Ok((users, times))
}

/// The lines of users that may have one row only.
#[derive(Default)]
struct Seen {
    users: Vocabulary,
    lines: Vec<u64>,
}

impl Seen {
    /// The earlier line of a user, if there is one.
    fn earlier(&mut self, user: &str, line: u64) -> Option<u64> {
        let number = self.users.insert(user) as usize;
        if number > self.lines.len() {
            self.lines.push(line);
            return None;
        }
        Some(self.lines[number - 1])
    }
}

struct Reader<'t> {
    table: &'t EventTable,
    shape: &'t Shape,
    rating_above: Option<f64>,
    seen: &'t mut Seen,
    first_times: Option<&'t mut (Vocabulary, Vec<Option<i64>>)>,
}

impl Reader<'_> {
    fn label(&self, slot: usize) -> &str {
        &self.shape.labels[slot]
    }

    /// Hands over the events of a row, or says why there are none.
    fn row(
        &mut self,
        row: Row<'_, '_>,
        report: &mut FileReport,
        visit: &mut dyn FnMut(RawEvent<'_>) -> Result<()>,
    ) -> Result<std::result::Result<(), Refusal>> {
        let Row { line, cells, rest } = row;
        let read = self.event(line, cells, report);
        let Read { user, time, kind, action, query } = match read {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(Ok(())),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let event = RawEvent {
            user: &user,
            query_text: &query,
            kind,
            action: &action,
            part: self.table.part,
            time: time.first(),
            ..RawEvent::default()
        };
        let table = self.table;
        if !table.sequence && table.list.is_none() {
            let item = std::mem::take(&mut cells[ITEM]);
            return match needed(self.label(ITEM), item, "neither text nor a whole number", Loose::into_id) {
                Ok(item) => visit(RawEvent { item: &item, ..event }).map(Ok),
                Err(refusal) => Ok(Err(refusal)),
            };
        }
        if let Some((users, times)) = &mut self.first_times {
            let own = users.get(user.as_bytes()).and_then(|number| times.get_mut(number as usize - 1));
            // The history stands in every row of its user, and counts once.
            match own.filter(|first| **first == Some(event.time)) {
                Some(first) => *first = None,
                None => return Ok(Ok(())),
            }
        } else if !table.repeated_users
            && !has_times(self.shape)
            && let Some(earlier) = self.seen.earlier(&user, line)
        {
            let message = format!(
                "user `{user}` has line {earlier} already: one line for each user is expected, unless `repeated_users` says that \
                 they go on"
            );
            return Err(Error::format(&self.shape.path, line, 0, message));
        }
        let items = match table.sequence {
            true => rest.drain(..).filter_map(|cell| cell.into_id().ok()).collect(),
            false => {
                let separator = table.list.as_ref().map(|list| list.separator.as_str());
                values(std::mem::take(&mut cells[ITEM]), separator)
            }
        };
        let list = table.list.as_ref();
        if let Err(refusal) = time.fits(items.len()) {
            return Ok(Err(refusal));
        }
        for (place, entry) in items.iter().enumerate() {
            let Some(item) = chosen(entry, list) else {
                report.note(line, NOT_CHOSEN, "");
                continue;
            };
            visit(RawEvent { item: item.trim(), time: time.at(place), ..event })?;
        }
        Ok(Ok(()))
    }

    /// What a row says beside its items; `None` if it is no event.
    fn event<'a>(
        &self,
        line: u64,
        cells: &mut [Loose<'a>],
        report: &mut FileReport,
    ) -> std::result::Result<Option<Read<'a>>, Refusal> {
        let mut take = |slot: usize| std::mem::take(&mut cells[slot]);
        let user = needed(self.label(USER), take(USER), "neither text nor a whole number", Loose::into_id)?;
        if let Some(above) = self.rating_above {
            let finite = |value: Loose<'a>| value.as_f64().filter(|rating| rating.is_finite()).ok_or(value);
            let rating = needed(self.label(RATING), take(RATING), "no number", finite)?;
            if rating <= above {
                report.note(line, TOO_LOW, &rating.to_string());
                return Ok(None);
            }
        }
        let mut action = match take(ACTION) {
            Loose::Null => Cow::Borrowed(""),
            value => needed(self.label(ACTION), value, "no text", Loose::into_id)?,
        };
        if !self.table.actions.is_empty() && !self.table.actions.iter().any(|name| *name == action) {
            report.note(line, OTHER_ACTION, &action);
            return Ok(None);
        }
        let kind = match &self.table.kind {
            None => EventKind::Recommendation,
            Some(kinds) => match take(KIND).into_id() {
                Ok(value) if value == kinds.search => EventKind::Search,
                Ok(value) if value == kinds.recommendation => EventKind::Recommendation,
                other => {
                    let value = other.map(|text| text.into_owned()).unwrap_or_default();
                    report.note(line, OTHER_KIND, &value);
                    return Ok(None);
                }
            },
        };
        if !self.table.any_of.is_empty() {
            let set = |value: &Loose<'_>| match value {
                Loose::Bool(set) => *set,
                // One-hot labels: the last entry is that of an event.
                Loose::List(flags) => flags.last().and_then(Loose::as_f64).is_some_and(|flag| flag > 0.0),
                value => value.as_f64().is_some_and(|number| number > 0.0),
            };
            let Some(mark) = (MARKS..MARKS + self.table.any_of.len()).find(|&slot| set(&cells[slot])) else {
                report.note(line, NO_MARK, "");
                return Ok(None);
            };
            if self.table.any_of.len() > 1 && action.is_empty() {
                action =
                    Cow::Owned(self.label(mark).strip_prefix("is_").unwrap_or(self.label(mark)).to_owned());
            }
        }
        let query = match std::mem::take(&mut cells[QUERY]) {
            Loose::Null => Cow::Borrowed(""),
            Loose::Str(text) => text,
            other => Cow::Owned(values(other, None).join(" ")),
        };
        let time = self.times(cells)?;
        Ok(Some(Read { user, time, kind, action, query }))
    }

    fn times(&self, cells: &mut [Loose<'_>]) -> std::result::Result<Instants, Refusal> {
        let list = self.table.list.as_ref().filter(|_| self.shape.bound[TIME].is_some());
        let is_list = |cell: &Loose<'_>| match cell {
            Loose::List(_) => true,
            Loose::Str(text) => list.is_some_and(|list| {
                text.trim_start().starts_with('[') || list.separator != " " && text.contains(&list.separator)
            }),
            _ => false,
        };
        if let Some(list) = list
            && is_list(&cells[TIME])
        {
            let texts = values(std::mem::take(&mut cells[TIME]), Some(&list.separator));
            let each = texts.iter().map(|text| {
                time::parse(text, self.table.time_form)
                    .ok_or_else(|| (format!("`{}` is no time", self.label(TIME)), text.to_string()))
            });
            return Ok(Instants::Each(each.collect::<std::result::Result<_, _>>()?));
        }
        time_of(self.table, self.shape, cells).map(Instants::All)
    }
}

/// What a row says beside its items.
struct Read<'a> {
    user: Cow<'a, str>,
    time: Instants,
    kind: EventKind,
    action: Cow<'a, str>,
    query: Cow<'a, str>,
}

/// The item of a list entry; `None` if its label says that it was not chosen.
fn chosen<'a>(entry: &'a str, list: Option<&ListForm>) -> Option<&'a str> {
    let Some(label) = list.and_then(|list| list.label.as_deref()) else { return Some(entry) };
    match entry.rsplit_once(label) {
        Some((item, label)) => (label != "0").then_some(item),
        None => Some(entry),
    }
}
