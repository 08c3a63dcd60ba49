//! Times single-vector searches on one thread, one query at a time: once per line of the standard input, so that
//! another program can be timed in turn.
//!
//! ```text
//! cargo run --release -p seminar-ann-retrieval --example scan_latency -- FOLDER 'pq4 32' 'rabitq 64'
//! ```
//! `FOLDER` holds `vectors.fvecs` and `queries.fvecs`, as `benches/peers/faiss_single.py` leaves them. Built indexes
//! stay there and are opened the next time. A line `recall` is answered with recall@10 and recall@100 of each index, any
//! other line with the seconds of one pass over all queries.

use std::error::Error;
use std::hint::black_box;
use std::io::stdin;
use std::path::Path;
use std::time::Instant;

use seminar_ann_retrieval::*;

const K: usize = 100;

fn read_fvecs(path: &Path) -> std::result::Result<Vectors, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let (words, _) = bytes.as_chunks::<4>();
    let dim = words.first().map_or(0, |word| u32::from_le_bytes(*word) as usize);
    let rows =
        words.chunks_exact(dim + 1).flat_map(|row| row[1..].iter().map(|word| f32::from_le_bytes(*word)));
    Ok(Vectors::new(dim, rows.collect())?)
}

fn stored<I: Persist + AnnIndex + 'static>(
    path: &Path,
    build: impl FnOnce() -> Result<I>,
) -> Result<Box<dyn AnnIndex>> {
    if !path.exists() {
        build()?.save(path)?;
    }
    Ok(Box::new(I::open(path)?))
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("FOLDER is missing")?;
    let folder = Path::new(&folder);
    let (rows, queries) =
        (read_fvecs(&folder.join("vectors.fvecs"))?, read_fvecs(&folder.join("queries.fvecs"))?);
    let metric = Metric::InnerProduct;
    let flat = Flat::build(&rows, metric)?;
    let mut indexes = Vec::new();
    for name in arguments {
        let (kind, size) = name.split_once(' ').ok_or("an index is a kind and a size: 'pq4 32'")?;
        let (size, path) = (size.parse()?, folder.join(format!("{kind}-{size}.index")));
        let pq = PqConfig { sub_vectors: size, ..Default::default() };
        indexes.push(match kind {
            "pq4" => stored(&path, || pq.build_fast_scan(&rows, metric))?,
            "pq8" => stored(&path, || pq.build(&rows, metric))?,
            "lsh" => stored(&path, || LshConfig { bits: size, ..Default::default() }.build(&rows))?,
            "rabitq" => stored(&path, || RaBitQConfig::default().build(&rows, metric))?,
            "flat" => Box::new(flat.clone()),
            _ => return Err(format!("no index `{kind}`: pq4, pq8, lsh, rabitq, flat").into()),
        });
    }
    let mut out = Vec::new();
    for line in stdin().lines() {
        let truth = match line?.as_str() {
            "recall" => Some(flat.search_many(queries.as_slice(), K)?),
            _ => None,
        };
        for index in &indexes {
            if let Some(truth) = &truth {
                let found = index.search_many(queries.as_slice(), K)?;
                let sum = |k| found.iter().zip(truth).map(|(f, t)| recall_at(k, f, t)).sum::<f64>();
                print!("{:.3} {:.3}\t", sum(10) / truth.len() as f64, sum(100) / truth.len() as f64);
                continue;
            }
            let start = Instant::now();
            for query in queries.as_slice().chunks_exact(queries.dim()) {
                index.search_into(black_box(query), K, None, &mut out)?;
                black_box(&out);
            }
            print!("{:.6}\t", start.elapsed().as_secs_f64());
        }
        println!();
    }
    Ok(())
}
