//! Synthetic logs in the form that a preset describes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::{SyntheticConfig, World, begin};
use crate::atomic;
use crate::error::{Error, Result};
use crate::event::Part;
use crate::instant::instant;
use crate::preset::{Preset, Reader};
use crate::rng::Stream;
use crate::source::{Column, Encoding, EventTable, FieldColumn, Form, ItemTable, TableForm, TimeForm};

/// The time of the first event at the earliest: in 2020.
const START: i64 = 1_577_836_800;
/// Events of a user that a history holds, where the form has one.
const HISTORY: usize = 3;

/// Cells of a row by the names of their columns.
type Row = Vec<(String, Value)>;

/// Writes the files of a preset that describes tables, with planted interests as in the other forms.
///
/// - `name`: of the data set, where names of files hold it.
///
/// Returns the names of the files.
///
/// # Errors
/// A preset with a reader of its own, settings that cannot work, Parquet without the feature, or the file system's refusal.
pub fn write_tables(
    config: &SyntheticConfig,
    preset: &Preset,
    folder: &Path,
    name: &str,
) -> Result<Vec<String>> {
    if preset.reader != Reader::Table {
        let message = format!("{} has a form of its own", preset.name);
        return Err(Error::Config { field: "form", message });
    }
    let world = begin(config, folder, Some(name))?;
    let mut files = Files::default();
    let split = preset.events.iter().any(|table| table.part != Part::Train);
    // Where users have a list in a file of its own, the events behind it are in another one.
    let is_list = |table: &EventTable| table.list.is_some() && !table.history && table.any_of.is_empty();
    let lists = preset.events.len() > 1 && is_list(&preset.events[0]);
    for (user, length) in world.lengths().enumerate() {
        let events = timed(&world, config, user as u64, length);
        for (place, table) in preset.events.iter().enumerate() {
            let last = events.len() - 1;
            let own = match (split, table.part) {
                (false, _) if lists => {
                    if place == 0 {
                        &events[..last]
                    } else {
                        &events[last..]
                    }
                }
                // Files of which any will do.
                (false, _) if place > 0 && table.optional => &[],
                (false, _) => &events[..],
                // A file of all events has no place beside the parts of a split.
                (true, _) if table.files.iter().any(|file| file == "{name}.csv") => &[],
                (true, Part::Train) => &events[..events.len() - 2],
                (true, Part::Valid) => &events[events.len() - 2..events.len() - 1],
                (true, Part::Test) => &events[events.len() - 1..],
            };
            if !own.is_empty() {
                events_of(
                    table,
                    preset,
                    user as u64,
                    own,
                    &world,
                    files.of(&table.files, &table.format, name),
                );
            }
        }
    }
    for table in &preset.items {
        if preset.events.iter().any(|events| events.files == table.files) {
            continue;
        }
        let rows = files.of(&table.files, &table.format, name);
        rows.extend((0..config.items).map(|item| item_row(table, &world, item)));
    }
    files.write(folder, preset)
}

/// Items and times of a user's events, oldest first.
fn timed(world: &World, config: &SyntheticConfig, user: u64, length: u64) -> Vec<(u64, i64)> {
    let mut stream = Stream::new(&[config.seed, 8, user]);
    let mut time = START + stream.below(86_400 * 300) as i64;
    let step = |time: &mut i64| {
        *time += 1 + stream.below(86_400) as i64;
        *time
    };
    let mut step = step;
    world.events(user, length).into_iter().map(|event| (event.item, step(&mut time))).collect()
}

#[derive(Default)]
struct Files(BTreeMap<String, (TableForm, Vec<Row>)>);

impl Files {
    /// The rows of the first file of these.
    fn of(&mut self, patterns: &[String], form: &TableForm, name: &str) -> &mut Vec<Row> {
        let file =
            patterns.first().map_or("", String::as_str).replace("{name}", name).replace('*', "synthetic");
        &mut self.0.entry(file).or_insert_with(|| (form.clone(), Vec::new())).1
    }

