//! Both stages in one pass over each user's events, for scoring without a tape.
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

use self::kernel::PANEL;
use crate::events::Events;
use crate::parts::TargetAttention;
use crate::parts::stage_one::{Product, StageOne};

/// Searches and attends: weighted means of events `[B, C, D]` as [`TargetAttention::attend`] gives them.
pub(crate) fn scan(
    attention: &TargetAttention,
    [history, candidates]: [&Events; 2],
    [pairs, targets]: [&Tensor<2>; 2],
    stage_one: &StageOne,
    top_k: usize,
    mask_padding: bool,
) -> Tensor<3> {
    let [batch, count] = candidates.dims();
    let heads = attention.query.len();
    let (absorbed, shifts) = attention.absorb(targets);
    let task = Task {
        width: pairs.dims()[1],
        length: history.dims()[1],
        heads,
        count,
        top_k,
        mask_padding,
        index: positions(history),
        real: history.real.to_data_as::<bool>().try_into_vec().expect("the data was converted to bool"),
        candidates: positions(candidates),
        pairs: host(pairs),
        absorbed: host(&absorbed),
        shifts: host(&shifts),
        search: Search::new(stage_one),
    };
    let means =
        task.run(&|user, scratch, out| Arch::new().dispatch(User { task: &task, user, scratch, out }));
    let shape = [batch * count, heads * task.width];
    attention.combine(Tensor::from_data(TensorData::new(means, shape), &pairs.device()), history)
}

/// A batch on the host.
struct Task {
    width: usize,
    length: usize,
    heads: usize,
    count: usize,
    top_k: usize,
    mask_padding: bool,
    /// Rows of `pairs` at each position, `[B, L]`.
    index: Vec<u32>,
    real: Vec<bool>,
    /// Rows of targets, `[B, C]`.
    candidates: Vec<u32>,
    /// `[U, D]`.
    pairs: Vec<f32>,
    /// `[V, H·D]`.
    absorbed: Vec<f32>,
    /// `[V, H]`.
    shifts: Vec<f32>,
    search: Search,
}

/// [`StageOne`] on the host.
enum Search {
    Recent,
    Heads,
    Product(Rows),
    Bits(Codes),
    QueryThenItem { by_query: Rows, by_item: Rows, keep: usize, asked: Option<Vec<f32>> },
}

/// A [`Product`] on the host; its padding key is the last row of `keys`.
struct Rows {
    width: usize,
    targets: Vec<f32>,
    keys: Vec<f32>,
    padding: Option<u32>,
}

/// Bits packed into words.
struct Codes {
    bits: usize,
    words: usize,
    targets: Vec<u64>,
    keys: Vec<u64>,
}

/// Working memory of a thread.
#[derive(Default)]
struct Scratch {
    /// Positions that are looked at, and their rows.
    positions: Vec<u32>,
    rows: Vec<u32>,
    /// Keys in panels: of the attention, of the search, of the query stage.
    panels: [Vec<f32>; 3],
    /// Events row after row, for the weighted means.
    events: Vec<f32>,
    /// Scores of the attention's heads, and of the search.
    scores: Vec<f32>,
    found: Vec<f32>,
    kept: Vec<u32>,
    weights: Vec<f32>,
}

impl Search {
    fn new(stage_one: &StageOne) -> Self {
        match stage_one {
            StageOne::Recent => Self::Recent,
            StageOne::Heads => Self::Heads,
            StageOne::Product(product) => Self::Product(Rows::new(product)),
            StageOne::Bits(product) => Self::Bits(Codes::new(product)),
            StageOne::QueryThenItem { by_query, by_item, keep, asked } => Self::QueryThenItem {
                by_query: Rows::new(by_query),
                by_item: Rows::new(by_item),
                keep: *keep,
                asked: asked.as_ref().map(host),
            },
        }
    }
}

impl Rows {
    fn new(product: &Product) -> Self {
        let [count, width] = product.keys.dims();
        let mut keys = host(&product.keys);
        let padding = product.padding.as_ref().map(|padding| {
            keys.extend(host(padding));
            count as u32
        });
        Self { width, targets: host(&product.targets), keys, padding }
    }

    fn target(&self, row: u32) -> &[f32] {
        &self.targets[row as usize * self.width..][..self.width]
    }
}

impl Codes {
    fn new(product: &Product) -> Self {
        let bits = product.keys.dims()[1];
        let words = bits.div_ceil(64);
        let pack = |rows: Vec<f32>| -> Vec<u64> {
            let word =
                |bits: &[f32]| bits.iter().rev().fold(0, |word, &bit| word << 1 | u64::from(bit > 0.0));
            rows.chunks_exact(bits).flat_map(|row| row.chunks(64).map(word)).collect()
        };
        Self { bits, words, targets: pack(host(&product.targets)), keys: pack(host(&product.keys)) }
    }

