//! What must hold for every model in default mode, whatever the data.

#[allow(dead_code, reason = "the golden tests use the rest of it")]
mod support;
mod world;

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_models::weights::{load_state_dict, state_dict};
use seminar_models::{AnyModel, Events, ModelConfig, ModelKind, SequenceModel, Switches, Times};
use world::{ITEMS, WIDTH, World, build, config, variants};

fn logits(model: &AnyModel, world: &World, history: &[Vec<u32>], candidates: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let device = Device::flex();
    let scores = model.score(&world.events(history, &device), &world.events(candidates, &device));
    let width = candidates[0].len();
    let flat: Vec<f32> = scores.logits.into_data_as::<f32>().try_into_vec().unwrap();
    flat.chunks(width).map(<[f32]>::to_vec).collect()
}

fn near(a: &[Vec<f32>], b: &[Vec<f32>]) -> bool {
    let lengths = |rows: &[Vec<f32>]| rows.iter().map(Vec::len).collect::<Vec<_>>();
    lengths(a) == lengths(b)
        && a.iter().flatten().zip(b.iter().flatten()).all(|(x, y)| (x - y).abs() <= 1e-4 * y.abs().max(1.0))
}

/// Left-padded histories of up to 7 events, some empty, and four candidates each.
fn cases() -> impl Strategy<Value = (Vec<Vec<u32>>, Vec<Vec<u32>>, u64)> {
    let history = prop::collection::vec(1u32..ITEMS as u32, 0..=7).prop_map(|events| {
        let mut row = vec![0; 7 - events.len()];
        row.extend(events);
        row
    });
    let candidates = prop::collection::vec(1u32..ITEMS as u32, 4);
    (prop::collection::vec((history, candidates), 1..4), any::<u64>()).prop_map(|(rows, seed)| {
        (rows.iter().map(|r| r.0.clone()).collect(), rows.iter().map(|r| r.1.clone()).collect(), seed)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn padding_order_batch_and_empty_histories((history, candidates, seed) in cases()) {
        let world = World::new(seed);
        for (name, kind, config) in variants() {
            let model = build(kind, &config, 7, &Device::flex());
            let plain = logits(&model, &world, &history, &candidates);
            prop_assert!(plain.iter().flatten().all(|l| l.is_finite()), "{name}: not finite");

            // Other values in the padding row.
            let mut other = world.clone();
            other.items[..WIDTH].fill(9.0);
            other.queries[..WIDTH].fill(-7.0);
            other.attributes[..WIDTH].fill(5.0);
            prop_assert!(near(&logits(&model, &other, &history, &candidates), &plain), "{name}: padding counts");

            // More padding on the left.
            let wider: Vec<Vec<u32>> = history.iter().map(|row| [vec![0; 5], row.clone()].concat()).collect();
            prop_assert!(near(&logits(&model, &world, &wider, &candidates), &plain), "{name}: length counts");

            // Candidates in reverse.
            let reverse = |rows: &[Vec<u32>]| rows.iter().map(|row| row.iter().rev().copied().collect()).collect::<Vec<Vec<u32>>>();
            let turned = logits(&model, &world, &history, &reverse(&candidates));
            let back: Vec<Vec<f32>> = turned.iter().map(|row| row.iter().rev().copied().collect()).collect();
            prop_assert!(near(&back, &plain), "{name}: order of candidates counts");

            // The batch in reverse.
            let upside = |rows: &[Vec<u32>]| rows.iter().rev().cloned().collect::<Vec<_>>();
            let turned = logits(&model, &world, &upside(&history), &upside(&candidates));
            prop_assert!(near(&upside_f(&turned), &plain), "{name}: order of users counts");
        }
    }

    #[test]
    fn keeping_everything_is_full_attention((history, candidates, seed) in cases()) {
        let world = World::new(seed);
        for &kind in ModelKind::ALL {
            let at = |top_k| {
                let config = ModelConfig { top_k, stage_one_top_k: 12, ..config() };
                logits(&build(kind, &config, 12, &Device::flex()), &world, &history, &candidates)
            };
            // Histories have up to 7 events: 7 keeps all of them through the selection, 12 skips it.
            prop_assert!(near(&at(7), &at(12)), "{kind:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Scoring without a tape is another implementation than the tensors that training records.
    #[test]
    fn scoring_without_a_tape_gives_the_same_logits((history, candidates, seed) in cases()) {
        let world = World::new(seed);
        let device = Device::flex().autodiff();
        for (name, kind, config) in variants() {
            for switches in [Switches::default(), Switches::reference()] {
                let config = ModelConfig { switches, ..config.clone() };
                if config.validate(7).is_err() {
                    // Rows by distance and time are not of the published models.
                    assert!(!config.switches.mask_padding && config.distance_rows > 0);
                    continue;
                }
                let model = build(kind, &config, 7, &device);
                let times = Arc::new(Times {
                    events: (0..7 * history.len() as i64).map(|at| at * at * at * 50).collect(),
                    requests: (1..=history.len() as i64).map(|user| user * 1_000_000).collect(),
                });
                let scores = |model: &AnyModel, device: &Device| -> Vec<Vec<f32>> {
                    let history = Events { times: Some(times.clone()), ..world.events(&history, device) };
                    let logits = model.score(&history, &world.events(&candidates, device)).logits;
                    let flat: Vec<f32> = logits.into_data_as::<f32>().try_into_vec().unwrap();
                    flat.chunks(4).map(<[f32]>::to_vec).collect()
                };
                let recorded = scores(&model, &device);
                let plain = scores(&model.valid(), &Device::flex());
                prop_assert!(near(&plain, &recorded), "{name}: {plain:?} {recorded:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// What explains a score: the weights of the exact search unit, with a tape and without.
    #[test]
    fn attention_weights_agree_with_the_tape_and_sum_to_one((history, candidates, seed) in cases()) {
        let world = World::new(seed);
        let device = Device::flex().autodiff();
        for (name, kind, config) in variants() {
            let model = build(kind, &config, 7, &device);
            let (h, c) = (world.events(&history, &device), world.events(&candidates, &device));
            let rows = |tensor: Tensor<3>| -> Vec<Vec<f32>> {
                let flat: Vec<f32> = tensor.into_data_as::<f32>().try_into_vec().unwrap();
                flat.chunks(7).map(<[f32]>::to_vec).collect()
            };
            let Some(recorded) = model.attention_weights(&h, &c).map(rows) else {
                prop_assert!(matches!(kind, ModelKind::SasRec | ModelKind::Sdim), "{name}");
                continue;
            };
            let plain = Device::flex();
            let (h, c) = (world.events(&history, &plain), world.events(&candidates, &plain));
            let scanned = rows(model.valid().attention_weights(&h, &c).unwrap());
            prop_assert_eq!(scanned.len(), history.len() * 4);
            for (at, (a, b)) in scanned.iter().zip(&recorded).enumerate() {
                prop_assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{name}: {a:?} {b:?}");
                let user = &history[at / 4];
                let expected = if user.iter().any(|&item| item != 0) { 1.0 } else { 0.0 };
                prop_assert!((a.iter().sum::<f32>() - expected).abs() < 1e-5, "{name}: {a:?}");
                prop_assert!(a.iter().zip(user).all(|(&w, &item)| item != 0 || w == 0.0), "{name}: padding weighs");
            }
        }
    }
}

fn upside_f(rows: &[Vec<f32>]) -> Vec<Vec<f32>> {
    rows.iter().rev().cloned().collect()
}

/// The gradient of the loss in every direction of a few, against finite differences.
#[test]
fn gradients_agree_with_finite_differences() {
    let history = vec![
        vec![0, 0, 3, 8, 5, 11, 2],
        vec![0, 0, 0, 0, 0, 4, 9],
        vec![0; 7],
        vec![7, 6, 1, 13, 12, 20, 21],
    ];
    let candidates = vec![vec![1, 14, 15], vec![3, 17, 4], vec![5, 6, 7], vec![22, 23, 2]];
    let world = World::new(3);
    for (name, kind, config) in variants() {
        // A selection jumps; all events are kept, so that the loss is smooth.
        let config = ModelConfig { top_k: 7, stage_one_top_k: 7, ..config };
        let device = Device::flex().autodiff();
        let model = build(kind, &config, 7, &device);
        let loss = |model: &AnyModel, device: &Device| {
            let (h, c) = (world.events(&history, device), world.events(&candidates, device));
            let scores = model.score(&h, &c);
            let labels = Tensor::<2>::from_data([[1.0, 0.0, 0.0]; 4], device);
            model.loss(&scores, &labels, &c.mask)
        };
        let value = loss(&model, &device);
        let grads = value.backward();
        let gradient = support::gradients(&model, &grads);
        let state = state_dict(&model);
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for (tensor, array) in &gradient {
            if array.values.iter().all(|&g| g == 0.0) {
                continue;
            }
            // One random direction a tensor, central differences in f32.
            let direction: Vec<f32> = array.values.iter().map(|_| 2.0 * rng.random::<f32>() - 1.0).collect();
            let analytic: f64 = array.values.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
            let at = |step: f32| {
                let mut moved = state.clone();
                let values = &mut moved.get_mut(tensor).unwrap().values;
                values.iter_mut().zip(&direction).for_each(|(v, d)| *v += step * d);
                let plain = Device::flex().autodiff();
                let fresh = kind.build(&config, 7, &plain).unwrap();
                let model = load_state_dict(fresh, &moved, "test").unwrap().0;
                f64::from(loss(&model, &plain).into_scalar::<f32>())
            };
            // A large step may cross a kink of a relu, a small one drowns in f32 rounding, and a kink nearby lies on one side: one
            // of these has to agree.
            let slope = |from: f32, to: f32| (at(to) - at(from)) / f64::from(to - from);
            let central = [4e-3, 1e-3, 2.5e-4].map(|step| slope(-step, step));
            let numeric = [central.to_vec(), vec![slope(0.0, 5e-4), slope(-5e-4, 0.0)]].concat();
            let bound = 2e-3 + 0.03 * analytic.abs();
            let agrees = numeric.iter().any(|n| (n - analytic).abs() < bound);
            assert!(agrees, "{name}, {tensor}: {numeric:?} against {analytic}");
        }
        let trained = gradient.values().filter(|a| a.values.iter().any(|&g| g != 0.0)).count();
        assert!(trained > 8, "{name}: only {trained} tensors get a gradient");
    }
}
