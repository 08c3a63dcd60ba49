//! Writes a prepared data set as a corpus folder, which appears whole or not at all.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use seminar_dataset::{
    Corpus, EmbeddingTable, Numbered, Precision, WholeFolder, import_pth, import_tsv, write_folder,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::machine::peak_rss_bytes;

/// The raw files of a data set.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// Their folder.
    pub folder: &'a Path,
    /// The name that they begin with.
    pub name: &'a str,
    /// The number that they give each item, by id from 1; empty where it is the id.
    pub item_numbers: &'a [u32],
}

impl<'a, P: AsRef<Path> + ?Sized> From<(&'a P, &'a str)> for Raw<'a> {
    fn from((folder, name): (&'a P, &'a str)) -> Self {
        Self { folder: folder.as_ref(), name, item_numbers: &[] }
    }
}

/// Writes the corpus, the text files and `stats.json` of a numbered data set into `out`.
///
/// Vectors beside the `raw` files are written as embedding files: image vectors
/// (`NAME_image_vectors.tsv.gz`) and the published dictionaries of title and image vectors (`NAME_id2title_emb.pth`,
/// `NAME_id2image_emb.pth`). `report` holds what was counted while preparing. With `text_files` the S3-Rec files are written,
/// too. `seconds` in `stats.json` count from `start`.
///
/// # Errors
/// If a file of vectors does not fit the corpus, or `out` cannot be written.
pub fn write_corpus<'a>(
    data: Numbered,
    report: &impl Serialize,
    raw: impl Into<Raw<'a>>,
    out: &WholeFolder<'_>,
    text_files: bool,
    start: Instant,
) -> anyhow::Result<Value> {
    let Raw { folder, name, item_numbers } = raw.into();
    write_folder(data, out, text_files.then_some(name), |corpus, staged| {
        let vectors = folder.join(format!("{name}_image_vectors.tsv.gz"));
        if vectors.is_file() {
            image_vectors(corpus, &vectors)?.write(&staged.join("image.emb"), Precision::F32)?;
        }
        for (published, own) in [("title", "text.emb"), ("image", "image.emb")] {
            let path = folder.join(format!("{name}_id2{published}_emb.pth"));
            if path.is_file() {
                published_vectors(corpus, &path, item_numbers)?.write(&staged.join(own), Precision::F32)?;
            }
        }
        let fields = [
            ("name", json!(name)),
            ("seconds", json!(start.elapsed().as_secs_f64())),
            ("peak_rss_bytes", json!(peak_rss_bytes())),
            ("report", serde_json::to_value(report)?),
        ];
        anyhow::Ok(fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect())
    })
}

/// Reads vectors by item name, tab-separated.
fn image_vectors(corpus: &Corpus, path: &Path) -> anyhow::Result<EmbeddingTable> {
    let ids: HashMap<&str, u32> =
        (1..=corpus.item_count() as u32).map(|id| (corpus.item_name(id), id)).collect();
    // Most raw files list items that the core filter drops: the count of such vectors says nothing.
    let (table, _) = import_tsv(path, corpus.item_count(), |name| ids.get(name).copied())?;
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

/// The main statistics of `stats.json` as text, one per line.
pub fn summary(stats: &Value) -> String {
    let number = |pointer: &str| stats.pointer(pointer).cloned().unwrap_or_default();
    let range = |field: &str| {
        let [mean, min, max] = ["mean", "min", "max"].map(|f| number(&format!("/{field}/{f}")));
        format!("{:.4} ({min} to {max})", mean.as_f64().unwrap_or_default())
    };
    format!(
        "users       {}, events each {}\nitems       {}, events each {}\nevents      {}, sparsity {:.2} %\n\
         queries     {} words\nattributes  {}, per item {}\ntitles      {}\nimages      {}\ntime        {:.1} s, peak memory {:.0} MB",
        number("/users"),
        range("user_events"),
        number("/items"),
        range("item_events"),
        number("/events"),
        number("/sparsity").as_f64().unwrap_or_default(),
        number("/queries"),
        number("/attributes"),
        range("item_attributes"),
        number("/items_with_title"),
        number("/items_with_image"),
        number("/seconds").as_f64().unwrap_or_default(),
        number("/peak_rss_bytes").as_f64().unwrap_or_default() / 1e6,
    )
}
