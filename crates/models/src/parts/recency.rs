//! Order in the attention: what a distance to the request adds to a head's score.
//!
//! In formulas:
//!
//! ```text
//! s_hl += distance[h, min(d, P)], d events lie between event l and the request, 0 for the newest that the candidate sees
//! ```
//!
//! The form is that of HSTU ([arXiv 2402.17152](https://arxiv.org/abs/2402.17152)): a number a head and distance, which all candidates share.
//! A search by the attention's own scores sees it, too; codes of events do not, so that they stay valid as a history grows.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};

use crate::events::{Events, host_integers, integers};
use crate::init::Init;

/// Biases by distance; they start at 0.
#[derive(Module, Debug)]
pub struct Recency {
    /// `[H, P + 1]`.
    pub distance: Param<Tensor<2>>,
}

impl Recency {
    pub(crate) fn draw(heads: usize, most: usize, init: &mut Init) -> Self {
        Self { distance: init.constant(0.0, [heads, most + 1]) }
    }

    /// What is added to scores: `[1, 1, H, L]`, or `[B, C, H, L]` where candidates see different events.
    pub fn bias(&self, history: &Events, candidates: &Events) -> Tensor<4> {
        let [heads, most] = self.distance.dims();
        let [batch, length] = history.dims();
        let device = self.distance.device();
        let column = |sees: usize, l: usize| sees.saturating_sub(1 + l).min(most - 1) as u32;
        let select = |columns: &[u32]| {
            let columns: Tensor<1, Int> = integers([columns.len()], columns, &device);
            self.distance.val().select(1, columns)
        };
        let Some(sees) = &candidates.sees else {
            let columns: Vec<u32> = (0..length).map(|l| column(length, l)).collect();
            return select(&columns).reshape([1, 1, heads, length]);
        };
        let [_, count] = candidates.dims();
        let sees = host_integers(sees).into_iter().map(|sees| sees as usize);
        let columns: Vec<u32> = sees.flat_map(|sees| (0..length).map(move |l| column(sees, l))).collect();
        select(&columns).reshape([heads, batch, count, length]).permute([1, 2, 0, 3])
    }

    /// The same for histories of length L of which candidates see everything, on the host: `[H, L]`.
    pub(crate) fn host(&self, length: usize) -> Vec<f32> {
        let [heads, most] = self.distance.dims();
        let rows = crate::gsu::scan::host_rows(&self.distance.val());
        let row = |head: usize| {
            let own = &rows[head * most..][..most];
            (0..length).map(move |l| own[(length - 1 - l).min(most - 1)])
        };
        (0..heads).flat_map(row).collect()
    }
}
