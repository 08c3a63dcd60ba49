//! The machine, the day and the commit of a measurement.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

/// A machine, and how the programs were built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Cores that programs may use.
    pub cores: usize,
    /// Name of the processor.
    pub processor: String,
    /// Memory in bytes; 0 where the system does not say.
    pub memory_bytes: u64,
    /// Operating system and architecture.
    pub system: String,
    /// Version of the compiler.
    pub rustc: String,
    /// `release` or `debug`.
    pub build: String,
}

impl Machine {
    /// This machine, with programs that are built for `release` or not.
    ///
    /// # Errors
    /// If `rustc` cannot be asked for its version.
    pub fn this(root: &Path, release: bool) -> anyhow::Result<Self> {
        let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kibibytes = memory.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into()),
            memory_bytes: kibibytes.unwrap_or(0) * 1024,
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            rustc: said(Command::new("rustc").arg("--version"), root)?,
            build: if release { "release" } else { "debug" }.into(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.cores == 1 { "core" } else { "cores" };
        write!(f, "{} {plural} of {}", self.cores, self.processor)?;
        if self.memory_bytes > 0 {
            write!(f, ", {:.0} GiB", self.memory_bytes as f64 / f64::from(1 << 30))?;
        }
        let version: Vec<&str> = self.rustc.split_whitespace().take(2).collect();
        write!(f, ", {}, {}, {} build", self.system, version.join(" "), self.build)
    }
}

/// The value of a field of a file of lines `field: value`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let (_, value) =
        text.lines().filter_map(|line| line.split_once(':')).find(|(field, _)| field.trim() == name)?;
    Some(value.trim().to_owned())
}

/// Whether other programs run at this moment; false where the system does not say.
pub fn is_busy() -> bool {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    // The fourth field is `running/all`, with this program among the running ones.
    let running =
        text.split_whitespace().nth(3).and_then(|field| field.split('/').next()?.parse::<u64>().ok());
    running.is_some_and(|running| running > 1)
}

/// The commit that is checked out, with `+` if anything but documents differs from it.
///
/// # Errors
/// If `root` is in no git repository, or git is missing.
pub fn commit(root: &Path) -> anyhow::Result<String> {
    let mut commit = said(Command::new("git").args(["rev-parse", "HEAD"]), root)?;
    let changed = Command::new("git")
        .args(["status", "--porcelain", "--", ".", ":!docs", ":!*.md"])
        .current_dir(root)
        .output()?;
    if !changed.stdout.is_empty() {
        commit.push('+');
    }
    Ok(commit)
}

fn said(command: &mut Command, folder: &Path) -> anyhow::Result<String> {
    let name = format!("{command:?}").replace('"', "");
    let output = command.current_dir(folder).output().with_context(|| format!("cannot run `{name}`"))?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{name}`: {}", reason.trim());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Today (UTC), such as `2026-11-26`.
pub fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    date((seconds / 86_400) as i64)
}

/// The date of a day that is counted from 1970-01-01, by the rule that a year which starts in March ends with its leap day.
fn date(days: i64) -> String {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + i64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        let known = [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (19_782, "2024-02-29"),
            (20_088, "2024-12-31"),
            (20_089, "2025-01-01"),
            (20_783, "2026-11-26"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ];
        for (days, text) in known {
            assert_eq!(date(days), text);
        }
    }

    #[test]
    fn a_machine_in_words() {
        let machine = Machine {
            cores: 2,
            processor: "A B".into(),
            memory_bytes: 24 << 30,
            system: "linux x86_64".into(),
            rustc: "rustc 1.95.0 (abc 2026-01-01)".into(),
            build: "release".into(),
        };
        assert_eq!(machine.to_string(), "2 cores of A B, 24 GiB, linux x86_64, rustc 1.95.0, release build");
        let this = Machine::this(Path::new("."), false).unwrap();
        assert!(this.cores > 0 && this.rustc.starts_with("rustc "), "{this}");
    }
}
