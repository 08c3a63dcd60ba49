//! Scoring candidates of 256 users at history lengths of 100 and 1,000 events.

use burn::tensor::{Bool, Device, Distribution, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use seminar_models::{Events, ModelConfig, ModelKind, Rows, SequenceModel, integers};

const USERS: usize = 256;
/// Distinct events of a batch.
const DISTINCT: usize = 5_000;

fn events(width: usize, device: &Device) -> Events {
    let rows = Tensor::<2>::random([DISTINCT, 64], Distribution::Normal(0.0, 0.1), device);
    let index: Vec<u32> = (0..USERS * width).map(|at| (at * 7919 % DISTINCT) as u32).collect();
    Events {
        rows: Rows::of_items(rows),
        index: integers([USERS, width], &index, device),
        real: Tensor::<2, Bool>::full([USERS, width], true, device),
    }
}

fn score(criterion: &mut Criterion) {
    let device = Device::flex();
    for (length, top_k) in [(100, 50), (1000, 200)] {
        let history = events(length, &device);
        let mut group = criterion.benchmark_group(format!("256 users, L {length}, K {top_k}"));
        group.sample_size(10);
        for kind in ModelKind::ALL {
            let config = ModelConfig { top_k, stage_one_top_k: top_k + 30, ..ModelConfig::default() };
            let model = kind.build(&config, length, &device).expect("a valid configuration");
            for count in [1, 100] {
                let candidates = events(count, &device);
                let name = format!("{}, {count} candidates", kind.name());
                group.bench_function(name, |b| {
                    b.iter(|| model.score(&history, &candidates).logits.into_data());
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, score);
criterion_main!(benches);