    /// How many bits are equal, for one target and each of the given rows.
    #[inline(always)]
    fn equal(&self, target: u32, rows: &[u32], out: &mut [f32]) {
        let own = |row: u32| row as usize * self.words..(row as usize + 1) * self.words;
        let target = &self.targets[own(target)];
        for (&row, out) in rows.iter().zip(out) {
            let key = &self.keys[own(row)];
            let unequal: u32 = target.iter().zip(key).map(|(a, b)| (a ^ b).count_ones()).sum();
            *out = (self.bits - unequal as usize) as f32;
        }
    }
}

impl Task {
    /// The weighted means of all users, `[B, C, H, D]`.
    fn run(&self, one: &(dyn Fn(usize, &mut Scratch, &mut [f32]) + Sync)) -> Vec<f32> {
        let size = self.count * self.heads * self.width;
        let mut out = vec![0.0; self.candidates.len() / self.count * size];
        let users = out.par_chunks_exact_mut(size).enumerate();
        users.for_each_init(Scratch::default, |scratch, (user, out)| one(user, scratch, out));
        out
    }
}

/// The work on one user.
struct User<'a> {
    task: &'a Task,
    user: usize,
    scratch: &'a mut Scratch,
    /// `[C, H, D]`.
    out: &'a mut [f32],
}

impl WithSimd for User<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.run(simd);
    }
}

impl User<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Task { width, length, heads, top_k, mask_padding, .. } = *self.task;
        let Self { task, user, scratch, out } = self;
        let Scratch { positions, rows, panels, events, scores, found, kept, weights } = scratch;
        let real = &task.real[user * length..][..length];
        positions.clear();
        positions.extend((0..length as u32).filter(|&l| real[l as usize] || !mask_padding));
        let seen = positions.len();
        if seen == 0 {
            return;
        }
        rows.clear();
        rows.extend(positions.iter().map(|&l| task.index[user * length + l as usize]));

        let [own, search, query] = panels;
        kernel::pack(&task.pairs, width, rows, own);
        let padded_width = width.next_multiple_of(16);
        events.clear();
        for (&l, &row) in positions.iter().zip(rows.iter()) {
            // As published, padding that is selected enters as a zero row; the base model has no selection.
            let zeroed = !real[l as usize] && !matches!(task.search, Search::Recent);
            let end = events.len() + padded_width;
            if !zeroed {
                events.extend_from_slice(&task.pairs[row as usize * width..][..width]);
            }
            events.resize(end, 0.0);
        }
        let pack = |product: &Rows, panels: &mut Vec<f32>| {
            let key = |(&l, &row): (&u32, &u32)| product.padding.filter(|_| !real[l as usize]).unwrap_or(row);
            let keys: Vec<u32> = positions.iter().zip(rows.iter()).map(key).collect();
            kernel::pack(&product.keys, product.width, &keys, panels);
        };
        match &task.search {
            Search::Product(product) => pack(product, search),
            Search::QueryThenItem { by_query, by_item, .. } => {
                pack(by_query, query);
                pack(by_item, search);
            }
            Search::Recent | Search::Heads | Search::Bits(_) => {}
        }
        let stride = seen.next_multiple_of(PANEL);
        scores.resize(stride * heads, 0.0);
        found.resize(2 * stride, 0.0);
        kept.resize(length, 0);
        weights.resize(length, 0.0);
        let scale = 1.0 / (width as f32).sqrt();
        let candidates = &task.candidates[user * task.count..][..task.count];
        for (&target, out) in candidates.iter().zip(out.chunks_exact_mut(heads * width)) {
            let absorbed = &task.absorbed[target as usize * heads * width..][..heads * width];
            let shifts = &task.shifts[target as usize * heads..][..heads];
            all_products(simd, absorbed, own, width, scores, stride);
            let mut count = match &task.search {
                Search::Heads => 0,
                Search::Recent => {
                    let first = positions.partition_point(|&l| (l as usize) + top_k < length);
                    (first..seen).zip(kept.iter_mut()).for_each(|(at, slot)| *slot = at as u32);
                    seen - first
                }
                Search::Product(product) => {
                    kernel::products(simd, [product.target(target)], search, product.width, found, stride);
                    best(simd, &found[..seen], top_k, false, kept)
                }
                Search::Bits(codes) => {
                    codes.equal(target, rows, found);
                    best(simd, &found[..seen], top_k, true, kept)
                }
                Search::QueryThenItem { by_query, by_item, keep, asked } => {
                    let (found, again) = found.split_at_mut(stride);
                    kernel::products(simd, [by_item.target(target)], search, by_item.width, found, stride);
                    let skip = asked.as_ref().is_some_and(|asked| asked[target as usize] == 0.0);
                    if skip {
                        best(simd, &found[..seen], top_k, false, kept)
                    } else {
                        kernel::products(
                            simd,
                            [by_query.target(target)],
                            query,
                            by_query.width,
                            again,
                            stride,
                        );
                        let first = best(simd, &again[..seen], *keep, false, kept);
                        within(simd, &found[..seen], top_k, kept, first, again)
                    }
                }
            };
            for (head, out) in out.chunks_exact_mut(width).enumerate() {
                let row = &scores[head * stride..][..seen];
                if matches!(task.search, Search::Heads) {
                    count = best(simd, row, top_k, false, kept);
                }
                let (kept, weights) = (&kept[..count], &mut weights[..count]);
                for (weight, &at) in weights.iter_mut().zip(kept) {
                    let padded = !mask_padding && !real[positions[at as usize] as usize];
                    let zeroed = padded && !matches!(task.search, Search::Recent);
                    *weight = if zeroed { 0.0 } else { row[at as usize] } + shifts[head];
                }
                kernel::softmax(simd, weights, scale);
                kernel::weighted_sum(simd, weights, kept, events, padded_width, out);
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
            kernel::products(simd, [head(0), head(1), head(2), head(3)], panels, width, out, stride);
        } else {
            for (target, out) in targets.chunks_exact(width).zip(out.chunks_exact_mut(stride)) {
                kernel::products(simd, [target], panels, width, out, stride);
            }
        }
    }
}

