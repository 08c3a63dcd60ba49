//! How a file is written, found out from what was said and from its first lines.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::input::json::Json;
use super::super::input::{LineReader, ReadOptions};
use super::super::loose::Loose;
use super::super::record::Dialect;
use super::columns::{Header, Slot};
use super::delimited::Splitter;
use super::schema::{Encoding, Form, TableForm};
use super::time;
use crate::error::{Error, Result};

/// A file whose rows can be read: its form, and where the wanted columns are.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub path: PathBuf,
    pub rows: Rows,
    pub latin1: bool,
    pub header: Header,
    /// The column of each slot.
    pub bound: Vec<Option<usize>>,
    /// What the slots are called in messages.
    pub labels: Vec<String>,
    /// What the columns of the slots are for.
    what: Vec<&'static str>,
}

/// How rows are written.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    Delimited { splitter: Splitter, separator: String, has_header: bool },
    Json,
    Parquet,
}

impl Shape {
    /// Looks at the beginning of a file.
    ///
    /// # Errors
    /// If it cannot be read, has another form than was said, or lacks a needed column.
    pub fn of(path: &Path, form: &TableForm, slots: &[Slot], options: &ReadOptions) -> Result<Self> {
        let latin1 = form.encoding == Encoding::Latin1;
        let (rows, mut header) = match form.form {
            Form::Parquet => (Rows::Parquet, parquet_header(path)?),
            Form::Auto if is_parquet(path)? => (Rows::Parquet, parquet_header(path)?),
            Form::JsonLines => (Rows::Json, json_header(path, options)?),
            _ => {
                let first = first_rows(path, latin1, options)?;
                let json = form.separator.is_none() && first[0].trim_start().starts_with('{');
                match form.form == Form::Auto && json {
                    true => (Rows::Json, json_header(path, options)?),
                    false => delimited(&first, form, slots)?,
                }
            }
        };
        if let Rows::Json = rows {
            header.add_paths(slots);
        }
        let bound = header.bind(slots, path)?;
        let label = |(slot, at): (&Slot, &Option<usize>)| match at.and_then(|at| header.names.get(at)) {
            Some(name) => name.clone(),
            None if !slot.column.is_empty() => slot.column.to_string(),
            None => slot.what.to_owned(),
        };
        let labels = slots.iter().zip(&bound).map(label).collect();
        let what = slots.iter().map(|slot| slot.what).collect();
        Ok(Self { path: path.to_path_buf(), rows, latin1, header, bound, labels, what })
    }

    /// How the file is read, for people: its form, and which column is taken for what.
    pub fn told(&self) -> String {
        let form = match &self.rows {
            Rows::Json => "JSON lines".to_owned(),
            Rows::Parquet => "Parquet".to_owned(),
            Rows::Delimited { separator, has_header, .. } => {
                let name = match separator.as_str() {
                    "," => "commas".to_owned(),
                    "\t" => "tabs".to_owned(),
                    " " => "blanks".to_owned(),
                    other => format!("`{other}`"),
                };
                format!("cells between {name}{}", if *has_header { "" } else { ", no header" })
            }
        };
        let column = |at: &usize| self.header.names.get(*at).cloned().unwrap_or_else(|| (at + 1).to_string());
        let columns = self.what.iter().zip(&self.bound);
        let columns = columns.filter_map(|(what, at)| Some(format!("{what} = {}", column(at.as_ref()?))));
        columns.fold(form, |told, column| told + ", " + &column)
    }
}

/// Whether a file begins as Parquet does.
fn is_parquet(path: &Path) -> Result<bool> {
    // Opening a pipe would wait for somebody to write; what it is, is said when it is read.
    if std::fs::metadata(path).is_ok_and(|kind| !kind.is_file()) {
        return Ok(false);
    }
    let mut head = [0; 4];
    let mut file = File::open(path).map_err(Error::io(path, "cannot open"))?;
    Ok(file.read(&mut head).is_ok_and(|read| read == 4) && head == *b"PAR1" && cfg!(feature = "parquet"))
}

#[cfg(feature = "parquet")]
fn parquet_header(path: &Path) -> Result<Header> {
    super::parquet::header(path)
}

#[cfg(not(feature = "parquet"))]
fn parquet_header(path: &Path) -> Result<Header> {
    Err(Error::Form {
        file: path.to_path_buf(),
        found: "a Parquet file",
        within: "",
        expected: "text",
        remedy: "build with the feature `parquet`, or export it as text",
    })
}

/// Lines whose keys are collected: not every object has every key.
const KEY_LINES: usize = 100;

