//! A training step and an evaluation batch in the published settings, tables included: Amazon's (batch 256, L 100, K 50,
//! five keywords, text and image embeddings of 512 numbers, 60,000 items, 49,787 words in a keyword table of 100,000 to
//! 30,000,000 rows) and KuaiSAR's (L 1000, K 200, 1,480,000 items); and burn's dense Adam on such a keyword table alone.
//!
//! All histories are full. `SEMINAR_BENCH_ROWS` limits the keyword tables that are tried.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::optim::{AdamConfig as DenseAdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use seminar_benches as _;
use seminar_dataset::rng::Stream;
use seminar_dataset::{
    Batch, BatchConfig, Batches, Corpus, EmbeddingTable, Embeddings, NegativeSampler, Numbered, Precision,
    Ragged, Split, Texts,
};
use seminar_models::{AnyModel, ModalityKind, ModelConfig, ModelKind, integers};
use seminar_trainer::metrics::Ties;
use seminar_trainer::{Modalities, Tables, TrainConfig, Trainer};

/// A published data set's shape.
#[derive(Clone, Copy)]
struct Setting {
    name: &'static str,
    items: u32,
    users: usize,
    length: usize,
    top_k: usize,
    stage_one_top_k: usize,
    /// Share of items that have a query.
    asked: f64,
    modalities: &'static [ModalityKind],
}

const AMAZON: Setting = Setting {
    name: "amazon",
    items: 60_000,
    users: 2048,
    length: 100,
    top_k: 50,
    stage_one_top_k: 80,
    asked: 1.0,
    modalities: &[ModalityKind::Id, ModalityKind::Query, ModalityKind::Text, ModalityKind::Image],
};

const KUAISAR: Setting = Setting {
    name: "kuaisar",
    items: 1_480_000,
    users: 512,
    length: 1000,
    top_k: 200,
    stage_one_top_k: 500,
    asked: 0.22,
    modalities: &[ModalityKind::Id, ModalityKind::Query],
};

/// Words that occur, whatever the size of the keyword table.
const WORDS: u64 = 49_787;

/// Empty names.
fn nameless(count: usize) -> Ragged<u8> {
    Ragged { offsets: vec![0; count + 1], values: Vec::new() }
}

/// A corpus with its folder, where embedding files lie.
struct World {
    folder: tempfile::TempDir,
    corpus: Arc<Corpus>,
    setting: Setting,
    keyword_rows: usize,
}

