//! Every step's loss, a JSON object per line.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use seminar_dataset::atomic;
use serde_json::json;

use crate::error::{Error, Result};
use crate::observer::{Observer, StepInfo};

/// Writes `{"phase", "epoch", "step", "loss", "examples"}` for each step.
#[derive(Debug)]
pub struct StepLog {
    path: PathBuf,
    out: BufWriter<File>,
    /// The first failure to write, reported at the next checkpoint.
    failed: Option<std::io::Error>,
}

impl StepLog {
    /// Opens a log that goes on after its first `lines` lines; what a killed run wrote beyond its checkpoint is cut off.
    ///
    /// # Errors
    /// If the file system refuses, or the log is shorter than that.
    pub fn open(path: &Path, lines: u64) -> Result<Self> {
        let fail =
            |source| Error::Io { path: path.to_path_buf(), doing: "cannot go on with the log", source };
        let mut kept = String::new();
        if lines > 0 {
            let mut old = BufReader::new(File::open(path).map_err(fail)?);
            for _ in 0..lines {
                let read = old.read_line(&mut kept).map_err(fail)?;
                if read == 0 || !kept.ends_with('\n') {
                    return Err(fail(std::io::Error::other(format!("the log has fewer than {lines} lines"))));
                }
            }
        }
        atomic::write_text(path, &kept)?;
        let file = OpenOptions::new().append(true).open(path).map_err(fail)?;
        Ok(Self { path: path.to_path_buf(), out: BufWriter::new(file), failed: None })
    }
}

impl Observer for StepLog {
    fn step(&mut self, info: &StepInfo) {
        let StepInfo { phase, epoch, step, examples, loss, .. } = *info;
        let line =
            json!({ "phase": phase, "epoch": epoch, "step": step, "loss": loss, "examples": examples });
        if let Err(error) = writeln!(self.out, "{line}") {
            self.failed.get_or_insert(error);
        }
    }

    fn checkpoint(&mut self) -> Result<()> {
        let written = match self.failed.take() {
            Some(error) => Err(error),
            None => self.out.flush().and_then(|()| self.out.get_ref().sync_data()),
        };
        written.map_err(Error::io(&self.path, "cannot write the log"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_goes_on_after_its_first_lines_and_no_shorter_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steps.jsonl");
        std::fs::write(&path, "1\n2\n3\nhalf").unwrap();
        assert!(StepLog::open(&path, 5).is_err(), "it has three lines");
        assert!(StepLog::open(&path, 4).is_err(), "the fourth is not whole");
        drop(StepLog::open(&path, 2).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n");
        drop(StepLog::open(&path, 0).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }
}
