//! A section of the results page, as its file describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;

/// A section: words, commands and a table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Name of its file.
    #[serde(skip)]
    pub name: String,
    /// Heading.
    pub title: String,
    /// Place on the page; smaller ones come first.
    pub order: i64,
    /// What is measured, without measured figures.
    #[serde(default)]
    pub text: String,
    /// Commands that are run once, before all rows.
    #[serde(default)]
    pub setup: Vec<String>,
    /// Commands of each row, with the row's variables in capitals.
    #[serde(default)]
    pub run: Vec<String>,
    /// File that a row's commands write, relative to the work folder, with variables.
    #[serde(default)]
    pub output: String,
    /// Title of the column of labels.
    pub label: String,
    /// The other columns.
    pub columns: Vec<Column>,
    /// What is measured.
    pub rows: Vec<Row>,
    /// Rows of other people's figures.
    #[serde(default)]
    pub published: Vec<Published>,
}

/// A column.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Title.
    pub title: String,
    /// Where its values come from.
    pub from: Origin,
    /// How they are shown.
    #[serde(default)]
    pub format: Format,
    /// Factor of measured values and of ratios: 1e-6 shows bytes as MB.
    #[serde(default = "one")]
    pub scale: f64,
    /// Whether a row may lack the value, which then is an empty cell.
    #[serde(default)]
    pub optional: bool,
}

fn one() -> f64 {
    1.0
}

/// Where the values of a column come from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A place in the section's output file: a JSON pointer, in which `key=value` is the entry of an array that has this value, and
    /// `key=value&other=value` the one that has both.
    Pointer(String),
    /// A place in another file: path, and pointer.
    File([String; 2]),
    /// Wall-clock seconds of the row's commands.
    Seconds,
    /// A variable of the row.
    Variable(String),
    /// The first column's value divided by the second's. Both stand before it.
    Ratio([String; 2]),
    /// The row's own words.
    Words,
    /// Figures of other people. Their source.
    Published(String),
}

/// How a value is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Three digits, or all before the point: `0.0512`, `16.9`, `1,285`.
    #[default]
    Number,
    /// Four places of a number from 0 to 1: `.1234`.
    Share,
    /// Two shares: `.1386 – .1797`.
    Interval,
    /// A whole number: `22,363`.
    Count,
}

/// A row that is measured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name, in the first column. `LABEL` stands for it in commands, paths and pointers.
    pub label: String,
    /// Values of variables.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Commands in place of the section's.
    #[serde(default)]
    pub run: Vec<String>,
    /// File in place of the section's.
    #[serde(default)]
    pub output: String,
    /// Words, and figures of other people, by column.
    #[serde(default)]
    pub cells: BTreeMap<String, Cell>,
}

/// A row of other people's figures.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Its name.
    pub label: String,
    /// Who published the figures, and where.
    pub source: String,
    /// The figures, by column.
    pub cells: BTreeMap<String, Cell>,
}

/// A cell that stands in the section's file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// A figure.
    Number(f64),
    /// Words.
    Text(String),
}

impl Section {
    /// Reads a section.
    ///
    /// # Errors
    /// If the file cannot be read, has unknown or missing fields, or contradicts itself.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Self::parse(&name, &text).with_context(|| path.display().to_string())
    }

    /// Reads a section from the text of its file.
    ///
    /// # Errors
    /// If it has unknown or missing fields, or contradicts itself.
    pub fn parse(name: &str, text: &str) -> anyhow::Result<Self> {
        let section = Self { name: name.to_owned(), ..toml::from_str(text)? };
        section.check()?;
        Ok(section)
    }

    fn check(&self) -> anyhow::Result<()> {
        let mut titles = BTreeSet::from([self.label.as_str()]);
        for column in &self.columns {
            if let Origin::Ratio(of) = &column.from {
                let known = of.iter().all(|title| titles.contains(title.as_str()));
                ensure!(known, "column `{}` divides columns that are not before it", column.title);
            }
            ensure!(titles.insert(&column.title), "two columns `{}`", column.title);
        }
        let labels =
            self.rows.iter().map(|row| &row.label).chain(self.published.iter().map(|row| &row.label));
        let mut seen = BTreeSet::new();
        for label in labels {
            ensure!(seen.insert(label), "two rows `{label}`");
        }
        for row in &self.rows {
            ensure!(!self.templates(row).is_empty(), "row `{}` has no command", row.label);
            for (title, cell) in &row.cells {
                let column = self.columns.iter().find(|column| column.title == *title);
                let fits = column.is_some_and(|column| match column.from {
                    Origin::Published(_) => true,
                    // A number here would look measured.
                    Origin::Words => matches!(cell, Cell::Text(_)),
                    _ => false,
                });
                ensure!(
                    fits,
                    "row `{}`, cell `{title}`: a column of words, or of published figures",
                    row.label
                );
            }
        }
        for row in &self.published {
            let known =
                row.cells.keys().all(|title| self.columns.iter().any(|column| column.title == *title));
            ensure!(known, "row `{}` has a cell of no column", row.label);
        }
        Ok(())
    }

    /// The commands of a row, with variables.
    pub fn templates<'a>(&'a self, row: &'a Row) -> &'a [String] {
        if row.run.is_empty() { &self.run } else { &row.run }
    }

    /// The commands of a row, as they are run.
    pub fn commands(&self, row: &Row) -> Vec<String> {
        self.templates(row).iter().map(|command| row.expand(command, str::to_owned)).collect()
    }

    /// Where a measured column's value stands: a file, relative to the work folder, and a pointer into it.
    pub fn place(&self, row: &Row, column: &Column) -> Option<(String, String)> {
        let output = if row.output.is_empty() { &self.output } else { &row.output };
        let (file, pointer) = match &column.from {
            Origin::Pointer(pointer) => (output, pointer),
            Origin::File([file, pointer]) => (file, pointer),
            _ => return None,
        };
        let escape = |value: &str| value.replace('~', "~0").replace('/', "~1");
        Some((row.expand(file, str::to_owned), row.expand(pointer, escape)))
    }
}

