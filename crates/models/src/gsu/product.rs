//! SIM's search, and SEMINAR's by codes: an inner product of target and event.

use burn::tensor::Tensor;
use pulp::Simd;

use super::scan::{PANEL, best, host_rows, pack, products};
use super::unit::{Candidate, Gsu, HostGsu, Scene, Seen};
use crate::events::Events;
use crate::parts::{Selection, select_top_k};

/// Rows of targets and of events whose inner product is the relevance.
#[derive(Clone, Debug)]
pub struct Product {
    /// `[V, X]`.
    pub targets: Tensor<2>,
    /// `[U, X]`.
    pub keys: Tensor<2>,
    /// The key that stands at padded positions, `[1, X]`, where it is not the padding row's own.
    pub padding: Option<Tensor<2>>,
}

impl Product {
    /// Inner products of unique targets `[V, X]` with unique events `[U, X]`.
    pub fn new(targets: Tensor<2>, keys: Tensor<2>) -> Self {
        Self { targets, keys, padding: None }
    }

    /// `[B, C, 1, L]`.
    pub fn relevance(&self, history: &Events, candidates: &Events) -> Tensor<4> {
        let mut keys = history.place(self.keys.clone());
        if let Some(padding) = &self.padding {
            let mask: Tensor<3> = history.float_mask().unsqueeze_dim(2);
            keys = keys * mask.clone() + (mask.neg() + 1.0) * padding.clone().unsqueeze_dim::<3>(0);
        }
        candidates.place(self.targets.clone()).matmul(keys.swap_dims(1, 2)).unsqueeze_dim(2)
    }
}

impl Gsu for Product {
    type Host = HostProduct;

    fn select(&self, scene: &Scene<'_>, k: usize) -> (Tensor<4>, Selection) {
        let relevance = self.relevance(scene.history, scene.candidates);
        let selection = select_top_k(&relevance, scene.history, k, scene.mask_padding, scene.seen);
        (relevance, selection)
    }

    fn host(&self) -> HostProduct {
        let [count, width] = self.keys.dims();
        let mut keys = host_rows(&self.keys);
        let padding = self.padding.as_ref().map(|padding| {
            keys.extend(host_rows(padding));
            count as u32
        });
        HostProduct { width, targets: host_rows(&self.targets), keys, padding }
    }
}

/// A [`Product`] on the host.
#[derive(Debug)]
pub struct HostProduct {
    pub(super) width: usize,
    /// `[V, X]`.
    pub(super) targets: Vec<f32>,
    /// `[U, X]`, and the padding key behind them.
    pub(super) keys: Vec<f32>,
    /// The row of the padding key.
    pub(super) padding: Option<u32>,
}

/// A user's keys in panels, and a target's inner products with them.
#[derive(Debug, Default)]
pub struct ProductScratch {
    rows: Vec<u32>,
    panels: Vec<f32>,
    /// Inner products in the order of [`Seen`], padded to whole panels.
    pub(super) found: Vec<f32>,
}

impl HostProduct {
    /// Packs the keys of a user's events.
    pub(super) fn pack(&self, seen: &Seen<'_>, scratch: &mut ProductScratch) {
        let ProductScratch { rows, panels, found } = scratch;
        let places = seen.positions.iter().zip(seen.rows);
        rows.clear();
        rows.extend(places.map(|(&l, &row)| self.padding.filter(|_| !seen.mask[l as usize]).unwrap_or(row)));
        pack(&self.keys, self.width, rows, panels);
        found.resize(seen.len().next_multiple_of(PANEL), 0.0);
    }

    /// Inner products of one target with the packed events.
    #[inline(always)]
    pub(super) fn find<S: Simd>(&self, simd: S, target: u32, scratch: &mut ProductScratch) {
        let ProductScratch { panels, found, .. } = scratch;
        let stride = found.len();
        let target = &self.targets[target as usize * self.width..][..self.width];
        products(simd, [target], panels, self.width, found, stride);
    }
}

impl HostGsu for HostProduct {
    type Scratch = ProductScratch;

    fn enter(&self, seen: &Seen<'_>, scratch: &mut ProductScratch) {
        self.pack(seen, scratch);
    }

    #[inline(always)]
    fn keep<S: Simd>(
        &self,
        simd: S,
        &Candidate { seen, target, k, .. }: &Candidate<'_>,
        scratch: &mut ProductScratch,
        kept: &mut [u32],
    ) -> usize {
        self.find(simd, target, scratch);
        best(simd, &scratch.found[..seen.len()], k, false, kept)
    }
}
