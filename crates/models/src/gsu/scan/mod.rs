//! Search and attention in one pass over each user's events, for scoring without a tape.
//!
//! Tensor operators would write every score, every selection and every weight, `[B, C, H, L]`, to memory and read it
//! back. Here a user's events are packed once, and each candidate is scored, cut to its K best and attended to while
//! everything is still in cache. Padding is not even looked at. Users are independent, so the bits of the result do
//! not depend on the number of threads.

mod cut;
mod kernel;

use burn::tensor::{Tensor, TensorData};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

pub(crate) use self::kernel::softmax;
pub(super) use self::kernel::{PANEL, pack, products};
use super::unit::{Candidate, Gsu, HostGsu, Seen};
use crate::events::{Events, host_integers};
use crate::parts::{Pairs, TargetAttention};

/// What a scan gives.
pub(crate) struct Scanned {
    /// The exact search unit's output `[B, C, D]`.
    pub attended: Tensor<3>,
    /// The weight of each event in it, a mean over heads, `[B, C, L]`, where that was asked for.
    pub weights: Option<Tensor<3>>,
}

/// Searches by `gsu`, and attends to the `top_k` events that it keeps.
pub(crate) fn scan<G: Gsu>(
    attention: &TargetAttention,
    gsu: &G,
    pairs: &Pairs<'_>,
    top_k: usize,
    with_weights: bool,
) -> Scanned {
    let [batch, count] = pairs.candidates.dims();
    let [_, length] = pairs.history.dims();
    let heads = attention.query.len();
    let (absorbed, shifts) = attention.absorb(&pairs.targets);
    let [_, width] = pairs.events.dims();
    let recency = attention.recency.as_ref();
    let inverse = positions(pairs.history);
    let mut rows = host_rows(&pairs.events);
    let added = recency.map(|recency| recency.host_rows(pairs.history, pairs.candidates)).unwrap_or_default();
    let by_position = !added.is_empty();
    if by_position {
        let placed = inverse.iter().flat_map(|&row| &rows[row as usize * width..][..width]);
        rows = placed.zip(&added).map(|(value, added)| value + added).collect();
    }
    let task = Task {
        width,
        length,
        heads,
        count,
        top_k,
        mask_padding: attention.masks_padding(),
        padding_is_zero: G::PADDING_IS_ZERO,
        inverse,
        by_position,
        mask: pairs.history.mask.to_data_as::<bool>().try_into_vec().expect("the data was converted to bool"),
        candidates: positions(pairs.candidates),
        pairs: rows,
        absorbed: host_rows(&absorbed),
        shifts: host_rows(&shifts),
        recency: recency.map(|recency| recency.host(pairs.history, pairs.candidates)).unwrap_or_default(),
        gsu: gsu.host(),
    };
    let (means, weights) = task.run(with_weights, &|user, scratch, out, weights| {
        Arch::new().dispatch(User { task: &task, user, scratch, out, weights });
    });
    let device = pairs.events.device();
    let means = Tensor::from_data(TensorData::new(means, [batch * count, heads * task.width]), &device);
    let weights =
        weights.map(|weights| Tensor::from_data(TensorData::new(weights, [batch, count, length]), &device));
    Scanned { attended: attention.combine(means, pairs.any(None)), weights }
}

/// A batch on the host.
struct Task<G> {
    width: usize,
    length: usize,
    heads: usize,
    count: usize,
    top_k: usize,
    mask_padding: bool,
    padding_is_zero: bool,
    /// The unique event at each position, `[B, L]`.
    inverse: Vec<u32>,
    /// `pairs` has a row for each position in place of one for each unique event.
    by_position: bool,
    /// Padding mask, `[B, L]`.
    mask: Vec<bool>,
    /// Rows of targets, `[B, C]`.
    candidates: Vec<u32>,
    /// `[U, D]`, or `[B·L, D]`.
    pairs: Vec<f32>,
    /// `[V, H·D]`.
    absorbed: Vec<f32>,
    /// `[V, H]`.
    shifts: Vec<f32>,
    /// What distances and times add to scores, `[B, H, L]`, or nothing.
    recency: Vec<f32>,
    gsu: G,
}