/// The positions of the `k` best scores, ascending, and their number.
#[inline(always)]
fn best<S: Simd>(simd: S, scores: &[f32], k: usize, whole: bool, kept: &mut [u32]) -> usize {
    if k >= scores.len() {
        (0..scores.len() as u32).zip(kept).for_each(|(at, slot)| *slot = at);
        return scores.len();
    }
    cut::cut(simd, scores, k, whole).positions(scores, kept)
}

/// The `k` best among the `count` positions in `kept`, which they replace.
#[inline(always)]
fn within<S: Simd>(
    simd: S,
    scores: &[f32],
    k: usize,
    kept: &mut [u32],
    count: usize,
    again: &mut [f32],
) -> usize {
    if k >= count {
        return count;
    }
    for (slot, &at) in again.iter_mut().zip(&kept[..count]) {
        *slot = scores[at as usize];
    }
    let mut chosen = vec![0; count];
    let count = cut::cut(simd, &again[..count], k, false).positions(&again[..count], &mut chosen);
    for (place, &which) in chosen[..count].iter().enumerate() {
        // `which` is never before `place`: what is overwritten has been read.
        kept[place] = kept[which as usize];
    }
    count
}

fn host(tensor: &Tensor<2>) -> Vec<f32> {
    tensor.to_data_as::<f32>().try_into_vec().expect("the data was converted to f32")
}

fn positions(events: &Events) -> Vec<u32> {
    let index: Vec<i64> =
        events.index.to_data_as::<i64>().try_into_vec().expect("the data was converted to i64");
    index.into_iter().map(|row| row as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::Scalar;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// A batch of random numbers; a few histories are short or empty.
    fn task(search: fn(&mut dyn FnMut(usize) -> Vec<f32>) -> Search, heads: usize) -> Task {
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
            index: history,
            real: (0..users * length).map(|at| at % length >= (at / length) * 8).collect(),
            candidates,
            pairs: draw(width),
            absorbed: draw(width * heads),
            shifts: draw(heads),
            search: search(&mut draw),
        }
    }

    #[test]
    fn vectors_give_the_bits_of_scalars_on_any_number_of_threads() {
        type Draw<'a> = &'a mut dyn FnMut(usize) -> Vec<f32>;
        fn rows(draw: Draw<'_>) -> Rows {
            Rows { width: 12, targets: draw(12), keys: draw(12), padding: None }
        }
        let kinds: [fn(Draw<'_>) -> Search; 5] = [
            |_| Search::Heads,
            |_| Search::Recent,
            |draw| Search::Product(rows(draw)),
            |draw| {
                let words =
                    |rows: Vec<f32>| rows.iter().map(|x| u64::from(x.to_bits()) * 0x9e37_79b9).collect();
                Search::Bits(Codes { bits: 192, words: 3, targets: words(draw(3)), keys: words(draw(3)) })
            },
            |draw| Search::QueryThenItem {
                by_query: rows(draw),
                by_item: rows(draw),
                keep: 15,
                asked: Some((0..60).map(|i| (i % 2) as f32).collect()),
            },
        ];
        for (kind, heads) in kinds.into_iter().zip([4, 3, 4, 1, 4]) {
            let task = task(kind, heads);
            let scalar =
                task.run(&|user, scratch, out| User { task: &task, user, scratch, out }.run(Scalar::new()));
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let vectors = pool.install(|| {
                    task.run(&|user, scratch, out| {
                        Arch::new().dispatch(User { task: &task, user, scratch, out })
                    })
                });
                let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert!(bits(&vectors) == bits(&scalar));
            }
            assert!(scalar.iter().any(|&x| x != 0.0) && scalar.iter().all(|x| x.is_finite()));
        }
    }
}
