//! No search: the last K positions, the same for every candidate.

use burn::tensor::Tensor;
use pulp::Simd;

use super::unit::{Candidate, Gsu, HostGsu, Scene, Seen};
use crate::parts::{Selection, select_last_k, select_top_k};

/// The last K positions.
#[derive(Clone, Copy, Debug)]
pub struct Recent;

impl Gsu for Recent {
    const BY_ATTENTION: bool = true;
    const PADDING_IS_ZERO: bool = false;
    type Host = Self;

    fn select(&self, scene: &Scene<'_>, k: usize) -> (Tensor<4>, Selection) {
        let selection = match scene.seen {
            None => select_last_k(scene.history, k, scene.mask_padding),
            Some(seen) => {
                let [batch, count, _, length] = seen.bias.dims();
                let order = Tensor::arange(0..length as i64, &scene.history.inverse.device()).float();
                let order = order.reshape([1, 1, 1, length]).expand([batch, count, 1, length]);
                select_top_k(&order, scene.history, k, scene.mask_padding, Some(seen))
            }
        };
        (scene.projected.relevance(), selection)
    }

    fn host(&self) -> Self {
        Self
    }
}

impl HostGsu for Recent {
    type Scratch = ();

    fn enter(&self, _: &Seen<'_>, (): &mut ()) {}

    #[inline(always)]
    fn keep<S: Simd>(
        &self,
        _: S,
        &Candidate { seen, k, .. }: &Candidate<'_>,
        (): &mut (),
        kept: &mut [u32],
    ) -> usize {
        let first = seen.positions.partition_point(|&l| (l as usize) + k < seen.length);
        (first..seen.len()).zip(kept.iter_mut()).for_each(|(at, slot)| *slot = at as u32);
        seen.len() - first
    }
}
