//! Rows of any file as the cells that were asked for.

use std::borrow::Cow;

use super::super::input::{FileReport, LineReader, ReadOptions};
use super::super::loose::Loose;
use super::super::record::{Dialect, form_of};
use super::delimited::Splitter;
use super::schema::Column;
use super::shape::{Rows, Shape};
use crate::error::Result;

/// A row.
pub(super) struct Row<'r, 'a> {
    /// Its line, or its number in a file without lines.
    pub line: u64,
    /// The cell of each slot; null where it is empty or the file has no such column.
    pub cells: &'r mut [Loose<'a>],
    /// All cells behind the first, where they are asked for.
    pub rest: &'r mut Vec<Loose<'a>>,
}

/// What is done with each row.
pub(super) type Visit<'v> = &'v mut dyn FnMut(Row<'_, '_>, &mut FileReport) -> Result<()>;

/// Hands over the rows of a file. `columns`: what was said of each slot. `rest`: whether all cells behind the first are wanted.
pub(super) fn for_each_row(
    shape: &Shape,
    columns: &[Column],
    rest: bool,
    options: &ReadOptions,
    visit: Visit<'_>,
) -> Result<FileReport> {
    let mut report = FileReport::new(&shape.path);
    report.read_as = shape.told();
    match &shape.rows {
        Rows::Delimited { splitter, has_header, .. } => {
            delimited(shape, splitter, *has_header, rest, options, &mut report, visit)?;
        }
        Rows::Json => json(shape, columns, options, &mut report, visit)?,
        Rows::Parquet => parquet(shape, &mut report, visit)?,
    }
    report.finish(&shape.path, options)
}

#[cfg(feature = "parquet")]
fn parquet(shape: &Shape, report: &mut FileReport, visit: Visit<'_>) -> Result<()> {
    super::parquet::for_each_row(shape, report, visit)
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: &Shape, _: &mut FileReport, _: Visit<'_>) -> Result<()> {
    Ok(())
}

/// Slots whose cells need no memory of their own.
const FEW: usize = 16;

fn delimited(
    shape: &Shape,
    splitter: &Splitter,
    has_header: bool,
    rest: bool,
    options: &ReadOptions,
    report: &mut FileReport,
    visit: Visit<'_>,
) -> Result<()> {
    let mut lines = LineReader::open(&shape.path, options)?.latin1(shape.latin1);
    // Columns in their order, each with its slot.
    let mut wanted: Vec<(usize, usize)> =
        shape.bound.iter().enumerate().filter_map(|(slot, column)| Some(((*column)?, slot))).collect();
    wanted.sort_unstable();
    let last = wanted.last().map_or(0, |&(column, _)| column);
    let mut width = shape.header.width;
    let slots = shape.bound.len();
    let mut skip_header = has_header;
    while let Some(line) = lines.next_record(splitter.quoted())? {
        if std::mem::take(&mut skip_header) {
            continue;
        }
        report.lines += 1;
        let (mut few, mut many) = ([const { Loose::Null }; FEW], Vec::new());
        let row = match few.get_mut(..slots) {
            Some(row) => row,
            None => {
                many.resize(slots, Loose::Null);
                &mut many[..]
            }
        };
        let mut others = Vec::new();
        let mut next = wanted.iter().peekable();
        let count = splitter.split(&line.text, |at, cell| {
            while let Some(&&(_, slot)) = next.peek().filter(|(column, _)| *column == at) {
                row[slot] = loose(cell.clone());
                next.next();
            }
            if rest && at > 0 && !cell.trim().is_empty() {
                others.push(Loose::Str(cell));
            }
        });
        if !has_header && report.lines == 1 {
            width = width.max(count);
        }
        if !rest && (has_header && count != width || count <= last) {
            let found = match has_header {
                true => format!("{count} where the header has {width}"),
                false => format!("{count} where {} are needed", last + 1),
            };
            report.skip(line.number, "another number of columns than expected", &found);
        } else {
            visit(Row { line: line.number, cells: row, rest: &mut others }, report)?;
        }
    }
    Ok(())
}

/// A cell of text; null if there is nothing in it.
fn loose(cell: Cow<'_, str>) -> Loose<'_> {
    // Most cells begin with a letter or a digit.
    let filled = cell.as_bytes().first().is_some_and(u8::is_ascii_graphic) || !cell.trim().is_empty();
    if filled { Loose::Str(cell) } else { Loose::Null }
}

fn json(
    shape: &Shape,
    columns: &[Column],
    options: &ReadOptions,
    report: &mut FileReport,
    visit: Visit<'_>,
) -> Result<()> {
    let mut lines = LineReader::open(&shape.path, options)?;
    let mut dialect = Dialect::default();
    // Names that were said count in each line; a guess is made once.
    let names: Vec<Vec<&str>> = columns
        .iter()
        .zip(&shape.bound)
        .map(|(column, bound)| match (column.0.as_slice(), bound) {
            ([], Some(at)) => vec![shape.header.names[*at].as_str()],
            (names, _) => names.iter().map(String::as_str).collect(),
        })
        .collect();
    while let Some(line) = lines.next_line()? {
        report.lines += 1;
        match dialect.parse::<Loose<'_>>(&line.text) {
            Ok(object @ Loose::Map(_)) => {
                let mut cells: Vec<Loose<'_>> = names.iter().map(|names| field(&object, names)).collect();
                visit(Row { line: line.number, cells: &mut cells, rest: &mut Vec::new() }, report)?;
            }
            Ok(other) => report.skip(line.number, "not a JSON object", &other.to_string()),
            Err((cause, value)) => {
                report.form = report.form.or(form_of(&line));
                report.skip(line.number, &cause, &value);
            }
        }
    }
    Ok(())
}

/// The first of these fields that an object has.
fn field<'a>(object: &Loose<'a>, names: &[&str]) -> Loose<'a> {
    let found = names.iter().map(|name| match object.get(name) {
        Loose::Null => along(object, name),
        value => value.clone(),
    });
    found.into_iter().find(|value| *value != Loose::Null).unwrap_or_default()
}

/// The value at a path of fields joined by points; of a list of objects, all such values.
fn along<'a>(value: &Loose<'a>, path: &str) -> Loose<'a> {
    match value {
        Loose::List(elements) => {
            let found = elements.iter().map(|element| along(element, path));
            Loose::List(found.filter(|value| *value != Loose::Null).collect())
        }
        Loose::Map(_) => match path.split_once('.') {
            None => value.get(path).clone(),
            Some((first, rest)) => along(value.get(first), rest),
        },
        _ => Loose::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_within_fields() {
        let text = r#"{"user": {"id": 7}, "user.name": "ann", "images": [{"large": "l"}, {"thumb": "t"}, {"large": null}], "x": null}"#;
        let object: Loose<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(field(&object, &["user.id"]), Loose::Int(7));
        assert_eq!(field(&object, &["x", "user.name"]), Loose::Str("ann".into()));
        assert_eq!(field(&object, &["images.large"]), Loose::List(vec![Loose::Str("l".into())]));
        assert_eq!(field(&object, &["absent", "user.id.x"]), Loose::Null);
    }
}
