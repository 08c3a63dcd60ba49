//! Encodes titles and images of a corpus into its embedding files, chunk by chunk, so that a killed run can continue.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use anyhow::Context;
use image::DynamicImage;
use rayon::prelude::*;
use seminar_clip_encoder::{HashedText, ItemEncoder, open_image};
use seminar_dataset::{Corpus, EmbeddingJournal, EmbeddingTable, Failure, Precision};

use crate::progress::Counter;

/// Embedding dimension of the offline encoders.
pub const WIDTH: usize = 512;
/// Seed of the projections of the offline encoders.
pub const SEED: u64 = 7;

/// How a corpus is encoded.
#[derive(Clone, Debug)]
pub struct Embedding<'a> {
    /// Corpus folder, where the embedding files are written.
    pub data: &'a Path,
    /// Hash of all that decides the vectors besides texts and images, such as the checkpoint.
    pub fingerprint: u64,
    /// Scale vectors to length 1.
    pub normalise: bool,
    /// How numbers are stored.
    pub precision: Precision,
    /// Items per chunk. A killed run loses at most one chunk.
    pub chunk: usize,
}

/// Outcome of encoding.
#[derive(Clone, Debug, Default)]
pub struct Embedded {
    /// Items with a vector.
    pub encoded: usize,
    /// Items whose text or image could not be encoded, with the reasons.
    pub failures: Vec<Failure>,
}

/// The first `words` words of an item's title; with `attributes` followed by the names of its attributes.
pub fn text_of(corpus: &Corpus, item: u32, words: usize, attributes: bool) -> Option<String> {
    let title = corpus.title(item)?.split_whitespace().take(words).collect::<Vec<_>>().join(" ");
    let own = corpus.attributes(item).unwrap_or_default().iter().filter(|_| attributes);
    let names = own.filter_map(|&attribute| corpus.attribute_name(attribute));
    Some(std::iter::once(title.as_str()).chain(names).collect::<Vec<_>>().join(" "))
}

/// The offline text encoder, fitted on all titles and attribute names of a corpus.
pub fn offline_texts(corpus: &Corpus) -> HashedText {
    let texts: Vec<String> =
        (1..=corpus.item_count() as u32).filter_map(|item| text_of(corpus, item, usize::MAX, true)).collect();
    HashedText::fit(texts.iter().map(String::as_str), WIDTH, SEED)
}

/// Encodes titles and attribute names as hashed n-grams and writes them to `path`.
///
/// # Errors
/// If the file cannot be written.
pub fn hashed_titles(corpus: &Corpus, path: &Path) -> anyhow::Result<()> {
    let encoder = offline_texts(corpus);
    let mut table = EmbeddingTable::new(corpus.item_count(), WIDTH)?;
    let items: Vec<u32> = (1..=corpus.item_count() as u32).collect();
    for chunk in items.chunks(4096) {
        let (items, texts) = texts_of(corpus, chunk, usize::MAX, true);
        let rows = encoder.encode_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>())?;
        items.iter().zip(rows.chunks_exact(WIDTH)).try_for_each(|(&item, row)| table.set(item, row))?;
    }
    Ok(table.write(path, Precision::F32)?)
}

fn texts_of(corpus: &Corpus, items: &[u32], words: usize, attributes: bool) -> (Vec<u32>, Vec<String>) {
    items.iter().filter_map(|&item| Some((item, text_of(corpus, item, words, attributes)?))).unzip()
}

