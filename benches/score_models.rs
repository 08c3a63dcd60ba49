//! Scoring candidates of 256 users in the published settings: Amazon's (L 100, K 50, ids, queries, text and image
//! embeddings of 512 numbers, 60,000 items) and KuaiSAR's (L 1000, K 200, ids and queries, 1,480,000 items).
//!
//! All histories are full. Distinct events are embedded once, as the trainer does it.

use burn::tensor::{Bool, Device, Distribution, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_benches as _;
use seminar_models::{
    Events, Modality, ModalityKind, ModelConfig, ModelKind, SequenceModel, UniqueEvents, integers,
};

const USERS: usize = 256;

/// A published data set's shape.
struct Setting {
    name: &'static str,
    items: u32,
    length: usize,
    top_k: usize,
    stage_one_top_k: usize,
    modalities: &'static [ModalityKind],
}

const SETTINGS: [Setting; 2] = [
    Setting {
        name: "amazon",
        items: 60_000,
        length: 100,
        top_k: 50,
        stage_one_top_k: 80,
        modalities: &[ModalityKind::Id, ModalityKind::Query, ModalityKind::Text, ModalityKind::Image],
    },
    Setting {
        name: "kuaisar",
        items: 1_480_000,
        length: 1000,
        top_k: 200,
        stage_one_top_k: 500,
        modalities: &[ModalityKind::Id, ModalityKind::Query],
    },
];

/// `[USERS, width]` events; `skew` 1 draws items uniformly, more prefers some.
fn events(setting: &Setting, width: usize, skew: i32, device: &Device) -> Events {
    let mut rng = ChaCha8Rng::seed_from_u64(width as u64);
    let mut draw = || (rng.random::<f64>().powi(skew) * f64::from(setting.items)) as u32;
    let drawn: Vec<u32> = (0..USERS * width).map(|_| draw()).collect();
    let mut distinct = drawn.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let inverse: Vec<u32> =
        drawn.iter().map(|item| distinct.partition_point(|other| other < item) as u32).collect();
    let random = |width| Tensor::<2>::random([distinct.len(), width], Distribution::Normal(0.0, 0.1), device);
    let frozen = |kind| {
        let present = Tensor::ones([distinct.len(), 1], device);
        setting.modalities.contains(&kind).then(|| Modality::new(random(512), present))
    };
    Events {
        unique: UniqueEvents {
            query: random(64),
            has_query: Tensor::ones([distinct.len(), 1], device),
            text: frozen(ModalityKind::Text),
            image: frozen(ModalityKind::Image),
            ..UniqueEvents::of_items(random(64))
        },
        inverse: integers([USERS, width], &inverse, device),
        mask: Tensor::<2, Bool>::full([USERS, width], true, device),
        sees: None,
        times: None,
    }
}

fn score(criterion: &mut Criterion) {
    let device = Device::flex();
    for setting in SETTINGS {
        let history = events(&setting, setting.length, 2, &device);
        let mut group = criterion.benchmark_group(setting.name);
        group.sample_size(10);
        for kind in ModelKind::ALL {
            let config = ModelConfig {
                top_k: setting.top_k,
                stage_one_top_k: setting.stage_one_top_k,
                modalities: setting.modalities.to_vec(),
                ..ModelConfig::default()
            };
            let model = kind.build(&config, setting.length, &device).expect("a valid configuration");
            for count in [1, 100] {
                let candidates = events(&setting, count, 1, &device);
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
