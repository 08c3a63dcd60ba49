//! What can go wrong between a raw file and a batch, and where it happened.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A place in an input file. Lines count from 1, bytes from 0 in the decompressed stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file, as it was opened.
    pub file: PathBuf,
    /// Line number from 1; 0 where lines have no meaning.
    pub line: u64,
    /// Offset of the line's first byte, or of the failing byte, after decompression.
    pub byte: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ", line {}", self.line)?;
        }
        write!(f, ", byte {}", self.byte)
    }
}

/// Every failure of this crate. Each variant says what was expected, what came, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused. Why says the error's source, not the message.
    #[error("{}: {doing}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was attempted, such as `cannot open`.
        doing: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// An output place that holds what this program did not write, or must not replace.
    #[error("{}: {message}", path.display())]
    Occupied {
        /// File or folder.
        path: PathBuf,
        /// What is there, and what to do.
        message: String,
    },
    /// A gzip stream ended early or is damaged. The error's source is the decoder's answer.
    #[error("{at}: gzip data damaged or cut off after {line} whole lines", line = at.line)]
    Gzip {
        /// Whole lines read, and decompressed bytes before the damage.
        at: Position,
        /// The decoder's answer.
        source: std::io::Error,
    },
    /// A zstd stream ended early or is damaged. The error's source is the decoder's answer.
    #[error("{at}: zstd data damaged or cut off after {line} whole lines", line = at.line)]
    Zstd {
        /// Whole lines read, and decompressed bytes before the damage.
        at: Position,
        /// The decoder's answer.
        source: std::io::Error,
    },
    /// A strict input does not have the expected form.
    #[error("{at}: {message}")]
    Format {
        /// Where.
        at: Position,
        /// What was expected and what came.
        message: String,
    },
    /// Bytes that are not UTF-8.
    #[error(
        "{at}: not UTF-8 (byte {bad:#04x}): save the file as UTF-8, or set `lossy_utf8` to replace such bytes"
    )]
    Utf8 {
        /// Line, and offset of the first bad byte.
        at: Position,
        /// That byte.
        bad: u8,
    },
    /// A file of another form than text: an archive, a folder, a page of a server.
    #[error("{}: {within}{found}: {remedy} ({expected} is expected)", file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// What it is.
        found: &'static str,
        /// What is around that: `gzip data around `, or nothing.
        within: &'static str,
        /// What was expected.
        expected: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// No file of the expected names is in a folder.
    #[error("{}: no {what}: looked for {tried}; {found}", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// What is missing, such as `review file`.
        what: &'static str,
        /// The names that were tried.
        tried: String,
        /// What is there instead.
        found: String,
    },
    /// A line or list is larger than the reader accepts.
    #[error("{at}: {what} exceeds the limit of {limit}")]
    TooLarge {
        /// Where.
        at: Position,
        /// Which thing.
        what: &'static str,
        /// The limit, in bytes or entries.
        limit: u64,
    },
    /// More lines were skipped than allowed.
    #[error("{}: {bad} of {lines} lines cannot be used, more than the {allowed} that `max_bad_lines` allows: {first}", file.display())]
    TooManyBadLines {
        /// The file.
        file: PathBuf,
        /// Skipped lines.
        bad: u64,
        /// Lines seen.
        lines: u64,
        /// Allowed number of skipped lines at this length.
        allowed: u64,
        /// The causes, each with its first line and value.
        first: String,
    },
    /// A csv header lacks a column that is needed.
    #[error("{}: needed column `{column}` not found; the header has: {found}", file.display())]
    MissingColumn {
        /// The file.
        file: PathBuf,
        /// The column.
        column: String,
        /// Columns of the header.
        found: String,
    },
    /// A step left nothing to work on.
    #[error("nothing left after {step}: {before}")]
    Empty {
        /// The step.
        step: &'static str,
        /// The counts before it.
        before: String,
    },
    /// Preparing left no event.
    #[error("nothing left after {step}{}\n{table}", settings_of(settings))]
    NothingLeft {
        /// The step.
        step: &'static str,
        /// The settings that decide what it leaves.
        settings: &'static [&'static str],
        /// What was read, skipped and left, step by step.
        table: String,
    },
    /// A corpus, embedding or archive file is damaged or of another version.
    #[error("{}: {message}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was expected and what came.
        message: String,
    },
    /// A setting cannot work.
    #[error("{field}: {message}")]
    Config {
        /// The setting's name.
        field: &'static str,
        /// What is wrong with its value.
        message: String,
    },
}

/// The settings as the end of a sentence.
fn settings_of(settings: &[&str]) -> String {
    match settings {
        [] => String::new(),
        names => format!(", which `{}` decides", names.join("` and `")),
    }
}

impl Error {
    /// What the file system answered, if that is what failed: tells a missing file from a forbidden one.
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// let error = seminar_dataset::Corpus::open(std::path::Path::new("no/such/folder")).unwrap_err();
    /// assert_eq!(error.kind(), Some(ErrorKind::NotFound));
    /// ```
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Io { source, .. } => Some(source.kind()),
            Self::Missing { .. } => Some(ErrorKind::NotFound),
            _ => None,
        }
    }

    /// Whether a file or folder is not there.
    pub fn is_not_found(&self) -> bool {
        self.kind() == Some(ErrorKind::NotFound)
    }

    /// Whether a file or folder is there and may not be used.
    pub fn is_forbidden(&self) -> bool {
        self.kind() == Some(ErrorKind::PermissionDenied)
    }

    /// Wraps a file-system failure with its path and the attempted action.
    pub(crate) fn io(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.to_path_buf(), doing, source }
    }

    pub(crate) fn occupied(path: &Path, message: impl Into<String>) -> Self {
        Self::Occupied { path: path.to_path_buf(), message: message.into() }
    }

    pub(crate) fn damaged(path: &Path, message: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), message: message.into() }
    }

    pub(crate) fn format(file: &Path, line: u64, byte: u64, message: impl Into<String>) -> Self {
        let at = Position { file: file.to_path_buf(), line, byte };
        Self::Format { at, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_cause_is_the_source_and_no_part_of_the_message() {
        let cause = || std::io::Error::other("the disk is full");
        let at = Position { file: "a.gz".into(), line: 3, byte: 40 };
        for error in [Error::io(Path::new("a"), "cannot write")(cause()), Error::Gzip { at, source: cause() }]
        {
            assert!(!error.to_string().contains("full"), "{error}");
            assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("the disk is full"));
        }
    }
}
