//! Latency of one query against an index.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::{AnnIndex, Flat, Metric, Vectors};

fn flat(criterion: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut draw = |count: usize| (0..count).map(|_| rng.random::<f32>() - 0.5).collect::<Vec<f32>>();
    let mut group = criterion.benchmark_group("flat, top 10, 64 dimensions");
    for rows in [2_000usize, 100_000] {
        let index =
            Flat::build(&Vectors::new(64, draw(64 * rows)).expect("whole rows"), Metric::InnerProduct);
        let query = draw(64);
        group.throughput(criterion::Throughput::Elements(rows as u64));
        group.bench_function(format!("{rows} vectors"), |b| {
            b.iter(|| index.search(black_box(&query), 10).expect("the right width"));
        });
    }
    group.finish();
}

criterion_group!(benches, flat);
criterion_main!(benches);
