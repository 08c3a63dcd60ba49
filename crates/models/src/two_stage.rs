//! The two stages, one after the other: a general search unit keeps K events, the exact search unit attends to them.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::events::{Events, host_bools, integers};
use crate::gsu::scan::scan;
use crate::gsu::{Gsu, Scene};
use crate::model::Retrieval;
use crate::parts::{NOT_SELECTED, Pairs, Projected, Selection, TargetAttention, attention_weights};

impl TargetAttention {
    /// The general search by `gsu`, then attention over the `top_k` events that it keeps for each candidate.
    ///
    /// Where gradients are recorded, tensors hold every score, `[B, C, H, L]`, in groups of users whose histories are about as long:
    /// most of a batch would be padding. Elsewhere one pass over each user's events gives the same numbers, see [`gsu`](crate::gsu).
    pub fn attend_top_k<G: Gsu>(&self, gsu: &G, pairs: &Pairs<'_>, top_k: usize) -> Retrieval {
        if !pairs.events.device().is_autodiff() {
            let attended = scan(self, gsu, pairs, top_k, false).attended;
            return Retrieval { attended, relevance: None, selection: None };
        }
        if !self.masks_padding() {
            return self.attend_all(gsu, pairs, top_k);
        }
        let [_, length] = pairs.history.dims();
        let groups = by_length(pairs.history);
        match groups.as_slice() {
            [] => self.attend_all(gsu, pairs, top_k),
            [one] if one.columns == length => self.attend_all(gsu, pairs, top_k),
            _ => {
                let parts = groups.iter().map(|group| {
                    let (history, candidates) = group.part(pairs);
                    let part = Pairs { history: &history, candidates: &candidates, ..pairs.clone() };
                    self.attend_all(gsu, &part, top_k)
                });
                together(&groups, parts.collect(), length)
            }
        }
    }

    /// The same for users who are all treated as of one length.
    fn attend_all<G: Gsu>(&self, gsu: &G, pairs: &Pairs<'_>, top_k: usize) -> Retrieval {
        let seen = pairs.seen();
        let Retained { projected, scores, relevance, selection } =
            self.retain(gsu, pairs, top_k, seen.as_ref());
        let attended = self.attend(projected, scores, &selection, pairs.any(seen.as_ref()));
        Retrieval { attended, relevance: Some(relevance), selection: Some(selection) }
    }

    /// The weight that each event has in what [`TargetAttention::attend_top_k`] makes for a candidate, a mean over heads:
    /// `[B, C, L]`, 0 for events that were not kept. They sum to 1 for users with any event.
    pub fn weights_top_k<G: Gsu>(&self, gsu: &G, pairs: &Pairs<'_>, top_k: usize) -> Tensor<3> {
        if !pairs.events.device().is_autodiff() {
            let weights = scan(self, gsu, pairs, top_k, true).weights;
            return weights.expect("the weights were asked for");
        }
        let seen = pairs.seen();
        let Retained { projected, scores, selection, .. } = self.retain(gsu, pairs, top_k, seen.as_ref());
        let width = pairs.events.dims()[1];
        let weights = attention_weights(scores.unwrap_or_else(|| projected.relevance()), width, &selection);
        let weights = weights.mean_dim(2).squeeze_dim::<3>(2);
        if !self.masks_padding() {
            return weights;
        }
        weights * pairs.any(seen.as_ref())
    }

    /// The search with a tape.
    fn retain<G: Gsu>(&self, gsu: &G, pairs: &Pairs<'_>, top_k: usize, seen: Option<&Selection>) -> Retained {
        let Pairs { history, candidates, events, targets, .. } = pairs;
        let mut projected = self.project(history, events.clone(), candidates, targets.clone());
        let mask_padding = self.masks_padding();
        let scene = Scene { history, candidates, projected: &projected, mask_padding, seen };
        let (relevance, selection) = gsu.select(&scene, top_k);
        let zero_rows = !self.masks_padding() && G::PADDING_IS_ZERO;
        if zero_rows {
            projected = projected.with_zero_rows(history);
        }
        let scores = (G::BY_ATTENTION && !zero_rows).then(|| relevance.clone());
        Retained { projected, scores, relevance, selection }
    }
}

/// Users whose histories are about as long.
struct Group {
    /// Their rows.
    users: Vec<u32>,
    /// So many last columns hold all their events.
    columns: usize,
}

