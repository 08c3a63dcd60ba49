//! Titles and images of a corpus to `text.emb` and `image.emb`: by CLIP from a checkpoint, or offline without one.

use std::path::PathBuf;

use clap::Parser;
use seminar_examples::device::DeviceKind;
use seminar_examples::encode::Encoding;

/// Encodes the items of a corpus. A killed run goes on where it was.
#[derive(Parser)]
struct Args {
    /// Folder that `prepare` wrote.
    #[arg(long)]
    data: PathBuf,
    #[command(flatten)]
    encoding: Encoding,
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
    args.encoding.run(&args.data, args.device)
}
