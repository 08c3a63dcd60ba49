//! Search and attention as one operation: forward the scan of [`gsu`](crate::gsu), back the same events once more.

use std::sync::{Arc, OnceLock};

use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::rows::sums;
use super::tape::{Function, apply};
use crate::gsu::scan::{PANEL, Plan, Record, Task, Trace, add_scaled, all_products, pack, weighted_sum};
use crate::gsu::{Gsu, HostGsu};
use crate::parts::{Pairs, TargetAttention};

/// The weighted means of the events that `gsu` keeps, `[B·C, H·D]`, recorded on the tape.
pub(crate) fn attend<G: Gsu>(
    attention: &TargetAttention,
    gsu: &G,
    pairs: &Pairs<'_>,
    top_k: usize,
) -> Tensor<2> {
    let (absorbed, shifts) = attention.absorb(&pairs.targets);
    let plan = Plan::of(attention, gsu, pairs, top_k);
    let nothing = Tensor::zeros([1, 1], &pairs.events.device());
    let function = Attend { plan, traces: OnceLock::new() };
    apply([absorbed, pairs.events.clone(), shifts, nothing], Arc::new(function))
}

/// From absorbed targets `[V, H·D]`, events `[U, D]` and shifts `[V, H]` to the means. Shifts change no mean: all scores of a row have
/// the same.
#[derive(Debug)]
struct Attend<G> {
    plan: Plan<G>,
    /// Of each user; written on the way forward.
    traces: OnceLock<Vec<Trace>>,
}

impl<G: HostGsu> Function for Attend<G> {
    fn shape(&self) -> [usize; 2] {
        [self.plan.candidates.len(), self.plan.heads * self.plan.width]
    }

    fn value(&self, [absorbed, pairs, shifts, _]: [&[f32]; 4]) -> Vec<f32> {
        let task = Task { plan: &self.plan, pairs, absorbed, shifts, output: None };
        let mut traces = vec![Trace::default(); self.plan.candidates.len() / self.plan.count];
        let means = task.run(traces.iter_mut().map(Record::Trace).collect());
        self.traces.set(traces).expect("the value is computed once");
        means
    }

    fn slopes(&self, [absorbed, pairs, _, _]: [&[f32]; 4], by_value: &[f32]) -> [Vec<f32>; 4] {
        let [absorbed, pairs] = self.back(absorbed, pairs, by_value, &|user| Arch::new().dispatch(user));
        [absorbed, pairs, Vec::new(), Vec::new()]
    }
}

impl<G: HostGsu> Attend<G> {
    /// The derivatives by absorbed targets and by events; `one` does the work on a user.
    fn back(
        &self,
        absorbed: &[f32],
        pairs: &[f32],
        by_value: &[f32],
        one: &(dyn Fn(User<'_>) + Sync),
    ) -> [Vec<f32>; 2] {
        let Plan { width, heads, count, length, ref inverse, ref candidates, .. } = self.plan;
        let traces = self.traces.get().expect("the value was computed before");
        // Of each candidate, and of each position that was looked at.
        let mut by_candidates = vec![0.0; by_value.len()];
        let mut by_events: Vec<Vec<f32>> =
            traces.iter().map(|trace| vec![0.0; trace.positions.len() * width]).collect();
        // The unique events at each user's positions.
        let row = |user: usize, l: u32| inverse[user * length + l as usize];
        let rows = traces
            .iter()
            .enumerate()
            .map(|(user, trace)| trace.positions.iter().map(|&l| row(user, l)).collect());
        let rows: Vec<Vec<u32>> = rows.collect();
        let size = count * heads * width;
        let outputs = by_candidates.par_chunks_exact_mut(size).zip(&mut by_events).enumerate();
        outputs.for_each_init(Scratch::default, |scratch, (user, (by_candidates, by_events))| {
            let (trace, candidates) = (&traces[user], &candidates[user * count..][..count]);
            let rows = &rows[user];
            let by_value = &by_value[user * size..][..size];
            one(User {
                width,
                heads,
                trace,
                rows,
                candidates,
                absorbed,
                pairs,
                by_value,
                scratch,
                by_candidates,
                by_events,
            });
        });
        let by_absorbed = sums(&by_candidates, heads * width, candidates, absorbed.len() / (heads * width));
        let by_pairs = sums(&by_events.concat(), width, &rows.concat(), pairs.len() / width);
        [by_absorbed, by_pairs]
    }
}

/// Working memory of a thread.
#[derive(Default)]
struct Scratch {
    panels: Vec<f32>,
    events: Vec<f32>,
    products: Vec<f32>,
    slopes: Vec<f32>,
}

/// The way back of one user.
struct User<'a> {
    width: usize,
    heads: usize,
    trace: &'a Trace,
    /// Unique events at the trace's positions.
    rows: &'a [u32],
    /// Unique targets, `[C]`.
    candidates: &'a [u32],
    absorbed: &'a [f32],
    pairs: &'a [f32],
    /// `[C, H, D]`.
    by_value: &'a [f32],
    scratch: &'a mut Scratch,
    /// `[C, H, D]`.
    by_candidates: &'a mut [f32],
    /// `[positions, D]`.
    by_events: &'a mut [f32],
}

impl WithSimd for User<'_> {
    type Output = ();

