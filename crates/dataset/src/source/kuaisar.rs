//! KuaiSAR's csv files, read by column name: the header differs between its releases.

use std::borrow::Cow;
use std::path::PathBuf;

use super::csv_table::Table;
use super::find::{expect, find, plain_or_gzip};
use super::input::{FileReport, ReadOptions};
use super::{BAD_KEYWORDS, EventSource, Refusal};
use crate::error::Result;
use crate::event::{EventKind, ItemField, RawEvent, RawItem, Times};

/// Most keywords accepted in one list.
const MAX_LIST: usize = 1_000_000;

/// A folder with `rec_inter.csv`, `src_inter.csv` and `item_features.csv`.
#[derive(Clone, Debug)]
pub struct KuaiSar {
    folder: PathBuf,
    /// Leave caption words out of the attributes, as the published run's code does.
    pub published_attributes: bool,
    /// How tolerant the reader is.
    pub options: ReadOptions,
}

impl KuaiSar {
    /// A reader of this folder; `KuaiSAR_final/` below it is found as well.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let mut folder = folder.into();
        if !folder.join("rec_inter.csv").exists() && folder.join("KuaiSAR_final").is_dir() {
            folder.push("KuaiSAR_final");
        }
        Self { folder, published_attributes: false, options: ReadOptions::default() }
    }

    /// The file of that name, or its gzip form.
    fn file(&self, name: &str) -> Result<PathBuf> {
        expect(&self.folder, &plain_or_gzip(name), "KuaiSAR file", "inter")
    }

    fn searches(&self, visit: &mut dyn FnMut(RawEvent<'_>) -> Result<()>) -> Result<FileReport> {
        const COLUMNS: [&[&str]; 5] =
            [&["user_id"], &["item_id"], &["search_session_timestamp"], &["click_cnt"], &["keyword"]];
        let mut table = Table::open(&self.file("src_inter.csv")?, &COLUMNS, &self.options)?;
        let mut query = Vec::new();
        let (mut user_text, mut item_text) = (String::new(), String::new());
        while let Some(row) = table.next_row()? {
            let read = || -> std::result::Result<_, Refusal> {
                let user = needed("user_id", &row[0], WHOLE, integer)?;
                let item = needed("item_id", &row[1], WHOLE, integer)?;
                let time = needed("search_session_timestamp", &row[2], TIME, time)?;
                Ok((user, item, time, needed("click_cnt", &row[3], NUMBER, number)?))
            };
            let (user, item, time) = match read() {
                Ok((user, item, time, clicks)) if clicks > 0.0 => (user, item, time),
                Ok(_) => {
                    table.note(NOT_CLICKED, "");
                    continue;
                }
                Err((cause, value)) => {
                    table.skip(&cause, &value);
                    continue;
                }
            };
            let dropped = match keywords(&row[4], &mut query) {
                Ok(dropped) => dropped,
                Err(at_most) => return Err(table.too_large("a keyword list", at_most)),
            };
            (0..dropped).for_each(|_| table.note(BAD_KEYWORDS, ""));
            if query.is_empty() {
                table.note("searches without keywords", "");
            }
            set(&mut user_text, user);
            set(&mut item_text, item);
            let kind = EventKind::Search;
            let (user, item) = (user_text.as_str(), item_text.as_str());
            visit(RawEvent { user, item, query: &query, time, kind, ..RawEvent::default() })?;
        }
        table.finish()
    }

    fn recommendations(&self, visit: &mut dyn FnMut(RawEvent<'_>) -> Result<()>) -> Result<FileReport> {
        const COLUMNS: [&[&str]; 4] = [&["user_id"], &["item_id"], &["timestamp"], &["click"]];
        let mut table = Table::open(&self.file("rec_inter.csv")?, &COLUMNS, &self.options)?;
        let (mut user_text, mut item_text) = (String::new(), String::new());
        while let Some(row) = table.next_row()? {
            let read = || -> std::result::Result<_, Refusal> {
                let user = needed("user_id", &row[0], WHOLE, integer)?;
                let item = needed("item_id", &row[1], WHOLE, integer)?;
                let time = needed("timestamp", &row[2], TIME, time)?;
                Ok((user, item, time, needed("click", &row[3], NUMBER, number)?))
            };
            match read() {
                Ok((user, item, time, click)) if click > 0.0 => {
                    set(&mut user_text, user);
                    set(&mut item_text, item);
                    let (user, item) = (user_text.as_str(), item_text.as_str());
                    visit(RawEvent { user, item, time, ..RawEvent::default() })?;
                }
                Ok(_) => table.note(NOT_CLICKED, ""),
                Err((cause, value)) => table.skip(&cause, &value),
            }
        }
        table.finish()
    }
}

impl EventSource for KuaiSar {
    /// All searches come before all recommendations, so that at equal times the search is first.
    fn for_each_event(&self, visit: &mut dyn FnMut(RawEvent<'_>) -> Result<()>) -> Result<Vec<FileReport>> {
        Ok(vec![self.searches(visit)?, self.recommendations(visit)?])
    }

    fn times(&self) -> Times {
        Times::Milliseconds
    }

    fn fields(&self) -> Vec<ItemField> {
        FIELDS.map(ItemField::names).to_vec()
    }

    fn for_each_item(&self, visit: &mut dyn FnMut(RawItem<'_>) -> Result<()>) -> Result<Vec<FileReport>> {
        const NAMES: [&str; 6] = FIELDS;
        const COLUMNS: [&[&str]; 6] =
            [&["item_id"], &[NAMES[0]], &[NAMES[2]], &[NAMES[3]], &[NAMES[4]], &["caption"]];
        let Some(path) = find(&self.folder, &plain_or_gzip("item_features.csv"))? else {
            return Ok(Vec::new());
        };
        let mut table = Table::open(&path, &COLUMNS, &self.options)?;
        let music = table.optional("music_id");
        if music.is_none() {
            table.note("no column `music_id`", "");
        }
        let mut caption = Vec::new();
        while let Some(row) = table.next_row()? {
            let item = match needed("item_id", &row[0], WHOLE, integer) {
                Ok(item) => item,
                Err((cause, value)) => {
                    table.skip(&cause, &value);
                    continue;
                }
            };
            let mut attributes: Vec<Cow<'_, str>> = Vec::new();
            let mut fields: Vec<(usize, Cow<'_, str>)> = Vec::new();
            let music = music.map(|column| row.cell(column));
            let cells = [Some(&row[1]), music, Some(&row[2]), Some(&row[3]), Some(&row[4])];
            for (field, (name, cell)) in NAMES.iter().zip(cells).enumerate() {
                if let Some(value) = cell.filter(|c| !c.is_empty()) {
                    fields.push((field, Cow::Borrowed(value)));
                    attributes.push(format!("{name}_{value}").into());
                }
            }
            if !self.published_attributes {
                if let Err(limit) = keywords(&row[5], &mut caption) {
                    return Err(table.too_large("a caption", limit));
                }
                fields.extend(caption.iter().map(|word| (CAPTION, Cow::Owned(word.to_string()))));
                for word in &caption {
                    let token = Cow::Owned(format!("caption_id_{word}"));
                    if !attributes.contains(&token) {
                        attributes.push(token);
                    }
                }
            }
            let item = Cow::Owned(item.to_string());
            visit(RawItem { item, attributes, fields, ..RawItem::default() })?;
        }
        Ok(vec![table.finish()?])
    }
}

/// Columns of an item that become fields; the caption last.
const FIELDS: [&str; 6] = [
    "author_id",
    "music_id",
    "first_level_category_id",
    "second_level_category_id",
    "third_level_category_id",
    "caption",
];
/// The place of the caption among them.
const CAPTION: usize = 5;

/// The note of a row that is no event: shown, not clicked.
const NOT_CLICKED: &str = "not clicked";
const NUMBER: &str = "no number";
const WHOLE: &str = "no whole number from 0";
const TIME: &str = "no number of milliseconds from 0 to 2^53";

/// The value of a cell, or why there is none and what stands there.
fn needed<T>(
    column: &str,
    cell: &str,
    expected: &str,
    read: fn(&str) -> Option<T>,
) -> std::result::Result<T, Refusal> {
    read(cell).ok_or_else(|| match cell.trim() {
        "" => (format!("`{column}` is empty"), String::new()),
        _ => (format!("`{column}` is {expected}"), cell.to_owned()),
    })
}

fn set(text: &mut String, number: i64) {
    use std::fmt::Write;
    text.clear();
    let _ = write!(text, "{number}");
}

fn number(cell: &str) -> Option<f64> {
    cell.trim().parse().ok().filter(|n: &f64| n.is_finite())
}

/// A whole number, also when written as `7.0`.
fn integer(cell: &str) -> Option<i64> {
    let cell = cell.trim();
    let float = || number(cell).filter(|n| n.fract() == 0.0 && n.abs() < 2f64.powi(53)).map(|n| n as i64);
    cell.parse().ok().or_else(float).filter(|n| *n >= 0)
}

/// Milliseconds, cut to whole ones; exponent form is accepted.
fn time(cell: &str) -> Option<i64> {
    number(cell).filter(|t| (0.0..=2f64.powi(53)).contains(t)).map(|t| t as i64)
}

/// Reads `[20, 34, 3]` into `out`; returns how many entries were no whole numbers, or the limit if it is too long.
fn keywords(cell: &str, out: &mut Vec<u64>) -> std::result::Result<usize, usize> {
    out.clear();
    let Some(inner) = cell.trim().strip_prefix('[').and_then(|c| c.strip_suffix(']')) else { return Ok(0) };
    let mut dropped = 0;
    for entry in inner.split(',').filter(|e| !e.trim().is_empty()) {
        if out.len() == MAX_LIST {
            return Err(MAX_LIST);
        }
        match integer(entry) {
            Some(word) => out.push(word as u64),
            None => dropped += 1,
        }
    }
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REC: &str = "user_id,item_id,duration_ms,timestamp,click,time\n";
    const SRC: &str = "keyword,item_id,click_cnt,user_id,search_session_timestamp,extra\n";

    type Seen = (String, String, Vec<u64>, i64);

    fn events(rec: &str, src: &str) -> Result<Vec<Seen>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rec_inter.csv"), rec).unwrap();
        std::fs::write(folder.path().join("src_inter.csv"), src).unwrap();
        let mut seen = Vec::new();
        KuaiSar::new(folder.path()).for_each_event(&mut |e| {
            seen.push((e.user.into(), e.item.into(), e.query.into(), e.time));
            Ok(())
        })?;
        Ok(seen)
    }

    #[test]
    fn searches_first_clicks_only_columns_by_name() {
        let rec = format!("{REC}1,7,9.0,1.684742e+12,1,x\n1,8,9.0,5,0,x\n");
        let src =
            format!("{SRC}\"[20, 34.0, x]\",103656000000,2,1,1684763932919.7,e\n[],5,0,1,3,e\n,6,1,1,3,e\n");
        let expected = [
            ("1".into(), "103656000000".into(), vec![20, 34], 1_684_763_932_919),
            ("1".into(), "6".into(), vec![], 3),
            ("1".into(), "7".into(), vec![], 1_684_742_000_000),
        ];
        assert_eq!(events(&rec, &src).unwrap(), expected);
    }

    #[test]
    fn a_missing_column_is_named_with_those_there() {
        let error = events("user_id,item_id,click\n1,2,1\n", &format!("{SRC}[1],1,1,1,1,e\n")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`timestamp`") && text.contains("user_id, item_id, click"), "{text}");
    }

    #[test]
    fn bad_rows_are_skipped_and_an_open_quote_is_an_error() {
        let src = format!("{SRC}[1],1,1,1,1,e\nshort\n[1],x,1,1,1,e\n");
        assert_eq!(events(&format!("{REC}1,1,1,1,1,x\n"), &src).unwrap().len(), 2);
        let open = format!("{SRC}[1],1,1,1,1,e\n\"[1, 2,1,1,1,1,e\n[1],1,1,1,1,e\n");
        let error = events(&format!("{REC}1,1,1,1,1,x\n"), &open).unwrap_err().to_string();
        assert!(error.contains("quote") && error.contains("line 3"), "{error}");
    }

    #[test]
    fn captions_become_words_unless_published() {
        let folder = tempfile::tempdir().unwrap();
        let header = "item_id,first_level_category_id,second_level_category_id,third_level_category_id,caption,author_id";
        let text = format!("{header}\n9,1,2,3,\"[5, 6, 5]\",44\n");
        std::fs::write(folder.path().join("item_features.csv"), text).unwrap();
        let mut source = KuaiSar::new(folder.path());
        let mut seen = Vec::new();
        for published in [false, true] {
            source.published_attributes = published;
            let report = source
                .for_each_item(&mut |item| {
                    seen.push(item.attributes.join(" "));
                    Ok(())
                })
                .unwrap();
            assert_eq!(report[0].notes["no column `music_id`"].count, 1);
        }
        let ids =
            "author_id_44 first_level_category_id_1 second_level_category_id_2 third_level_category_id_3";
        assert_eq!(seen, [format!("{ids} caption_id_5 caption_id_6"), ids.to_owned()]);
    }
}
