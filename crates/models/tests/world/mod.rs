//! Made items with queries, texts and attributes, and models of every kind over them.
#![allow(dead_code, reason = "not every test that includes this uses all of it")]

use burn::tensor::{Bool, Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_models::parts::ShortTermConfig;
use seminar_models::weights::{load_state_dict, state_dict};
use seminar_models::{
    AnyModel, Events, GateKind, LossKind, Modality, ModalityKind, ModelConfig, ModelKind, SoftSearch,
    UniqueEvents, integers,
};

pub const WIDTH: usize = 8;
pub const ITEMS: usize = 30;

pub fn config() -> ModelConfig {
    ModelConfig {
        width: WIDTH,
        heads: 2,
        top_k: 3,
        stage_one_top_k: 5,
        hash_bits: 32,
        signatures: 4,
        signature_bits: 2,
        text_width: 5,
        sub_vectors: 4,
        centroids: 6,
        modalities: vec![ModalityKind::Id, ModalityKind::Query, ModalityKind::Text, ModalityKind::Attribute],
        ..ModelConfig::default()
    }
}

/// Every model, SEMINAR with each of its searches, and a per-event gate.
pub fn variants() -> Vec<(String, ModelKind, ModelConfig)> {
    let mut all: Vec<_> =
        ModelKind::ALL.iter().map(|&kind| (kind.name().to_owned(), kind, config())).collect();
    for search in [SoftSearch::Lsh, SoftSearch::MultiPq] {
        all.push((
            format!("seminar {search:?}"),
            ModelKind::Seminar,
            ModelConfig { soft_search: search, ..config() },
        ));
    }
    for &kind in ModelKind::ALL {
        let short_term = Some(ShortTermConfig { events: 5, dropout: 0.0, ..ShortTermConfig::default() });
        let (gate, loss) = (GateKind::Sum, LossKind::Softmax);
        all.push((
            format!("{} tuned", kind.name()),
            kind,
            ModelConfig { short_term, gate, loss, ..config() },
        ));
    }
    for kind in [ModelKind::Base, ModelKind::Eta, ModelKind::Twin, ModelKind::Muse] {
        let config = ModelConfig { distance_bias: 4, time_bias: true, ..config() };
        all.push((format!("{} with biases by distance and time", kind.name()), kind, config));
    }
    for kind in [
        ModelKind::Base,
        ModelKind::Sim,
        ModelKind::Qin,
        ModelKind::Twin,
        ModelKind::Seminar,
        ModelKind::Muse,
    ] {
        let config = ModelConfig { distance_rows: 4, time_rows: true, ..config() };
        all.push((format!("{} with rows by distance and time", kind.name()), kind, config));
    }
    all.push((
        "twin per-event gate".into(),
        ModelKind::Twin,
        ModelConfig { gate: GateKind::PerEvent, ..config() },
    ));
    all
}

pub fn build(kind: ModelKind, config: &ModelConfig, length: usize, device: &Device) -> AnyModel {
    let model = kind.build(config, length, device).unwrap();
    // Larger weights than the initial ones, so that no effect hides in rounding.
    let mut state = state_dict(&model);
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for (name, array) in &mut state {
        if name != "codebook_emb" {
            array.values.iter_mut().for_each(|v| *v += 0.4 * (rng.random::<f32>() - 0.5));
        }
    }
    load_state_dict(model, &state, "test").unwrap().0
}

/// The values that items, queries and modalities have; everything else is indices.
#[derive(Clone)]
pub struct World {
    pub items: Vec<f32>,
    pub queries: Vec<f32>,
    pub texts: Vec<f32>,
    pub attributes: Vec<f32>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |n: usize| (0..n * ITEMS).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect();
        Self { items: draw(WIDTH), queries: draw(WIDTH), texts: draw(5), attributes: draw(WIDTH) }
    }

    /// `index` holds item numbers, a row per user; item 0 is padding. Odd items have a query; every third has no text.
    pub fn events(&self, index: &[Vec<u32>], device: &Device) -> Events {
        let table = |values: &[f32], width: usize| {
            Tensor::<2>::from_data(TensorData::new(values.to_vec(), [ITEMS, width]), device)
        };
        let flags = |on: fn(usize) -> bool| {
            let flags: Vec<f32> = (0..ITEMS).map(|i| f32::from(u8::from(on(i)))).collect();
            Tensor::<2>::from_data(TensorData::new(flags, [ITEMS, 1]), device)
        };
        let has_query = flags(|i| i % 2 == 1);
        let has_text = flags(|i| i % 3 != 0);
        let shape = [index.len(), index[0].len()];
        let flat: Vec<u32> = index.iter().flatten().copied().collect();
        let mask: Vec<bool> = flat.iter().map(|&i| i != 0).collect();
        Events {
            unique: UniqueEvents {
                item: table(&self.items, WIDTH),
                query: table(&self.queries, WIDTH) * has_query.clone(),
                has_query,
                text: Some(Modality::new(table(&self.texts, 5) * has_text.clone(), has_text)),
                image: None,
                attribute: Some(Modality::new(table(&self.attributes, WIDTH), flags(|_| true))),
            },
            inverse: integers(shape, &flat, device),
            mask: Tensor::<2, Bool>::from_data(TensorData::new(mask, shape), device),
            sees: None,
            times: None,
        }
    }
}
