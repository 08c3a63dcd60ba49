//! Vectors of texts and images that another program computed, as the embedding files of a corpus.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use seminar_dataset::atomic::write_text;
use seminar_dataset::{
    Corpus, EmbeddingTable, OutputFolder, Precision, ReadOptions, import_matrix, import_tsv_with,
};
use serde_json::{Map, Value, json};

use crate::run::open_corpus;
use crate::say;

/// Files of vectors.
#[derive(Clone, Debug, Default)]
pub struct Vectors {
    /// Of texts.
    pub text: Option<PathBuf>,
    /// Of images.
    pub image: Option<PathBuf>,
}

impl Vectors {
    /// Whether no file is named.
    pub fn is_empty(&self) -> bool {
        self.text.is_none() && self.image.is_none()
    }

    /// Writes `text.emb` and `image.emb`, those of which there is a file, and `embeddings.json` into the corpus folder, as files of the
    /// program `writer`.
    ///
    /// # Errors
    /// If a file of vectors is damaged or does not belong to the corpus, or a file cannot be written.
    pub fn take(&self, data: &Path, precision: Precision, writer: &str) -> anyhow::Result<()> {
        let corpus = open_corpus(data)?;
        let mut folder = OutputFolder::open_input(data, writer)?;
        let files = [("text", &self.text), ("image", &self.image)];
        let mut tables = Vec::new();
        for (kind, file) in files.into_iter().filter_map(|(kind, file)| Some((kind, file.as_ref()?))) {
            tables.push((kind, file, read(&corpus, kind, file)?));
        }
        let names: Vec<String> = tables.iter().map(|(kind, ..)| format!("{kind}.emb")).collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        names.push("embeddings.json");
        folder.check(&names)?;
        folder.claim(&names)?;
        let mut written = earlier(data);
        for (kind, file, (table, others)) in tables {
            replaced(&written, kind);
            table.write(&data.join(format!("{kind}.emb")), precision)?;
            let (items, dim) = (table.count(), table.dim());
            say!("{kind}.emb: vectors of {items} of {} items, {dim} numbers each", corpus.item_count());
            for (count, what) in [(others, "belong to no item"), (table.refused, "hold NaN or infinity")] {
                if count > 0 {
                    tracing::warn!("{}: {count} vectors {what} and are left out", file.display());
                }
            }
            written.insert(kind.into(), json!({ "encoder": file.display().to_string(), "items": items }));
        }
        Ok(write_text(&data.join("embeddings.json"), &format!("{:#}\n", Value::Object(written)))?)
    }
}

/// What `embeddings.json` says of the embedding files that are there.
pub fn earlier(data: &Path) -> Map<String, Value> {
    let text = std::fs::read_to_string(data.join("embeddings.json")).unwrap_or_default();
    let mut entries: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
    entries.retain(|kind, _| data.join(format!("{kind}.emb")).is_file());
    entries
}

/// Says so where vectors of another encoder go.
pub fn replaced(earlier: &Map<String, Value>, kind: &str) {
    if let Some(encoder) = earlier.get(kind).and_then(|entry| entry["encoder"].as_str()) {
        tracing::warn!("{kind}.emb by {encoder} is replaced");
    }
}

/// The vectors of a file, and how many belong to no item.
fn read(corpus: &Corpus, kind: &str, file: &Path) -> anyhow::Result<(EmbeddingTable, u64)> {
    let items = corpus.item_count();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".safetensors") {
        return Ok((import_matrix(file, kind, items)?, 0));
    }
    anyhow::ensure!(
        name.ends_with(".tsv") || name.ends_with(".tsv.gz"),
        "{}: a file of vectors ends in .tsv, .tsv.gz or .safetensors",
        file.display()
    );
    by_name(corpus, file, &ReadOptions::default())
}

/// The vectors of tab-separated lines that begin with an item's name, and how many belong to no item.
pub fn by_name(corpus: &Corpus, file: &Path, options: &ReadOptions) -> anyhow::Result<(EmbeddingTable, u64)> {
    let items = corpus.item_count();
    let ids: HashMap<&str, u32> = (1..=items as u32).map(|id| (corpus.item_name(id), id)).collect();
    Ok(import_tsv_with(file, items, options, |name| ids.get(name).copied())?)
}
