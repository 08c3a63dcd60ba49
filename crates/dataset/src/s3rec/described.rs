//! `NAME_items.jsonl`: what is known of each item, a line of JSON an item.

use std::borrow::Cow;
use std::path::Path;

use super::TextFiles;
use super::forms::item_number;
use super::grammar::id;
use crate::error::{Error, Result};
use crate::numbered::Field;
use crate::prepare::{FieldValues, PrepareReport};
use crate::ragged::Ragged;
use crate::source::input::json::{Json, reason};
use crate::source::input::shown;
use crate::source::loose::Loose;
use crate::source::{FileReport, LineReader, MARKUP_TITLES, title_words};

/// What is known of the items.
#[derive(Default)]
pub(super) struct Described {
    /// In the order of the file.
    pub items: Vec<Description>,
    pub fields: NamedFields,
}

/// What is known of one item.
pub(super) struct Description {
    /// The file's number.
    pub item: u32,
    pub asin: String,
    pub title: String,
    /// One address a line.
    pub images: String,
    /// The number of a field and a value of it, as often as the item has values.
    pub values: Vec<(usize, u32)>,
}

/// The values of the fields that were asked for.
#[derive(Default)]
pub(super) struct NamedFields(Vec<FieldValues>);

impl NamedFields {
    /// The fields of items whose values are given in the order of items.
    pub fn finish(self, values: &[Vec<(usize, u32)>]) -> Vec<Field> {
        let rows = |at: usize| -> Ragged<u32> {
            let own = |row: &Vec<(usize, u32)>| {
                row.iter().filter(|(field, _)| *field == at).map(|&(_, value)| value).collect::<Vec<_>>()
            };
            values.iter().map(own).collect()
        };
        self.0.iter().enumerate().map(|(at, field)| field.finish(&rows(at))).collect()
    }

    /// What an item has of field `at`.
    fn take(&mut self, at: usize, said: &Loose<'_>, values: &mut Vec<(usize, u32)>) {
        let each = match said {
            Loose::List(each) => each.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in each {
            let text = match value {
                Loose::Null | Loose::Map(_) => continue,
                // Amazon's categories of 2014 are a list of paths.
                Loose::List(_) => {
                    self.take(at, value, values);
                    continue;
                }
                Loose::Str(text) => Cow::Borrowed(text.as_ref()),
                other => Cow::Owned(other.to_string()),
            };
            let value = self.0[at].insert(&text).map(|value| (at, value));
            values.extend(value.filter(|value| !values.contains(value)));
        }
    }
}

/// Reads the file.
pub(super) fn read(path: &Path, files: &TextFiles, report: &mut PrepareReport) -> Result<Described> {
    let mut items = Vec::new();
    let mut fields =
        NamedFields(files.fields.iter().map(|field| FieldValues::new(field.clone(), &[])).collect());
    let mut found = vec![false; files.fields.len()];
    let mut reader = LineReader::open(path, &files.options)?;
    let mut file = FileReport::new(path);
    let mut json = Json::default();
    while let Some(line) = reader.next_line()? {
        file.lines += 1;
        let fail = |message: String| Error::format(path, line.number, line.byte, message);
        let parsed: Loose<'_> = json.parse(&line.text).map_err(|e| {
            fail(format!("column {}: {}, in `{}`", e.column(), reason(&e), shown(&line.text)))
        })?;
        if !matches!(parsed, Loose::Map(_)) {
            return Err(fail(format!("`{}` where an object is expected", shown(&line.text))));
        }
        let item = item_number(parsed.get("item")).map_err(fail)?;
        id(&item.to_string()).map_err(fail)?;
        let title = parsed.get("title").as_str().unwrap_or_default();
        let words = title_words(title);
        if words.is_none() {
            file.note(line.number, MARKUP_TITLES, title);
        }
        let images: Vec<&str> = parsed.get("image_url").strings().filter(|url| !url.is_empty()).collect();
        let mut values = Vec::new();
        for (at, field) in files.fields.iter().enumerate() {
            found[at] |= has(&parsed, &field.name);
            fields.take(at, parsed.get(&field.name), &mut values);
        }
        items.push(Description {
            item,
            title: words.unwrap_or_default().into_owned(),
            images: images.join("\n"),
            asin: parsed.get("asin").clone().into_id().unwrap_or_default().into_owned(),
            values,
        });
    }
    for (at, field) in files.fields.iter().enumerate() {
        let what = match (found[at], fields.0[at].is_empty(), field.buckets) {
            (false, ..) => "a member",
            (true, true, Some(_)) => "a number as",
            (true, true, None) => "a value of",
            (true, false, _) => continue,
        };
        let message = format!("no item of {} has {what} `{}`", path.display(), field.name);
        return Err(Error::Config { field: "fields", message });
    }
    report.item_file(file);
    Ok(Described { items, fields })
}

fn has(object: &Loose<'_>, name: &str) -> bool {
    matches!(object, Loose::Map(members) if members.iter().any(|(own, _)| own == name))
}
