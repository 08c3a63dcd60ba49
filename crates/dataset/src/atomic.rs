//! Files and folders that appear whole or not at all: temporary name, fsync, one rename.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

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
    replace: bool,
}

impl StagedFolder {
    /// Prepares to write `target`.
    ///
    /// # Errors
    /// If `target` is a file, or holds something and `replace` is false, or the staging folder cannot be made.
    pub fn new(target: &Path, replace: bool) -> Result<Self> {
        let occupied = match fs::read_dir(target) {
            Ok(mut entries) => entries.next().is_some(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => false,
            Err(e) => return Err(Error::io(target, "cannot be used as output folder")(e)),
        };
        if occupied && !replace {
            let source = std::io::ErrorKind::AlreadyExists.into();
            return Err(Error::io(target, "holds files already; pass the force option to replace them")(
                source,
            ));
        }
        let staging = beside(target, "staging")?;
        let _ = fs::remove_dir_all(&staging);
        fs::create_dir_all(&staging).map_err(Error::io(&staging, "cannot create"))?;
        Ok(Self { target: target.to_path_buf(), staging, replace: occupied })
    }

    /// Where to write meanwhile.
    pub fn path(&self) -> &Path {
        &self.staging
    }

    /// Syncs everything and puts the folder in place.
    ///
    /// # Errors
    /// If the file system refuses; the old folder then is as it was.
    pub fn commit(self) -> Result<()> {
        let list = || fs::read_dir(&self.staging).map_err(Error::io(&self.staging, "cannot list"));
        for entry in list()? {
            let path = entry.map_err(Error::io(&self.staging, "cannot list"))?.path();
            let synced = File::open(&path).and_then(|f| f.sync_all());
            synced.map_err(Error::io(&path, "cannot sync"))?;
        }
        sync_folder(&self.staging)?;
        if self.replace {
            exchange(&self.staging, &self.target)?;
        } else {
            fs::rename(&self.staging, &self.target)
                .map_err(Error::io(&self.target, "cannot rename into place"))?;
        }
        sync_folder(parent(&self.target))
    }
}

impl Drop for StagedFolder {
    /// Removes what was not committed, or the old folder after an exchange.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.staging);
    }
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

/// The same by two renames: if the second one fails, the old folder takes its place again.
fn exchange_in_steps(new: &Path, old: &Path) -> Result<()> {
    let aside = beside(old, "old")?;
    fs::rename(old, &aside).map_err(Error::io(old, "cannot move aside"))?;
    if let Err(e) = fs::rename(new, old) {
        // Two refusals in a row leave the old folder beside its place: the error says which one to look at.
        fs::rename(&aside, old).map_err(Error::io(&aside, "cannot be moved back"))?;
        return Err(Error::io(old, "cannot rename into place")(e));
    }
    fs::remove_dir_all(&aside).map_err(Error::io(&aside, "cannot remove"))
}

/// `folder/.name.kind-PID`, so that two processes never share one.
fn beside(path: &Path, kind: &str) -> Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(Error::io(path, "is no file or folder name")(std::io::ErrorKind::InvalidInput.into()));
    };
    let folder = parent(path);
    fs::create_dir_all(folder).map_err(Error::io(folder, "cannot create"))?;
    let name = format!(".{}.{kind}-{}", name.to_string_lossy(), std::process::id());
    Ok(path.with_file_name(name))
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
        let fill = |text: &str, replace| {
            let staged = StagedFolder::new(&target, replace)?;
            write_text(&staged.path().join("f"), text)?;
            staged.commit()
        };
        fill("one", false).unwrap();
        assert!(fill("two", false).is_err(), "an occupied folder needs `replace`");
        drop(StagedFolder::new(&target, true).unwrap());
        assert_eq!(fs::read_to_string(target.join("f")).unwrap(), "one");
        fill("two", true).unwrap();
        assert_eq!(fs::read_to_string(target.join("f")).unwrap(), "two");
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
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
