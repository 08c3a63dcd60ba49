//! Every step's loss, a JSON object a line.

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
        let fail = |source| Error::Io { what: path.display().to_string(), source };
        let mut kept = String::new();
        if lines > 0 {
            let old = BufReader::new(File::open(path).map_err(fail)?);
            for line in old.lines().take(lines as usize) {
                kept.push_str(&line.map_err(fail)?);
                kept.push('\n');
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
        written.map_err(|source| Error::Io { what: self.path.display().to_string(), source })
    }
}
