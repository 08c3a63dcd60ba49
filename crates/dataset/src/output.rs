//! What may be written where: a folder keeps a list of the files that were written into it, and by whom. Only those are replaced or
//! removed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic::write_text;
use crate::error::{Error, Result};

/// Name of the list in each output folder.
pub const MANIFEST: &str = ".seminar-files.json";

const FORMAT: &str = "seminar-files";
const VERSION: u32 = 1;

/// The list, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: String,
    version: u32,
    /// Paths relative to the folder, with `/`, and the program that wrote each.
    files: BTreeMap<String, String>,
}

/// A folder that one program fills file by file.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = tempfile::tempdir()?;
/// # let out = root.path().join("out");
/// use seminar_dataset::OutputFolder;
/// let mut folder = OutputFolder::open(&out, "evaluate")?;
/// folder.claim(&["metrics.json"])?;
/// std::fs::write(out.join("metrics.json"), "{}")?;
///
/// std::fs::write(out.join("notes.txt"), "mine")?;
/// let mut again = OutputFolder::open(&out, "evaluate")?;
/// assert!(again.claim(&["metrics.json"]).is_ok(), "its own file may be written again");
/// assert!(again.claim(&["notes.txt"]).is_err(), "nobody knows whose that is");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct OutputFolder {
    path: PathBuf,
    writer: String,
    files: BTreeMap<String, String>,
}

impl OutputFolder {
    /// A folder for the results of `writer`, such as `evaluate`. Nothing is written before the first [`claim`](Self::claim).
    ///
    /// # Errors
    /// If it is a file, cannot be read, or holds files but no list of them: then it is somebody else's.
    pub fn open(path: &Path, writer: &str) -> Result<Self> {
        let folder = Self::open_input(path, writer)?;
        if !path.join(MANIFEST).exists()
            && let Some(name) = first_entry(path)?
        {
            let message = format!(
                "holds `{name}`, which {writer} did not write: choose another folder, or move what is in it"
            );
            return Err(Error::occupied(path, message));
        }
        Ok(folder)
    }

    /// The same for a folder that is known to be in use for other things, such as a corpus folder that gets embeddings: files
    /// without a list are no error, but none of them can be claimed.
    ///
    /// # Errors
    /// If it is a file, or its list cannot be read.
    pub fn open_input(path: &Path, writer: &str) -> Result<Self> {
        let files = written_files(path)?.unwrap_or_default();
        Ok(Self { path: path.to_path_buf(), writer: writer.to_owned(), files })
    }

    /// Whether [`claim`](Self::claim) would succeed. Nothing is written.
    ///
    /// # Errors
    /// If a file of such a name exists that another program, or nobody known, has written.
    pub fn check(&self, names: &[&str]) -> Result<()> {
        for &name in names {
            let path = self.path.join(name);
            if path.symlink_metadata().is_err() || self.files.get(name) == Some(&self.writer) {
                continue;
            }
            let whose = match self.files.get(name) {
                Some(other) => format!("written by {other}"),
                None => format!("not written by {}", self.writer),
            };
            let message = format!("exists already, {whose}: move the file, or choose another output folder");
            return Err(Error::occupied(&path, message));
        }
        Ok(())
    }

    /// Takes names for this program before anything is written under them. Makes the folder.
    ///
    /// - `names`: paths relative to the folder, with `/`.
    ///
    /// # Errors
    /// If a file of that name exists that another program, or nobody known, has written. Nothing is changed then.
    pub fn claim(&mut self, names: &[&str]) -> Result<()> {
        self.check(names)?;
        self.files.extend(names.iter().map(|&name| (name.to_owned(), self.writer.clone())));
        fs::create_dir_all(&self.path).map_err(Error::io(&self.path, "cannot create"))?;
        write_manifest(&self.path, &self.files)
    }

    /// Takes files that an older release wrote without a list. The caller has made sure that they are this program's.
    pub fn adopt(&mut self, names: &[&str]) {
        let writer = &self.writer;
        for &name in names {
            self.files.entry(name.to_owned()).or_insert_with(|| writer.clone());
        }
    }

    /// Whether a file of this name is there and was written by this program.
    pub fn holds(&self, name: &str) -> bool {
        self.files.get(name) == Some(&self.writer) && self.path.join(name).exists()
    }

    /// Removes all files of this program. Files of others stay.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn clear(&mut self) -> Result<()> {
        let own: Vec<String> = self.files.keys().filter(|name| self.holds(name)).cloned().collect();
        for name in own {
            let path = self.path.join(&name);
            fs::remove_file(&path).map_err(Error::io(&path, "cannot remove"))?;
        }
        Ok(())
    }
}

/// The files that a folder's list names and that are there, with their writers; `None` without a list.
fn written_files(folder: &Path) -> Result<Option<BTreeMap<String, String>>> {
    match fs::symlink_metadata(folder) {
        Ok(_) if !folder.is_dir() => {
            return Err(Error::occupied(folder, "is no folder: choose another output folder"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(folder, "cannot be used as output folder")(error)),
    }
    let path = folder.join(MANIFEST);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(&path, "cannot read")(error)),
    };
    match serde_json::from_str::<Manifest>(&text) {
        Ok(manifest)
            if manifest.format == FORMAT
                && manifest.version == VERSION
                && manifest.files.keys().all(|name| is_inside(name)) =>
        {
            let there = |name: &String| folder.join(name).symlink_metadata().is_ok();
            Ok(Some(manifest.files.into_iter().filter(|(name, _)| there(name)).collect()))
        }
        _ => Err(Error::damaged(&path, "is no list of written files: choose another output folder")),
    }
}