    fn write(self, folder: &Path, preset: &Preset) -> Result<Vec<String>> {
        let names = self.0.keys().cloned().collect();
        for (file, (form, rows)) in self.0 {
            let path = folder.join(&file);
            let typed = preset.name == "recbole";
            let json = form.form == Form::JsonLines;
            if form.form == Form::Parquet || file.ends_with(".parquet") {
                parquet(&path, &rows)?;
                continue;
            }
            atomic::write_file(&path, |out| {
                let text = match json {
                    true => rows.iter().map(|row| json_line(row, preset)).collect::<String>(),
                    false => delimited(&rows, &form, typed),
                };
                let bytes: Vec<u8> = match form.encoding {
                    Encoding::Utf8 => text.into_bytes(),
                    Encoding::Latin1 => {
                        text.chars().map(|letter| u8::try_from(letter).unwrap_or(b'?')).collect()
                    }
                };
                out.write_all(&bytes).map_err(Error::io(&path, "cannot write"))
            })?;
        }
        Ok(names)
    }
}

#[cfg(feature = "parquet")]
fn parquet(path: &Path, rows: &[Row]) -> Result<()> {
    crate::export::write_rows(path, rows)
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: &Path, _: &[Row]) -> Result<()> {
    let message = "files of Parquet need a build with the feature `parquet`".to_owned();
    Err(Error::Config { field: "form", message })
}

/// The name of a column as it is written: the first that was said, or the usual one.
fn named(column: &Column, usual: &str) -> String {
    column.0.first().cloned().unwrap_or_else(|| usual.to_owned())
}

/// Adds the rows of a user's events.
fn events_of(
    table: &EventTable,
    preset: &Preset,
    user: u64,
    events: &[(u64, i64)],
    world: &World,
    rows: &mut Vec<Row>,
) {
    let recbole = preset.name == "recbole";
    let (user_column, item_column) =
        if recbole { ("user_id:token", "item_id:token") } else { ("user", "item") };
    // A file with histories has them in the rows of another table of the same files.
    let history = preset.events.iter().find(|other| other.history && other.files == table.files);
    if table.history {
        return;
    }
    let start = if history.is_some() { HISTORY.min(events.len() - 1) } else { 0 };
    if let Some(list) = table.list.as_ref().filter(|list| list.label.is_none()) {
        let items: Vec<String> = events.iter().map(|event| event.0.to_string()).collect();
        let cell =
            match preset.events.iter().any(|table| table.files.iter().any(|file| file.ends_with(".parquet")))
            {
                true => Value::from(items),
                false => Value::from(items.join(&list.separator)),
            };
        rows.push(vec![
            (named(&table.user, user_column), user.to_string().into()),
            (named(&table.item, item_column), cell),
        ]);
        return;
    }
    for &(item, time) in &events[start..] {
        let mut row: Row = vec![(named(&table.user, user_column), user.to_string().into())];
        let cell = match table.list.as_ref().and_then(|list| Some((list, list.label.as_ref()?))) {
            Some((list, label)) => {
                let other = world.item_after(item);
                format!("{item}{label}1{}{other}{label}0", list.separator)
            }
            None => item.to_string(),
        };
        row.push((named(&table.item, item_column), cell.into()));
        if let Some(history) = history {
            let separator = history.list.as_ref().map_or(" ", |list| list.separator.as_str());
            let items: Vec<String> = events[..start].iter().map(|event| event.0.to_string()).collect();
            row.push((named(&history.item, "history"), items.join(separator).into()));
        }
        times(table, recbole, time, &mut row);
        if !table.rating.is_empty() || recbole {
            row.push((named(&table.rating, "rating:float"), Value::from(1 + (item + user) % 5)));
        }
        for (place, mark) in table.any_of.iter().enumerate() {
            row.push((named(mark, "mark"), Value::from(u8::from(place == 1 || table.any_of.len() == 1))));
        }
        if !table.action.is_empty() {
            let action = table.actions.first().map_or("view", String::as_str);
            row.push((named(&table.action, "action"), action.into()));
        }
        // Files that describe items, too, say of each event's item what they say of it.
        let beside = preset.items.iter().filter(|items| items.files == table.files);
        row.extend(beside.flat_map(|items| item_row(items, world, item).into_iter().skip(1)));
        rows.push(row);
    }
}

