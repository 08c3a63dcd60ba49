//! Runs the commands of a section and reads the figures that they wrote.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value, json};

use super::command::{Cargo, Command, Program};
use super::figures::{Measured, Measurement, pick};
use super::machine::{Machine, commit, is_busy, today};
use super::section::{Origin, Row, Section};
use crate::say;

/// What the commands of the pages find in the folder that they are run in, beside what they write.
const INPUTS: [&str; 2] = ["data", "benches"];
/// Variables of the environment that change what is measured.
const UNSET: [&str; 2] = ["SEMINAR_BENCH_ROWS", "RAYON_NUM_THREADS"];

/// Runs commands in a work folder.
#[derive(Debug)]
pub struct Runner {
    root: PathBuf,
    work: PathBuf,
    build: bool,
    /// Built programs by cargo's flags.
    built: HashMap<Vec<String>, PathBuf>,
}

impl Runner {
    /// A runner in a new or empty work folder.
    ///
    /// - `root`: the repository.
    /// - `build`: build each program before it runs; else take the ones beside this program as they are.
    ///
    /// # Errors
    /// If the work folder holds files, cannot be made, or the system has no symbolic links.
    pub fn new(root: &Path, work: &Path, build: bool) -> anyhow::Result<Self> {
        let root = root.canonicalize().with_context(|| format!("cannot open {}", root.display()))?;
        std::fs::create_dir_all(work).with_context(|| format!("--work: cannot make {}", work.display()))?;
        let mut entries =
            std::fs::read_dir(work).with_context(|| format!("--work: cannot list {}", work.display()))?;
        ensure!(
            entries.next().is_none(),
            "--work: {} holds files: give a folder that is new or empty",
            work.display()
        );
        let work = work.canonicalize()?;
        for input in INPUTS {
            let there = root.join(input);
            if there.exists() {
                link(&there, &work.join(input)).with_context(|| format!("cannot link {input}"))?;
            }
        }
        Ok(Self { root, work, build, built: HashMap::new() })
    }

    /// Builds what a command runs.
    fn prepare(&mut self, command: &Command) -> anyhow::Result<()> {
        let (verb, cargo) = match &command.program {
            Program::Example(cargo) => (&["build"][..], cargo),
            Program::Bench(cargo) => (&["bench", "--no-run"][..], cargo),
            Program::Other(_) => return Ok(()),
        };
        if !self.built.contains_key(&cargo.flags) {
            let path = if self.build { self.cargo(verb, cargo)? } else { beside(&cargo.name)? };
            self.built.insert(cargo.flags.clone(), path);
        }
        Ok(())
    }

