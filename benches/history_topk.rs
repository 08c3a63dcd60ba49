//! The 50 most relevant of a user's behaviours (M = 4, d = 64, clustered) on one thread, for one target and for a
//! batch of 100, lookup tables included; and appending and deleting one behaviour.
//!
//! `SEMINAR_BENCH_ROWS` limits the length of the history, 100,000 by default.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::*;

const M: usize = 4;
const DIM: usize = 64;
const K: usize = 50;
const WEIGHTS: [f32; M] = [0.1, 0.2, 0.3, 0.4];

/// Uniform noise around 500 topics.
fn draw(events: usize, stream: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let topics: Vec<f32> = (0..500 * M * DIM).map(|_| 3.4 * (rng.random::<f32>() - 0.5)).collect();
    rng.set_stream(stream);
    let mut numbers = Vec::with_capacity(events * M * DIM);
    for _ in 0..events {
        let topic = &topics[rng.random_range(0..500) * M * DIM..][..M * DIM];
        numbers.extend(topic.iter().map(|c| c + 2.0 * (rng.random::<f32>() - 0.5)));
    }
    numbers
}

fn measure<H: HistoryIndex>(criterion: &mut Criterion, name: &str, mut history: H, targets: &[f32]) {
    let rows: Vec<&[f32]> = targets.chunks_exact(M * DIM).collect();
    let mut group = criterion.benchmark_group(format!("top {K} of {} behaviours, {name}", history.len()));
    let mut next = 0;
    group.bench_function("one target", |b| {
        b.iter(|| {
            next = (next + 1) % rows.len();
            let target = history.prepare(black_box(rows[next]), &WEIGHTS).expect("the right size");
            history.top_k(&target, K)
        });
    });
    group.sample_size(10);
    group.bench_function("100 targets", |b| {
        b.iter(|| {
            let prepared: Result<Vec<H::Target>> =
                rows.iter().map(|t| history.prepare(t, &WEIGHTS)).collect();
            history.top_k_many(&prepared.expect("the right size"), K)
        });
    });
    group.bench_function("append and delete", |b| {
        b.iter(|| {
            let event = history.append(black_box(rows[0])).expect("the right size");
            history.delete(event).expect("it was appended");
        });
    });
    group.finish();
}

fn histories(criterion: &mut Criterion) {
    let limit = std::env::var("SEMINAR_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok());
    let length: usize = limit.unwrap_or(100_000).min(100_000);
    let (events, targets) = (draw(length, 1), draw(100, 2));
    let books = |sub_vectors, centroids| -> Vec<ProductQuantizer> {
        let config = PqConfig { sub_vectors, centroids, iterations: 5, sample: 20_000, ..Default::default() };
        let own = |m: usize| {
            events.chunks_exact(M * DIM).flat_map(move |row| row[m * DIM..][..DIM].to_vec()).collect()
        };
        (0..M)
            .map(|m| Vectors::new(DIM, own(m)).and_then(|rows| config.train(&rows)).expect("it fits"))
            .collect()
    };
    let filled = |mut history: ExactHistory| {
        history.extend(&events).expect("whole finite rows");
        history
    };
    measure(criterion, "exact", filled(ExactHistory::exact(M, DIM).expect("a shape")), &targets);
    let mut fused = FusedHistory::exact(&WEIGHTS, DIM).expect("a shape");
    events.chunks_exact(M * DIM).for_each(|event| assert!(fused.append(event).is_ok()));
    measure(criterion, "exact, fused", fused, &targets);
    let bytes = books(8, 256);
    let bytes = PqHistory::codec(&bytes.iter().collect::<Vec<_>>()).expect("equal shapes");
    let mut history = PqHistory::new(bytes.clone(), M).expect("four parts");
    history.extend(&events).expect("whole finite rows");
    measure(criterion, "codes of 8 x 8 bit a modality", history, &targets);
    let nibbles = books(16, 16);
    let nibbles = NibbleHistory::codec(&nibbles.iter().collect::<Vec<_>>()).expect("equal shapes");
    let mut history = NibbleHistory::new(nibbles.clone(), M).expect("four parts");
    history.extend(&events).expect("whole finite rows");
    measure(criterion, "codes of 16 x 4 bit a modality", history, &targets);
    let mut history = RescoredHistory::new(nibbles, M, 4).expect("four parts");
    history.extend(&events).expect("whole finite rows");
    measure(criterion, "codes of 16 x 4 bit, 4 K rescored", history, &targets);
}

criterion_group!(benches, histories);
criterion_main!(benches);
