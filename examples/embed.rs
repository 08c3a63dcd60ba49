//! Encodes titles and images of a corpus into `text.emb` and `image.emb`: with CLIP from a checkpoint, or with offline encoders.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use seminar_examples::device::DeviceKind;
use seminar_examples::encode::Encoding;
use seminar_examples::program;
use seminar_examples::vectors::Vectors;

/// Encodes the items of a corpus. A killed run continues where it stopped.
#[derive(Parser)]
struct Args {
    /// Corpus folder that `prepare` wrote; the embedding files are added to it.
    #[arg(long)]
    data: PathBuf,
    /// Take the vectors of texts from a file in place of encoding titles: tab-separated lines of an item's name and its numbers
    /// (`.tsv`, `.tsv.gz`), or safetensors with a matrix whose row n belongs to item n + 1.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["checkpoint", "images", "no_texts", "words", "normalise", "chunk"])]
    text_vectors: Option<PathBuf>,
    /// The same for images.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["checkpoint", "images", "no_texts", "words", "normalise", "chunk"])]
    image_vectors: Option<PathBuf>,
    #[command(flatten)]
    encoding: Encoding,
    /// Number of threads; one per core by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Device of tensors. All but flex need a build with the cargo feature of the same name.
    #[arg(long, default_value = "flex")]
    device: DeviceKind,
}

fn main() -> ExitCode {
    program::run("--data out/corpus", work)
}

fn work(args: Args) -> anyhow::Result<()> {
    seminar_examples::machine::start(args.threads)?;
    let vectors = Vectors { text: args.text_vectors, image: args.image_vectors };
    if !vectors.is_empty() {
        return vectors.take(&args.data, args.encoding.precision(), "embed");
    }
    args.encoding.run(&args.data, args.device, "embed")
}
