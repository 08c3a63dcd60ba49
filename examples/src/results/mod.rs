//! The results page and its figures. A section of the page is one file `docs/results/NAME.toml`: words, commands and the columns of
//! its table. Measuring runs the commands and keeps what they wrote in `docs/results/NAME.json`; the pages are rendered from both.

pub mod command;
pub mod figures;
mod format;
pub mod machine;
pub mod measure;
pub mod render;
pub mod section;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use seminar_dataset::atomic::write_text;

pub use figures::Figures;
pub use section::Section;

/// Where the sections and their figures lie, from the root of the repository.
pub const FOLDER: &str = "docs/results";
/// The results page.
pub const PAGE: &str = "docs/results.md";
/// The page with tables between markers.
pub const README: &str = "README.md";

/// All sections, in the order of the page, with their figures.
///
/// # Errors
/// If a file cannot be read, or a section contradicts itself.
pub fn sections(root: &Path) -> anyhow::Result<Vec<(Section, Figures)>> {
    let folder = root.join(FOLDER);
    let list = std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut all = Vec::new();
    for entry in list {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            all.push((Section::open(&path)?, Figures::open(&path.with_extension("json"))?));
        }
    }
    all.sort_by(|(a, _), (b, _)| (a.order, &a.name).cmp(&(b.order, &b.name)));
    Ok(all)
}

/// The pages that hold figures, with what they should say.
///
/// # Errors
/// If a section or a page cannot be read, or a marker of the README is broken.
pub fn pages(root: &Path) -> anyhow::Result<[(PathBuf, String); 2]> {
    let sections = sections(root)?;
    let readme = root.join(README);
    let text =
        std::fs::read_to_string(&readme).with_context(|| format!("cannot read {}", readme.display()))?;
    let marked = render::between_markers(&text, &sections)
        .with_context(|| format!("the markers of {}", readme.display()))?;
    Ok([(root.join(PAGE), render::page(&sections)), (readme, marked)])
}

/// Writes the pages that differ from what they should say. Returns their paths.
///
/// # Errors
/// As [`pages`], or if a page cannot be written.
pub fn write_pages(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (path, text) in pages(root)? {
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            write_text(&path, &text)?;
            written.push(path);
        }
    }
    Ok(written)
}

/// Measures rows of a section and keeps the figures of each as soon as it is measured.
///
/// - `labels`: rows to measure; all if empty.
///
/// # Errors
/// If there is no such section or row, a command fails, or its output lacks a figure. Rows that were measured before that are kept.
pub fn measure(
    root: &Path,
    name: &str,
    labels: &[String],
    runner: &mut measure::Runner,
) -> anyhow::Result<()> {
    let all = sections(root)?;
    let known = || all.iter().map(|(section, _)| section.name.as_str()).collect::<Vec<_>>().join(", ");
    let (section, figures) = all
        .iter()
        .find(|(section, _)| section.name == name)
        .with_context(|| format!("--measure: no section `{name}`; the sections are {}", known()))?;
    for label in labels {
        let there: Vec<&str> = section.rows.iter().map(|row| row.label.as_str()).collect();
        ensure!(
            there.contains(&label.as_str()),
            "--row: {name} has no row `{label}`; its rows are {}",
            there.join(", ")
        );
    }
    let mut figures = figures.clone();
    let path = root.join(FOLDER).join(format!("{name}.json"));
    measure::measure(section, labels, runner, |mut measured, row, found| {
        measured.rows.insert(row.to_owned(), found);
        figures.put(section, measured);
        Ok(write_text(&path, &format!("{:#}\n", serde_json::to_value(&figures)?))?)
    })
}