    /// Lets cargo build a binary, and asks it where that is.
    fn cargo(&self, verb: &[&str], cargo: &Cargo) -> anyhow::Result<PathBuf> {
        let mut process = Process::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        process.args(verb).args(&cargo.flags).arg("--message-format=json-render-diagnostics");
        let process = process.current_dir(&self.root).stderr(Stdio::inherit());
        let output = process.output().context("cannot run cargo")?;
        ensure!(output.status.success(), "cargo cannot build {}", cargo.name);
        let messages = String::from_utf8(output.stdout)?;
        let binary =
            messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|line| {
                let named = line.pointer("/target/name")? == cargo.name.as_str();
                line.get("executable")?.as_str().filter(|_| named).map(PathBuf::from)
            });
        binary.with_context(|| format!("cargo built no program {}", cargo.name))
    }

    /// Runs a command. Its seconds.
    fn run(&self, text: &str) -> anyhow::Result<f64> {
        let command = Command::parse(text)?;
        let mut process = match &command.program {
            Program::Example(cargo) => Process::new(&self.built[&cargo.flags]),
            Program::Bench(cargo) => {
                let mut process = Process::new(&self.built[&cargo.flags]);
                process.arg("--bench");
                process
            }
            Program::Other(name) => Process::new(name),
        };
        process.args(&command.arguments).current_dir(&self.work).stdout(Stdio::null());
        process.env("CRITERION_HOME", self.work.join("criterion"));
        for variable in UNSET {
            process.env_remove(variable);
        }
        say!("$ {text}");
        let start = Instant::now();
        let status = process.status().with_context(|| format!("cannot run `{text}`"))?;
        ensure!(status.success(), "`{text}`: {status}");
        Ok(start.elapsed().as_secs_f64())
    }

    /// The columns that a row's commands have written.
    fn figures(&self, section: &Section, row: &Row, seconds: f64) -> anyhow::Result<Map<String, Value>> {
        let mut documents: HashMap<String, Value> = HashMap::new();
        let mut figures = Map::new();
        for column in section.columns.iter().filter(|column| column.is_measured()) {
            let value = match (section.place(row, column), &column.from) {
                (_, Origin::Seconds) => Some(json!(seconds)),
                (Some((file, pointer)), _) => {
                    let absent = column.optional && !self.work.join(&file).exists();
                    if !documents.contains_key(&file) {
                        let document = if absent { Value::Null } else { self.document(&file)? };
                        documents.insert(file.clone(), document);
                    }
                    let value = pick(&documents[&file], &pointer).filter(|value| !value.is_null()).cloned();
                    if value.is_none() && !column.optional {
                        bail!("{file} has nothing at {pointer}");
                    }
                    value
                }
                (None, _) => None,
            };
            figures.insert(column.title.clone(), value.unwrap_or_default());
        }
        Ok(figures)
    }

    fn document(&self, file: &str) -> anyhow::Result<Value> {
        let text =
            std::fs::read_to_string(self.work.join(file)).with_context(|| format!("cannot read {file}"))?;
        serde_json::from_str(&text).with_context(|| format!("{file} is no JSON"))
    }
}

#[cfg(unix)]
fn link(original: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(original, link)
}

#[cfg(not(unix))]
fn link(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// An example beside this program.
fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name(name).with_extension(std::env::consts::EXE_EXTENSION);
    ensure!(path.is_file(), "--no-build: {} is not built", path.display());
    Ok(path)
}

/// Measures rows of a section, all if there are no `labels`. Each goes to `keep` as soon as it is measured, with an empty measurement
/// of this call. Commands that several rows share are run once.
///
/// # Errors
/// If a command cannot be built, fails, or its output lacks a figure, or `keep` fails.
pub fn measure(
    section: &Section,
    labels: &[String],
    runner: &mut Runner,
    mut keep: impl FnMut(Measurement, &str, Measured) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let rows: Vec<&Row> =
        section.rows.iter().filter(|row| labels.is_empty() || labels.contains(&row.label)).collect();
    let mut all = section.setup.clone();
    all.extend(rows.iter().flat_map(|row| section.commands(row)));
    let all = all.iter().map(|text| Command::parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
    all.iter().try_for_each(|command| runner.prepare(command))?;
    let release = if runner.build { all.iter().all(Command::is_release) } else { !cfg!(debug_assertions) };
    let measurement = Measurement {
        commit: commit(&runner.root)?,
        date: today(),
        machine: Machine::this(&runner.root, release)?,
        setup: section.setup.clone(),
        rows: BTreeMap::new(),
    };
    for command in &section.setup {
        runner.run(command)?;
    }
    let mut done: HashMap<Vec<String>, (f64, bool)> = HashMap::new();
    for row in rows {
        let commands = section.commands(row);
        let (seconds, busy) = match done.get(&commands) {
            Some(&known) => known,
            None => {
                let (mut seconds, busy) = (0.0, is_busy());
                for command in &commands {
                    seconds += runner.run(command)?;
                }
                done.insert(commands.clone(), (seconds, busy));
                (seconds, busy)
            }
        };
        let figures =
            runner.figures(section, row, seconds).with_context(|| format!("row `{}`", row.label))?;
        keep(measurement.clone(), &row.label, Measured { commands, seconds, busy, figures })?;
    }
    Ok(())
}