/// Working memory of a thread.
#[derive(Default)]
struct Scratch<T> {
    /// Positions that are looked at, and their rows.
    positions: Vec<u32>,
    rows: Vec<u32>,
    /// Their rows of `pairs`.
    own: Vec<u32>,
    /// Keys of the attention in panels.
    panels: Vec<f32>,
    /// Events row after row, for the weighted means.
    events: Vec<f32>,
    /// Scores of the attention's heads.
    scores: Vec<f32>,
    kept: Vec<u32>,
    weights: Vec<f32>,
    /// Of the search.
    gsu: T,
}

type OneUser<'a, G> =
    &'a (dyn Fn(usize, &mut Scratch<<G as HostGsu>::Scratch>, &mut [f32], Option<&mut [f32]>) + Sync);

impl<G: HostGsu> Task<G> {
    /// The weighted means of all users, `[B, C, H, D]`; and the weights `[B, C, L]`, if asked for.
    fn run(&self, with_weights: bool, one: OneUser<'_, G>) -> (Vec<f32>, Option<Vec<f32>>) {
        let users = self.candidates.len() / self.count;
        let (size, area) = (self.count * self.heads * self.width, self.count * self.length);
        let mut means = vec![0.0; users * size];
        let mut weights = with_weights.then(|| vec![0.0; users * area]);
        let per_user: Vec<Option<&mut [f32]>> = match &mut weights {
            Some(all) => all.chunks_exact_mut(area).map(Some).collect(),
            None => (0..users).map(|_| None).collect(),
        };
        let outputs = means.par_chunks_exact_mut(size).zip(per_user).enumerate();
        outputs.for_each_init(Scratch::default, |scratch, (user, (out, weights))| {
            one(user, scratch, out, weights)
        });
        (means, weights)
    }
}

/// The work on one user.
struct User<'a, G: HostGsu> {
    task: &'a Task<G>,
    user: usize,
    scratch: &'a mut Scratch<G::Scratch>,
    /// `[C, H, D]`.
    out: &'a mut [f32],
    /// `[C, L]`.
    weights: Option<&'a mut [f32]>,
}

impl<G: HostGsu> WithSimd for User<'_, G> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.run(simd);
    }
}

