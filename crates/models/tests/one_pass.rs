//! Several targets of a user in one pass: the numbers of separate examples, and nothing of what comes later.

#[allow(dead_code, reason = "the golden tests use the rest of it")]
mod support;
mod world;

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use proptest::prelude::*;
use seminar_models::fused::composed;
use seminar_models::losses::{grouped_softmax, sampled_softmax};
use seminar_models::weights::StateDict;
use seminar_models::{AnyModel, Events, ModelConfig, ModelKind, SequenceModel, Successors, Times, integers};
use world::{ITEMS, World, build, config, variants};

/// Length of histories.
const L: usize = 7;
/// Candidates of a target.
const G: usize = 3;

/// A user's events, the newest last, and negatives of each of its targets: every event but the first is one, and so is `target`.
#[derive(Clone, Debug)]
struct User {
    events: Vec<u32>,
    target: u32,
    negatives: Vec<[u32; G - 1]>,
}

fn users() -> impl Strategy<Value = Vec<User>> {
    let item = || 1u32..ITEMS as u32;
    let user = (prop::collection::vec(item(), 1..=L), item(), prop::collection::vec([item(), item()], L));
    let user = user.prop_map(|(events, target, negatives)| User { events, target, negatives });
    prop::collection::vec(user, 1..4)
}

fn padded(events: &[u32]) -> Vec<u32> {
    [vec![0; L - events.len()], events.to_vec()].concat()
}

/// The candidates of the target that `back` events follow.
fn group(user: &User, back: usize) -> Vec<u32> {
    let target = if back == 0 { user.target } else { user.events[user.events.len() - back] };
    [&[target], &user.negatives[back][..]].concat()
}

/// When event `at` of user `user` was; an event after the last one is the request.
fn time(user: usize, at: usize) -> i64 {
    (at * at * 900 + at * 7 + user * 40_000) as i64
}

/// The times of histories of so many events, with the user whose they are, and of the requests that follow them.
fn times(histories: &[(usize, usize)]) -> Option<Arc<Times>> {
    let row = |&(user, count): &(usize, usize)| {
        (0..L).map(move |l| (l + count).checked_sub(L).map_or(i64::MIN, |at| time(user, at)))
    };
    let events = histories.iter().flat_map(row).collect();
    let requests = histories.iter().map(|&(user, count)| time(user, count)).collect();
    Some(Arc::new(Times { events, requests }))
}

/// All targets: histories once, `[B, T · G]` candidates and what each of them sees.
fn one_pass(world: &World, users: &[User], device: &Device) -> (Events, Events, Tensor<2>) {
    let most = users.iter().map(|user| user.events.len()).max().unwrap();
    let mut sees = Vec::new();
    let row = |user: &User, sees: &mut Vec<u32>| {
        let targets = user.events.len();
        let mut row: Vec<u32> = (0..targets).flat_map(|back| group(user, back)).collect();
        row.resize(most * G, 0);
        sees.extend((0..most).flat_map(|back| [if back < targets { (L - back) as u32 } else { 0 }; G]));
        row
    };
    let candidates: Vec<Vec<u32>> = users.iter().map(|user| row(user, &mut sees)).collect();
    let histories: Vec<Vec<u32>> = users.iter().map(|user| padded(&user.events)).collect();
    let shape = [users.len(), most * G];
    let labels: Vec<f32> = (0..shape[0] * shape[1]).map(|at| if at % G == 0 { 1.0 } else { 0.0 }).collect();
    let candidates =
        Events { sees: Some(integers(shape, &sees, device)), ..world.events(&candidates, device) };
    let labels = Tensor::from_data(burn::tensor::TensorData::new(labels, shape), device);
    let lengths: Vec<_> = users.iter().map(|user| user.events.len()).enumerate().collect();
    (Events { times: times(&lengths), ..world.events(&histories, device) }, candidates, labels)
}

/// The same targets, an example each.
fn separate(world: &World, users: &[User], device: &Device) -> (Events, Events, Tensor<2>) {
    let each = || users.iter().flat_map(|user| (0..user.events.len()).map(move |back| (user, back)));
    let histories: Vec<Vec<u32>> =
        each().map(|(user, back)| padded(&user.events[..user.events.len() - back])).collect();
    let candidates: Vec<Vec<u32>> = each().map(|(user, back)| group(user, back)).collect();
    let labels = Tensor::<2>::from_data([[1.0, 0.0, 0.0]], device).repeat_dim(0, histories.len());
    let lengths = |(user, own): (usize, &User)| {
        let count = own.events.len();
        (0..count).map(move |back| (user, count - back))
    };
    let lengths: Vec<_> = users.iter().enumerate().flat_map(lengths).collect();
    let history = Events { times: times(&lengths), ..world.events(&histories, device) };
    (history, world.events(&candidates, device), labels)
}

