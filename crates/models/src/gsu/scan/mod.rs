//! Search and attention in one pass over each user's events.
//!
//! Tensor operators would write every score, every selection and every weight, `[B, C, H, L]`, to memory and read it
//! back. Here a user's events are packed once, and each candidate is scored, cut to its K best and attended to while
//! everything is still in cache. Padding is not even looked at. Users are independent, so the bits of the result do
//! not depend on the number of threads.

mod cut;
mod kernel;
mod user;

use burn::tensor::{Tensor, TensorData};
use pulp::{Arch, Simd};
use rayon::prelude::*;

pub(crate) use self::kernel::{PANEL, pack, pack_part, products};
pub(crate) use self::kernel::{add_scaled, softmax, weighted_sum};
pub(crate) use self::user::{Record, Trace, all_products};
use self::user::{Scratch, User};
use super::unit::{Gsu, HostGsu};
use crate::events::{Events, host_bools, host_integers};
use crate::parts::{Pairs, TargetAttention};

/// What a scan gives.
pub(crate) struct Scanned {
    /// The exact search unit's output `[B, C, D]`.
    pub attended: Tensor<3>,
    /// The weight of each event in it, a mean over heads, `[B, C, L]`, where that was asked for.
    pub weights: Option<Tensor<3>>,
}

/// Searches by `gsu`, and attends to the `top_k` events that it keeps, without a tape. All candidates see the whole history.
pub(crate) fn scan<G: Gsu>(
    attention: &TargetAttention,
    gsu: &G,
    pairs: &Pairs<'_>,
    top_k: usize,
    with_weights: bool,
) -> Scanned {
    let [batch, count] = pairs.candidates.dims();
    let [_, length] = pairs.history.dims();
    let (absorbed, shifts) = attention.absorb(&pairs.targets);
    let mut plan = Plan::of(attention, gsu, pairs, top_k);
    let mut rows = host_rows(&pairs.events);
    if let Some(recency) = &attention.recency {
        plan.recency = recency.host(pairs.history, pairs.candidates);
        let added = recency.host_rows(pairs.history, pairs.candidates);
        plan.by_position = !added.is_empty();
        if plan.by_position {
            let placed =
                plan.inverse.iter().flat_map(|&row| &rows[row as usize * plan.width..][..plan.width]);
            rows = placed.zip(&added).map(|(value, added)| value + added).collect();
        }
    }
    // As published, users without events have an output, too: it is made of their means.
    let output = attention.masks_padding().then(|| Output::of(attention, plan.width));
    let (absorbed, shifts) = (host_rows(&absorbed), host_rows(&shifts));
    let task =
        Task { plan: &plan, pairs: &rows, absorbed: &absorbed, shifts: &shifts, output: output.as_ref() };
    let mut weights = with_weights.then(|| vec![0.0; batch * count * length]);
    let records = match &mut weights {
        Some(all) => all.chunks_exact_mut(count * length).map(Record::Weights).collect(),
        None => (0..batch).map(|_| Record::Nothing).collect(),
    };
    let means = task.run(records);
    let device = pairs.events.device();
    let weights =
        weights.map(|weights| Tensor::from_data(TensorData::new(weights, [batch, count, length]), &device));
    let attended = match output {
        Some(_) => Tensor::from_data(TensorData::new(means, [batch, count, plan.width]), &device),
        None => {
            let means = TensorData::new(means, [batch * count, plan.heads * plan.width]);
            attention.combine(Tensor::from_data(means, &device), pairs.any(None))
        }
    };
    Scanned { attended, weights }
}

/// What makes the exact search unit's output of the heads' means: values and output in one.
pub(crate) struct Output {
    /// `W_V W_O` of all heads, `[H·D, D]`, each row padded to whole vectors.
    pub weight: Vec<f32>,
    /// What their biases add up to, `[D]`.
    pub offset: Vec<f32>,
}

impl Output {
    fn of(attention: &TargetAttention, width: usize) -> Self {
        let (weight, offset) = attention.values_and_output(width);
        let padded = width.next_multiple_of(16);
        let mut rows = Vec::with_capacity(attention.query.len() * width * padded);
        for row in host_rows(&weight).chunks_exact(width) {
            rows.extend_from_slice(row);
            rows.resize(rows.len() + padded - width, 0.0);
        }
        Self { weight: rows, offset: host_rows(&offset) }
    }
}

