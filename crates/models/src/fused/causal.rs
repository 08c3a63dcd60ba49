//! The causal attention of the short-term tower as one operation over each user's events: no padding, no later event is looked at.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use burn::tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::tape::{Function, apply};
use crate::gsu::scan::{PANEL, add_scaled, pack_part, products, softmax, weighted_sum};

/// `Σ_j softmax_j(q_i · k_j / √(D/H) + distance[h, p_i − p_j]) v_j` over the events j ≤ i of the same user, for queries, keys and values
/// `[T, D]`. Row t stands at position `positions[t]`, `b · length + l` ascending; rows behind the positions get zeros.
pub(crate) fn causal(
    [queries, keys, values]: [Tensor<2>; 3],
    distance: Tensor<2>,
    positions: &[u32],
    length: usize,
) -> Tensor<2> {
    let ([rows, width], [heads, distances]) = (queries.dims(), distance.dims());
    let mut users: Vec<Range<usize>> = Vec::new();
    for (row, &position) in positions.iter().enumerate() {
        match users.last_mut() {
            Some(last) if positions[last.start] as usize / length == position as usize / length => {
                last.end = row + 1
            }
            _ => users.push(row..row + 1),
        }
    }
    let positions = positions.to_vec();
    let function = Causal { rows, width, heads, distances, users, positions, weights: OnceLock::new() };
    apply([queries, keys, values, distance], Arc::new(function))
}

#[derive(Debug)]
struct Causal {
    /// T, with the rows behind the positions.
    rows: usize,
    /// D.
    width: usize,
    /// H.
    heads: usize,
    /// Columns of the table of distances.
    distances: usize,
    /// Rows of each user.
    users: Vec<Range<usize>>,
    positions: Vec<u32>,
    /// Of each user, written on the way forward: `[H, n, n]`, zero for later events.
    weights: OnceLock<Vec<Vec<f32>>>,
}

impl Causal {
    /// Splits a matrix `[T, D]` into the rows of each user, and those behind them.
    fn split<'a>(&self, mut matrix: &'a mut [f32]) -> Vec<&'a mut [f32]> {
        let take = |user: &Range<usize>| {
            let (own, rest) = std::mem::take(&mut matrix).split_at_mut(user.len() * self.width);
            matrix = rest;
            own
        };
        self.users.iter().map(take).collect()
    }
}

impl Function for Causal {
    fn shape(&self) -> [usize; 2] {
        [self.rows, self.width]
    }

    fn value(&self, inputs: [&[f32]; 4]) -> Vec<f32> {
        let (out, weights) = self.forward(inputs, &|user| Arch::new().dispatch(user));
        self.weights.set(weights).expect("the value is computed once");
        out
    }

    fn slopes(&self, inputs: [&[f32]; 4], by_value: &[f32]) -> [Vec<f32>; 4] {
        let weights = self.weights.get().expect("the value was computed before");
        self.back(inputs, weights, by_value, &|user| Arch::new().dispatch(user))
    }
}

