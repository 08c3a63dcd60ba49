//! How tolerant readers are, and what they report of a file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::shown;
use crate::error::{Error, Result};

/// How tolerant a reader is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadOptions {
    /// Share of lines that may be skipped before a file is refused; ten are always allowed.
    pub max_bad_lines: f64,
    /// Replace bytes that are not UTF-8 instead of refusing the file.
    pub lossy_utf8: bool,
    /// Longest line accepted, in bytes.
    pub max_line_bytes: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { max_bad_lines: 0.001, lossy_utf8: false, max_line_bytes: 16 << 20 }
    }
}

/// What a reader saw in one file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileReport {
    /// The file's name, without its folder.
    pub file: String,
    /// How it was read, where a reader finds that out: its form, and which column was taken for what.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub read_as: String,
    /// Lines or rows with content.
    pub lines: u64,
    /// Lines skipped because they cannot be used, by cause.
    pub skipped: BTreeMap<String, Occurrence>,
    /// Things worth knowing that cost no usable line, by kind: rows that are no event, titles that are markup.
    pub notes: BTreeMap<String, Occurrence>,
    /// What the first line shows of a form that the reader does not take.
    #[serde(skip)]
    pub(crate) form: Option<&'static str>,
}

/// How often something occurred, and where first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Occurrence {
    /// How often.
    pub count: u64,
    /// Number of the first line; 0 where lines have no meaning.
    pub first_line: u64,
    /// The value that stood there, shortened; empty where there is none.
    pub first_value: String,
}

impl std::fmt::Display for Occurrence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.first_line > 0 {
            write!(f, "first in line {}", self.first_line)?;
        }
        if !self.first_value.is_empty() {
            write!(f, ": `{}`", self.first_value)?;
        }
        Ok(())
    }
}

impl FileReport {
    pub(crate) fn new(path: &Path) -> Self {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { file, ..Self::default() }
    }

    /// Counts a line that cannot be used because of `value`.
    pub(crate) fn skip(&mut self, line: u64, cause: &str, value: &str) {
        count(&mut self.skipped, cause, line, value);
    }

    /// Counts something worth knowing.
    pub(crate) fn note(&mut self, line: u64, what: &str, value: &str) {
        count(&mut self.notes, what, line, value);
    }

    /// Skipped lines in all.
    pub fn bad(&self) -> u64 {
        self.skipped.values().map(|cause| cause.count).sum()
    }

    /// Refuses the file if it is empty or too much of it was skipped.
    pub(crate) fn finish(self, path: &Path, options: &ReadOptions) -> Result<Self> {
        if self.lines == 0 {
            return Err(Error::format(path, 0, 0, "the file holds no line of data"));
        }
        let allowed = ((self.lines as f64 * options.max_bad_lines) as u64).max(10).min(self.lines - 1);
        if self.bad() > allowed {
            let causes = self.skipped.iter().map(|(cause, seen)| format!("{cause} ({}), {seen}", seen.count));
            return Err(Error::TooManyBadLines {
                file: path.to_path_buf(),
                bad: self.bad(),
                lines: self.lines,
                allowed,
                first: causes.collect::<Vec<_>>().join("; ")
                    + &self.form.map(|form| format!(". {form}")).unwrap_or_default(),
            });
        }
        Ok(self)
    }
}

fn count(counts: &mut BTreeMap<String, Occurrence>, key: &str, line: u64, value: &str) {
    match counts.get_mut(key) {
        Some(seen) => seen.count += 1,
        None => {
            let first = Occurrence { count: 1, first_line: line, first_value: shown(value) };
            counts.insert(key.to_owned(), first);
        }
    }
}
