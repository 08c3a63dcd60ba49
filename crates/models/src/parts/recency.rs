//! Order and time in the attention: what the distance and the time from an event to the request add to a head's score.
//!
//! In formulas:
//!
//! ```text
//! s_hl += distance[h, min(d, P)], d events lie between event l and the request, 0 for the newest that the candidate sees
//! s_hl += elapsed[h, min(⌊ln(max(Δ, 1)) / 0.301⌋, 63)], Δ seconds lie between them; elapsed[h, 64] where one of the times is not known
//! ```
//!
//! The form and the buckets are those of HSTU ([arXiv 2402.17152](https://arxiv.org/abs/2402.17152)): a number a head and bucket, which all
//! candidates of a request share. A search by the attention's own scores sees it, too; codes of events do not, so that they stay valid as a
//! history grows.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

use crate::events::{Events, host_integers, integers};
use crate::gsu::scan::host_rows;
use crate::init::Init;

/// Buckets of time, the one for unknown times apart.
const BUCKETS: usize = 64;

/// Biases by distance and by time; they start at 0.
#[derive(Module, Debug)]
pub struct Recency {
    /// `[H, P + 1]`.
    pub distance: Option<Param<Tensor<2>>>,
    /// `[H, 65]`.
    pub elapsed: Option<Param<Tensor<2>>>,
}

impl Recency {
    /// Biases of so many heads, for `distances` (P) distances if that is above 0, and for time; `None` for neither.
    pub(crate) fn draw(heads: usize, distances: usize, elapsed: bool, init: &mut Init) -> Option<Self> {
        let own = Self {
            distance: (distances > 0).then(|| init.constant(0.0, [heads, distances + 1])),
            elapsed: elapsed.then(|| init.constant(0.0, [heads, BUCKETS + 1])),
        };
        (own.distance.is_some() || own.elapsed.is_some()).then_some(own)
    }

    /// What is added to scores, `[B or 1, C or 1, H, L]`.
    pub fn bias(&self, history: &Events, candidates: &Events) -> Tensor<4> {
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
            (Some(distance), Some(elapsed)) => distance + elapsed,
            (one, other) => one.or(other).expect("there is one of them"),
        }
    }

    /// The same for candidates that see all of the history, on the host: `[B, H, L]`.
    pub(crate) fn host(&self, history: &Events, candidates: &Events) -> Vec<f32> {
        let ([batch, length], places) = (history.dims(), Places::of(history, candidates));
        let tables = [&self.distance, &self.elapsed]
            .map(|table| table.as_ref().map(|table| (table.dims(), host_rows(&table.val()))));
        let heads = tables.iter().flatten().map(|([heads, _], _)| *heads).next().unwrap_or(0);
        let mut bias = vec![0.0; batch * heads * length];
        for (table, by_time) in tables.into_iter().zip([false, true]) {
            let Some(([_, width], values)) = table else { continue };
            let columns = if by_time { places.buckets() } else { places.distances(width - 1, batch) };
            for (at, bias) in bias.iter_mut().enumerate() {
                let (user, head, l) = (at / (heads * length), at / length % heads, at % length);
                *bias += values[head * width + columns[user * length + l] as usize];
            }
        }
        bias
    }
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
