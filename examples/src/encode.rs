//! The flags of encoding, and the encoding of a corpus folder with them.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use seminar_clip_encoder::ColourAndEdges;
use seminar_dataset::atomic::write_text;
use seminar_dataset::{OutputFolder, Precision};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::clip::Checkpoint;
use crate::device::DeviceKind;
use crate::embed::{Embedding, SEED, WIDTH, offline_texts};
use crate::progress::Counter;
use crate::run::open_corpus;
use crate::say;
use crate::vectors::{earlier, replaced};

/// How titles and images are encoded.
#[derive(Args, Clone, Debug)]
pub struct Encoding {
    /// The model.
    #[command(flatten)]
    pub checkpoint: Checkpoint,
    /// Folder of images, each named by its item: `B00004YKBK.jpg`.
    #[arg(long)]
    pub images: Option<PathBuf>,
    /// First download the images that the item file lists and `--images` lacks.
    #[cfg(feature = "download")]
    #[arg(long, requires = "images")]
    pub download: bool,
    /// Do not encode titles.
    #[arg(long)]
    pub no_texts: bool,
    /// Words of each title that are encoded.
    #[arg(long, default_value_t = 20)]
    pub words: usize,
    /// Scale vectors to length 1.
    #[arg(long)]
    pub normalise: bool,
    /// Store numbers as 16-bit floats. By default as 32-bit floats.
    #[arg(long)]
    pub half: bool,
    /// Items per chunk. A killed run loses at most one chunk.
    #[arg(long, default_value_t = 256)]
    pub chunk: usize,
}

impl Encoding {
    /// Writes the requested ones of `text.emb` and `image.emb`, and `embeddings.json`, into the corpus folder. A killed run
    /// continues where it stopped. The files are listed as those of the program `writer`.
    ///
    /// # Errors
    /// If the checkpoint cannot be used, images cannot be listed, or a file cannot be written.
    pub fn run(&self, data: &Path, device: DeviceKind, writer: &str) -> anyhow::Result<()> {
        ensure!(self.words > 0 && self.chunk > 0, "--words and --chunk must be at least 1");
        if let Some(folder) = &self.images {
            ensure!(self.fetches() || folder.is_dir(), "--images: {} is no folder", folder.display());
        }
        let corpus = open_corpus(data)?;
        let mut folder = OutputFolder::open_input(data, writer)?;
        folder.check(&self.files())?;
        let clip = self.checkpoint.load(device)?;
        let model =
            clip.as_ref().map(|(path, clip)| hash(path).map(|hash| (hash, clip.config()))).transpose()?;
        // The last word names the cleaning of texts: progress of an earlier one is not continued.
        let settings = format!("{model:?} {} {:?} ftfy", self.words, self.images);
        let clip = clip.map(|(_, clip)| clip);
        let embedding = Embedding {
            data,
            fingerprint: xxh3_64(settings.as_bytes()),
            normalise: self.normalise,
            precision: self.precision(),
            chunk: self.chunk,
        };
        folder.claim(&self.files())?;
        #[cfg(feature = "download")]
        self.fetch(&corpus, data)?;
        let mut written = earlier(data);
        if !self.no_texts {
            replaced(&written, "text");
            let bar = Counter::new("titles", 0);
            let (name, embedded) = match &clip {
                Some(clip) => ("CLIP", embedding.texts(&corpus, clip, self.words, false, &bar)?),
                None => {
                    let encoder = offline_texts(&corpus);
                    ("hashed n-grams", embedding.texts(&corpus, &encoder, self.words, true, &bar)?)
                }
            };
            drop(bar);
            say!("text.emb: {} titles by {name}", embedded.encoded);
            written.insert("text".into(), json!({ "encoder": name, "items": embedded.encoded }));
        }
        if let Some(folder) = &self.images {
            replaced(&written, "image");
            let bar = Counter::new("images", 0);
            let (name, embedded) = match &clip {
                Some(clip) => ("CLIP", embedding.images(&corpus, clip, folder, &bar)?),
                None => {
                    let descriptor = ColourAndEdges::new(WIDTH, SEED);
                    ("histograms of colours and edges", embedding.images(&corpus, &descriptor, folder, &bar)?)
                }
            };
            drop(bar);
            let failed = embedded.failures.len();
            say!(
                "image.emb: {} images by {name}; {failed} could not be used (image_failures.tsv)",
                embedded.encoded
            );
            let entry = json!({ "encoder": name, "items": embedded.encoded, "failures": failed });
            written.insert("image".into(), entry);
        }
        Ok(write_text(&data.join("embeddings.json"), &format!("{:#}\n", Value::Object(written)))?)
    }

    /// How numbers are stored.
    pub fn precision(&self) -> Precision {
        if self.half { Precision::F16 } else { Precision::F32 }
    }

    /// Whether the folder of images is made.
    fn fetches(&self) -> bool {
        #[cfg(feature = "download")]
        return self.download;
        #[cfg(not(feature = "download"))]
        false
    }

    /// What is written into the corpus folder.
    fn files(&self) -> Vec<&'static str> {
        let texts = ["text.emb", "text.emb.partial"];
        let images = ["image.emb", "image.emb.partial", "image_failures.tsv", "download_failures.tsv"];
        let texts = texts.into_iter().filter(|_| !self.no_texts);
        let images = images.into_iter().filter(|_| self.images.is_some());
        texts.chain(images).chain(["embeddings.json"]).collect()
    }

    #[cfg(feature = "download")]
    fn fetch(&self, corpus: &seminar_dataset::Corpus, data: &Path) -> anyhow::Result<()> {
        let Some(folder) = self.images.as_ref().filter(|_| self.download) else { return Ok(()) };
        let bar = Counter::new("downloads", 0);
        let failures = crate::download::Download::default().run(corpus, folder, &bar)?;
        drop(bar);
        let lines = failures.iter().map(|(item, reason)| format!("{}\t{reason}\n", corpus.item_name(*item)));
        write_text(&data.join("download_failures.tsv"), &lines.collect::<String>())?;
        say!("{} items without an image (download_failures.tsv)", failures.len());
        Ok(())
    }
}

/// A hash of a file.
fn hash(path: &Path) -> anyhow::Result<u64> {
    Ok(xxh3_64(&std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?))
}