impl<G: HostGsu> User<'_, G> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Task { width, length, heads, top_k, mask_padding, padding_is_zero, .. } = *self.task;
        let Self { task, user, scratch, out, weights: mut explained } = self;
        let Scratch { positions, rows, own, panels, events, scores, kept, weights, gsu } = scratch;
        let mask = &task.mask[user * length..][..length];
        positions.clear();
        positions.extend((0..length as u32).filter(|&l| mask[l as usize] || !mask_padding));
        if positions.is_empty() {
            return;
        }
        rows.clear();
        rows.extend(positions.iter().map(|&l| task.inverse[user * length + l as usize]));
        own.clear();
        match task.by_position {
            true => own.extend(positions.iter().map(|&l| (user * length) as u32 + l)),
            false => own.extend_from_slice(rows),
        }
        let seen = Seen { positions, rows, mask, length };

        pack(&task.pairs, width, own, panels);
        let padded_width = width.next_multiple_of(16);
        // As published, padding that is selected enters as a zero row; without a search it does not.
        let is_zero = |l: u32| padding_is_zero && !mask[l as usize];
        events.clear();
        for (&l, &row) in seen.positions.iter().zip(own.iter()) {
            let end = events.len() + padded_width;
            if !is_zero(l) {
                events.extend_from_slice(&task.pairs[row as usize * width..][..width]);
            }
            events.resize(end, 0.0);
        }
        task.gsu.enter(&seen, gsu);
        let stride = seen.len().next_multiple_of(PANEL);
        scores.resize(stride * heads, 0.0);
        kept.resize(length, 0);
        weights.resize(length, 0.0);
        let scale = 1.0 / (width as f32).sqrt();
        let candidates = &task.candidates[user * task.count..][..task.count];
        let recency = task.recency.get(user * heads * length..).unwrap_or_default();
        let recency = &recency[..recency.len().min(heads * length)];
        for (number, (&target, out)) in candidates.iter().zip(out.chunks_exact_mut(heads * width)).enumerate()
        {
            let absorbed = &task.absorbed[target as usize * heads * width..][..heads * width];
            let shifts = &task.shifts[target as usize * heads..][..heads];
            all_products(simd, absorbed, panels, width, scores, stride);
            for (row, bias) in scores.chunks_exact_mut(stride).zip(recency.chunks_exact(length)) {
                row.iter_mut().zip(seen.positions).for_each(|(score, &l)| *score += bias[l as usize]);
            }
            let mut count = 0;
            for (head, out) in out.chunks_exact_mut(width).enumerate() {
                let row = &scores[head * stride..][..seen.len()];
                if G::PER_HEAD || head == 0 {
                    let candidate = Candidate { seen: &seen, target, scores: row, k: top_k };
                    count = task.gsu.keep(simd, &candidate, gsu, kept);
                }
                let (kept, weights) = (&kept[..count], &mut weights[..count]);
                for (weight, &at) in weights.iter_mut().zip(kept) {
                    let l = seen.positions[at as usize];
                    let score = match !mask_padding && is_zero(l) {
                        true => recency.get(head * length + l as usize).copied().unwrap_or_default(),
                        false => row[at as usize],
                    };
                    *weight = score + shifts[head];
                }
                kernel::softmax(simd, weights, scale);
                kernel::weighted_sum(simd, weights, kept, events, padded_width, out);
                if let Some(explained) = &mut explained {
                    let explained = &mut explained[number * length..][..length];
                    for (weight, &at) in weights.iter().zip(kept) {
                        explained[seen.positions[at as usize] as usize] += weight / heads as f32;
                    }
                }
            }
        }
    }
}

/// Inner products of all heads' targets `[H, D]` with the packed events, four heads at a time.
#[inline(always)]
fn all_products<S: Simd>(
    simd: S,
    targets: &[f32],
    panels: &[f32],
    width: usize,
    out: &mut [f32],
    stride: usize,
) {
    let groups = targets.chunks(4 * width).zip(out.chunks_mut(4 * stride));
    for (targets, out) in groups {
        if targets.len() == 4 * width {
            let head = |number: usize| &targets[number * width..][..width];
            products(simd, [head(0), head(1), head(2), head(3)], panels, width, out, stride);
        } else {
            for (target, out) in targets.chunks_exact(width).zip(out.chunks_exact_mut(stride)) {
                products(simd, [target], panels, width, out, stride);
            }
        }
    }
}

/// The positions of the `k` best scores, ascending, and their number.
#[inline(always)]
pub(super) fn best<S: Simd>(simd: S, scores: &[f32], k: usize, whole: bool, kept: &mut [u32]) -> usize {
    if k >= scores.len() {
        (0..scores.len() as u32).zip(kept).for_each(|(at, slot)| *slot = at);
        return scores.len();
    }
    cut::cut(simd, scores, k, whole).positions(scores, kept)
}

/// The `k` best among the positions in `kept`, which they replace; returns how many. `values` and `chosen` are working
/// memory for as many numbers.
#[inline(always)]
pub(super) fn best_within<S: Simd>(
    simd: S,
    scores: &[f32],
    k: usize,
    kept: &mut [u32],
    values: &mut [f32],
    chosen: &mut [u32],
) -> usize {
    let count = kept.len();
    if k >= count {
        return count;
    }
    for (slot, &at) in values.iter_mut().zip(kept.iter()) {
        *slot = scores[at as usize];
    }
    let count = cut::cut(simd, &values[..count], k, false).positions(&values[..count], &mut chosen[..count]);
    for (place, &which) in chosen[..count].iter().enumerate() {
        // `which` is never before `place`: what is overwritten has been read.
        kept[place] = kept[which as usize];
    }
    count
}