impl Causal {
    /// The value, and each user's weights; `one` does the work on a user.
    fn forward(&self, inputs: [&[f32]; 4], one: &(dyn Fn(Forward<'_>) + Sync)) -> (Vec<f32>, Vec<Vec<f32>>) {
        let mut out = vec![0.0; self.rows * self.width];
        let users = self.users.par_iter().zip(self.split(&mut out));
        let forward = |scratch: &mut Scratch, (rows, out): (&Range<usize>, &mut [f32])| {
            let mut weights = vec![0.0; self.heads * rows.len() * rows.len()];
            let rows = rows.clone();
            one(Forward { all: self, rows, inputs, scratch, out, weights: &mut weights });
            weights
        };
        let weights = users.map_init(Scratch::default, forward).collect();
        (out, weights)
    }

    /// The derivatives by the inputs.
    fn back(
        &self,
        inputs: [&[f32]; 4],
        weights: &[Vec<f32>],
        by_value: &[f32],
        one: &(dyn Fn(Back<'_>) + Sync),
    ) -> [Vec<f32>; 4] {
        let mut out = [(); 3].map(|()| vec![0.0; self.rows * self.width]);
        let [queries, keys, values] = out.each_mut().map(|matrix| self.split(matrix));
        let users = self.users.par_iter().zip(weights).zip(queries).zip(keys).zip(values);
        let distances: Vec<Vec<f32>> = users
            .map_init(Scratch::default, |scratch, ((((rows, weights), queries), keys), values)| {
                let mut distance = vec![0.0; self.heads * self.distances];
                let out = [queries, keys, values, distance.as_mut_slice()];
                one(Back { all: self, rows: rows.clone(), inputs, weights, by_value, scratch, out });
                distance
            })
            .collect();
        let mut distance = vec![0.0; self.heads * self.distances];
        distances.iter().for_each(|own| distance.iter_mut().zip(own).for_each(|(sum, x)| *sum += x));
        let [queries, keys, values] = out;
        [queries, keys, values, distance]
    }
}

/// Working memory of a thread.
#[derive(Default)]
struct Scratch {
    /// Rows of the user in the matrices, and among its own.
    rows: Vec<u32>,
    places: Vec<u32>,
    panels: Vec<f32>,
    /// Rows of a head, padded to whole vectors.
    padded: Vec<f32>,
    scores: Vec<f32>,
    slopes: Vec<f32>,
}

impl Scratch {
    /// Prepares for a user with these rows, and heads of width `part`.
    fn enter(&mut self, rows: &Range<usize>, part: usize) -> Sizes {
        let stride = rows.len().next_multiple_of(PANEL);
        self.rows.clear();
        self.rows.extend(rows.start as u32..rows.end as u32);
        self.places.clear();
        self.places.extend(0..rows.len() as u32);
        self.scores.resize(stride, 0.0);
        let scale = 1.0 / (part as f32).sqrt();
        Sizes { count: rows.len(), part, stride, padded: part.next_multiple_of(16), scale }
    }

    /// The part of a head of rows `[·, width]`, each padded to `stride`.
    fn pad(&mut self, matrix: &[f32], rows: &Range<usize>, [width, start, part, stride]: [usize; 4]) {
        self.padded.clear();
        for row in rows.clone() {
            self.padded.extend_from_slice(&matrix[row * width + start..][..part]);
            self.padded.resize((row - rows.start + 1) * stride, 0.0);
        }
    }
}

/// What both ways through a user have in common.
struct Sizes {
    /// n, its events.
    count: usize,
    /// D/H, the width of a head.
    part: usize,
    /// n in whole panels.
    stride: usize,
    /// D/H in whole vectors.
    padded: usize,
    /// 1 / √(D/H).
    scale: f32,
}

/// One user forward.
struct Forward<'a> {
    all: &'a Causal,
    rows: Range<usize>,
    inputs: [&'a [f32]; 4],
    scratch: &'a mut Scratch,
    out: &'a mut [f32],
    weights: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { all, rows, inputs: [queries, keys, values, distance], scratch, out, weights } = self;
        let Causal { width, heads, distances, .. } = *all;
        let Sizes { count, part, stride, padded, scale } = scratch.enter(&rows, width / heads);
        for head in 0..heads {
            let start = head * part;
            pack_part(keys, [width, start, part], &scratch.rows, &mut scratch.panels);
            scratch.pad(values, &rows, [width, start, part, padded]);
            let distance = &distance[head * distances..][..distances];
            for i in 0..count {
                let query = &queries[(rows.start + i) * width + start..][..part];
                let panels = &scratch.panels[..(i + 1).next_multiple_of(PANEL) * part];
                products(simd, [query], panels, part, &mut scratch.scores, stride);
                let weights = &mut weights[(head * count + i) * count..][..i + 1];
                let newest = all.positions[rows.start + i];
                for (j, weight) in weights.iter_mut().enumerate() {
                    let apart = (newest - all.positions[rows.start + j]) as usize;
                    *weight = f32::mul_add(scratch.scores[j], scale, distance[apart]);
                }
                softmax(simd, weights, 1.0);
                let out = &mut out[i * width + start..][..part];
                weighted_sum(simd, weights, &scratch.places[..i + 1], &scratch.padded, padded, out);
            }
        }
    }
}

/// One user back.
struct Back<'a> {
    all: &'a Causal,
    rows: Range<usize>,
    inputs: [&'a [f32]; 4],
    weights: &'a [f32],
    by_value: &'a [f32],
    scratch: &'a mut Scratch,
    /// By queries, keys and values of the user's rows, and by distances.
    out: [&'a mut [f32]; 4],
}

impl WithSimd for Back<'_> {
    type Output = ();

    /// With the weights p of row i and the derivative g by its value: the derivative by its score of j is `p_j (g · v_j − Σ p g · v)`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { all, rows, inputs: [queries, keys, values, _], weights, by_value, scratch, out } = self;
        let [by_queries, by_keys, by_values, by_distance] = out;
        let Causal { width, heads, distances, .. } = *all;
        let Sizes { count, part, stride, padded, scale } = scratch.enter(&rows, width / heads);
        for head in 0..heads {
            let start = head * part;
            pack_part(values, [width, start, part], &scratch.rows, &mut scratch.panels);
            scratch.pad(keys, &rows, [width, start, part, padded]);
            let by_distance = &mut by_distance[head * distances..][..distances];
            for i in 0..count {
                let own = (rows.start + i) * width + start;
                let (query, by_value) = (&queries[own..][..part], &by_value[own..][..part]);
                let panels = &scratch.panels[..(i + 1).next_multiple_of(PANEL) * part];
                products(simd, [by_value], panels, part, &mut scratch.scores, stride);
                let weights = &weights[(head * count + i) * count..][..i + 1];
                let found = weights.iter().zip(&scratch.scores);
                let mean = found.fold(0.0, |sum, (&weight, &found)| f32::mul_add(weight, found, sum));
                scratch.slopes.clear();
                let newest = all.positions[rows.start + i];
                for (j, &weight) in weights.iter().enumerate() {
                    let slope = weight * (scratch.scores[j] - mean);
                    by_distance[(newest - all.positions[rows.start + j]) as usize] += slope;
                    scratch.slopes.push(slope * scale);
                    add_scaled(simd, weight, by_value, &mut by_values[j * width + start..][..part]);
                    add_scaled(simd, slope * scale, query, &mut by_keys[j * width + start..][..part]);
                }
                let by_query = &mut by_queries[i * width + start..][..part];
                weighted_sum(
                    simd,
                    &scratch.slopes,
                    &scratch.places[..i + 1],
                    &scratch.padded,
                    padded,
                    by_query,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::*;

    /// Three users with 1, 45 and 4 events, whose positions have holes.
    fn function() -> Causal {
        let positions: Vec<u32> =
            (0..45).map(|at| 100 + at + at / 30).chain([7, 201, 202, 204, 209]).collect();
        let mut positions = positions;
        positions.sort_unstable();
        let users = vec![0..1, 1..46, 46..50];
        Causal { rows: 53, width: 20, heads: 2, distances: 60, users, positions, weights: OnceLock::new() }
    }

    fn numbers(count: usize, by: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * by) % 89) as f32 / 44.5 - 1.0).collect()
    }

    #[test]
    fn vectors_give_the_bits_of_scalars_on_any_number_of_threads() {
        let function = function();
        let matrices = [3, 5, 7].map(|by| numbers(53 * 20, by));
        let (distance, by_value) = (numbers(2 * 60, 11), numbers(53 * 20, 13));
        let inputs = [&matrices[0][..], &matrices[1], &matrices[2], &distance];
        let (value, weights) = function.forward(inputs, &|user| user.with_simd(Scalar::new()));
        let slopes = function.back(inputs, &weights, &by_value, &|user| user.with_simd(Scalar::new()));
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (own, traced) = pool.install(|| function.forward(inputs, &|user| Arch::new().dispatch(user)));
            assert!(bits(&own) == bits(&value) && traced == weights);
            let own = pool
                .install(|| function.back(inputs, &traced, &by_value, &|user| Arch::new().dispatch(user)));
            assert!(own.iter().zip(&slopes).all(|(a, b)| bits(a) == bits(b)));
        }
        assert!(value[..50 * 20].iter().all(|x| *x != 0.0) && value[50 * 20..].iter().all(|x| *x == 0.0));
    }

    /// Derivatives against differences of the value.
    #[test]
    fn slopes_are_those_of_the_value() {
        let function = function();
        let matrices = [3, 5, 7].map(|by| numbers(53 * 20, by));
        let (distance, by_value) = (numbers(2 * 60, 11), numbers(53 * 20, 13));
        let mut inputs = [matrices[0].clone(), matrices[1].clone(), matrices[2].clone(), distance];
        let result = |inputs: &[Vec<f32>; 4]| -> f64 {
            let inputs = inputs.each_ref().map(Vec::as_slice);
            let (value, _) = function.forward(inputs, &|user| Arch::new().dispatch(user));
            value.iter().zip(&by_value).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let borrowed = inputs.each_ref().map(Vec::as_slice);
        let (_, weights) = function.forward(borrowed, &|user| Arch::new().dispatch(user));
        let slopes = function.back(borrowed, &weights, &by_value, &|user| Arch::new().dispatch(user));
        for input in 0..4 {
            for at in (0..inputs[input].len().min(50 * 20)).step_by(29) {
                let (before, step) = (inputs[input][at], 1e-2);
                inputs[input][at] = before + step;
                let above = result(&inputs);
                inputs[input][at] = before - step;
                let below = result(&inputs);
                inputs[input][at] = before;
                let expected = (above - below) / f64::from(2.0 * step);
                let own = f64::from(slopes[input][at]);
                assert!(
                    (own - expected).abs() < 2e-2 * expected.abs().max(0.5),
                    "{input}, {at}: {own} {expected}"
                );
            }
        }
    }
}
