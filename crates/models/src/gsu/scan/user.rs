//! The scan of one user.

use pulp::{Simd, WithSimd};

use super::kernel::{self, PANEL, pack, products};
use super::{Plan, Task};
use crate::gsu::unit::{Candidate, HostGsu, Seen};

/// Working memory of a thread.
#[derive(Default)]
pub(super) struct Scratch<T> {
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
    /// Of the output: what is kept for all heads, with weights; means of all heads; the numbers from 0 on.
    all_kept: Vec<u32>,
    all_weights: Vec<f32>,
    means: Vec<f32>,
    numbers: Vec<u32>,
    /// Of the search.
    gsu: T,
}

/// Up to so many events each is taken through values and output once; with more, the means of each candidate are.
const FEW: usize = 64;

/// What is kept of a user beside its means.
pub(crate) enum Record<'a> {
    /// Nothing.
    Nothing,
    /// The weight of each event, a mean over heads, `[C, L]`.
    Weights(&'a mut [f32]),
    /// What the way back needs.
    Trace(&'a mut Trace),
}

/// Which events were attended to, and how much.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// Positions that were looked at, ascending.
    pub positions: Vec<u32>,
    /// Where the events of each candidate and head end, `[C, H]`.
    pub ends: Vec<u32>,
    /// Places among the positions, ascending for each candidate and head.
    pub kept: Vec<u32>,
    /// Their weights.
    pub weights: Vec<f32>,
}