/// A matrix as plain numbers, row after row.
pub(crate) fn host_rows(tensor: &Tensor<2>) -> Vec<f32> {
    tensor.to_data_as::<f32>().try_into_vec().expect("the data was converted to f32")
}

fn positions(events: &Events) -> Vec<u32> {
    host_integers(&events.inverse)
}

#[cfg(test)]
mod tests {
    use super::super::bits::Codes;
    use super::super::product::HostProduct;
    use super::super::query_then_item::HostQueryThenItem;
    use super::super::{Heads, Recent};
    use super::*;
    use pulp::Scalar;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    type Draw<'a> = &'a mut dyn FnMut(usize) -> Vec<f32>;

    /// A batch of random numbers; a few histories are short or empty.
    fn task<G>(search: impl FnOnce(Draw<'_>) -> G, padding_is_zero: bool, heads: usize) -> Task<G> {
        let (users, length, count, width, distinct) = (7, 45, 5, 20, 60);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let index = |rng: &mut ChaCha8Rng, n: usize| (0..n).map(|_| rng.random_range(0..distinct)).collect();
        let (history, candidates) = (index(&mut rng, users * length), index(&mut rng, users * count));
        let mut draw = |n: usize| -> Vec<f32> {
            (0..n * distinct as usize).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect()
        };
        Task {
            width,
            length,
            heads,
            count,
            top_k: 9,
            mask_padding: true,
            padding_is_zero,
            inverse: history,
            by_position: false,
            mask: (0..users * length).map(|at| at % length >= (at / length) * 8).collect(),
            candidates,
            pairs: draw(width),
            absorbed: draw(width * heads),
            recency: draw(users * length)[..users * length * heads].to_vec(),
            shifts: draw(heads),
            gsu: search(&mut draw),
        }
    }

    fn check<G: HostGsu>(task: &Task<G>) {
        let (scalar, sums) = task.run(true, &|user, scratch, out, weights| {
            User { task, user, scratch, out, weights }.run(Scalar::new());
        });
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (vectors, _) = pool.install(|| {
                task.run(false, &|user, scratch, out, weights| {
                    Arch::new().dispatch(User { task, user, scratch, out, weights });
                })
            });
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert!(bits(&vectors) == bits(&scalar));
        }
        assert!(scalar.iter().any(|&x| x != 0.0) && scalar.iter().all(|x| x.is_finite()));
        // The weights of each candidate sum to 1, for users with an event.
        for (at, weights) in sums.unwrap().chunks_exact(task.length).enumerate() {
            let user = at / task.count;
            let expected =
                if task.mask[user * task.length..][..task.length].contains(&true) { 1.0 } else { 0.0 };
            assert!((weights.iter().sum::<f32>() - expected).abs() < 1e-5, "candidate {at}");
            let kept = weights.iter().filter(|&&w| w > 0.0).count();
            assert!(kept <= task.top_k * task.heads, "candidate {at} leans on {kept} events");
        }
    }

    #[test]
    fn vectors_give_the_bits_of_scalars_on_any_number_of_threads() {
        fn rows(draw: Draw<'_>) -> HostProduct {
            HostProduct { width: 12, targets: draw(12), keys: draw(12), padding: None }
        }
        check(&task(|_| Heads, true, 4));
        check(&task(|_| Recent, false, 3));
        check(&task(rows, true, 4));
        let codes = |draw: Draw<'_>| {
            let words = |rows: Vec<f32>| rows.iter().map(|x| u64::from(x.to_bits()) * 0x9e37_79b9).collect();
            Codes { bits: 192, words: 3, targets: words(draw(3)), keys: words(draw(3)) }
        };
        check(&task(codes, true, 1));
        let two_stages = |draw: Draw<'_>| HostQueryThenItem {
            by_query: rows(draw),
            by_item: rows(draw),
            keep: 15,
            has_query: Some((0..60).map(|i| (i % 2) as f32).collect()),
        };
        check(&task(two_stages, true, 4));
    }
}