impl World {
    fn new(setting: Setting, keyword_rows: usize) -> Self {
        let mut stream = Stream::new(&[11]);
        let mut skewed = |n: u64| ((stream.unit().powi(2) * n as f64) as u64).min(n - 1) as u32;
        let spread = (keyword_rows as u64 - 2) / WORDS;
        let mut queries = Ragged::default();
        queries.push([]);
        let mut item_queries = vec![0];
        for item in 1..=setting.items {
            let has = (f64::from(item) * 0.618_034).fract() < setting.asked;
            if has {
                queries
                    .push((0..5).map(|_| 1 + (u64::from(skewed(WORDS)) * spread) as u32).collect::<Vec<_>>());
            }
            item_queries.push(if has { queries.len() as u32 - 1 } else { 0 });
        }
        let events = setting.length + 4;
        let event_items: Vec<u32> =
            (0..setting.users * events).map(|_| 1 + skewed(u64::from(setting.items))).collect();
        let data = Numbered {
            user_numbers: (1..=setting.users as u32).collect(),
            user_offsets: (0..=setting.users as u64).map(|user| user * events as u64).collect(),
            event_times: (0..event_items.len() as i64).collect(),
            event_kinds: vec![0; event_items.len()],
            event_queries: event_items.iter().map(|&item| item_queries[item as usize]).collect(),
            event_items,
            queries,
            item_queries,
            texts: Texts {
                users: nameless(setting.users),
                items: nameless(setting.items as usize),
                titles: nameless(setting.items as usize),
                image_urls: nameless(setting.items as usize),
                ..Texts::default()
            },
            ..Numbered::default()
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        Corpus::write(&data, folder.path()).expect("the corpus is written");
        if setting.modalities.contains(&ModalityKind::Text) {
            let mut table = EmbeddingTable::new(setting.items as usize, 512).expect("a table");
            let mut row = vec![0.0; 512];
            for item in 1..=setting.items {
                row.iter_mut().for_each(|x| *x = stream.normal() as f32 / 22.6);
                table.set(item, &row).expect("a row");
            }
            table
                .write(&folder.path().join("frozen.emb"), Precision::F32)
                .expect("the embeddings are written");
        }
        let corpus = Arc::new(Corpus::open(folder.path()).expect("the corpus opens"));
        Self { folder, corpus, setting, keyword_rows }
    }

    fn batches(&self) -> BatchConfig {
        BatchConfig { history_length: self.setting.length, hide_query: 0.0, ..BatchConfig::default() }
    }

    fn trainer(&self, kind: ModelKind) -> Trainer<AnyModel> {
        let Setting { length, top_k, stage_one_top_k, modalities, .. } = self.setting;
        let device = Device::flex().autodiff();
        let model =
            ModelConfig { top_k, stage_one_top_k, modalities: modalities.to_vec(), ..ModelConfig::default() };
        let model = kind.build(&model, length, &device).expect("a valid configuration");
        let config = TrainConfig {
            batches: self.batches(),
            keyword_rows: self.keyword_rows,
            ..TrainConfig::default()
        };
        let open = || Embeddings::open(&self.folder.path().join("frozen.emb")).ok();
        let modalities = Modalities { text: open(), image: open(), attributes: false };
        let tables = Tables::new(&config, &self.corpus, modalities).expect("tables");
        Trainer::new(model, tables, config, self.corpus.clone(), device).expect("a trainer")
    }

    fn training_batches(&self) -> Vec<Batch> {
        let batches = Batches::new(self.corpus.clone(), Split::Train, self.batches()).expect("batches");
        let mut scratch = NegativeSampler::scratch(&self.corpus);
        let epoch = batches.epoch(0);
        (0..epoch.len()).map(|index| epoch.batch(index, &mut scratch)).collect()
    }
}

fn steps(criterion: &mut Criterion, world: &World, kinds: &[ModelKind]) {
    let batches = world.training_batches();
    let mut group = criterion.benchmark_group(format!("{} step", world.setting.name));
    group.sample_size(10);
    for kind in kinds {
        let mut next = batches.iter().cycle();
        // Made when it is wanted, and every row touched once before it counts.
        let mut trainer = None;
        group.bench_function(format!("{}, {} keyword rows", kind.name(), world.keyword_rows), |b| {
            let trainer = trainer.get_or_insert_with(|| {
                let mut trainer = world.trainer(*kind);
                batches.iter().for_each(|batch| drop(trainer.train_step(batch)));
                trainer
            });
            b.iter_batched(
                || next.next().expect("an endless cycle"),
                |batch| trainer.train_step(batch).expect("a finite loss"),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn evaluations(criterion: &mut Criterion, setting: Setting, keyword_rows: usize) {
    let world = World::new(setting, keyword_rows);
    let mut group =
        criterion.benchmark_group(format!("{} evaluation of {} users × 100", setting.name, setting.users));
    group.sample_size(10);
    for kind in [ModelKind::Sim, ModelKind::Twin, ModelKind::Seminar] {
        let mut trainer = world.trainer(kind);
        let batches = world.batches();
        group.bench_function(kind.name(), |b| {
            b.iter(|| trainer.rank(Split::Test, &batches, Ties::Mean).expect("finite scores"));
        });
    }
    group.finish();
}

/// A table inside the graph.
#[derive(Module, Debug)]
struct Dense {
    table: Param<Tensor<2>>,
}

/// What the keyword table alone costs under dense gradients and burn's Adam.
fn dense_adam(criterion: &mut Criterion, rows: usize) {
    let device = Device::flex().autodiff();
    let mut model = Dense { table: Param::from_tensor(Tensor::zeros([rows, 64], &device)) };
    let mut optimizer = DenseAdamConfig::new().init();
    let mut stream = Stream::new(&[5]);
    let words: Vec<u32> = (0..256 * 102 * 5).map(|_| stream.below(rows as u64) as u32).collect();
    let index = integers([words.len()], &words, &device);
    let mut group = criterion.benchmark_group("dense Adam, keyword table alone");
    group.sample_size(10);
    group.bench_function(format!("{rows} rows"), |b| {
        b.iter(|| {
            let loss = model.table.val().select(0, index.clone()).square().sum();
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(1e-3, model.clone(), grads);
        });
    });
    group.finish();
}

fn all(criterion: &mut Criterion) {
    let limit =
        std::env::var("SEMINAR_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(30_000_000);
    let three = [ModelKind::Sim, ModelKind::Twin, ModelKind::Seminar];
    for rows in [100_000, 3_000_000, 30_000_000] {
        if rows <= limit {
            let kinds = if rows == 3_000_000 { &three[..] } else { &[ModelKind::Twin][..] };
            steps(criterion, &World::new(AMAZON, rows), kinds);
        }
        if rows <= limit.min(3_000_000) {
            dense_adam(criterion, rows);
        }
    }
    evaluations(criterion, AMAZON, limit.min(3_000_000));
    steps(criterion, &World::new(KUAISAR, 100_000), &three);
    evaluations(criterion, KUAISAR, 100_000);
}

criterion_group!(benches, all);
criterion_main!(benches);
