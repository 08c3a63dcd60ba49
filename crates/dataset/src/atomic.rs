//! Files and folders that appear whole or not at all: temporary name, fsync, one rename.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::output::only;

/// Writes a file under a temporary name beside `path` and renames it when `write` succeeded.
///
/// # Errors
/// Whatever `write` returns, or the file system's refusal; `path` then is as it was.
pub fn write_file<T>(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<T>) -> Result<T> {
    let temporary = beside(path, "tmp")?;
    let result = (|| {
        let file = File::create(&temporary).map_err(Error::io(&temporary, "cannot create"))?;
        let mut out = BufWriter::with_capacity(1 << 18, file);
        let value = write(&mut out)?;
        let file = out.into_inner().map_err(|e| Error::io(&temporary, "cannot write")(e.into_error()))?;
        file.sync_all().map_err(Error::io(&temporary, "cannot sync"))?;
        fs::rename(&temporary, path).map_err(Error::io(path, "cannot rename into place"))?;
        Ok(value)
    })();
    if result.is_err() {
        // The first error is the one to report; a temporary file left behind harms nobody.
        let _ = fs::remove_file(&temporary);
    }
    let value = result?;
    sync_folder(parent(path))?;
    Ok(value)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A folder that is filled under a temporary name and then takes its place in one rename.
#[derive(Debug)]
pub struct StagedFolder {
    target: PathBuf,
    staging: PathBuf,
    /// Files of the old folder that go with it.
    own: Vec<String>,
    replace: bool,
}

impl StagedFolder {
    /// Prepares to write `target`. An older folder is replaced if it holds nothing but the files `own`, paths relative to it.
    ///
    /// # Errors
    /// If `target` is a file or holds anything else, or the staging folder cannot be made.
    pub fn new(target: &Path, own: &[String]) -> Result<Self> {
        let replace = match fs::read_dir(target) {
            Ok(mut entries) => entries.next().is_some(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => false,
            Err(e) => return Err(Error::io(target, "cannot be used as output folder")(e)),
        };
        if replace {
            only(target, own)?;
        }
        // A link to a folder stays, and the folder that it leads to is replaced.
        let target = match target.exists() {
            true => fs::canonicalize(target).map_err(Error::io(target, "cannot resolve"))?,
            false => target.to_path_buf(),
        };
        let staging = beside(&target, "staging")?;
        fs::create_dir(&staging).map_err(Error::io(&staging, "cannot create"))?;
        Ok(Self { target, staging, own: own.to_vec(), replace })
    }

    /// Where to write meanwhile.
    pub fn path(&self) -> &Path {
        &self.staging
    }

    /// Syncs everything and puts the folder in place.
    ///
    /// # Errors
    /// If the file system refuses, or the old folder holds other files by now; it then is as it was.
    pub fn commit(self) -> Result<()> {
        let list = || fs::read_dir(&self.staging).map_err(Error::io(&self.staging, "cannot list"));
        for entry in list()? {
            let path = entry.map_err(Error::io(&self.staging, "cannot list"))?.path();
            let synced = File::open(&path).and_then(|f| f.sync_all());
            synced.map_err(Error::io(&path, "cannot sync"))?;
        }
        sync_folder(&self.staging)?;
        if self.replace {
            only(&self.target, &self.own)?;
            exchange(&self.staging, &self.target)?;
            // The old folder lies at the staging place now. A file that somebody put into it meanwhile stays there.
            remove_files(&self.staging, &self.own)?;
        } else {
            fs::rename(&self.staging, &self.target)
                .map_err(Error::io(&self.target, "cannot rename into place"))?;
        }
        sync_folder(parent(&self.target))?;
        // Nothing is left to remove.
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for StagedFolder {
    /// Removes what was not committed.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.staging);
    }
}

/// Removes these files and the folders that are empty then.
fn remove_files(folder: &Path, files: &[String]) -> Result<()> {
    let mut folders = vec![folder.to_path_buf()];
    for name in files {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(&path, "cannot remove")(e));
            }
            _ => folders
                .extend(path.ancestors().skip(1).take_while(|&above| above != folder).map(Path::to_path_buf)),
        }
    }
    folders.sort();
    folders.dedup();
    // The innermost ones first.
    folders.iter().rev().try_for_each(|path| {
        fs::remove_dir(path).map_err(Error::io(path, "holds files of others and was left"))
    })
}

/// Swaps two folders in one step where the system can, else by two renames.
fn exchange(new: &Path, old: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE).is_ok() {
            return Ok(());
        }
    }
    exchange_in_steps(new, old)
}