fn times(table: &EventTable, recbole: bool, time: i64, row: &mut Row) {
    if table.no_time {
        return;
    }
    let day = instant(time);
    if let [of_day, month, year] = table.date.as_slice() {
        for (column, range) in [(of_day, 8..10), (month, 5..7), (year, 0..4)] {
            row.push((named(column, "date"), Value::from(day[range].parse::<u32>().unwrap_or(1))));
        }
        return;
    }
    let column = named(&table.time, if recbole { "timestamp:float" } else { "timestamp" });
    let cell = match table.time_form {
        TimeForm::Milliseconds => Value::from(time * 1000),
        TimeForm::Microseconds => Value::from(time * 1_000_000),
        TimeForm::Nanoseconds => Value::from(time * 1_000_000_000),
        TimeForm::DayFirst => Value::from(format!("{}/{}/{}", &day[8..10], &day[5..7], &day[..4])),
        TimeForm::Auto if column == "date" => Value::from(day),
        TimeForm::Auto | TimeForm::Seconds => Value::from(time),
    };
    row.push((column, cell));
}

fn item_row(table: &ItemTable, world: &World, item: u64) -> Row {
    let recbole = table.other_fields;
    let mut row: Row =
        vec![(named(&table.id, if recbole { "item_id:token" } else { "item" }), item.to_string().into())];
    let (series, part) = world.series(item);
    let title = format!("{} part {}", world.word(&[1, series]), part + 1);
    if recbole {
        row.push(("title:token_seq".into(), title.into()));
        row.push(("class:token_seq".into(), world.word(&[0, world.topic(item), 0]).into()));
        return row;
    }
    if !table.title.is_empty() {
        row.push((named(&table.title, "title"), title.into()));
    }
    if !table.description.is_empty() {
        row.push((named(&table.description, "description"), world.word(&[0, world.topic(item), 1]).into()));
    }
    if !table.image.is_empty() {
        row.push((named(&table.image, "image"), format!("synthetic:{item}").into()));
    }
    for field in &table.fields {
        field_cells(field, world, item, &mut row);
    }
    row
}

fn field_cells(field: &FieldColumn, world: &World, item: u64, row: &mut Row) {
    let topic = world.topic(item);
    if !field.flags.is_empty() {
        let chosen = topic as usize % field.flags.len();
        for (place, (column, _)) in field.flags.iter().enumerate() {
            row.push((named(column, "flag"), Value::from(u8::from(place == chosen))));
        }
        return;
    }
    let words = [world.word(&[3, topic]), world.word(&[3, topic / 8])];
    let cell = match (field.buckets, &field.separator) {
        (Some(_), _) => Value::from(5 + item % 40),
        (None, Some(separator)) => Value::from(words.join(separator)),
        (None, None) => Value::from(words[0].clone()),
    };
    row.push((named(&field.column, &field.name), cell));
}

/// A cell as text.
fn text(cell: &Value) -> String {
    match cell {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A line of JSON; of Python for Steam, whose files are.
fn json_line(row: &Row, preset: &Preset) -> String {
    if preset.name == "steam" {
        let cell = |(name, cell): &(String, Value)| match cell {
            Value::String(text) => format!("u'{name}': u'{text}'"),
            other => format!("u'{name}': {other}"),
        };
        return format!("{{{}}}\n", row.iter().map(cell).collect::<Vec<_>>().join(", "));
    }
    let object: Map<String, Value> = row.iter().cloned().collect();
    format!("{}\n", Value::Object(object))
}

/// Rows of cells, with a header where columns have names.
fn delimited(rows: &[Row], form: &TableForm, typed: bool) -> String {
    let separator = form.separator.as_deref().unwrap_or(if form.form == Form::Tsv { "\t" } else { "," });
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().take(1).flatten() {
        names.push(name);
    }
    let numbered = !typed && names.iter().all(|name| name.parse::<usize>().is_ok());
    let width = match numbered {
        true => names.iter().filter_map(|name| name.parse::<usize>().ok()).max().unwrap_or(0),
        false => names.len(),
    };
    let quoted =
        |cell: String| match form.quotes != Some(false) && (cell.contains(separator) || cell.contains('"')) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell,
        };
    let mut out = String::new();
    if !numbered {
        out += &(names.join(separator) + "\n");
    }
    for row in rows {
        let mut cells = vec![String::new(); width];
        for (place, (name, cell)) in row.iter().enumerate() {
            let at = if numbered { name.parse::<usize>().map_or(0, |number| number - 1) } else { place };
            if let Some(slot) = cells.get_mut(at) {
                *slot = quoted(text(cell));
            }
        }
        out += &(cells.join(separator) + "\n");
    }
    out
}