/// The shortest group's columns; each next one has twice as many.
const LEAST_COLUMNS: usize = 8;
/// Fewer users are no group of their own: they join the next longer one.
const LEAST_USERS: usize = 8;

/// The users of a batch by the length of their histories, shortest first.
fn by_length(history: &Events) -> Vec<Group> {
    let [_, length] = history.dims();
    let mask = host_bools(&history.mask);
    let columns = |row: &[bool]| {
        let events = length - row.iter().position(|&event| event).unwrap_or(length);
        events.max(LEAST_COLUMNS).next_power_of_two().min(length)
    };
    let mut sizes: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for (user, row) in (0..).zip(mask.chunks_exact(length)) {
        sizes.entry(columns(row)).or_default().push(user);
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut waiting: Vec<u32> = Vec::new();
    let last = sizes.keys().next_back().copied();
    for (columns, mut users) in sizes {
        users.append(&mut waiting);
        if users.len() < LEAST_USERS && Some(columns) != last {
            waiting = users;
        } else {
            users.sort_unstable();
            groups.push(Group { users, columns });
        }
    }
    groups
}

impl Group {
    /// Histories and candidates of the group.
    fn part(&self, pairs: &Pairs<'_>) -> (Events, Events) {
        let [_, length] = pairs.history.dims();
        let left_out = length - self.columns;
        let rows = integers([self.users.len()], &self.users, &pairs.history.inverse.device());
        let history = pairs.history.rows(&rows);
        let candidates = pairs.candidates.rows(&rows);
        (
            Events {
                inverse: history.inverse.narrow(1, left_out, self.columns),
                mask: history.mask.narrow(1, left_out, self.columns),
                ..history
            },
            Events { sees: candidates.sees.map(|sees| (sees - left_out as i64).clamp_min(0)), ..candidates },
        )
    }
}

/// What was found in groups, in the order of users and in `length` columns.
fn together(groups: &[Group], parts: Vec<Retrieval>, length: usize) -> Retrieval {
    let mut places: Vec<(u32, u32)> =
        groups.iter().flat_map(|group| &group.users).copied().zip(0..).collect();
    places.sort_unstable();
    let places: Vec<u32> = places.into_iter().map(|(_, place)| place).collect();
    let order = integers([places.len()], &places, &parts[0].attended.device());
    let attended = parts.iter().map(|part| part.attended.clone()).collect();
    let wide = |tensor: Tensor<4>, fill: f32| {
        let [users, count, heads, columns] = tensor.dims();
        let padding = Tensor::full([users, count, heads, length - columns], fill, &tensor.device());
        if columns == length { tensor } else { Tensor::cat(vec![padding, tensor], 3) }
    };
    let relevance: Option<Vec<_>> =
        parts.iter().map(|part| Some(wide(part.relevance.clone()?, 0.0))).collect();
    let selections: Option<Vec<_>> = parts
        .iter()
        .map(|part| {
            let [_, count, heads, _] = part.relevance.as_ref()?.dims();
            let bias = part.selection.as_ref()?.bias.clone();
            let [users, _, _, columns] = bias.dims();
            Some(wide(bias.expand([users, count, heads, columns]), NOT_SELECTED))
        })
        .collect();
    let joined = |parts: Vec<Tensor<4>>| Tensor::cat(parts, 0).select(0, order.clone());
    Retrieval {
        attended: Tensor::cat(attended, 0).select(0, order.clone()),
        relevance: relevance.map(joined),
        selection: selections.map(|parts| Selection { bias: joined(parts) }),
    }
}

/// What the search leaves for the attention.
struct Retained {
    projected: Projected,
    /// The attention's own scores, where the search has computed them.
    scores: Option<Tensor<4>>,
    relevance: Tensor<4>,
    selection: Selection,
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Bool, Device, TensorData};
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::events::UniqueEvents;
    use crate::gsu::{Heads, Product, Recent};
    use crate::parts::TargetAttentionConfig;

    const D: usize = 6;
    const L: usize = 37;
    const ITEMS: usize = 50;

    fn host<const R: usize>(tensor: Tensor<R>) -> Vec<f32> {
        tensor.into_data_as::<f32>().try_into_vec().unwrap()
    }

    fn events(rows: &Tensor<2>, index: &[Vec<u32>], sees: Option<Vec<u32>>) -> Events {
        let (device, shape) = (rows.device(), [index.len(), index[0].len()]);
        let flat: Vec<u32> = index.iter().flatten().copied().collect();
        let mask: Vec<bool> = flat.iter().map(|&item| item != 0).collect();
        Events {
            unique: UniqueEvents::of_items(rows.clone()),
            inverse: integers(shape, &flat, &device),
            mask: Tensor::<2, Bool>::from_data(TensorData::new(mask, shape), &device),
            sees: sees.map(|sees| integers(shape, &sees, &device)),
        }
    }

    /// Compares groups with the whole batch at once: vectors, selections, relevance of events, and the gradient by the rows.
    fn compare<G: Gsu>(lengths: &[usize], one_pass: bool, seed: u64, gsu: impl Fn(&Tensor<2>) -> G) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let device = Device::flex().autodiff();
        let values: Vec<f32> = (0..ITEMS * D).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect();
        let mut item = || rng.random_range(1..ITEMS as u32);
        let history: Vec<Vec<u32>> = lengths
            .iter()
            .map(|&own| (0..L).map(|l| if l + own >= L { item() } else { 0 }).collect())
            .collect();
        let candidates: Vec<Vec<u32>> = lengths.iter().map(|_| (0..3).map(|_| item()).collect()).collect();
        let sees = one_pass.then(|| {
            let each = |&own: &usize| (0..3).map(move |back| (L - back.min(own)) as u32);
            lengths.iter().flat_map(each).collect::<Vec<u32>>()
        });
        let attention = TargetAttentionConfig { dim: D, heads: 2, distances: 9, ..Default::default() };
        let attention = attention.init(&device);
        let run = |grouped: bool| {
            let rows =
                Tensor::<2>::from_data(TensorData::new(values.clone(), [ITEMS, D]), &device).require_grad();
            let history = events(&rows, &history, None);
            let candidates = events(&rows, &candidates, sees.clone());
            let pairs = Pairs::new(&history, &candidates, rows.clone(), rows.clone());
            let gsu = gsu(&rows);
            let found = match grouped {
                true => attention.attend_top_k(&gsu, &pairs, 5),
                false => attention.attend_all(&gsu, &pairs, 5),
            };
            let relevance = found.relevance.unwrap();
            let selection = Selection { bias: found.selection.unwrap().bias.expand(relevance.dims()) };
            let seen = selection.bias.clone().equal_elem(0.0).float();
            let relevance = relevance * seen;
            let loss = found.attended.clone().powf_scalar(2.0).sum() + relevance.clone().sum();
            let gradient = rows.grad(&loss.backward()).unwrap();
            (host(found.attended), selection.positions(), host(relevance), host(gradient))
        };
        let (own, whole) = (run(true), run(false));
        assert_eq!(own.1, whole.1, "selections");
        let near =
            |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4 * b.abs().max(1.0));
        assert!(near(&own.0, &whole.0) && near(&own.2, &whole.2) && near(&own.3, &whole.3));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn groups_of_users_give_what_all_at_once_give(
            lengths in prop::collection::vec(prop_oneof![0usize..7, 0usize..20, 0usize..=L], 1..60),
            one_pass in any::<bool>(),
            seed in any::<u64>(),
        ) {
            compare(&lengths, one_pass, seed, |_| Heads);
            compare(&lengths, one_pass, seed, |_| Recent);
            compare(&lengths, one_pass, seed, |rows| Product::new(rows.clone(), rows.clone()));
        }
    }

    #[test]
    fn groups_hold_each_user_once_and_all_of_its_events() {
        let device = Device::flex();
        let lengths: Vec<usize> = (0..100).map(|user| user * 7 % (L + 1)).collect();
        let history: Vec<Vec<u32>> =
            lengths.iter().map(|&own| (0..L).map(|l| u32::from(l + own >= L)).collect()).collect();
        let groups = by_length(&events(&Tensor::ones([2, D], &device), &history, None));
        let mut users: Vec<u32> = groups.iter().flat_map(|group| group.users.clone()).collect();
        users.sort_unstable();
        assert_eq!(users, (0..100).collect::<Vec<u32>>());
        assert_eq!(groups.iter().map(|group| group.columns).collect::<Vec<_>>(), [8, 16, 32, L]);
        for group in &groups {
            assert!(group.users.iter().all(|&user| lengths[user as usize] <= group.columns));
        }
    }
}
