//! QIN's search: the query keeps K1 events, the target item keeps K of those.

use burn::tensor::Tensor;
use pulp::Simd;

use super::product::{HostProduct, Product, ProductScratch};
use super::scan::{best, best_within, host_rows};
use super::unit::{Candidate, Gsu, HostGsu, Scene, Seen};
use crate::events::Events;
use crate::parts::{Selection, select_top_k};

/// Two inner products, one after the other.
#[derive(Clone, Debug)]
pub struct QueryThenItem {
    /// Of the candidates' queries, stage 1.
    pub by_query: Product,
    /// Of the candidates' items, stage 2.
    pub by_item: Product,
    /// K1.
    pub keep: usize,
    /// 1 where a target has a query, `[V, 1]`: the others skip stage 1. As published, none does.
    pub has_query: Option<Tensor<2>>,
}

impl QueryThenItem {
    /// What stage 1 keeps; candidates without a query keep every event. `seen` as in [`Scene`].
    pub fn query_stage(
        &self,
        history: &Events,
        candidates: &Events,
        mask_padding: bool,
        seen: Option<&Selection>,
    ) -> Selection {
        let relevance = self.by_query.relevance(history, candidates);
        let kept = select_top_k(&relevance, history, self.keep, mask_padding, seen);
        let Some(has_query) = &self.has_query else { return kept };
        let [batch, count] = candidates.dims();
        let has_query = candidates.place(has_query.clone()).reshape([batch, count, 1, 1]);
        let everything = seen.map_or_else(|| Selection::events(history).bias, |seen| seen.bias.clone());
        Selection { bias: kept.bias * has_query.clone() + everything * (has_query.neg() + 1.0) }
    }
}

impl Gsu for QueryThenItem {
    type Host = HostQueryThenItem;

    fn select(&self, scene: &Scene<'_>, k: usize) -> (Tensor<4>, Selection) {
        let relevance = self.by_item.relevance(scene.history, scene.candidates);
        let first = self.query_stage(scene.history, scene.candidates, scene.mask_padding, scene.seen);
        let selection = select_top_k(&relevance, scene.history, k, scene.mask_padding, Some(&first));
        (relevance, selection)
    }

    fn host(&self) -> HostQueryThenItem {
        HostQueryThenItem {
            by_query: self.by_query.host(),
            by_item: self.by_item.host(),
            keep: self.keep,
            has_query: self.has_query.as_ref().map(host_rows),
        }
    }
}

/// [`QueryThenItem`] on the host.
#[derive(Debug)]
pub struct HostQueryThenItem {
    pub(super) by_query: HostProduct,
    pub(super) by_item: HostProduct,
    pub(super) keep: usize,
    pub(super) has_query: Option<Vec<f32>>,
}

/// Working memory of both stages.
#[derive(Debug, Default)]
pub struct TwoStageScratch {
    by_query: ProductScratch,
    by_item: ProductScratch,
    chosen: Vec<u32>,
}

impl HostGsu for HostQueryThenItem {
    type Scratch = TwoStageScratch;

    fn enter(&self, seen: &Seen<'_>, scratch: &mut TwoStageScratch) {
        self.by_query.pack(seen, &mut scratch.by_query);
        self.by_item.pack(seen, &mut scratch.by_item);
        scratch.chosen.resize(seen.len(), 0);
    }

    #[inline(always)]
    fn keep<S: Simd>(
        &self,
        simd: S,
        &Candidate { seen, target, k, .. }: &Candidate<'_>,
        scratch: &mut TwoStageScratch,
        kept: &mut [u32],
    ) -> usize {
        let TwoStageScratch { by_query, by_item, chosen } = scratch;
        self.by_item.find(simd, target, by_item);
        let found = &by_item.found[..seen.len()];
        if self.has_query.as_ref().is_some_and(|has_query| has_query[target as usize] == 0.0) {
            return best(simd, found, k, false, kept);
        }
        self.by_query.find(simd, target, by_query);
        let first = best(simd, &by_query.found[..seen.len()], self.keep, false, kept);
        best_within(simd, found, k, &mut kept[..first], &mut by_query.found, chosen)
    }
}
