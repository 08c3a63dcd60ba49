//! Titles and images of a corpus to `text.emb` and `image.emb`: by CLIP from a checkpoint, or offline without one.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use seminar_clip_encoder::{Clip, ColourAndEdges, ItemEncoder, Weights};
use seminar_dataset::atomic::write_text;
use seminar_dataset::{Corpus, Precision};
use seminar_examples::device::DeviceKind;
use seminar_examples::embed::{Embedding, SEED, WIDTH, offline_texts};
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

/// Encodes the items of a corpus. A killed run goes on where it was.
#[derive(Parser)]
struct Args {
    /// Folder that `prepare` wrote.
    #[arg(long)]
    data: PathBuf,
    /// CLIP's weights: OpenAI's `.pt` archive, a state dict, or safetensors. Without it, offline encoders are used.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// Folder of images, each named by its item: `B00004YKBK.jpg`.
    #[arg(long)]
    images: Option<PathBuf>,
    /// First fetch the images that the item file lists and the folder lacks.
    #[cfg(feature = "download")]
    #[arg(long, requires = "images")]
    download: bool,
    /// Leave titles out.
    #[arg(long)]
    no_texts: bool,
    /// Words of a title that are read.
    #[arg(long, default_value_t = 20)]
    words: usize,
    /// Scale vectors to length 1.
    #[arg(long)]
    normalise: bool,
    /// Store numbers in 2 bytes.
    #[arg(long)]
    half: bool,
    /// Items that are encoded together: what a kill loses at most.
    #[arg(long, default_value_t = 256)]
    chunk: usize,
    /// Threads; all cores by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Where tensors live.
    #[arg(long, default_value = "flex")]
    device: DeviceKind,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    seminar_examples::machine::start(args.threads)?;
    ensure!(args.words > 0 && args.chunk > 0, "--words and --chunk must be at least 1");
    let corpus = Corpus::open(&args.data)?;
    let clip = args.checkpoint.as_ref().map(|path| load(path, args.device)).transpose()?;
    let (fingerprint, clip) = clip.unzip();
    let settings = format!("{:?} {} {:?}", fingerprint, args.words, args.images);
    let embedding = Embedding {
        data: &args.data,
        fingerprint: xxh3_64(settings.as_bytes()),
        normalise: args.normalise,
        precision: if args.half { Precision::F16 } else { Precision::F32 },
        chunk: args.chunk,
    };
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}, {per_sec}, {eta} left")?;
    let bar = |what: &'static str| ProgressBar::new(0).with_style(style.clone()).with_message(what);
    #[cfg(feature = "download")]
    if let Some(folder) = args.images.as_ref().filter(|_| args.download) {
        let bar = bar("downloads");
        let failures = seminar_examples::download::Download::default().run(&corpus, folder, &bar)?;
        bar.finish_and_clear();
        let lines = failures.iter().map(|(item, reason)| format!("{}\t{reason}\n", corpus.item_name(*item)));
        write_text(&args.data.join("download_failures.tsv"), &lines.collect::<String>())?;
        println!("{} items got no image (download_failures.tsv)", failures.len());
    }
    let mut written = serde_json::Map::new();
    if !args.no_texts {
        let bar = bar("titles");
        let (name, embedded) = match &clip {
            Some(clip) => ("CLIP", embedding.texts(&corpus, clip, args.words, false, &bar)?),
            None => {
                ("hashed n-grams", embedding.texts(&corpus, &offline_texts(&corpus), args.words, true, &bar)?)
            }
        };
        bar.finish_and_clear();
        println!("text.emb: {} titles by {name}", embedded.encoded);
        written.insert("text".into(), json!({ "encoder": name, "items": embedded.encoded }));
    }
    if let Some(folder) = &args.images {
        let bar = bar("images");
        let (name, embedded) = match &clip {
            Some(clip) => ("CLIP", embedding.images(&corpus, clip, folder, &bar)?),
            None => {
                let descriptor = ColourAndEdges::new(WIDTH, SEED);
                ("histograms of colours and edges", embedding.images(&corpus, &descriptor, folder, &bar)?)
            }
        };
        bar.finish_and_clear();
        let failed = embedded.failures.len();
        println!(
            "image.emb: {} images by {name}; {failed} could not be used (image_failures.tsv)",
            embedded.encoded
        );
        let entry = json!({ "encoder": name, "items": embedded.encoded, "failures": failed });
        written.insert("image".into(), entry);
    }
    Ok(write_text(
        &args.data.join("embeddings.json"),
        &format!("{:#}\n", serde_json::Value::Object(written)),
    )?)
}

/// The model, and a fingerprint of its file.
fn load(path: &Path, device: DeviceKind) -> anyhow::Result<(u64, Clip)> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let fingerprint = xxh3_64(&bytes);
    drop(bytes);
    let clip = Clip::new(&Weights::read(path)?, &device.open()?)?;
    tracing::info!("{:?}, embeddings of {}", clip.config().vision, clip.dim());
    Ok((fingerprint, clip))
}