/// Whether a name leads to a place inside its folder, whoever wrote the list.
fn is_inside(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

fn write_manifest(folder: &Path, files: &BTreeMap<String, String>) -> Result<()> {
    let manifest = Manifest { format: FORMAT.into(), version: VERSION, files: files.clone() };
    let text =
        serde_json::to_string_pretty(&manifest).map_err(|error| Error::damaged(folder, error.to_string()))?;
    write_text(&folder.join(MANIFEST), &(text + "\n"))
}

fn first_entry(folder: &Path) -> Result<Option<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(folder, "cannot be used as output folder")(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io(folder, "cannot list"))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    // What a kill leaves of a list that was being written is nobody's.
    let unfinished = format!(".{MANIFEST}.tmp-");
    Ok(names.into_iter().filter(|name| !name.starts_with(&unfinished)).min())
}

/// A folder that is to appear whole: [`write_folder`](crate::write_folder).
#[derive(Clone, Copy, Debug)]
pub struct WholeFolder<'a> {
    /// The folder.
    pub path: &'a Path,
    /// The program that writes, such as `prepare`.
    pub writer: &'a str,
    /// Whether an older folder of the same program may be replaced.
    pub replace: bool,
    /// Files and folders that are read. What is replaced must not be, hold or lie in one of them.
    pub inputs: &'a [&'a Path],
}

impl<'a> WholeFolder<'a> {
    /// A folder that replaces nothing.
    pub fn new(path: &'a Path, writer: &'a str) -> Self {
        Self { path, writer, replace: false, inputs: &[] }
    }

    /// Whether the folder may be written. Nothing is written.
    ///
    /// # Errors
    /// If it holds files and may not be replaced, or is, holds or lies in an input.
    pub fn check(&self) -> Result<()> {
        self.replaceable().map(drop)
    }

    /// The files that may be removed when the new folder takes the place of the old one: none if there is no old one.
    ///
    /// # Errors
    /// If there is one, and it is not this program's, may not be replaced, or is, holds or lies in an input.
    pub(crate) fn replaceable(&self) -> Result<Vec<String>> {
        let fail = |message: String| Err(Error::occupied(self.path, message));
        let files = written_files(self.path)?;
        let Some(first) = first_entry(self.path)? else { return Ok(Vec::new()) };
        let Some(files) = files else {
            let writer = self.writer;
            return fail(format!(
                "holds `{first}`, which {writer} did not write: choose another folder, or move what is in it"
            ));
        };
        if let Some((name, writer)) = files.iter().find(|(_, writer)| *writer != self.writer) {
            return fail(format!("holds `{name}`, written by {writer}: move it, or choose another folder"));
        }
        if !self.replace {
            return fail(format!(
                "holds files of an earlier run of {}: choose another folder, or replace them with --force (`replace` in the library)",
                self.writer
            ));
        }
        let own = fs::canonicalize(self.path).map_err(Error::io(self.path, "cannot resolve"))?;
        for input in self.inputs {
            let Ok(other) = fs::canonicalize(input) else { continue };
            let input = input.display();
            let relation = match (own == other, other.starts_with(&own), own.starts_with(&other)) {
                (true, ..) => "is",
                (_, true, _) => "holds",
                (_, _, true) => "lies in",
                _ => continue,
            };
            return fail(format!(
                "{relation} {input}, which is read: it is not replaced; choose another folder"
            ));
        }
        let mut names: Vec<String> = files.into_keys().collect();
        names.push(MANIFEST.to_owned());
        only(self.path, &names)?;
        Ok(names)
    }

    /// Lists what a folder holds as this program's.
    pub(crate) fn list(&self, folder: &Path) -> Result<()> {
        let files = walk(folder)?.into_iter().map(|name| (name, self.writer.to_owned())).collect();
        write_manifest(folder, &files)
    }
}

/// Whether a folder holds nothing but these files.
pub(crate) fn only(folder: &Path, names: &[String]) -> Result<()> {
    match walk(folder)?.into_iter().find(|name| !names.contains(name)) {
        Some(name) => {
            let message = format!(
                "holds `{name}`, which was not written by this program: move it, or choose another folder"
            );
            Err(Error::occupied(folder, message))
        }
        None => Ok(()),
    }
}

/// All entries below a folder that are no folders, and folders that are empty; sorted. Links are not followed.
fn walk(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_path_buf(), String::new())];
    while let Some((path, prefix)) = open.pop() {
        let before = (found.len(), open.len());
        for entry in fs::read_dir(&path).map_err(Error::io(&path, "cannot list"))? {
            let entry = entry.map_err(Error::io(&path, "cannot list"))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            match entry.file_type().map_err(Error::io(&path, "cannot list"))?.is_dir() {
                true => open.push((entry.path(), name + "/")),
                false => found.push(name),
            }
        }
        if before == (found.len(), open.len()) && !prefix.is_empty() {
            found.push(prefix);
        }
    }
    found.sort();
    Ok(found)
}

/// Checks the name of a data set, which becomes part of file names.
///
/// # Errors
/// If it is empty or a path.
pub fn check_name(name: &str) -> Result<()> {
    let plain = !name.is_empty() && !name.contains(['/', '\\', '\0']) && ![".", ".."].contains(&name);
    match plain {
        true => Ok(()),
        false => Err(Error::Config {
            field: "name",
            message: format!(
                "`{name}` is not a plain name: it becomes part of file names, so it must not be empty or a path"
            ),
        }),
    }
}
