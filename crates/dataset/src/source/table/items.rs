//! Rows of a table as descriptions of items.

use std::borrow::Cow;

use super::super::input::{FileReport, ReadOptions, shown};
use super::super::loose::Loose;
use super::super::record::needed;
use super::super::{MARKUP_TITLES, title_words};
use super::columns::{IDS, IMAGES, ITEMS, Slot, TITLES};
use super::list::values;
use super::rows::for_each_row;
use super::schema::{Column, FieldColumn, ItemTable};
use super::shape::Shape;
use crate::error::Result;
use crate::event::{ItemField, RawItem};

const ID: usize = 0;
const TITLE: usize = 1;
const DESCRIPTION: usize = 2;
const IMAGE: usize = 3;
const QUERY: usize = 4;
const ATTRIBUTES: usize = 5;
/// Where the columns of the fields begin.
const FIELDS: usize = 6;

/// Buckets of a column of numbers of which nothing else was said.
const BUCKETS: usize = 10;

/// The columns that a table of items asks for.
pub(super) fn slots(table: &ItemTable) -> Vec<Slot> {
    let optional = |what, column: &Column, names| Slot::new(what, column).usually(names);
    let mut slots = vec![
        optional("item", &table.id, ITEMS).usually(IDS).needed(),
        optional("title", &table.title, TITLES),
        Slot::new("description", &table.description),
        optional("image", &table.image, IMAGES),
        Slot::new("query", &table.query),
        Slot::new("attributes", &table.attributes),
    ];
    for field in &table.fields {
        slots.extend(columns(field).map(|column| {
            let slot = Slot::new("field", &column);
            Slot { needed: slot.needed && !field.optional, ..slot }
        }));
    }
    slots
}

/// The columns of a field.
fn columns(field: &FieldColumn) -> impl Iterator<Item = Column> {
    let own = match (field.flags.is_empty(), field.column.is_empty()) {
        (false, _) => None,
        (true, true) => Some(Column::from(field.name.as_str())),
        (true, false) => Some(field.column.clone()),
    };
    own.into_iter().chain(field.flags.iter().map(|(column, _)| column.clone()))
}

/// The field as a reader of items announces it.
pub(super) fn announced(field: &FieldColumn) -> ItemField {
    ItemField { name: field.name.clone(), buckets: field.buckets }
}

/// The columns of a file that are nothing else, as fields: if a header has types, by them.
pub(super) fn other_fields(shape: &Shape) -> Vec<FieldColumn> {
    let free = (0..shape.header.names.len()).filter(|at| !shape.bound.contains(&Some(*at)));
    let field = |at: usize| {
        let of = shape.header.types.get(at).map_or("", String::as_str);
        FieldColumn {
            name: shape.header.names[at].clone(),
            separator: of.ends_with("_seq").then(|| " ".to_owned()),
            buckets: of.starts_with("float").then_some(BUCKETS),
            ..FieldColumn::default()
        }
    };
    free.map(field).collect()
}

/// Reads the items of one file. Several rows of an item, such as one a tag, add to each other.
///
/// - `numbers`: of each field of the table, its number among the fields of all tables.
pub(super) fn read(
    table: &ItemTable,
    shape: &Shape,
    numbers: &[usize],
    options: &ReadOptions,
    visit: &mut dyn FnMut(RawItem<'_>) -> Result<()>,
) -> Result<FileReport> {
    let columns: Vec<Column> = slots(table).into_iter().map(|slot| slot.column).collect();
    for_each_row(shape, &columns, false, options, &mut |row, report| {
        let (line, cells) = (row.line, row.cells);
        let id = std::mem::take(&mut cells[ID]);
        let item = match needed(&shape.labels[ID], id, "neither text nor a whole number", Loose::into_id) {
            Ok(item) => item,
            Err((cause, value)) => {
                report.skip(line, &cause, &value);
                return Ok(());
            }
        };
        let title = title(std::mem::take(&mut cells[TITLE]), line, report);
        let description = text(std::mem::take(&mut cells[DESCRIPTION]));
        let image_urls = values(std::mem::take(&mut cells[IMAGE]), None);
        let query = match std::mem::take(&mut cells[QUERY]) {
            Loose::Str(text) => Some(text),
            _ => None,
        };
        let mut attributes = values(std::mem::take(&mut cells[ATTRIBUTES]), Some(" "));
        let mut fields = Vec::new();
        let mut slot = FIELDS;
        for (field, &number) in table.fields.iter().zip(numbers) {
            let own = of_field(field, &mut cells[slot..]);
            slot += columns_of(field);
            for value in own {
                if field.buckets.is_some() && !value.trim().parse().is_ok_and(f64::is_finite) {
                    report.note(line, &format!("`{}` is no number", field.name), &shown(&value));
                }
                if field.buckets.is_none() && table.attributes.is_empty() {
                    attributes.push(Cow::Owned(format!("{}:{value}", field.name)));
                }
                fields.push((number, value));
            }
        }
        visit(RawItem { item, title, description, image_urls, attributes, fields, query, adds: true })
    })
}

fn columns_of(field: &FieldColumn) -> usize {
    field.flags.len().max(1)
}

/// The values of a field, given its cells and those behind them.
fn of_field<'a>(field: &FieldColumn, cells: &mut [Loose<'a>]) -> Vec<Cow<'a, str>> {
    let own: Vec<Cow<'a, str>> = match field.flags.is_empty() {
        true => values(std::mem::take(&mut cells[0]), field.separator.as_deref()),
        false => {
            let set = |cell: &Loose<'_>| {
                matches!(cell, Loose::Bool(true)) || cell.as_f64().is_some_and(|number| number > 0.0)
            };
            let flagged = field.flags.iter().zip(cells).filter(|(_, cell)| set(cell));
            flagged.map(|((_, value), _)| Cow::Owned(value.clone())).collect()
        }
    };
    let mut kept: Vec<Cow<'a, str>> = Vec::with_capacity(own.len());
    for value in own.into_iter().skip(field.skip) {
        if !field.none.iter().any(|none| *none == value) && !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

/// A title's words; markup is counted.
fn title<'a>(cell: Loose<'a>, line: u64, report: &mut FileReport) -> Option<Cow<'a, str>> {
    let title = text(cell)?;
    match title_words(&title) {
        Some(Cow::Borrowed(_)) => Some(title),
        Some(Cow::Owned(words)) => Some(Cow::Owned(words)),
        None => {
            report.note(line, MARKUP_TITLES, &shown(&title));
            None
        }
    }
}

/// A text; of a list, its first entry.
fn text(cell: Loose<'_>) -> Option<Cow<'_, str>> {
    let text = match cell {
        Loose::Str(text) => text,
        Loose::List(mut parts) if !parts.is_empty() => return self::text(parts.swap_remove(0)),
        Loose::Null | Loose::List(_) | Loose::Map(_) => return None,
        other => Cow::Owned(other.to_string()),
    };
    Some(text).filter(|text| !text.trim().is_empty())
}
