//! Order and time in the attention: what the distance and the time from an event to the request add to a head's score.
//!
//! In formulas:
//!
//! ```text
//! s_hl += distance[h, min(d, P)], d events lie between event l and the request, 0 for the newest that the candidate sees
//! s_hl += elapsed[h, min(⌊ln(max(Δ, 1)) / 0.301⌋, 63)], Δ seconds lie between them; elapsed[h, 64] where one of the times is not known
//! x̃_l  = x_l + 0.02 · distance_rows[min(d, P')] + elapsed_rows[the bucket above], what keys and values are made of in place of x_l
//! ```
//!
//! The biases' form and the buckets are those of HSTU ([arXiv 2402.17152](https://arxiv.org/abs/2402.17152)): a number a head and bucket, which all
//! candidates of a request share. Rows by distance are MIRRN's. A search by the attention's own scores sees both, too; codes of events and
//! products of other searches do not, so that they stay valid as a history grows.

use burn::module::{Module, Param};
use burn::tensor::{IndexingUpdateOp, Int, Tensor};

use crate::events::{Events, host_integers, integers};
use crate::gsu::scan::host_rows;
use crate::init::Init;

/// Buckets of time, the one for unknown times apart.
const BUCKETS: usize = 64;
/// What rows by distance are multiplied by: small beside an event's own vector at first.
const ROW_SCALE: f64 = 0.02;

/// Biases and rows by distance and by time. Biases and rows by time start at 0.
#[derive(Module, Debug)]
pub struct Recency {
    /// `[H, P + 1]`.
    pub distance: Option<Param<Tensor<2>>>,
    /// `[H, 65]`.
    pub elapsed: Option<Param<Tensor<2>>>,
    /// `[P' + 1, D]`.
    pub distance_rows: Option<Param<Tensor<2>>>,
    /// `[65, D]`.
    pub elapsed_rows: Option<Param<Tensor<2>>>,
}

/// Which of the parts a [`Recency`] has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecencyConfig {
    /// P; 0: no bias by distance.
    pub distances: usize,
    /// A bias by time.
    pub elapsed: bool,
    /// P'; 0: no rows by distance.
    pub distance_rows: usize,
    /// Rows by time.
    pub elapsed_rows: bool,
}

impl RecencyConfig {
    /// The parts for so many heads of width `dim`, or `None` without any.
    pub fn draw(self, heads: usize, dim: usize, init: &mut Init) -> Option<Recency> {
        let Self { distances, elapsed, distance_rows, elapsed_rows } = self;
        let any = distances > 0 || elapsed || distance_rows > 0 || elapsed_rows;
        any.then(|| Recency {
            distance: (distances > 0).then(|| init.constant(0.0, [heads, distances + 1])),
            elapsed: elapsed.then(|| init.constant(0.0, [heads, BUCKETS + 1])),
            distance_rows: (distance_rows > 0).then(|| init.standard_normal([distance_rows + 1, dim])),
            elapsed_rows: elapsed_rows.then(|| init.constant(0.0, [BUCKETS + 1, dim])),
        })
    }
}

impl Recency {
    /// What is added to scores, `[B or 1, C or 1, H, L]`, if anything.
    pub fn bias(&self, history: &Events, candidates: &Events) -> Option<Tensor<4>> {
        let (places, [_, count]) = (Places::of(history, candidates), candidates.dims());
        let [batch, length] = history.dims();
        // Places of all candidates of a user follow one another, if they differ.
        let groups = if candidates.sees.is_some() { count } else { 1 };
        let device = history.inverse.device();
        let select = |table: &Tensor<2>, columns: &[u32], users: usize| {
            let [heads, _] = table.dims();
            let columns: Tensor<1, Int> = integers([columns.len()], columns, &device);
            table.clone().select(1, columns).reshape([heads, users, groups, length]).permute([1, 2, 0, 3])
        };
        let distance = self.distance.as_ref().map(|table| {
            // Without times of their own, users differ only where candidates do.
            let users = if groups == 1 { 1 } else { batch };
            let columns = places.distances(table.dims()[1] - 1, users * groups);
            select(&table.val(), &columns, users)
        });
        let elapsed = self.elapsed.as_ref().map(|table| select(&table.val(), &places.buckets(), batch));
        match (distance, elapsed) {
            (Some(distance), Some(elapsed)) => Some(distance + elapsed),
            (one, other) => one.or(other),
        }
    }

