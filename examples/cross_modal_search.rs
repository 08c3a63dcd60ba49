//! Finds items by text or image: text to text, text to image, image to text and image to image.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use seminar_ann_retrieval::{AnnIndex, Flat, HnswConfig, Metric, Vectors};
use seminar_clip_encoder::{ColourAndEdges, ItemEncoder, open_image};
use seminar_dataset::{Corpus, Embeddings};
use seminar_examples::clip::Checkpoint;
use seminar_examples::device::DeviceKind;
use seminar_examples::embed::{SEED, WIDTH, offline_texts};
use seminar_examples::run::open_corpus;
use seminar_examples::{program, say};

/// Searches item embeddings.
#[derive(Parser)]
struct Args {
    /// Corpus folder with `text.emb`, `image.emb` or both.
    #[arg(long)]
    data: PathBuf,
    /// Query text.
    #[arg(long)]
    query: Option<String>,
    /// Query image, a file.
    #[arg(long)]
    image: Option<PathBuf>,
    /// Query item of the corpus, by its name in the log. Its embeddings are the queries.
    #[arg(long)]
    item: Option<String>,
    /// The CLIP checkpoint that made the embeddings, with the same settings.
    #[command(flatten)]
    checkpoint: Checkpoint,
    /// Results per direction.
    #[arg(long, default_value_t = 5)]
    topk: usize,
    /// Search an HNSW graph instead of comparing all items.
    #[arg(long)]
    graph: bool,
    /// Device of tensors. All but flex need a build with the cargo feature of the same name.
    #[arg(long, default_value = "flex")]
    device: DeviceKind,
}

/// The embeddings of one modality.
struct Side {
    name: &'static str,
    file: Embeddings,
    index: Box<dyn AnnIndex>,
}

fn main() -> ExitCode {
    program::run("--data out/corpus --query 'gift card for a birthday'", work)
}

fn work(args: Args) -> anyhow::Result<()> {
    ensure!(args.topk > 0, "--topk must be at least 1");
    seminar_examples::machine::start(None)?;
    let corpus = open_corpus(&args.data)?;
    let sides = [("text", "text.emb"), ("image", "image.emb")]
        .into_iter()
        .filter(|(_, file)| args.data.join(file).is_file())
        .map(|(name, file)| side(name, &args.data.join(file), args.graph))
        .collect::<anyhow::Result<Vec<Side>>>()?;
    ensure!(!sides.is_empty(), "{} has neither text.emb nor image.emb; run `embed`", args.data.display());
    let queries = queries(&args, &corpus, &sides)?;
    ensure!(!queries.is_empty(), "give --query TEXT, --image FILE or --item NAME");
    // Only CLIP puts texts and images into one space.
    let joined = args.checkpoint.checkpoint.is_some();
    for (from, vector) in &queries {
        for to in sides.iter().filter(|to| joined || to.name == *from) {
            if to.index.dim() != vector.len() {
                bail!(
                    "{}.emb has embedding dimension {}, the query {}: were they made by different encoders?",
                    to.name,
                    to.index.dim(),
                    vector.len()
                );
            }
            say!("{from} → {}", to.name);
            let known = |id: u64| to.file.is_present(id as u32);
            for found in to.index.search_filtered(vector, args.topk, &known)? {
                let item = found.id as u32;
                say!(
                    "  {:.4}  {:<12} {}",
                    found.score,
                    corpus.item_name(item),
                    corpus.title(item).unwrap_or("")
                );
            }
        }
    }
    Ok(())
}

fn side(name: &'static str, path: &Path, graph: bool) -> anyhow::Result<Side> {
    let file = Embeddings::open(path)?;
    let mut rows = vec![0.0; (file.item_count() + 1) * file.dim()];
    for &item in file.ids() {
        file.read(item, &mut rows[item as usize * file.dim()..][..file.dim()]);
    }
    // Row 0 and items without a vector are zero vectors. The search filters them out.
    let rows = Vectors::new(file.dim(), rows)?;
    let index: Box<dyn AnnIndex> = match graph {
        true => Box::new(HnswConfig::default().build(&rows, Metric::Cosine)?),
        false => Box::new(Flat::build(&rows, Metric::Cosine)?),
    };
    Ok(Side { name, file, index })
}

/// The queries: modality and vector of each.
fn queries(args: &Args, corpus: &Corpus, sides: &[Side]) -> anyhow::Result<Vec<(&'static str, Vec<f32>)>> {
    let mut queries = Vec::new();
    if let Some(name) = &args.item {
        let item = (1..=corpus.item_count() as u32).find(|&item| corpus.item_name(item) == name);
        let item = item.with_context(|| format!("the corpus has no item `{name}`"))?;
        for side in sides {
            let mut vector = vec![0.0; side.file.dim()];
            if side.file.read(item, &mut vector) {
                queries.push((side.name, vector));
            }
        }
    }
    if args.query.is_none() && args.image.is_none() {
        return Ok(queries);
    }
    let clip = args.checkpoint.load(args.device)?.map(|(_, clip)| clip);
    if let Some(text) = &args.query {
        let vector = match &clip {
            Some(clip) => clip.encode_texts(&[text])?,
            None => offline_texts(corpus).encode_texts(&[text])?,
        };
        queries.push(("text", vector));
    }
    if let Some(path) = &args.image {
        let image = open_image(path)?;
        let vector = match &clip {
            Some(clip) => clip.encode_images(&[image])?,
            None => ColourAndEdges::new(WIDTH, SEED).encode_images(&[image])?,
        };
        queries.push(("image", vector));
    }
    Ok(queries)
}