/// What a batch looks at: everything but the vectors.
#[derive(Debug)]
pub(crate) struct Plan<G> {
    /// D.
    pub width: usize,
    /// L.
    pub length: usize,
    /// H.
    pub heads: usize,
    /// C.
    pub count: usize,
    top_k: usize,
    mask_padding: bool,
    padding_is_zero: bool,
    /// The unique event at each position, `[B, L]`.
    pub inverse: Vec<u32>,
    /// There is a row for each position in place of one for each unique event.
    by_position: bool,
    /// Padding mask, `[B, L]`.
    mask: Vec<bool>,
    /// Rows of targets, `[B, C]`.
    pub candidates: Vec<u32>,
    /// How many positions each candidate sees, `[B, C]`; nothing where all see everything.
    sees: Vec<u32>,
    /// What distances and times add to scores, `[B, H, L]`, or nothing.
    recency: Vec<f32>,
    gsu: G,
}

impl<G: HostGsu> Plan<G> {
    /// The plan of a batch, without distances and times.
    pub fn of<S: Gsu<Host = G>>(
        attention: &TargetAttention,
        gsu: &S,
        pairs: &Pairs<'_>,
        top_k: usize,
    ) -> Self {
        let ([_, length], [_, count]) = (pairs.history.dims(), pairs.candidates.dims());
        Self {
            width: pairs.events.dims()[1],
            length,
            heads: attention.query.len(),
            count,
            top_k,
            mask_padding: attention.masks_padding(),
            padding_is_zero: S::PADDING_IS_ZERO,
            inverse: positions(pairs.history),
            by_position: false,
            mask: host_bools(&pairs.history.mask),
            candidates: positions(pairs.candidates),
            sees: pairs.candidates.sees.as_ref().map(host_integers).unwrap_or_default(),
            recency: Vec::new(),
            gsu: gsu.host(),
        }
    }
}

/// A plan with the vectors.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a, G> {
    /// What is looked at.
    pub plan: &'a Plan<G>,
    /// `[U, D]`, or `[B·L, D]`.
    pub pairs: &'a [f32],
    /// `[V, H·D]`.
    pub absorbed: &'a [f32],
    /// `[V, H]`.
    pub shifts: &'a [f32],
    /// If it is there, the output is computed in place of the means.
    pub output: Option<&'a Output>,
}

impl<G: HostGsu> Task<'_, G> {
    /// The weighted means of all users, `[B, C, H, D]`, or the output, `[B, C, D]`. Each user's record keeps what it asks for.
    pub fn run(&self, records: Vec<Record<'_>>) -> Vec<f32> {
        self.run_with(records, &|work| Arch::new().dispatch(work))
    }

    fn run_with(&self, records: Vec<Record<'_>>, one: OneUser<'_, G>) -> Vec<f32> {
        let Plan { count, heads, width, .. } = *self.plan;
        let size = if self.output.is_some() { count * width } else { count * heads * width };
        let mut means = vec![0.0; records.len() * size];
        let outputs = means.par_chunks_exact_mut(size).zip(records).enumerate();
        outputs.for_each_init(Scratch::default, |scratch, (user, (out, record))| {
            one(User { task: self, user, scratch, out, record });
        });
        means
    }
}