    /// What is added to events, for scores and means with a tape; `None` for nothing.
    pub(crate) fn rows(&self, history: &Events, candidates: &Events) -> Option<PlacedRows> {
        let (places, [_, count]) = (Places::of(history, candidates), candidates.dims());
        let [batch, length] = history.dims();
        let groups = if candidates.sees.is_some() { count } else { 1 };
        let device = history.inverse.device();
        let place = |table: Tensor<2>, columns: Vec<u32>| {
            (table, integers([batch, groups, 1, length], &columns, &device))
        };
        let parts: Vec<_> = self.tables().map(|(table, by)| place(table, places.columns(by))).collect();
        (!parts.is_empty()).then_some(PlacedRows { parts })
    }

    /// Tables of rows, and what chooses a row of each.
    fn tables(&self) -> impl Iterator<Item = (Tensor<2>, By)> {
        let distance = self.distance_rows.as_ref().map(|rows| {
            let [count, _] = rows.dims();
            (rows.val() * ROW_SCALE, By::Distance { most: count - 1 })
        });
        distance.into_iter().chain(self.elapsed_rows.as_ref().map(|rows| (rows.val(), By::Time)))
    }

    /// What is added to events, for candidates that see all of the history, on the host: `[B, L, D]`; nothing for nothing.
    pub(crate) fn host_rows(&self, history: &Events, candidates: &Events) -> Vec<f32> {
        let ([batch, length], places) = (history.dims(), Places::of(history, candidates));
        let mut sum = Vec::new();
        for (table, by) in self.tables() {
            let ([_, width], values) = (table.dims(), host_rows(&table));
            sum.resize(batch * length * width, 0.0);
            for (out, column) in sum.chunks_exact_mut(width).zip(places.columns(by)) {
                let row = &values[column as usize * width..][..width];
                out.iter_mut().zip(row).for_each(|(out, value)| *out += value);
            }
        }
        sum
    }

    /// The biases for candidates that see all of the history, on the host: `[B, H, L]`; nothing for none.
    pub(crate) fn host(&self, history: &Events, candidates: &Events) -> Vec<f32> {
        let ([batch, length], places) = (history.dims(), Places::of(history, candidates));
        let tables = [&self.distance, &self.elapsed]
            .map(|table| table.as_ref().map(|table| (table.dims(), host_rows(&table.val()))));
        let heads = tables.iter().flatten().map(|([heads, _], _)| *heads).next().unwrap_or(0);
        let mut bias = vec![0.0; batch * heads * length];
        for (table, by_time) in tables.into_iter().zip([false, true]) {
            let Some(([_, width], values)) = table else { continue };
            let columns = places.columns(if by_time { By::Time } else { By::Distance { most: width - 1 } });
            for (at, bias) in bias.iter_mut().enumerate() {
                let (user, head, l) = (at / (heads * length), at / length % heads, at % length);
                *bias += values[head * width + columns[user * length + l] as usize];
            }
        }
        bias
    }
}

/// Rows that are added to events, chosen for each position and candidate.
#[derive(Clone, Debug)]
pub(crate) struct PlacedRows {
    /// Tables `[N, D]` with the row at each position, `[B, C or 1, 1, L]`.
    parts: Vec<(Tensor<2>, Tensor<4, Int>)>,
}

impl PlacedRows {
    /// Inner products of targets `[B, C·H, D]` with what is added, `[B, C, H, L]`.
    pub fn scores(&self, targets: &Tensor<3>, heads: usize) -> Tensor<4> {
        let [batch, rows, _] = targets.dims();
        let shape = [batch, rows / heads, heads];
        let part = |(table, columns): &(Tensor<2>, Tensor<4, Int>)| {
            let [count, _] = table.dims();
            let products = targets.clone().matmul(table.clone().transpose().unsqueeze_dim(0));
            products.reshape([shape[0], shape[1], heads, count]).gather(3, spread(columns, shape))
        };
        self.parts.iter().map(part).reduce(|sum, part| sum + part).expect("there is a table")
    }