/// Loss with the tower's own, over the newest `newest` positions, and gradients.
fn learned(
    model: &AnyModel,
    world: &World,
    (history, candidates, labels): &(Events, Events, Tensor<2>),
    newest: usize,
) -> (f64, StateDict) {
    let device = history.inverse.device();
    let scores = model.score(history, candidates);
    let mut loss = model.loss(&scores, labels, &candidates.mask);
    let shared: Vec<u32> = (5..ITEMS as u32).collect();
    let negatives = world.events(std::slice::from_ref(&shared), &device);
    let rows = negatives.inverse.clone().flatten::<1>(0, 1);
    let all = negatives.unique;
    let negatives = seminar_models::UniqueEvents {
        item: all.item.select(0, rows.clone()),
        query: all.query.zeros_like().select(0, rows.clone()),
        has_query: all.has_query.zeros_like().select(0, rows.clone()),
        text: all.text.map(|text| {
            seminar_models::Modality::new(
                text.rows.select(0, rows.clone()),
                text.present.select(0, rows.clone()),
            )
        }),
        image: None,
        attribute: all.attribute.map(|own| {
            seminar_models::Modality::new(
                own.rows.select(0, rows.clone()),
                own.present.select(0, rows.clone()),
            )
        }),
    };
    let same: Vec<Option<u32>> = (0..ITEMS as u32).map(|item| item.checked_sub(5)).collect();
    let batch = Successors { history, candidates, negatives: &negatives, same: [same.clone(), same], newest };
    if let Some(successors) = model.successor_loss(&scores, &batch) {
        loss = loss + successors;
    }
    (f64::from(loss.clone().into_scalar::<f32>()), support::gradients(model, &loss.backward()))
}