/// The keys of the first objects, in the order of their first sight.
fn json_header(path: &Path, options: &ReadOptions) -> Result<Header> {
    let mut lines = LineReader::open(path, options)?;
    let mut dialect = Dialect::default();
    let mut names: Vec<String> = Vec::new();
    for _ in 0..KEY_LINES {
        let Some(line) = lines.next_line()? else { break };
        if let Ok(Loose::Map(entries)) = dialect.parse::<Loose<'_>>(&line.text) {
            for (key, _) in entries {
                if !names.iter().any(|name| *name == key) {
                    names.push(key.into_owned());
                }
            }
            continue;
        }
        if line.number == 1
            && line.text.trim_start().starts_with('[')
            && Json::default().parse::<Loose<'_>>(&line.text).is_ok()
        {
            let message = "an array of JSON: one object a line is expected, as `jq -c '.[]'` writes";
            return Err(Error::format(path, 1, line.byte, message));
        }
    }
    match names.is_empty() {
        true => {
            Err(Error::format(path, 1, 0, "no JSON object in its first lines: one object a line is expected"))
        }
        false => Ok(Header { width: names.len(), names, types: Vec::new() }),
    }
}

/// The first two rows with content; the second may be absent.
fn first_rows(path: &Path, latin1: bool, options: &ReadOptions) -> Result<Vec<String>> {
    // Letters do not matter here: what is not UTF-8 is refused when its row is read.
    let options = ReadOptions { lossy_utf8: true, ..options.clone() };
    let mut lines = LineReader::open(path, &options)?.latin1(latin1);
    let mut rows = Vec::new();
    while rows.len() < 2
        && let Some(line) = lines.next_line()?
    {
        rows.push(line.text.into_owned());
    }
    match rows.is_empty() {
        true => Err(Error::format(path, 0, 0, "the file holds no line of data")),
        false => Ok(rows),
    }
}

/// Separators that a first line is searched for; of equally common ones, the first.
const SEPARATORS: [&str; 7] = ["\t", "::", ",", ";", "|", "^", " "];

fn delimited(first: &[String], form: &TableForm, slots: &[Slot]) -> Result<(Rows, Header)> {
    let separator = match (&form.separator, form.form) {
        (Some(separator), _) if separator.is_empty() || separator.contains(['\n', '\r', '"']) => {
            let message = format!("`{}` separates no cells", separator.escape_default());
            return Err(Error::Config { field: "separator", message });
        }
        (Some(separator), _) => separator.clone(),
        (None, Form::Csv) => ",".to_owned(),
        (None, Form::Tsv) => "\t".to_owned(),
        (None, _) => guessed(&first[0]).to_owned(),
    };
    let quotes = form.quotes.unwrap_or(separator.chars().count() == 1);
    let splitter = Splitter::new(&separator, quotes);
    let cells = |row: &String| {
        let mut cells = Vec::new();
        splitter.split(row, |_, cell| cells.push(cell.trim().to_owned()));
        cells
    };
    let names = cells(&first[0]);
    let header = Header::of(names.clone());
    let has_header = form.header.unwrap_or_else(|| {
        header.answers(slots) || !by_number(slots) || time_is_named(&header, slots, &names)
    });
    let header = if has_header { header } else { Header { width: header.width, ..Header::default() } };
    Ok((Rows::Delimited { splitter, separator, has_header }, header))
}

/// Whether all columns that are needed were given as numbers.
fn by_number(slots: &[Slot]) -> bool {
    let number = |slot: &Slot| slot.column.0.iter().any(|name| name.parse::<usize>().is_ok());
    slots.iter().filter(|slot| slot.needed).all(|slot| !slot.column.is_empty() && number(slot))
}

/// Whether the column of times holds none in the first row.
fn time_is_named(header: &Header, slots: &[Slot], cells: &[String]) -> bool {
    let time = slots.iter().find(|slot| slot.what == "time").and_then(|slot| header.find(slot));
    let cell = time.and_then(|at| cells.get(at));
    cell.is_some_and(|cell| time::parse(cell, Default::default()).is_none())
}

/// The separator that a row holds most often outside of quotes.
fn guessed(row: &str) -> &'static str {
    let bare: String = row.split('"').step_by(2).collect();
    let count = |separator: &&str| bare.matches(*separator).count();
    // A tab, or two colons, stand in no text by chance; blanks stand in every text.
    if let Some(sure) = SEPARATORS[..2].iter().find(|separator| count(separator) > 0)
        && !(*sure == "::" && bare.contains(','))
    {
        return sure;
    }
    let marks = &SEPARATORS[2..6];
    let most = marks.iter().rev().max_by_key(|separator| count(separator)).filter(|best| count(best) > 0);
    most.copied().unwrap_or(if bare.contains(' ') { " " } else { "," })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_found() {
        for (row, separator) in [
            ("userId,movieId,rating", ","),
            ("a;b;c,d", ";"),
            ("1::1193::5::978300760", "::"),
            ("user_id:token\titem_id:token", "\t"),
            ("\"a,b\"|c", "|"),
            ("1 2 3", " "),
            ("alone", ","),
            ("a,b::c", ","),
        ] {
            assert_eq!(guessed(row), separator, "{row}");
        }
    }
}
