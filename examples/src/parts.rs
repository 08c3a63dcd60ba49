//! The parts of a long job, each in a folder of its own. What a part came to is kept there under a key, so that the same command goes on
//! where it stopped.

use std::path::Path;

use seminar_dataset::atomic::write_text;
use seminar_dataset::{MANIFEST, OutputFolder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The program that the files of a part belong to: its folder is an output folder of `train`.
pub const WRITER: &str = "train";

/// What was kept under the same key; `None` if that is another one, or the file is not there or damaged.
pub fn kept<T: DeserializeOwned>(path: &Path, key: &Value) -> Option<T> {
    let mut found: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    (found.get("key")? == key).then(|| serde_json::from_value(found["rows"].take()).ok())?
}

/// Keeps something under a key.
///
/// # Errors
/// If the file system refuses.
pub fn keep(path: &Path, key: &Value, rows: &impl Serialize) -> seminar_dataset::Result<()> {
    write_text(path, &format!("{:#}\n", json!({ "key": key, "rows": rows })))
}

/// Empties a part's folder of the files of other settings, and takes the name of the file that it is kept in.
///
/// # Errors
/// If the folder holds files of others, or the file system refuses.
pub fn begin(folder: &Path, name: &str) -> anyhow::Result<()> {
    let mut part = OutputFolder::open(folder, WRITER)?;
    part.clear()?;
    Ok(part.claim(&[name])?)
}

/// Empties the folders of all parts in a folder. Files of others stay.
///
/// # Errors
/// If the file system refuses.
pub fn clear(parts: &Path) -> anyhow::Result<()> {
    for part in std::fs::read_dir(parts).into_iter().flatten() {
        let part = part?.path();
        if part.join(MANIFEST).is_file() {
            OutputFolder::open(&part, WRITER)?.clear()?;
        }
    }
    Ok(())
}