/// The work on one user.
pub(super) struct User<'a, G: HostGsu> {
    pub task: &'a Task<'a, G>,
    pub user: usize,
    pub scratch: &'a mut Scratch<G::Scratch>,
    /// `[C, H, D]`.
    pub out: &'a mut [f32],
    pub record: Record<'a>,
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
    pub fn run<S: Simd>(self, simd: S) {
        let Self { task, user, scratch, out, mut record } = self;
        let plan = task.plan;
        let Plan { width, length, heads, top_k, mask_padding, padding_is_zero, .. } = *plan;
        let Scratch {
            positions,
            rows,
            own,
            panels,
            events,
            scores,
            kept,
            weights,
            all_kept,
            all_weights,
            means,
            numbers,
            gsu,
        } = scratch;
        let mask = &plan.mask[user * length..][..length];
        positions.clear();
        positions.extend((0..length as u32).filter(|&l| mask[l as usize] || !mask_padding));
        if let Record::Trace(trace) = &mut record {
            trace.positions.clone_from(positions);
        }
        if positions.is_empty() {
            return;
        }
        rows.clear();
        rows.extend(positions.iter().map(|&l| plan.inverse[user * length + l as usize]));
        own.clear();
        match plan.by_position {
            true => own.extend(positions.iter().map(|&l| (user * length) as u32 + l)),
            false => own.extend_from_slice(rows),
        }
        let seen = Seen { positions, rows, mask, length };

        pack(task.pairs, width, own, panels);
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
        let few = task.output.filter(|_| seen.len() <= FEW);
        numbers.extend(numbers.len() as u32..(heads * width) as u32);
        if let Some(output) = few {
            // Head by head the events as values behind the output layer.
            let mut values = vec![0.0; heads * events.len()];
            let rows = values.chunks_exact_mut(padded_width);
            for (number, value) in rows.enumerate() {
                let (head, event) = (number / seen.len(), number % seen.len());
                let weight = &output.weight[head * width * padded_width..][..width * padded_width];
                let event = &events[event * padded_width..][..width];
                kernel::weighted_sum(simd, event, &numbers[..width], weight, padded_width, value);
            }
            *events = values;
        }
        means.resize(heads * width, 0.0);
        plan.gsu.enter(&seen, gsu);
        let stride = seen.len().next_multiple_of(PANEL);
        scores.resize(stride * heads, 0.0);
        kept.resize(length, 0);
        weights.resize(length, 0.0);
        let scale = 1.0 / (width as f32).sqrt();
        let candidates = &plan.candidates[user * plan.count..][..plan.count];
        let recency = plan.recency.get(user * heads * length..).unwrap_or_default();
        let recency = &recency[..recency.len().min(heads * length)];
        let size = if task.output.is_some() { width } else { heads * width };
        for (number, (&target, out)) in candidates.iter().zip(out.chunks_exact_mut(size)).enumerate() {
            let events_of_user = seen.len();
            let absorbed = &task.absorbed[target as usize * heads * width..][..heads * width];
            let shifts = &task.shifts[target as usize * heads..][..heads];
            // What this candidate sees is the beginning of what the user has.
            let sees = plan.sees.get(user * plan.count + number).map_or(length, |&sees| sees as usize);
            let visible = seen.positions.partition_point(|&l| (l as usize) < sees);
            let seen = Seen {
                positions: &seen.positions[..visible],
                rows: &seen.rows[..visible],
                length: sees.min(length),
                ..seen
            };
            let panels = &panels[..visible.next_multiple_of(PANEL) * width];
            all_products(simd, absorbed, panels, width, scores, stride);
            for (row, bias) in scores.chunks_exact_mut(stride).zip(recency.chunks_exact(length)) {
                row.iter_mut().zip(seen.positions).for_each(|(score, &l)| *score += bias[l as usize]);
            }
            let mut count = 0;
            all_kept.clear();
            all_weights.clear();
            for head in 0..heads {
                let row = &scores[head * stride..][..seen.len()];
                if G::PER_HEAD || head == 0 {
                    let candidate = Candidate { seen: &seen, target, scores: row, k: top_k };
                    count = plan.gsu.keep(simd, &candidate, gsu, kept);
                }
                let (kept, weights) = (&kept[..count], &mut weights[..count]);
                if kept.is_empty() {
                    // The mean of nothing is zero.
                    if let Record::Trace(trace) = &mut record {
                        trace.ends.push(trace.kept.len() as u32);
                    }
                    continue;
                }
                for (weight, &at) in weights.iter_mut().zip(kept) {
                    let l = seen.positions[at as usize];
                    let score = match !mask_padding && is_zero(l) {
                        true => recency.get(head * length + l as usize).copied().unwrap_or_default(),
                        false => row[at as usize],
                    };
                    *weight = score + shifts[head];
                }
                kernel::softmax(simd, weights, scale);
                match (task.output, few) {
                    (_, Some(_)) => {
                        all_kept.extend(kept.iter().map(|&at| (head * events_of_user) as u32 + at));
                        all_weights.extend_from_slice(weights);
                    }
                    (Some(_), None) => {
                        let mean = &mut means[head * width..][..width];
                        kernel::weighted_sum(simd, weights, kept, events, padded_width, mean);
                    }
                    (None, None) => {
                        let out = &mut out[head * width..][..width];
                        kernel::weighted_sum(simd, weights, kept, events, padded_width, out);
                    }
                }
                match &mut record {
                    Record::Nothing => {}
                    Record::Weights(explained) => {
                        let explained = &mut explained[number * length..][..length];
                        for (weight, &at) in weights.iter().zip(kept) {
                            explained[seen.positions[at as usize] as usize] += weight / heads as f32;
                        }
                    }
                    Record::Trace(trace) => {
                        trace.kept.extend_from_slice(kept);
                        trace.weights.extend_from_slice(weights);
                        trace.ends.push(trace.kept.len() as u32);
                    }
                }
            }
            let Some(output) = task.output else { continue };
            match few {
                Some(_) => kernel::weighted_sum(simd, all_weights, all_kept, events, padded_width, out),
                None => kernel::weighted_sum(
                    simd,
                    means,
                    &numbers[..means.len()],
                    &output.weight,
                    padded_width,
                    out,
                ),
            }
            out.iter_mut().zip(&output.offset).for_each(|(out, offset)| *out += offset);
        }
    }
}

/// Inner products of all heads' targets `[H, D]` with the packed events, four heads at a time.
#[inline(always)]
pub(crate) fn all_products<S: Simd>(
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