    /// Means of what is added by weights `[B, C, H, L]`: `[B, C·H, D]`.
    pub fn means(&self, weights: &Tensor<4>) -> Tensor<3> {
        let [batch, candidates, heads, _] = weights.dims();
        let part = |(table, columns): &(Tensor<2>, Tensor<4, Int>)| {
            let [count, _] = table.dims();
            let none = Tensor::zeros([batch, candidates, heads, count], &weights.device());
            let columns = spread(columns, [batch, candidates, heads]);
            let sums = none.scatter(3, columns, weights.clone(), IndexingUpdateOp::Add);
            sums.reshape([batch, candidates * heads, count]).matmul(table.clone().unsqueeze_dim(0))
        };
        self.parts.iter().map(part).reduce(|sum, part| sum + part).expect("there is a table")
    }
}

/// Columns for each candidate and head.
fn spread(columns: &Tensor<4, Int>, [batch, candidates, heads]: [usize; 3]) -> Tensor<4, Int> {
    let [.., length] = columns.dims();
    columns.clone().expand([batch, candidates, heads, length])
}

/// What chooses a row of a table.
#[derive(Clone, Copy, Debug)]
enum By {
    /// The distance, at most so far.
    Distance { most: usize },
    /// The time.
    Time,
}

/// What candidates see of histories.
struct Places<'a> {
    history: &'a Events,
    /// Positions that each candidate sees; one number a user where all see everything.
    sees: Vec<usize>,
    /// Numbers of `sees` a user.
    each: usize,
}

impl<'a> Places<'a> {
    fn of(history: &'a Events, candidates: &Events) -> Self {
        let [batch, length] = history.dims();
        match &candidates.sees {
            None => Self { history, sees: vec![length; batch], each: 1 },
            Some(sees) => Self {
                history,
                sees: host_integers(sees).into_iter().map(|sees| sees as usize).collect(),
                each: candidates.dims()[1],
            },
        }
    }

    /// Columns of a table, `[B, each, L]`.
    fn columns(&self, by: By) -> Vec<u32> {
        match by {
            By::Distance { most } => self.distances(most, self.sees.len()),
            By::Time => self.buckets(),
        }
    }

    /// Columns of a table by distance for the first `rows` of [`Places::sees`], `[rows, L]`.
    fn distances(&self, most: usize, rows: usize) -> Vec<u32> {
        let [_, length] = self.history.dims();
        let row = |&sees: &usize| (0..length).map(move |l| sees.saturating_sub(1 + l).min(most) as u32);
        self.sees[..rows].iter().flat_map(row).collect()
    }

    /// Columns of a table by time, `[B, each, L]`.
    fn buckets(&self) -> Vec<u32> {
        let [_, length] = self.history.dims();
        let mut columns = Vec::with_capacity(self.sees.len() * length);
        for (row, &sees) in self.sees.iter().enumerate() {
            let age = |l: usize| self.history.times.as_ref()?.age(row / self.each, length, sees, l);
            columns.extend((0..length).map(|l| age(l).map_or(BUCKETS as u32, bucket)));
        }
        columns
    }
}

/// The bucket of some seconds.
fn bucket(seconds: u64) -> u32 {
    ((seconds.max(1) as f64).ln() / 0.301).floor().min(BUCKETS as f64 - 1.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_grow_with_time_and_end() {
        let days = [0, 1, 2, 60, 3600, 86_400, 30 * 86_400, 3650 * 86_400, u64::MAX].map(bucket);
        assert!(days.is_sorted() && days[0] == 0 && days[8] == 63, "{days:?}");
        assert_eq!(bucket(86_400), (86_400f64.ln() / 0.301) as u32);
    }
}
