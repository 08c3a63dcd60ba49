//! Exported tables of Parquet.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::cells::{
    EventColumns, Negatives, attributes, in_order, kind_name, of_part, parts, query_text, targets,
};
use crate::atomic;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::event::Part;

/// Users or items that are written together.
const GROUP: usize = 1 << 16;

/// Writes one file, batch by batch. `batch` gives the columns of some users or items.
fn file(
    path: &Path,
    count: usize,
    mut batch: impl FnMut(std::ops::Range<usize>) -> Vec<(String, ArrayRef)>,
) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| Error::damaged(path, format!("cannot be written: {error}"));
    atomic::write_file(path, |out| {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let mut writer: Option<ArrowWriter<_>> = None;
        let mut out = Some(out);
        for start in (0..count.max(1)).step_by(GROUP) {
            let columns = batch(start..(start + GROUP).min(count));
            let columns = columns.iter().map(|(name, column)| (name.as_str(), column.clone(), true));
            let rows = RecordBatch::try_from_iter_with_nullable(columns).map_err(|error| failed(&error))?;
            if writer.is_none()
                && let Some(out) = out.take()
            {
                let opened = ArrowWriter::try_new(out, rows.schema(), Some(properties.clone()));
                writer = Some(opened.map_err(|error| failed(&error))?);
            }
            if let Some(writer) = &mut writer {
                writer.write(&rows).map_err(|error| failed(&error))?;
            }
        }
        match writer {
            Some(writer) => writer.close().map(drop).map_err(|error| failed(&error)),
            None => Ok(()),
        }
    })
}

fn texts(values: impl Iterator<Item = String>) -> ArrayRef {
    let mut column = StringBuilder::new();
    values.for_each(|value| match value.is_empty() {
        true => column.append_null(),
        false => column.append_value(value),
    });
    Arc::new(column.finish())
}

fn lists(values: impl Iterator<Item = Vec<String>>) -> ArrayRef {
    let mut column = ListBuilder::new(StringBuilder::new());
    for own in values {
        own.iter().for_each(|value| column.values().append_value(value));
        column.append(true);
    }
    Arc::new(column.finish())
}

fn numbers(values: impl Iterator<Item = i64>) -> ArrayRef {
    let mut column = Int64Builder::new();
    values.for_each(|value| column.append_value(value));
    Arc::new(column.finish())
}

/// Writes all files.
pub(super) fn write(corpus: &Corpus, folder: &Path) -> Result<()> {
    let users = corpus.user_count();
    for (stem, part) in parts(corpus) {
        file(&folder.join(format!("{stem}.parquet")), users, |range| events(corpus, part, range))?;
    }
    let order = in_order(corpus);
    file(&folder.join("items.parquet"), order.len(), |range| items(corpus, &order[range]))?;
    let name = |&item: &u32| corpus.item_name(item).to_owned();
    let user_names =
        |range: std::ops::Range<usize>| texts(range.map(|user| corpus.user_name(user).to_owned()));
    file(&folder.join("sequences.parquet"), users, |range| {
        let items = lists(range.clone().map(|user| corpus.history(user).items.iter().map(name).collect()));
        vec![("user".into(), user_names(range)), ("items".into(), items)]
    })?;
    file(&folder.join("splits.parquet"), users, |range| {
        let all = || range.clone().flat_map(|user| targets(corpus, user).map(move |target| (user, target)));
        let item = |(user, (_, at)): (usize, (&str, usize))| name(&corpus.history(user).items[at]);
        vec![
            ("user".into(), texts(all().map(|(user, _)| corpus.user_name(user).to_owned()))),
            ("split".into(), texts(all().map(|(_, (split, _))| split.to_owned()))),
            ("position".into(), numbers(all().map(|(_, (_, at))| at as i64))),
            ("item".into(), texts(all().map(item))),
        ]
    })?;
    let mut negatives = Negatives::new(corpus);
    file(&folder.join("negatives.parquet"), users, |range| {
        let items = lists(range.clone().map(|user| negatives.of(user).iter().map(name).collect()));
        let split = texts(range.clone().map(|_| "test".to_owned()));
        vec![("user".into(), user_names(range)), ("split".into(), split), ("items".into(), items)]
    })
}

fn events(corpus: &Corpus, part: Option<Part>, users: std::ops::Range<usize>) -> Vec<(String, ArrayRef)> {
    let columns = EventColumns::of(corpus);
    let all = || users.clone().flat_map(|user| of_part(corpus, user, part).map(move |at| (user, at)));
    let own = |user: usize| corpus.history(user);
    let mut table = vec![
        ("user".to_owned(), texts(all().map(|(user, _)| corpus.user_name(user).to_owned()))),
        ("item".to_owned(), texts(all().map(|(user, at)| corpus.item_name(own(user).items[at]).to_owned()))),
    ];
    if columns.times {
        table.push(("timestamp".to_owned(), numbers(all().map(|(user, at)| own(user).times[at]))));
    }
    if columns.kinds {
        table.push((
            "kind".to_owned(),
            texts(all().map(|(user, at)| kind_name(own(user).kind(at)).to_owned())),
        ));
    }
    if columns.queries {
        let query = |(user, at): (usize, usize)| query_text(corpus, own(user).queries[at]);
        table.push(("query".to_owned(), texts(all().map(query))));
    }
    if columns.actions {
        let action =
            |(user, at): (usize, usize)| corpus.action(own(user).action(at)).unwrap_or_default().to_owned();
        table.push(("action".to_owned(), texts(all().map(action))));
    }
    table
}

fn items(corpus: &Corpus, items: &[u32]) -> Vec<(String, ArrayRef)> {
    let all = || items.iter().copied();
    let mut table = vec![
        ("item".to_owned(), texts(all().map(|item| corpus.item_name(item).to_owned()))),
        ("title".to_owned(), texts(all().map(|item| corpus.title(item).unwrap_or_default().to_owned()))),
        ("image".to_owned(), lists(all().map(|item| corpus.image_urls(item).map(str::to_owned).collect()))),
        ("query".to_owned(), texts(all().map(|item| query_text(corpus, corpus.item_query(item))))),
        ("attributes".to_owned(), lists(all().map(|item| attributes(corpus, item)))),
    ];
    for field in corpus.fields() {
        let value = |&value: &u32| field.value(value).map_or_else(|| value.to_string(), str::to_owned);
        let own = lists(all().map(|item| field.of(item).iter().map(value).collect()));
        table.push((format!("field:{}", field.name()), own));
    }
    table
}

/// Writes rows of named cells, as synthetic data sets have them: texts, whole numbers and lists of texts.
pub(crate) fn write_rows(path: &Path, rows: &[Vec<(String, serde_json::Value)>]) -> Result<()> {
    use serde_json::Value;
    let names: Vec<String> = rows.first().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    file(path, rows.len(), |range| {
        let own = &rows[range];
        let column = |(place, name): (usize, &String)| {
            let cells = || own.iter().map(move |row| row.get(place).map_or(&Value::Null, |(_, cell)| cell));
            let column = match own.first().and_then(|row| row.get(place)).map(|(_, cell)| cell) {
                Some(Value::Number(_)) => numbers(cells().map(|cell| cell.as_i64().unwrap_or_default())),
                Some(Value::Array(_)) => lists(cells().map(|cell| {
                    let all = cell.as_array().into_iter().flatten();
                    all.filter_map(|value| value.as_str().map(str::to_owned)).collect()
                })),
                _ => texts(cells().map(|cell| cell.as_str().unwrap_or_default().to_owned())),
            };
            (name.clone(), column)
        };
        names.iter().enumerate().map(column).collect()
    })
}
