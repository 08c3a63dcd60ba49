//! Writes a prepared data set as a corpus folder, which appears whole or not at all.

use std::collections::HashMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use seminar_dataset::{
    Corpus, EmbeddingTable, Error, Numbered, Precision, PrepareReport, ReadOptions, Statistics, WholeFolder,
    import_pth, write_folder,
};
use serde_json::{Value, json};

use crate::machine::peak_rss_bytes;
use crate::vectors::by_name;

/// Settings of the library that are flags of `prepare`.
pub const FLAGS: [&str; 11] = [
    "after",
    "before",
    "drop_repeats",
    "fields",
    "lossy_utf8",
    "max_bad_lines",
    "max_user_events",
    "min_item_events",
    "min_user_events",
    "rating_above",
    "repeated_users",
];

/// Folder and name of raw files, and how tolerantly they are read.
#[derive(Clone, Debug)]
pub struct Raw<'a> {
    /// Folder.
    pub folder: &'a Path,
    /// Name of the data set.
    pub name: &'a str,
    /// The number that they give each item, by id from 1; empty where it is the id.
    pub item_numbers: &'a [u32],
    /// Tolerance of readers.
    pub options: ReadOptions,
}

impl<'a, P: AsRef<Path> + ?Sized> From<(&'a P, &'a str)> for Raw<'a> {
    fn from((folder, name): (&'a P, &'a str)) -> Self {
        Self { folder: folder.as_ref(), name, item_numbers: &[], options: ReadOptions::default() }
    }
}

/// Writes the corpus, the text files and `stats.json` of a numbered data set into `out`, and warns of losses.
///
/// Vectors beside the raw files are written as embedding files: image vectors
/// (`NAME_image_vectors.tsv.gz`) and the published dictionaries of title and image vectors (`NAME_id2title_emb.pth`,
/// `NAME_id2image_emb.pth`). `report` holds what was counted while preparing. With `text_files` the S3-Rec files are written,
/// too. `seconds` in `stats.json` count from `start`.
///
/// # Errors
/// If a file of vectors does not fit the corpus, or `out` cannot be written.
pub fn write_corpus<'a>(
    data: Numbered,
    report: &PrepareReport,
    raw: impl Into<Raw<'a>>,
    out: &WholeFolder<'_>,
    text_files: bool,
    start: Instant,
) -> anyhow::Result<Value> {
    let raw = raw.into();
    let name = raw.name;
    let stats = write_folder(data, out, text_files.then_some(name), |corpus, staged| {
        if let Some(vectors) = raw.image_vectors() {
            image_vectors(corpus, &vectors, &raw.options)?
                .write(&staged.join("image.emb"), Precision::F32)?;
        }
        for (published, own) in [("title", "text.emb"), ("image", "image.emb")] {
            let path = raw.folder.join(format!("{name}_id2{published}_emb.pth"));
            if path.is_file() {
                published_vectors(corpus, &path, raw.item_numbers)?
                    .write(&staged.join(own), Precision::F32)?;
            }
        }
        let fields = [
            ("name", json!(name)),
            ("input", json!(raw.folder.canonicalize().unwrap_or_default().display().to_string())),
            ("seconds", json!(start.elapsed().as_secs_f64())),
            ("peak_rss_bytes", json!(peak_rss_bytes())),
            ("warnings", json!(report.warnings(&Statistics::of(corpus)))),
            ("report", serde_json::to_value(report)?),
        ];
        anyhow::Ok(fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect())
    })?;
    for warning in warnings(&stats) {
        tracing::warn!("{warning}");
    }
    Ok(stats)
}

impl Raw<'_> {
    /// The file of image vectors, if there is one.
    fn image_vectors(&self) -> Option<PathBuf> {
        let names = [".tsv.gz", ".tsv"].map(|ending| format!("{}_image_vectors{ending}", self.name));
        names.map(|name| self.folder.join(name)).into_iter().find(|path| path.is_file())
    }
}

/// Reads vectors by item name, tab-separated.
fn image_vectors(corpus: &Corpus, path: &Path, options: &ReadOptions) -> anyhow::Result<EmbeddingTable> {
    // Most raw files list items that the core filter drops: the count of such vectors says nothing.
    let (table, _) = by_name(corpus, path, options)?;
    if table.refused > 0 {
        let refused = table.refused;
        tracing::warn!("{}: {refused} vectors hold NaN or infinity and are left out", path.display());
    }
    Ok(table)
}

/// Reads vectors by item number, as the published code saves them. `numbers` as [`Raw::item_numbers`].
fn published_vectors(corpus: &Corpus, path: &Path, numbers: &[u32]) -> anyhow::Result<EmbeddingTable> {
    let items = corpus.item_count();
    let ids: HashMap<u32, u32> = match numbers {
        [] => (1..=items as u32).map(|id| (id, id)).collect(),
        numbers => numbers.iter().copied().zip(1..).collect(),
    };
    let (table, others) = import_pth(path, items, |key| ids.get(&key.parse().ok()?).copied())?;
    if others > 0 {
        tracing::warn!(
            "{}: {others} vectors ignored: their keys are no item numbers of the data set",
            path.display()
        );
    }
    Ok(table)
}

/// The table that `prepare` ends with: what was read, skipped and left, the figures of the corpus, and warnings. Empty if `stats`
/// is not the content of a `stats.json`.
pub fn summary(stats: &Value) -> String {
    let report = serde_json::from_value::<PrepareReport>(stats["report"].clone());
    let statistics = serde_json::from_value::<Statistics>(stats.clone());
    let (Ok(report), Ok(statistics)) = (report, statistics) else { return String::new() };
    let warnings = warnings(stats).map(|warning| format!("warning     {warning}\n"));
    let seconds = stats["seconds"].as_f64().unwrap_or_default();
    let megabytes = stats["peak_rss_bytes"].as_f64().unwrap_or_default() / 1e6;
    format!(
        "{}{}time        {seconds:.1} s, peak memory {megabytes:.0} MB\n{}",
        with_flags(&report.table()),
        statistics.table(),
        warnings.collect::<String>()
    )
    .trim_end()
    .to_owned()
}

/// The warnings of a `stats.json`, with flags for settings.
fn warnings(stats: &Value) -> impl Iterator<Item = String> {
    stats["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).map(with_flags)
}

/// A message of the library with the flags of `prepare` for the settings that it names.
fn with_flags(text: &str) -> String {
    let mut text = text.to_owned();
    for setting in FLAGS {
        let flag = setting.replace('_', "-");
        text = text.replace(&format!("`{setting}`"), &format!("`--{flag}`"));
    }
    text
}

/// An error of the library with the flags of `prepare` for the settings that it names.
pub fn told(error: Error) -> anyhow::Error {
    let message = with_flags(&error.to_string());
    match error.source() {
        Some(cause) => anyhow::anyhow!("{cause}").context(message),
        None => anyhow::anyhow!(message),
    }
}