    /// With means `m = Σ p_l x_l`, `p = softmax(a · x / √D)` and the derivative g by m: the derivative by the score of event l is
    /// `p_l (g · x_l − g · m) / √D`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { width, heads, trace, rows, candidates, absorbed, pairs, by_value, scratch, .. } = self;
        let (by_candidates, by_events) = (self.by_candidates, self.by_events);
        if trace.kept.is_empty() {
            return;
        }
        let Scratch { panels, events, products, slopes } = scratch;
        pack(pairs, width, rows, panels);
        let padded = width.next_multiple_of(16);
        events.clear();
        events.resize(rows.len() * padded, 0.0);
        for (event, &row) in events.chunks_exact_mut(padded).zip(rows) {
            event[..width].copy_from_slice(&pairs[row as usize * width..][..width]);
        }
        let stride = rows.len().next_multiple_of(PANEL);
        products.resize(stride * heads, 0.0);
        let scale = 1.0 / (width as f32).sqrt();
        let mut start = 0;
        for (number, (&target, ends)) in candidates.iter().zip(trace.ends.chunks_exact(heads)).enumerate() {
            let last = ends[heads - 1] as usize;
            // Places ascend, so that what this candidate does not see lies behind its last one.
            let Some(&seen) = trace.kept[start..last].iter().max() else { continue };
            let panels = &panels[..(seen as usize + 1).next_multiple_of(PANEL) * width];
            let own = number * heads * width..(number + 1) * heads * width;
            all_products(simd, &by_value[own.clone()], panels, width, products, stride);
            let by_heads =
                by_value[own.clone()].chunks_exact(width).zip(by_candidates[own].chunks_exact_mut(width));
            for (head, (by_mean, by_absorbed)) in by_heads.enumerate() {
                let end = ends[head] as usize;
                let (kept, weights) = (&trace.kept[start..end], &trace.weights[start..end]);
                start = end;
                let found = |at: u32| products[head * stride + at as usize];
                let mean = kept
                    .iter()
                    .zip(weights)
                    .fold(0.0, |sum, (&at, &weight)| f32::mul_add(weight, found(at), sum));
                slopes.clear();
                slopes.extend(
                    kept.iter().zip(weights).map(|(&at, &weight)| weight * (found(at) - mean) * scale),
                );
                weighted_sum(simd, slopes, kept, events, padded, by_absorbed);
                let absorbed = &absorbed[(target as usize * heads + head) * width..][..width];
                for ((&at, &weight), &slope) in kept.iter().zip(weights).zip(slopes.iter()) {
                    let by_event = &mut by_events[at as usize * width..][..width];
                    add_scaled(simd, weight, by_mean, by_event);
                    add_scaled(simd, slope, absorbed, by_event);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use pulp::Scalar;

    use super::*;
    use crate::events::{Events, UniqueEvents, integers};
    use crate::gsu::Heads;
    use crate::parts::TargetAttentionConfig;

    #[test]
    fn vectors_give_the_bits_of_scalars_on_any_number_of_threads() {
        let (users, length, count, width, distinct) = (6, 40, 5, 20, 50);
        let device = Device::flex();
        let numbers = |n: usize, by: usize| (0..n).map(move |at| ((at * by) % 97) as f32 / 97.0 - 0.5);
        let rows = |by: usize| -> Vec<f32> { numbers(distinct * width, by).collect() };
        let matrix = |by: usize| {
            let data = burn::tensor::TensorData::new(rows(by), [distinct, width]);
            Tensor::<2>::from_data(data, &device)
        };
        let events = |wide: usize, by: usize, filled: &dyn Fn(usize, usize) -> bool| {
            let inverse: Vec<u32> = (0..users * wide).map(|at| ((at * by) % distinct) as u32).collect();
            let mask: Vec<bool> = (0..users * wide).map(|at| filled(at / wide, at % wide)).collect();
            Events {
                unique: UniqueEvents::of_items(matrix(by)),
                inverse: integers([users, wide], &inverse, &device),
                mask: Tensor::from_data(burn::tensor::TensorData::new(mask, [users, wide]), &device),
                sees: None,
                times: None,
            }
        };
        // The first user has no event, the last one all.
        let history = events(length, 7, &|user, l| l + user * 8 >= length);
        let mut candidates = events(count, 11, &|_, _| true);
        let sees: Vec<u32> = (0..users * count).map(|at| [40, 33, 40, 12, 0][at % count]).collect();
        candidates.sees = Some(integers([users, count], &sees, &device));
        let attention = TargetAttentionConfig { dim: width, heads: 3, ..TargetAttentionConfig::default() };
        let attention = attention.init(&device);
        let pairs = Pairs::new(&history, &candidates, matrix(13), matrix(17));
        let function = Attend { plan: Plan::of(&attention, &Heads, &pairs, 9), traces: OnceLock::new() };
        let (absorbed, shifts) = attention.absorb(&pairs.targets);
        let host = |tensor: Tensor<2>| tensor.into_data_as::<f32>().try_into_vec::<f32>().unwrap();
        let (absorbed, shifts, events) = (host(absorbed), host(shifts), rows(13));
        function.value([&absorbed, &events, &shifts, &[0.0]]);
        let by_value: Vec<f32> = numbers(users * count * 3 * width, 31).collect();
        let scalar = function.back(&absorbed, &events, &by_value, &|user| user.with_simd(Scalar::new()));
        assert!(scalar.iter().flatten().any(|&x| x != 0.0));
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let [by_absorbed, by_events, ..] =
                pool.install(|| function.slopes([&absorbed, &events, &shifts, &[0.0]], &by_value));
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert!(bits(&by_absorbed) == bits(&scalar[0]) && bits(&by_events) == bits(&scalar[1]));
        }
    }
}