impl Embedding<'_> {
    /// Encodes the first `words` words of each title into `text.emb`.
    ///
    /// # Errors
    /// If the encoder fails or the file cannot be written.
    pub fn texts(
        &self,
        corpus: &Corpus,
        encoder: &dyn ItemEncoder,
        words: usize,
        attributes: bool,
        bar: &Counter,
    ) -> anyhow::Result<Embedded> {
        let items: Vec<u32> =
            (1..=corpus.item_count() as u32).filter(|&item| corpus.title(item).is_some()).collect();
        let mut journal = self.journal(corpus, encoder, "text.emb")?;
        bar.set_total(items.len() as u64);
        for chunk in items.chunks(self.chunk).skip(journal.chunks()) {
            let (items, texts) = texts_of(corpus, chunk, words, attributes);
            let rows = encoder.encode_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>())?;
            journal.append(&items, &self.scaled(rows, encoder.dim()), &[])?;
            bar.set((journal.chunks() * self.chunk) as u64);
        }
        self.finish(journal, "text.emb", items.len())
    }

    /// Encodes the images of a folder, each named by its item, into `image.emb`. An unusable image is recorded in
    /// `image_failures.tsv` and is not an error. While a chunk is encoded, the next one is opened.
    ///
    /// # Errors
    /// If the folder cannot be read, the encoder fails or the file cannot be written.
    pub fn images(
        &self,
        corpus: &Corpus,
        encoder: &dyn ItemEncoder,
        folder: &Path,
        bar: &Counter,
    ) -> anyhow::Result<Embedded> {
        let items = images_of(corpus, folder)?;
        let mut journal = self.journal(corpus, encoder, "image.emb")?;
        bar.set_total(items.len() as u64);
        let done = journal.chunks();
        std::thread::scope(|scope| -> anyhow::Result<()> {
            let (send, receive) = sync_channel::<(Vec<(u32, DynamicImage)>, Vec<Failure>)>(1);
            let items = &items;
            scope.spawn(move || {
                for chunk in items.chunks(self.chunk).skip(done) {
                    let open = |(item, path): &(u32, PathBuf)| match open_image(path) {
                        Ok(image) => Ok((*item, image)),
                        Err(error) => Err((*item, format!("{:#}", anyhow::Error::new(error)))),
                    };
                    let opened = chunk.par_iter().map(open).collect::<Vec<Result<_, Failure>>>();
                    let (mut images, mut failures) = (Vec::new(), Vec::new());
                    opened.into_iter().for_each(|one| match one {
                        Ok(image) => images.push(image),
                        Err(failure) => failures.push(failure),
                    });
                    // The receiver is gone if encoding has failed.
                    if send.send((images, failures)).is_err() {
                        return;
                    }
                }
            });
            for (images, mut failures) in receive {
                let (mut items, mut rows) = (Vec::new(), Vec::new());
                let (ids, pixels): (Vec<u32>, Vec<DynamicImage>) = images.into_iter().unzip();
                match encoder.encode_images(&pixels) {
                    Ok(all) => (items, rows) = (ids, all),
                    // One unusable image must not fail its chunk: encode one by one.
                    Err(_) => {
                        for (item, image) in ids.into_iter().zip(&pixels) {
                            match encoder.encode_images(std::slice::from_ref(image)) {
                                Ok(row) => {
                                    items.push(item);
                                    rows.extend(row);
                                }
                                Err(error) => failures.push((item, error.to_string())),
                            }
                        }
                    }
                }
                journal.append(&items, &self.scaled(rows, encoder.dim()), &failures)?;
                bar.set((journal.chunks() * self.chunk) as u64);
            }
            Ok(())
        })?;
        let embedded = self.finish(journal, "image.emb", items.len())?;
        let lines =
            embedded.failures.iter().map(|(item, reason)| format!("{}\t{reason}\n", corpus.item_name(*item)));
        seminar_dataset::atomic::write_text(
            &self.data.join("image_failures.tsv"),
            &lines.collect::<String>(),
        )?;
        Ok(embedded)
    }

    fn journal(
        &self,
        corpus: &Corpus,
        encoder: &dyn ItemEncoder,
        name: &str,
    ) -> anyhow::Result<EmbeddingJournal> {
        let path = self.data.join(format!("{name}.partial"));
        // Progress with another chunk size cannot be continued.
        let fingerprint = self.fingerprint ^ u64::from(self.normalise) ^ (self.chunk as u64) << 1;
        let journal = EmbeddingJournal::open(&path, corpus.item_count(), encoder.dim(), fingerprint)?;
        if journal.chunks() > 0 {
            tracing::info!("{name}: continuing after {} chunks", journal.chunks());
        }
        Ok(journal)
    }

    fn finish(&self, journal: EmbeddingJournal, name: &str, items: usize) -> anyhow::Result<Embedded> {
        let failures = journal.finish(&self.data.join(name), self.precision)?;
        Ok(Embedded { encoded: items - failures.len(), failures })
    }

    fn scaled(&self, mut rows: Vec<f32>, dim: usize) -> Vec<f32> {
        if self.normalise {
            for row in rows.chunks_exact_mut(dim) {
                let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
                if norm > 0.0 {
                    row.iter_mut().for_each(|x| *x /= norm);
                }
            }
        }
        rows
    }
}

/// The items that have a file in the folder, by id. A file is named by its item, with any extension.
fn images_of(corpus: &Corpus, folder: &Path) -> anyhow::Result<Vec<(u32, PathBuf)>> {
    let mut paths: HashMap<String, PathBuf> = HashMap::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        if let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) {
            // Of several files of one item the first by name is used, in whatever order the system lists them.
            let known = paths.entry(stem.to_owned()).or_insert_with(|| path.clone());
            if path < *known {
                *known = path;
            }
        }
    }
    let own = (1..=corpus.item_count() as u32)
        .filter_map(|item| Some((item, paths.remove(corpus.item_name(item))?)));
    Ok(own.collect())
}
