//! Any table of events: csv, tsv, cells between any letters, JSON lines, Parquet, plain or compressed.
//!
//! | step | where |
//! |---|---|
//! | what a table looks like | `schema.rs` |
//! | the files that it names | `files.rs` |
//! | their form, separator and header | `shape.rs` |
//! | columns by name, number or habit | `columns.rs` |
//! | rows of cells | `rows.rs`, `delimited.rs`, `parquet.rs` |
//! | times, lists in cells | `time.rs`, `instants.rs`, `list.rs` |
//! | events and items | `events.rs`, `items.rs` |

mod columns;
mod delimited;
mod events;
mod files;
mod instants;
mod items;
mod list;
#[cfg(feature = "parquet")]
mod parquet;
mod rows;
mod schema;
mod shape;
mod time;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use schema::{
    Column, Encoding, EventTable, FieldColumn, Form, ItemTable, KindColumn, ListForm, TableForm, TimeForm,
};
pub use time::parse_time;

use super::EventSource;
use super::input::{FileReport, ReadOptions};
use crate::error::{Error, Result};
use crate::event::{ItemField, RawEvent, RawItem, Times};
use shape::Shape;

/// What a data set of tables looks like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableSchema {
    /// Files of events. Equal times keep this order.
    pub events: Vec<EventTable>,
    /// Files that describe items. Later ones add to what earlier ones say.
    pub items: Vec<ItemTable>,
}

/// A data set of tables in a folder: any files of events and items with named columns.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// use seminar_dataset::{EventTable, FieldColumn, Interactions, ItemTable, PrepareConfig, TableSchema};
/// std::fs::write(folder.path().join("ratings.csv"), "userId,movieId,timestamp\n1,7,964982703\n1,8,964981247\n")?;
/// std::fs::write(folder.path().join("movies.csv"), "movieId,title,genres\n7,Heat,Crime|Drama\n")?;
/// let schema = TableSchema {
///     events: vec![EventTable { files: vec!["ratings.csv".into()], ..EventTable::default() }],
///     items: vec![ItemTable {
///         files: vec!["movies.csv".into()],
///         fields: vec![FieldColumn { name: "genres".into(), separator: Some("|".into()), ..FieldColumn::default() }],
///         ..ItemTable::default()
///     }],
/// };
/// let source = Interactions::open(folder.path(), "films", schema)?;
/// let all = PrepareConfig { min_user_events: 1, min_item_events: 1, ..PrepareConfig::table() };
/// let data = all.prepare(&source)?.data;
/// assert_eq!((data.user_count(), data.item_count()), (1, 2));
/// assert_eq!(data.texts.items.row(0), b"8");
/// assert_eq!(data.fields[0].items.row(1), [1, 2]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Interactions {
    schema: TableSchema,
    events: Vec<Vec<Shape>>,
    items: Vec<Vec<Shape>>,
    /// All fields of all tables of items; those of the same name are one.
    fields: Vec<ItemField>,
    has_times: bool,
    /// Only events that rate above this count.
    rating_above: Option<f64>,
    options: ReadOptions,
}

impl Interactions {
    /// Finds the files and their columns, with the default tolerance.
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    pub fn open(folder: &Path, name: &str, schema: TableSchema) -> Result<Self> {
        Self::open_with(folder, name, schema, None, ReadOptions::default())
    }

    /// Finds the files and their columns.
    ///
    /// - `name`: what stands for `{name}` in the names of files.
    /// - `rating_above`: events count if they rate above this.
    ///
    /// # Errors
    /// If a file is missing or has another form than was said, a needed column is not found, or only some of the tables have
    /// times.
    pub fn open_with(
        folder: &Path,
        name: &str,
        mut schema: TableSchema,
        rating_above: Option<f64>,
        options: ReadOptions,
    ) -> Result<Self> {
        let metadata = folder.metadata().map_err(Error::io(folder, "cannot open"))?;
        if !metadata.is_dir() {
            let (file, found, remedy) = (folder.to_path_buf(), "a file", "name the folder that it lies in");
            return Err(Error::Form { file, found, within: "", expected: "a folder", remedy });
        }
        if schema.events.is_empty() {
            return Err(Error::Config { field: "events", message: "no table of events is named".into() });
        }
        let mut events = Vec::new();
        for table in &schema.events {
            events::check(table)?;
            let slots = events::slots(table, rating_above.is_some());
            let files = files::find(folder, &table.files, name, "file of events", table.optional)?;
            let shapes = files.iter().map(|file| Shape::of(file, &table.format, &slots, &options));
            events.push(shapes.collect::<Result<Vec<_>>>()?);
        }
        let all = || events.iter().flatten();
        let Some(first) = all().next() else {
            let patterns = schema.events.iter().flat_map(|table| &table.files).cloned().collect::<Vec<_>>();
            return Err(super::find::expect_any(folder, &patterns, "file of events", name)?);
        };
        let has_times = events::has_times(first);
        if let Some(other) = all().find(|shape| events::has_times(shape) != has_times) {
            let (with, without) = if has_times { (first, other) } else { (other, first) };
            let message = format!(
                "{} has times and {} has none: their events cannot be put in order",
                with.path.display(),
                without.path.display()
            );
            return Err(Error::Config { field: "time", message });
        }
        let mut items = Vec::new();
        let mut fields: Vec<ItemField> = Vec::new();
        for table in &mut schema.items {
            let files = files::find(folder, &table.files, name, "file of items", table.optional)?;
            if std::mem::take(&mut table.other_fields)
                && let Some(first) = files.first()
            {
                let shape = Shape::of(first, &table.format, &items::slots(table), &options)?;
                table.fields.extend(items::other_fields(&shape));
            }
            let slots = items::slots(table);
            let shapes = files.iter().map(|file| Shape::of(file, &table.format, &slots, &options));
            items.push(shapes.collect::<Result<Vec<_>>>()?);
            for field in table.fields.iter().map(items::announced) {
                match fields.iter().find(|known| known.name == field.name) {
                    None => fields.push(field),
                    Some(known) if *known == field => {}
                    Some(_) => {
                        let message = format!("`{}` is a field of names and one of numbers", field.name);
                        return Err(Error::Config { field: "fields", message });
                    }
                }
            }
        }
        Ok(Self { schema, events, items, fields, has_times, rating_above, options })
    }
}

impl EventSource for Interactions {
    fn for_each_event(&self, visit: &mut dyn FnMut(RawEvent<'_>) -> Result<()>) -> Result<Vec<FileReport>> {
        let mut reports = Vec::new();
        for (table, shapes) in self.schema.events.iter().zip(&self.events) {
            reports.extend(events::read(table, shapes, self.rating_above, &self.options, visit)?);
        }
        Ok(reports)
    }

    fn for_each_item(&self, visit: &mut dyn FnMut(RawItem<'_>) -> Result<()>) -> Result<Vec<FileReport>> {
        let mut reports = Vec::new();
        for (table, shapes) in self.schema.items.iter().zip(&self.items) {
            let number = |field: &FieldColumn| self.fields.iter().position(|known| known.name == field.name);
            let numbers: Vec<usize> = table.fields.iter().filter_map(number).collect();
            for shape in shapes {
                reports.push(items::read(table, shape, &numbers, &self.options, visit)?);
            }
        }
        Ok(reports)
    }

    fn times(&self) -> Times {
        if self.has_times { Times::Microseconds } else { Times::Order }
    }

    fn fields(&self) -> Vec<ItemField> {
        self.fields.clone()
    }

    fn settings(&self) -> &'static [&'static str] {
        if self.rating_above.is_some() { &["rating_above"] } else { &[] }
    }
}
