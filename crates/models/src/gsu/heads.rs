//! TWIN's search: the attention's own scores, a selection per head.

use burn::tensor::Tensor;
use pulp::Simd;

use super::scan::best;
use super::unit::{Candidate, Gsu, HostGsu, Scene, Seen};
use crate::parts::{Selection, select_top_k};

/// `s = Q(t) · K(x)` of each head, which the exact search unit uses again.
#[derive(Clone, Copy, Debug)]
pub struct Heads;

impl Gsu for Heads {
    const BY_ATTENTION: bool = true;
    type Host = Self;

    fn select(&self, scene: &Scene<'_>, k: usize) -> (Tensor<4>, Selection) {
        let relevance = scene.projected.relevance();
        let selection = select_top_k(&relevance, scene.history, k, scene.mask_padding, scene.seen);
        (relevance, selection)
    }

    fn host(&self) -> Self {
        Self
    }
}

impl HostGsu for Heads {
    const PER_HEAD: bool = true;
    type Scratch = ();

    fn enter(&self, _: &Seen<'_>, (): &mut ()) {}

    #[inline(always)]
    fn keep<S: Simd>(&self, simd: S, candidate: &Candidate<'_>, (): &mut (), kept: &mut [u32]) -> usize {
        best(simd, candidate.scores, candidate.k, false, kept)
    }
}
