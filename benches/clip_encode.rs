//! CLIP ViT-B/32 with random weights: images and titles per second, beside the matrix products of its image tower alone.
//!
//! `SEMINAR_BENCH_ROWS` below 200,000 makes a short run with towers of two layers.

use std::collections::BTreeMap;
use std::hint::black_box;

use burn::tensor::{Device, Distribution, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_clip_encoder::{Array, Clip, ItemEncoder, Weights};

const IMAGES: usize = 32;
const TITLES: usize = 256;

/// The sizes of ViT-B/32.
fn weights(layers: usize) -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut arrays = BTreeMap::new();
    let mut put = |name: String, shape: &[usize]| {
        let scale = 0.05;
        let values = (0..shape.iter().product()).map(|_| scale * (rng.random::<f32>() - 0.5)).collect();
        arrays.insert(name, Array { shape: shape.to_vec(), values });
    };
    for (tower, width) in [("visual.transformer", 768), ("transformer", 512)] {
        for layer in 0..layers {
            let at = format!("{tower}.resblocks.{layer}");
            for (name, shape) in [
                ("attn.in_proj_weight", vec![3 * width, width]),
                ("attn.in_proj_bias", vec![3 * width]),
                ("attn.out_proj.weight", vec![width, width]),
                ("attn.out_proj.bias", vec![width]),
                ("mlp.c_fc.weight", vec![4 * width, width]),
                ("mlp.c_fc.bias", vec![4 * width]),
                ("mlp.c_proj.weight", vec![width, 4 * width]),
                ("mlp.c_proj.bias", vec![width]),
                ("ln_1.weight", vec![width]),
                ("ln_1.bias", vec![width]),
                ("ln_2.weight", vec![width]),
                ("ln_2.bias", vec![width]),
            ] {
                put(format!("{at}.{name}"), &shape);
            }
        }
    }
    for (name, shape) in [
        ("visual.conv1.weight", vec![768, 3, 32, 32]),
        ("visual.class_embedding", vec![768]),
        ("visual.positional_embedding", vec![50, 768]),
        ("visual.ln_pre.weight", vec![768]),
        ("visual.ln_pre.bias", vec![768]),
        ("visual.ln_post.weight", vec![768]),
        ("visual.ln_post.bias", vec![768]),
        ("visual.proj", vec![768, 512]),
        ("token_embedding.weight", vec![49_408, 512]),
        ("positional_embedding", vec![77, 512]),
        ("ln_final.weight", vec![512]),
        ("ln_final.bias", vec![512]),
        ("text_projection", vec![512, 512]),
    ] {
        put(name.to_owned(), &shape);
    }
    Weights::new(arrays, "random").expect("finite weights under the right names")
}

/// The matrix products of the image tower for a batch, and nothing else.
fn products(layers: usize, device: &Device) -> impl Fn() {
    let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Default, device);
    let heads = |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Default, device);
    let rows = IMAGES * 50;
    let pairs = [
        (random([rows, 768]), random([768, 2304])),
        (random([rows, 768]), random([768, 768])),
        (random([rows, 768]), random([768, 3072])),
        (random([rows, 3072]), random([3072, 768])),
    ];
    let patches = (random([IMAGES * 49, 3072]), random([3072, 768]));
    let scores = (heads([IMAGES, 12, 50, 64]), heads([IMAGES, 12, 64, 50]), heads([IMAGES, 12, 50, 50]));
    move || {
        black_box(patches.0.clone().matmul(patches.1.clone()).into_data());
        for _ in 0..layers {
            for (a, b) in &pairs {
                black_box(a.clone().matmul(b.clone()));
            }
            black_box(scores.0.clone().matmul(scores.1.clone()));
            black_box(scores.2.clone().matmul(scores.0.clone()));
        }
    }
}

fn encode(criterion: &mut Criterion) {
    let limit: Option<usize> = std::env::var("SEMINAR_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok());
    let layers = if limit.is_some_and(|rows| rows < 200_000) { 2 } else { 12 };
    let device = Device::flex();
    let clip = Clip::new(&weights(layers), &device).expect("the sizes of ViT-B/32");
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let pixels: Vec<f32> = (0..IMAGES * 3 * 224 * 224).map(|_| rng.random::<f32>() - 0.5).collect();
    let words =
        ["gift", "card", "movie", "season", "complete", "special", "edition", "disc", "blu-ray", "the"];
    let titles: Vec<String> = (0..TITLES)
        .map(|n| (0..3 + n % 18).map(|w| words[(n * 7 + w * 3) % 10]).collect::<Vec<_>>().join(" "))
        .collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let mut group = criterion.benchmark_group(format!("CLIP ViT-B/32, {layers} layers"));
    group.sample_size(10);
    group.throughput(Throughput::Elements(IMAGES as u64));
    group.bench_function("images", |b| b.iter(|| clip.encode_pixels(pixels.clone()).expect("whole images")));
    let products = products(layers, &device);
    group.bench_function("images, matrix products alone", |b| b.iter(&products));
    group.throughput(Throughput::Elements(TITLES as u64));
    group.bench_function("titles", |b| b.iter(|| clip.encode_texts(black_box(&titles)).expect("texts")));
    group.finish();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(line) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("peak memory: {line}");
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
