//! Latency of one query on one thread against each single-vector index: clustered vectors, inner product, top 100.
//!
//! `SEMINAR_BENCH_ROWS` limits the number of vectors, 200,000 by default.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::*;

const DIM: usize = 64;
const K: usize = 100;

/// Uniform noise around 1,000 centres.
fn draw(rows: usize, stream: u64) -> Vectors {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let centres: Vec<f32> = (0..1000 * DIM).map(|_| 3.4 * (rng.random::<f32>() - 0.5)).collect();
    rng.set_stream(stream);
    let numbers = (0..rows).flat_map(|_| {
        let centre = &centres[rng.random_range(0..1000) * DIM..][..DIM];
        centre.iter().map(|c| c + 2.0 * (rng.random::<f32>() - 0.5)).collect::<Vec<_>>()
    });
    Vectors::new(DIM, numbers.collect()).expect("whole finite rows")
}

fn indexes(criterion: &mut Criterion) {
    let limit = std::env::var("SEMINAR_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok());
    let rows: usize = limit.unwrap_or(200_000).min(200_000);
    // A graph takes two minutes to build at full size: a tenth of the vectors shows its latency as well.
    let (vectors, fewer) = (draw(rows, 1), draw(rows / 10, 1));
    let queries = draw(1000, 2);
    let metric = Metric::InnerProduct;
    let pq = |sub_vectors| PqConfig { sub_vectors, iterations: 5, ..Default::default() };
    let ivf = IvfConfig { lists: 447, probes: 13, ..Default::default() };
    let built: Vec<(String, Result<Box<dyn AnnIndex>>)> = vec![
        ("flat".into(), Flat::build(&vectors, metric).map(boxed)),
        ("PQ 16 x 8 bit".into(), pq(16).build(&vectors, metric).map(boxed)),
        ("PQ 32 x 4 bit, fast scan".into(), pq(32).build_fast_scan(&vectors, metric).map(boxed)),
        ("PQ 64 x 4 bit, fast scan".into(), pq(64).build_fast_scan(&vectors, metric).map(boxed)),
        ("LSH 256 bit".into(), LshConfig::default().build(&vectors).map(boxed)),
        ("RaBitQ 64 bit".into(), RaBitQConfig::default().build(&vectors, metric).map(boxed)),
        ("IVF 447 lists, 13 visited".into(), ivf.build(&vectors, Whole::new(DIM), metric).map(boxed)),
        (
            format!("HNSW, ef 100, {} vectors", fewer.len()),
            HnswConfig::default().build(&fewer, metric).map(boxed),
        ),
    ];
    let mut group = criterion.benchmark_group(format!("top {K} of {rows} x {DIM}"));
    for (name, index) in built {
        let index = index.expect("the settings fit the vectors");
        let (mut out, mut next) = (Vec::new(), 0);
        group.bench_function(name, |b| {
            b.iter(|| {
                next = (next + 1) % queries.len();
                index.search_into(black_box(queries.row(next)), K, None, &mut out).expect("the right width");
                out.len()
            });
        });
    }
    group.finish();
}

fn boxed<I: AnnIndex + 'static>(index: I) -> Box<dyn AnnIndex> {
    Box::new(index)
}

criterion_group!(benches, indexes);
criterion_main!(benches);
