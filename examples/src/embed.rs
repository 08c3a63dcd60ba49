//! The offline text embedding of a corpus.

use std::path::Path;

use seminar_clip_encoder::{HashedText, ItemEncoder};
use seminar_dataset::{Corpus, EmbeddingTable, Precision};

/// Width of the hashed text vectors.
const WIDTH: usize = 512;
/// Seed of their projection.
const SEED: u64 = 7;

/// Encodes each title with the item's attribute names as hashed n-grams and writes `text.emb`.
///
/// # Errors
/// If the file cannot be written.
pub fn hashed_titles(corpus: &Corpus, path: &Path) -> anyhow::Result<()> {
    let text = |item: u32| {
        let title = corpus.title(item)?;
        let names =
            corpus.attributes(item).unwrap_or_default().iter().filter_map(|&a| corpus.attribute_name(a));
        Some((item, std::iter::once(title).chain(names).collect::<Vec<_>>().join(" ")))
    };
    let texts: Vec<(u32, String)> = (1..=corpus.item_count() as u32).filter_map(text).collect();
    let encoder = HashedText::fit(texts.iter().map(|(_, text)| text.as_str()), WIDTH, SEED);
    let mut table = EmbeddingTable::new(corpus.item_count(), WIDTH)?;
    for chunk in texts.chunks(4096) {
        let borrowed: Vec<&str> = chunk.iter().map(|(_, text)| text.as_str()).collect();
        let rows = encoder.encode_texts(&borrowed)?;
        for ((item, _), row) in chunk.iter().zip(rows.chunks_exact(WIDTH)) {
            table.set(*item, row)?;
        }
    }
    Ok(table.write(path, Precision::F32)?)
}