type OneUser<'a, G> = &'a (dyn Fn(User<'_, G>) + Sync);

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

    struct Batch<G> {
        plan: Plan<G>,
        pairs: Vec<f32>,
        absorbed: Vec<f32>,
        shifts: Vec<f32>,
    }

    /// A batch of random numbers; a few histories are short or empty.
    fn batch<G>(search: impl FnOnce(Draw<'_>) -> G, padding_is_zero: bool, heads: usize) -> Batch<G> {
        let (users, length, count, width, distinct) = (7, 45, 5, 20, 60);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let index = |rng: &mut ChaCha8Rng, n: usize| (0..n).map(|_| rng.random_range(0..distinct)).collect();
        let (history, candidates) = (index(&mut rng, users * length), index(&mut rng, users * count));
        let mut draw = |n: usize| -> Vec<f32> {
            (0..n * distinct as usize).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect()
        };
        let (pairs, absorbed, shifts) = (draw(width), draw(width * heads), draw(heads));
        let recency = draw(users * length)[..users * length * heads].to_vec();
        let plan = Plan {
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
            // Candidates see all, or a part.
            sees: (0..users * count).map(|at| [45, 45, 44, 20, 0][at % count]).collect(),
            candidates,
            recency,
            gsu: search(&mut draw),
        };
        Batch { plan, pairs, absorbed, shifts }
    }

    fn check<G: HostGsu>(Batch { plan, pairs, absorbed, shifts }: &Batch<G>) {
        let task = Task { plan, pairs, absorbed, shifts, output: None };
        let Plan { length, count, heads, top_k, .. } = *plan;
        let users = plan.candidates.len() / count;
        let mut sums = vec![0.0; users * count * length];
        let records = sums.chunks_exact_mut(count * length).map(Record::Weights).collect();
        let scalar = task.run_with(records, &|user| user.run(Scalar::new()));
        let mut traces = vec![Trace::default(); users];
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            traces.fill(Trace::default());
            let vectors = pool.install(|| task.run(traces.iter_mut().map(Record::Trace).collect()));
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert!(bits(&vectors) == bits(&scalar));
        }
        assert!(scalar.iter().any(|&x| x != 0.0) && scalar.iter().all(|x| x.is_finite()));
        // The weights of each candidate sum to 1, if it sees an event, and lie on what it sees; traces say the same.
        for (at, weights) in sums.chunks_exact(length).enumerate() {
            let (user, number) = (at / count, at % count);
            let sees = plan.sees[at] as usize;
            let any = plan.mask[user * length..][..sees].contains(&true);
            let expected = if any { 1.0 } else { 0.0 };
            assert!((weights.iter().sum::<f32>() - expected).abs() < 1e-5, "candidate {at}");
            assert!(
                weights[sees..].iter().all(|&weight| weight == 0.0),
                "candidate {at} sees what comes later"
            );
            let kept = weights.iter().filter(|&&w| w > 0.0).count();
            assert!(kept <= top_k * heads, "candidate {at} leans on {kept} events");
            let trace = &traces[user];
            let mut traced = vec![0.0; length];
            for row in number * heads..(number + 1) * heads {
                let Some(&end) = trace.ends.get(row) else { continue };
                let start = row.checked_sub(1).map_or(0, |before| trace.ends[before]);
                for at in start as usize..end as usize {
                    let l = trace.positions[trace.kept[at] as usize];
                    traced[l as usize] += trace.weights[at] / heads as f32;
                }
            }
            assert!(traced == weights, "candidate {at}");
        }
    }

    /// The output in place of the means, for users with few events and with many.
    #[test]
    fn outputs_are_what_is_made_of_means() {
        let heads = 3;
        let close = |a: f32, b: f32| (a - b).abs() < 1e-4 * b.abs().max(1.0);
        for many in [false, true] {
            let Batch { mut plan, pairs, absorbed, shifts } = batch(|_| Heads, true, heads);
            plan.sees.clear();
            if many {
                // Two users' histories as one.
                plan.length *= 2;
                plan.inverse.truncate(3 * plan.length);
                plan.mask = vec![true; 3 * plan.length];
                plan.candidates.truncate(3 * plan.count);
                plan.recency.clear();
            }
            let (width, padded) = (plan.width, plan.width.next_multiple_of(16));
            let weight = |row: usize, column: usize| ((row * 7 + column * 3) % 13) as f32 / 13.0 - 0.5;
            let offset: Vec<f32> = (0..width).map(|column| column as f32 / 9.0).collect();
            let rows = (0..heads * width).flat_map(|row| {
                (0..padded).map(move |column| if column < width { weight(row, column) } else { 0.0 })
            });
            let output = Output { weight: rows.collect(), offset: offset.clone() };
            let means =
                Task { plan: &plan, pairs: &pairs, absorbed: &absorbed, shifts: &shifts, output: None };
            let task = Task { output: Some(&output), ..means };
            let records = || (0..plan.candidates.len() / plan.count).map(|_| Record::Nothing).collect();
            let (means, vectors) = (means.run(records()), task.run(records()));
            let scalar = task.run_with(records(), &|user| user.run(Scalar::new()));
            assert!(vectors.iter().zip(&scalar).all(|(a, b)| a.to_bits() == b.to_bits()));
            for (at, (out, means)) in
                vectors.chunks_exact(width).zip(means.chunks_exact(heads * width)).enumerate()
            {
                let user = at / plan.count;
                let any = plan.mask[user * plan.length..][..plan.length].contains(&true);
                for (column, &value) in out.iter().enumerate() {
                    let sum: f32 =
                        means.iter().enumerate().map(|(row, mean)| mean * weight(row, column)).sum();
                    assert!(close(value, if any { sum + offset[column] } else { 0.0 }), "candidate {at}");
                }
            }
        }
    }

    #[test]
    fn vectors_give_the_bits_of_scalars_on_any_number_of_threads() {
        fn rows(draw: Draw<'_>) -> HostProduct {
            HostProduct { width: 12, targets: draw(12), keys: draw(12), padding: None }
        }
        check(&batch(|_| Heads, true, 4));
        check(&batch(|_| Recent, false, 3));
        check(&batch(rows, true, 4));
        let codes = |draw: Draw<'_>| {
            let words = |rows: Vec<f32>| rows.iter().map(|x| u64::from(x.to_bits()) * 0x9e37_79b9).collect();
            Codes { bits: 192, words: 3, targets: words(draw(3)), keys: words(draw(3)) }
        };
        check(&batch(codes, true, 1));
        let two_stages = |draw: Draw<'_>| HostQueryThenItem {
            by_query: rows(draw),
            by_item: rows(draw),
            keep: 15,
            has_query: Some((0..60).map(|i| (i % 2) as f32).collect()),
        };
        check(&batch(two_stages, true, 4));
    }
}
