//! The files that a description names.

use std::path::{Path, PathBuf};

use super::super::find::expect_any;
use crate::error::{Error, Result};

/// Endings that compressed files have.
const PACKED: [&str; 3] = ["", ".gz", ".zst"];

/// The files in a folder that these patterns name, in the order of the patterns, each pattern's sorted by name; no file twice.
///
/// # Errors
/// If none is there, unless they are `optional`; or if the file system refuses.
pub(super) fn find(
    folder: &Path,
    patterns: &[String],
    name: &str,
    what: &'static str,
    optional: bool,
) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    for pattern in patterns {
        let pattern = pattern.replace("{name}", name);
        let path = folder.join(&pattern);
        let own = match pattern.contains('*') {
            false => PACKED
                .iter()
                .map(|ending| with_ending(&path, ending))
                .find(|p| p.exists())
                .into_iter()
                .collect(),
            true => matching(folder, &pattern)?,
        };
        for path in own {
            let inside = if path.is_dir() { listed(&path)? } else { vec![path] };
            found.extend(inside.into_iter().filter(|path| !found.contains(path)).collect::<Vec<_>>());
        }
    }
    if found.is_empty() && !optional {
        let tried: Vec<String> = patterns.iter().map(|pattern| pattern.replace("{name}", name)).collect();
        return Err(expect_any(folder, &tried, what, name)?);
    }
    Ok(found)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Files whose names match a pattern, whose last part may hold `*`.
fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let (below, last) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let folder = folder.join(below);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let fits = |path: &PathBuf| {
        let name = name(path);
        PACKED.iter().any(|ending| {
            name.strip_suffix(ending).is_some_and(|name| matches(last.as_bytes(), name.as_bytes()))
        })
    };
    Ok(listed(&folder)?.into_iter().filter(fits).collect())
}

/// The entries of a folder that are no hidden ones, sorted.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io(folder, "cannot list"))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with(['.', '_']) && !path.is_dir()
    });
    paths.sort();
    Ok(paths)
}

/// Whether a name fits a pattern in which `*` stands for any letters.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skipped| matches(rest, &name[skipped..])),
        Some((letter, rest)) => {
            name.split_first().is_some_and(|(first, name)| first == letter && matches(rest, name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_files_in_order_and_once() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["log_b.csv", "log_a.csv.gz", "items.csv.zst", ".hidden.csv", "log_c.txt"] {
            std::fs::write(folder.path().join(file), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("parts")).unwrap();
        std::fs::write(folder.path().join("parts/2.csv"), "x").unwrap();
        std::fs::write(folder.path().join("parts/1.csv"), "x").unwrap();
        let names = |patterns: &[&str]| -> Vec<String> {
            let patterns: Vec<String> = patterns.iter().map(|&p| p.to_owned()).collect();
            let found = find(folder.path(), &patterns, "items", "file", false).unwrap();
            found.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names(&["log_*.csv"]), ["log_a.csv.gz", "log_b.csv"]);
        assert_eq!(
            names(&["{name}.csv", "log_b.csv", "log_*"]),
            ["items.csv.zst", "log_b.csv", "log_a.csv.gz", "log_c.txt"]
        );
        assert_eq!(names(&["parts"]), ["1.csv", "2.csv"]);
        assert_eq!(names(&["parts/*.csv"]), ["1.csv", "2.csv"]);
        let error = find(folder.path(), &["none.csv".into()], "items", "file of events", false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("none.csv") && error.contains("items.csv.zst"), "{error}");
        assert!(find(folder.path(), &["none.csv".into()], "items", "file", true).unwrap().is_empty());
    }
}