/// Whether gradients are the same but for rounding; else which are not.
fn near(own: &StateDict, expected: &StateDict) -> Result<(), String> {
    for (tensor, array) in own {
        let theirs = &expected[tensor].values;
        let largest = theirs.iter().fold(1e-3f32, |most, value| most.max(value.abs()));
        let far = |(a, b): &(&f32, &f32)| (*a - *b).abs() >= 2e-5 * largest.max(1.0);
        if let Some((a, b)) = array.values.iter().zip(theirs).find(far) {
            return Err(format!("{tensor}: {a} {b}"));
        }
    }
    if own.len() == expected.len() { Ok(()) } else { Err("other tensors have gradients".into()) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn one_pass_equals_separate_examples(users in users(), seed in any::<u64>()) {
        let (world, device) = (World::new(seed), Device::flex().autodiff());
        for (name, kind, config) in variants() {
            // A tower that reads less than the history forgets in one pass what it never sees in separate examples.
            let mut config = config;
            config.short_term.iter_mut().for_each(|tower| tower.events = L);
            let model = build(kind, &config, L, &device);
            let (one, own) = learned(&model, &world, &one_pass(&world, &users, &device), L);
            let (several, expected) = learned(&model, &world, &separate(&world, &users, &device), 1);
            prop_assert!((one - several).abs() < 1e-5 * several.abs().max(1.0), "{name}: {one} {several}");
            prop_assert!(near(&own, &expected).is_ok(), "{name}, {}", near(&own, &expected).unwrap_err());
        }
    }

    /// Fused functions against the tensor operators in whose place they stand: loss and every gradient, in one pass and in separate
    /// examples, with histories longer than what is kept.
    #[test]
    fn fused_functions_give_the_numbers_of_tensor_operators(users in users(), seed in any::<u64>()) {
        let (world, device) = (World::new(seed), Device::flex().autodiff());
        for (name, kind, config) in variants() {
            let model = build(kind, &config, L, &device);
            for batch in [one_pass(&world, &users, &device), separate(&world, &users, &device)] {
                let (loss, own) = learned(&model, &world, &batch, L);
                let (theirs, expected) = composed(|| learned(&model, &world, &batch, L));
                prop_assert!((loss - theirs).abs() < 1e-5 * theirs.abs().max(1.0), "{name}: {loss} {theirs}");
                prop_assert!(near(&own, &expected).is_ok(), "{name}, {}", near(&own, &expected).unwrap_err());
            }
        }
    }

    #[test]
    fn a_target_sees_neither_itself_nor_what_follows(users in users(), other in 1u32..ITEMS as u32, seed in any::<u64>()) {
        let (world, device) = (World::new(seed), Device::flex().autodiff());
        for (name, kind, config) in variants() {
            let model = build(kind, &config, L, &device);
            let logits = |users: &[User]| -> Vec<Vec<f32>> {
                let (history, candidates, _) = one_pass(&world, users, &device);
                let [_, width] = candidates.dims();
                let logits = model.score(&history, &candidates).logits;
                let flat: Vec<f32> = logits.into_data_as::<f32>().try_into_vec().unwrap();
                flat.chunks(width).map(<[f32]>::to_vec).collect()
            };
            let before = logits(&users);
            // Event `l` of each user is another one: targets up to it, of which `back` events follow `l`, do not notice.
            for back in 1..=L {
                let mut changed = users.clone();
                for user in &mut changed {
                    let count = user.events.len();
                    if back <= count {
                        user.events[count - back] = other;
                    }
                }
                let after = logits(&changed);
                for ((user, a), b) in users.iter().zip(&before).zip(&after) {
                    for target in back..user.events.len() {
                        // The first candidate of target `back` is the event itself.
                        let first = target * G + usize::from(target == back);
                        for at in first..(target + 1) * G {
                            prop_assert!((a[at] - b[at]).abs() < 1e-4 * a[at].abs().max(1.0), "{name}: {a:?} {b:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn order_counts_only_with_a_tower_or_biases(mut events in prop::collection::vec(1u32..ITEMS as u32, 3..=L), seed in any::<u64>()) {
        events.sort_unstable();
        events.dedup();
        prop_assume!(events.len() > 2);
        let (world, device) = (World::new(seed), Device::flex());
        let turned: Vec<u32> = events.iter().rev().copied().collect();
        for (name, kind, config) in variants() {
            let config = ModelConfig { top_k: L, stage_one_top_k: L, ..config };
            let model = build(kind, &config, L, &device);
            let logits = |events: &[u32]| -> Vec<f32> {
                let (history, candidates) = ([padded(events)], [vec![3, 9, 14]]);
                let scores = model.score(&world.events(&history, &device), &world.events(&candidates, &device));
                scores.logits.into_data_as::<f32>().try_into_vec().unwrap()
            };
            let (a, b) = (logits(&events), logits(&turned));
            let same = a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-4 * a.abs().max(1.0));
            let ordered = config.short_term.is_some() || config.distance_bias + config.distance_rows > 0 || kind == ModelKind::SasRec;
            prop_assert_eq!(same, !ordered, "{}: {:?} {:?}", name, a, b);
        }
    }

    /// Both losses number by number.
    #[test]
    fn softmax_losses_are_their_formulas(values in prop::collection::vec(-3f32..3.0, 24), keep in prop::collection::vec(any::<bool>(), 12)) {
        let device = Device::flex();
        let log_sum = |logits: &[f64]| logits.iter().map(|z| z.exp()).sum::<f64>().ln();
        let logits = Tensor::<1>::from_floats(&values[..12], &device).reshape([2, 6]);
        let mask = Tensor::<1, burn::tensor::Bool>::from_data(&keep[..], &device).reshape([2, 6]);
        let groups = (0..4).filter(|&group| keep[3 * group]).map(|group| {
            let kept: Vec<f64> = (3 * group..3 * group + 3).filter(|&at| keep[at]).map(|at| f64::from(values[at])).collect();
            log_sum(&kept) - kept[0]
        });
        let groups: Vec<f64> = groups.collect();
        let expected = groups.iter().sum::<f64>() / groups.len().max(1) as f64;
        let found = f64::from(grouped_softmax(logits, &mask, 3).into_scalar::<f32>());
        prop_assert!((found - expected).abs() < 1e-5, "{found} {expected}");

        // Two targets of width 2, four negatives; the second target is negative 3.
        let rows = |at: usize, count: usize| Tensor::<1>::from_floats(&values[at..at + 2 * count], &device).reshape([count, 2]);
        let dot = |a: usize, b: usize| f64::from(values[a] * values[b] + values[a + 1] * values[b + 1]);
        let one = |target: usize| {
            let positive = dot(2 * target, 4 + 2 * target);
            let others = (0..4).filter(|&n| !(target == 1 && n == 3)).map(|n| dot(2 * target, 8 + 2 * n));
            log_sum(&std::iter::once(positive).chain(others).collect::<Vec<f64>>()) - positive
        };
        let expected = (one(0) + one(1)) / 2.0;
        let loss = sampled_softmax(rows(0, 2), rows(4, 2), rows(8, 4), &[None, Some(3)]);
        let found = f64::from(loss.into_scalar::<f32>());
        prop_assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
}

#[test]
fn a_tower_of_unfit_settings_is_refused() {
    let refused = |change: fn(&mut seminar_models::parts::ShortTermConfig)| {
        let mut tower = seminar_models::parts::ShortTermConfig::default();
        change(&mut tower);
        let config = ModelConfig { short_term: Some(tower), ..config() };
        ModelKind::SasRec.build(&config, L, &Device::flex()).unwrap_err().to_string()
    };
    assert!(refused(|tower| tower.heads = 3).contains("3 heads do not divide the width 8"));
    assert!(refused(|tower| tower.layers = 0).contains("layers"));
    assert!(refused(|tower| tower.events = usize::MAX).contains("events"));
    assert!(refused(|tower| tower.dropout = 1.0).contains("dropout"));
}