impl Column {
    /// Whether measuring a row gives a value.
    pub fn is_measured(&self) -> bool {
        matches!(self.from, Origin::Pointer(_) | Origin::File(_) | Origin::Seconds)
    }
}

/// Whether a letter ends the name of a variable.
pub fn is_outside_words(letter: char) -> bool {
    !(letter.is_alphanumeric() || letter == '_')
}

impl Row {
    /// Replaces the variables, which are whole words, by `write` of their values.
    fn expand(&self, text: &str, write: impl Fn(&str) -> String) -> String {
        let value = |word: &str| match word {
            "LABEL" => Some(self.label.as_str()),
            word => self.set.get(word).map(String::as_str),
        };
        let (mut out, mut word) = (String::new(), String::new());
        let put = |word: &mut String, out: &mut String| {
            match value(word) {
                Some(value) => out.push_str(&write(value)),
                None => out.push_str(word),
            }
            word.clear();
        };
        for letter in text.chars() {
            if is_outside_words(letter) {
                put(&mut word, &mut out);
                out.push(letter);
            } else {
                word.push(letter);
            }
        }
        put(&mut word, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"
        title = "Models"
        order = 1
        run = ["cargo run --example train -- --model MODEL --MODELS --out out/MODEL_1/MODEL"]
        output = "out/MODEL.json"
        label = "model"
        columns = [
            { title = "MRR", from = { pointer = "/rows/name=LABEL/MRR" } },
            { title = "time", from = { file = ["LABEL.json", "/s"] } },
            { title = "theirs", from = { published = "their page" } },
            { title = "note", from = "words" },
        ]
        rows = [{ label = "a/b", set = { MODEL = "twin" }, cells = { theirs = 3, note = "new" } }]
    "#;

    #[test]
    fn variables_are_whole_words_and_escaped_in_pointers() {
        let section = Section::parse("models", TABLE).unwrap();
        let row = &section.rows[0];
        let command = "cargo run --example train -- --model twin --MODELS --out out/MODEL_1/twin";
        assert_eq!(section.commands(row), [command]);
        let place = section.place(row, &section.columns[0]).unwrap();
        assert_eq!(place, ("out/twin.json".into(), "/rows/name=a~1b/MRR".into()));
        assert_eq!(section.place(row, &section.columns[1]).unwrap().0, "a/b.json");
        assert_eq!(row.cells["theirs"], Cell::Number(3.0));
    }

    #[test]
    fn contradictions_are_named() {
        let wrong = [
            ("title = \"note\"", "title = \"MRR\"", "two columns `MRR`"),
            ("note = \"new\"", "note = 0.3", "cell `note`"),
            ("theirs = 3", "MRR = 0.3", "cell `MRR`"),
            ("theirs = 3", "other = 3", "cell `other`"),
            ("run = [", "setup = [", "no command"),
            ("\"words\"", "{ ratio = [\"MRR\", \"note\"] }", "not before it"),
            ("order", "older", "unknown field `older`"),
        ];
        for (from, to, message) in wrong {
            let error = Section::parse("models", &TABLE.replace(from, to)).unwrap_err();
            assert!(format!("{error:#}").contains(message), "{message}: {error:#}");
        }
    }
}
