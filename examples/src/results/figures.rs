//! Measured figures of a section, as they are kept beside its file.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::machine::Machine;
use super::section::{Row, Section};

/// All measured rows of a section.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Each row is in one of them.
    pub measurements: Vec<Measurement>,
}

/// What one call has measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// Commit of the code, with `+` if the code was changed since.
    pub commit: String,
    /// Day of its beginning (UTC), such as `2026-11-26`.
    pub date: String,
    /// Machine that it ran on.
    pub machine: Machine,
    /// Commands that were run once, before all rows.
    pub setup: Vec<String>,
    /// Rows by label.
    pub rows: BTreeMap<String, Measured>,
}

/// A measured row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Its commands.
    pub commands: Vec<String>,
    /// Their wall-clock time. Rows that share their commands share it, too.
    pub seconds: f64,
    /// Whether other programs were running when its commands began: then times are longer than they need be.
    pub busy: bool,
    /// Values by column, as the commands wrote them.
    pub figures: Map<String, Value>,
}

impl Figures {
    /// Reads the figures of a section; none if there is no such file.
    ///
    /// # Errors
    /// If the file cannot be read or is not of this form.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The figures of a row, with the measurement that they are from: none if the section's commands or columns are others by now.
    pub fn of<'a>(&'a self, section: &Section, row: &Row) -> Option<(&'a Measurement, &'a Measured)> {
        let measurement = self.measurements.iter().find(|one| one.rows.contains_key(&row.label))?;
        let measured = &measurement.rows[&row.label];
        let whole = section
            .columns
            .iter()
            .filter(|column| column.is_measured() && !column.optional)
            .all(|column| measured.figures.get(&column.title).is_some_and(|value| !value.is_null()));
        let same = measurement.setup == section.setup && measured.commands == section.commands(row);
        (whole && same).then_some((measurement, measured))
    }

    /// Takes new rows in place of older ones. Rows that the section no longer has are dropped.
    pub fn put(&mut self, section: &Section, new: Measurement) {
        for old in &mut self.measurements {
            let stays = |label: &String| {
                !new.rows.contains_key(label) && section.rows.iter().any(|row| row.label == *label)
            };
            old.rows.retain(|label, _| stays(label));
        }
        let same = |old: &&mut Measurement| {
            (&old.commit, &old.date, &old.machine, &old.setup)
                == (&new.commit, &new.date, &new.machine, &new.setup)
        };
        match self.measurements.iter_mut().find(same) {
            Some(old) => old.rows.extend(new.rows),
            None => self.measurements.push(new),
        }
        self.measurements.retain(|measurement| !measurement.rows.is_empty());
    }
}

/// The value at a place of a document: a JSON pointer in which `key=value` is the entry of an array that has this value, and
/// `key=value&other=value` the one that has both.
pub fn pick<'a>(document: &'a Value, pointer: &str) -> Option<&'a Value> {
    let mut parts = pointer.split('/');
    if parts.next() != Some("") {
        return None;
    }
    parts.try_fold(document, |at, part| {
        let part = part.replace("~1", "/").replace("~0", "~");
        let holds = |entry: &Value, pair: &str| {
            pair.split_once('=').is_some_and(|(key, wanted)| match entry.get(key) {
                Some(Value::String(text)) => text == wanted,
                Some(Value::Number(number)) => number.to_string() == wanted,
                _ => false,
            })
        };
        match at {
            Value::Object(fields) => fields.get(&part),
            Value::Array(entries) if part.contains('=') => {
                entries.iter().find(|entry| part.split('&').all(|pair| holds(entry, pair)))
            }
            Value::Array(entries) => entries.get(part.parse::<usize>().ok()?),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pointers_pick_entries_by_their_values() {
        let document = json!({ "rows": [
            { "method": "HNSW 64/64", "targets": 1, "p50": 3.5 },
            { "method": "HNSW 64/64", "targets": 100, "p50": 9.0 },
        ], "a/b": [0.1, 0.2] });
        let found = |pointer: &str| pick(&document, pointer).and_then(Value::as_f64);
        assert_eq!(found("/rows/method=HNSW 64~164/p50"), Some(3.5));
        assert_eq!(found("/rows/method=HNSW 64~164&targets=100/p50"), Some(9.0));
        assert_eq!(found("/a~1b/1"), Some(0.2));
        for missing in ["rows", "/rows/method=x/p50", "/rows/2/p50", "/rows/targets=1/p99", "/a~1b/1/0"] {
            assert_eq!(found(missing), None, "{missing}");
        }
        assert_eq!(pick(&document, ""), Some(&document));
    }

    const TABLE: &str = r#"
        title = "T"
        order = 1
        run = ["x LABEL"]
        label = "model"
        columns = [{ title = "s", from = "seconds" }]
        rows = [{ label = "a" }, { label = "b" }]
    "#;

    fn measurement(date: &str, labels: &[&str]) -> Measurement {
        let row = |&label: &&str| {
            let figures = Map::from_iter([("s".to_owned(), json!(1.0))]);
            (
                label.to_owned(),
                Measured { commands: vec![format!("x {label}")], seconds: 1.0, busy: false, figures },
            )
        };
        Measurement {
            commit: "c".into(),
            date: date.into(),
            machine: Machine::default(),
            setup: Vec::new(),
            rows: labels.iter().map(row).collect(),
        }
    }

    #[test]
    fn a_row_measured_alone_replaces_itself_alone() {
        let section = Section::parse("t", TABLE).unwrap();
        let mut figures = Figures::default();
        for (date, labels) in [("1", &["a"][..]), ("1", &["b"]), ("1", &["gone"]), ("2", &["b"])] {
            figures.put(&section, measurement(date, labels));
        }
        assert_eq!(figures.measurements, [measurement("1", &["a"]), measurement("2", &["b"])]);
        figures.put(&section, measurement("2", &["a"]));
        assert_eq!(figures.measurements, [measurement("2", &["a", "b"])]);
    }

    #[test]
    fn figures_of_other_commands_or_columns_are_none() {
        let section = Section::parse("t", TABLE).unwrap();
        let mut figures = Figures::default();
        figures.put(&section, measurement("1", &["a"]));
        let measured = |section: &Section| {
            section.rows.iter().map(|row| figures.of(section, row).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(measured(&section), [true, false]);
        for (from, to) in [("x LABEL", "y LABEL"), ("\"s\"", "\"t\""), ("run", "setup = [\"z\"]\nrun")] {
            let other = Section::parse("t", &TABLE.replace(from, to)).unwrap();
            assert_eq!(measured(&other), [false, false], "{to}");
        }
    }
}
