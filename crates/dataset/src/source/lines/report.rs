//! How tolerant readers are, and what they report of a file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

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
    /// Lines or rows with content.
    pub lines: u64,
    /// Lines skipped, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Numbers of the first skipped lines.
    pub first_skipped: Vec<u64>,
    /// Things worth knowing that cost no line, by kind.
    pub notes: BTreeMap<String, u64>,
}

impl FileReport {
    pub(crate) fn new(path: &Path) -> Self {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { file, ..Self::default() }
    }

    pub(crate) fn skip(&mut self, line: u64, reason: &str) {
        count(&mut self.skipped, reason);
        if self.first_skipped.len() < 5 {
            self.first_skipped.push(line);
        }
    }

    pub(crate) fn note(&mut self, what: &str) {
        count(&mut self.notes, what);
    }

    /// Skipped lines in all.
    pub fn bad(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// Refuses the file if it is empty or too much of it was skipped.
    pub(crate) fn finish(self, path: &Path, options: &ReadOptions) -> Result<Self> {
        if self.lines == 0 {
            return Err(Error::format(path, 0, 0, "the file holds no line of data"));
        }
        let allowed = ((self.lines as f64 * options.max_bad_lines) as u64).max(10).min(self.lines - 1);
        if self.bad() > allowed {
            let reasons: Vec<String> = self.skipped.iter().map(|(r, n)| format!("{r} ({n})")).collect();
            return Err(Error::TooManyBadLines {
                file: path.to_path_buf(),
                bad: self.bad(),
                lines: self.lines,
                allowed,
                first: format!("lines {:?}; {}", self.first_skipped, reasons.join(", ")),
            });
        }
        Ok(self)
    }
}

fn count(counts: &mut BTreeMap<String, u64>, key: &str) {
    match counts.get_mut(key) {
        Some(n) => *n += 1,
        None => drop(counts.insert(key.to_owned(), 1)),
    }
}