/// The same by three renames: if the second one fails, the old folder takes its place again.
fn exchange_in_steps(new: &Path, old: &Path) -> Result<()> {
    let aside = beside(old, "old")?;
    fs::rename(old, &aside).map_err(Error::io(old, "cannot move aside"))?;
    if let Err(e) = fs::rename(new, old) {
        // Two refusals in a row leave the old folder beside its place: the error says which one to look at.
        fs::rename(&aside, old).map_err(Error::io(&aside, "cannot be moved back"))?;
        return Err(Error::io(old, "cannot rename into place")(e));
    }
    fs::rename(&aside, new).map_err(Error::io(&aside, "cannot be moved aside"))
}

/// `folder/.name.kind-PID`, so that two processes never share one.
fn beside(path: &Path, kind: &str) -> Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(Error::io(path, "is no file or folder name")(std::io::ErrorKind::InvalidInput.into()));
    };
    let folder = parent(path);
    fs::create_dir_all(folder).map_err(Error::io(folder, "cannot create"))?;
    let name = format!(".{}.{kind}-{}", name.to_string_lossy(), std::process::id());
    let free = |number: u32| match number {
        0 => path.with_file_name(&name),
        _ => path.with_file_name(format!("{name}-{number}")),
    };
    // A process of the same number may have been killed here before.
    Ok((0..).map(free).find(|path| path.symlink_metadata().is_err()).unwrap_or_else(|| free(u32::MAX)))
}

fn sync_folder(folder: &Path) -> Result<()> {
    // Folders cannot be opened for syncing everywhere (Windows): the rename itself has succeeded by then.
    if let Ok(handle) = File::open(folder) {
        handle.sync_all().map_err(Error::io(folder, "cannot sync"))?;
    }
    Ok(())
}

/// Writes text that ends up whole or not at all.
///
/// # Errors
/// As for [`write_file`].
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    write_bytes(path, text.as_bytes())
}

/// Writes bytes that end up whole or not at all.
///
/// # Errors
/// As for [`write_file`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_file(path, |out| out.write_all(bytes).map_err(Error::io(path, "cannot write")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_text(&path, "old").unwrap();
        let failed = write_file(&path, |out| {
            out.write_all(b"half").unwrap();
            Err::<(), _>(Error::damaged(Path::new("x"), "stop"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_is_replaced_whole_or_stays() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("out");
        let fill = |text: &str, own: &[&str]| {
            let own: Vec<String> = own.iter().map(|&name| name.to_owned()).collect();
            let staged = StagedFolder::new(&target, &own)?;
            write_text(&staged.path().join("f"), text)?;
            staged.commit()
        };
        fill("one", &[]).unwrap();
        assert!(fill("two", &[]).is_err(), "the file in it is not known");
        drop(StagedFolder::new(&target, &["f".to_owned()]).unwrap());
        assert_eq!(fs::read_to_string(target.join("f")).unwrap(), "one");
        fill("two", &["f", "gone"]).unwrap();
        assert_eq!(fs::read_to_string(target.join("f")).unwrap(), "two");
        let staged = StagedFolder::new(&target, &["f".to_owned()]).unwrap();
        fs::write(target.join("late"), "mine").unwrap();
        assert!(staged.commit().is_err(), "a file came while the new folder was filled");
        assert_eq!(fs::read_to_string(target.join("late")).unwrap(), "mine");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn where_folders_cannot_be_swapped_the_old_one_comes_back() {
        let root = tempfile::tempdir().unwrap();
        let [new, old] = ["new", "old"].map(|name| root.path().join(name));
        fs::create_dir(&old).unwrap();
        fs::write(old.join("f"), "old").unwrap();
        assert!(exchange_in_steps(&new, &old).is_err(), "there is no new folder");
        assert_eq!(fs::read_to_string(old.join("f")).unwrap(), "old");
        fs::create_dir(&new).unwrap();
        fs::write(new.join("f"), "new").unwrap();
        exchange_in_steps(&new, &old).unwrap();
        assert_eq!(fs::read_to_string(old.join("f")).unwrap(), "new");
        assert_eq!(fs::read_to_string(new.join("f")).unwrap(), "old");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2, "nothing is left beside them");
    }

    #[test]
    fn a_link_to_a_folder_stays_a_link() {
        let root = tempfile::tempdir().unwrap();
        let [real, link] = ["real", "link"].map(|name| root.path().join(name));
        fs::create_dir_all(real.join("inner")).unwrap();
        fs::write(real.join("inner/f"), "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let staged = StagedFolder::new(&link, &["inner/f".to_owned()]).unwrap();
        write_text(&staged.path().join("g"), "new").unwrap();
        staged.commit().unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_to_string(real.join("g")).unwrap(), "new");
        assert!(!real.join("inner").exists());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }
}
