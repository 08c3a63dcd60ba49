//! Finding the files of a data set in a folder, and saying what is there instead.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Most names of other files that a message lists.
const LISTED: usize = 8;

/// The first of these names that is in the folder. A folder of that name counts: opening it says what it is.
///
/// # Errors
/// If the file system refuses to tell.
pub(crate) fn find(folder: &Path, names: &[String]) -> Result<Option<PathBuf>> {
    for name in names {
        let path = folder.join(name);
        match path.metadata() {
            Ok(_) => return Ok(Some(path)),
            // A part of the path that is a file is reported by `expect`.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(source) => return Err(Error::io(&path, "cannot open")(source)),
        }
    }
    Ok(None)
}

/// As [`find`], for a file that is needed; `like` is a part of its name.
///
/// # Errors
/// [`Error::Missing`] with the names that were tried and similar ones that are there; or if the folder is none.
pub(crate) fn expect(folder: &Path, names: &[String], what: &'static str, like: &str) -> Result<PathBuf> {
    let metadata = folder.metadata().map_err(Error::io(folder, "cannot open"))?;
    if !metadata.is_dir() {
        let remedy = "name the folder that it lies in";
        let (file, found, expected) = (folder.to_path_buf(), "a file", "a folder");
        return Err(Error::Form { file, found, within: "", expected, remedy });
    }
    if let Some(path) = find(folder, names)? {
        return Ok(path);
    }
    Err(expect_any(folder, names, what, like)?)
}

/// The error for a folder in which none of these files is.
///
/// # Errors
/// If the folder cannot be listed.
pub(crate) fn expect_any(folder: &Path, names: &[String], what: &'static str, like: &str) -> Result<Error> {
    let tried = names.join(", ");
    Ok(Error::Missing { folder: folder.to_path_buf(), what, tried, found: there(folder, like)? })
}

/// The file of that name, or its gzip form if only that is there.
pub(crate) fn plain_or_gzip(name: &str) -> [String; 2] {
    [name.to_owned(), format!("{name}.gz")]
}

/// What is in a folder: names with `like` in them, else any.
fn there(folder: &Path, like: &str) -> Result<String> {
    let entries = std::fs::read_dir(folder).map_err(Error::io(folder, "cannot open"))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let like = like.to_lowercase();
    let similar: Vec<String> =
        names.iter().filter(|name| name.to_lowercase().contains(&like)).cloned().collect();
    let listed = if similar.is_empty() { names } else { similar };
    let more = if listed.len() > LISTED { ", …" } else { "" };
    Ok(match listed.as_slice() {
        [] => "the folder is empty".to_owned(),
        some => format!("the folder has {}{more}", some[..some.len().min(LISTED)].join(", ")),
    })
}
