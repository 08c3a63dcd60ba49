//! A source becomes a corpus folder, whole or not at all.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use seminar_dataset::{
    Corpus, EmbeddingTable, LineReader, Numbered, Precision, ReadOptions, import_pth, write_folder,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::machine::peak_rss_bytes;

/// Writes the corpus, the text files and `stats.json` of a numbered data set into `out`.
///
/// `raw` is the folder and name of the raw files: image vectors beside them become `image.emb`, and so do the published
/// dictionaries of title and image vectors, `NAME_id2title_emb.pth` and `NAME_id2image_emb.pth`. `report` tells what
/// preparing counted. `text_files` asks for the files of S3-Rec as well.
pub fn write_corpus(
    data: Numbered,
    report: &impl Serialize,
    raw: (&Path, &str),
    out: &Path,
    force: bool,
    text_files: bool,
    start: Instant,
) -> anyhow::Result<Value> {
    let (folder, name) = raw;
    write_folder(data, out, force, text_files.then_some(name), |corpus, staged| {
        let vectors = folder.join(format!("{name}_image_vectors.tsv.gz"));
        if vectors.is_file() {
            image_vectors(corpus, &vectors)?.write(&staged.join("image.emb"), Precision::F32)?;
        }
        for (published, own) in [("title", "text.emb"), ("image", "image.emb")] {
            let path = folder.join(format!("{name}_id2{published}_emb.pth"));
            if path.is_file() {
                published_vectors(corpus, &path)?.write(&staged.join(own), Precision::F32)?;
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

/// Vectors by item name, tab-separated: `name\tx\ty…`.
fn image_vectors(corpus: &Corpus, path: &Path) -> anyhow::Result<EmbeddingTable> {
    let ids: std::collections::HashMap<&str, u32> =
        (1..=corpus.item_count() as u32).map(|id| (corpus.item_name(id), id)).collect();
    let mut lines = LineReader::open(path, &ReadOptions::default())?;
    let mut table: Option<EmbeddingTable> = None;
    while let Some(line) = lines.next_line()? {
        let mut fields = line.text.split('\t');
        let Some(&id) = fields.next().and_then(|name| ids.get(name)) else { continue };
        let vector: Result<Vec<f32>, _> = fields.map(str::parse).collect();
        let place = || format!("{}, line {}", path.display(), line.number);
        let vector = vector.with_context(place)?;
        let table = match &mut table {
            Some(table) => table,
            None => table.insert(EmbeddingTable::new(corpus.item_count(), vector.len())?),
        };
        table.set(id, &vector).with_context(place)?;
    }
    table.with_context(|| format!("{}: no line names an item of the corpus", path.display()))
}

/// Vectors by item id, as the published code saves them.
fn published_vectors(corpus: &Corpus, path: &Path) -> anyhow::Result<EmbeddingTable> {
    let items = 1..=corpus.item_count() as u32;
    let (table, others) =
        import_pth(path, corpus.item_count(), |key| key.parse().ok().filter(|id| items.contains(id)))?;
    if others > 0 {
        tracing::warn!("{}: {others} vectors belong to no item", path.display());
    }
    Ok(table)
}

/// The figures of `stats.json` that a person looks for, one a line.
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
