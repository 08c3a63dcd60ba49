//! The two stages, one after the other: a general search unit keeps K events, the exact search unit attends to them.

use burn::tensor::Tensor;

use crate::fused;
use crate::gsu::scan::scan;
use crate::gsu::{Gsu, Scene};
use crate::model::Retrieval;
use crate::parts::{Pairs, Projected, Selection, TargetAttention, attention_weights};

impl TargetAttention {
    /// The general search by `gsu`, then attention over the `top_k` events that it keeps for each candidate.
    ///
    /// On the device flex, and without a tape anywhere, one pass over each user's events, see [`gsu`](crate::gsu) and
    /// [`fused`](crate::fused). Else tensors hold every score, `[B, C, H, L]`, and what was retrieved says them.
    pub fn attend_top_k<G: Gsu>(&self, gsu: &G, pairs: &Pairs<'_>, top_k: usize) -> Retrieval {
        if !pairs.events.device().is_autodiff() {
            let attended = scan(self, gsu, pairs, top_k, false).attended;
            return Retrieval { attended, relevance: None, selection: None };
        }
        if self.masks_padding() && self.recency.is_none() && fused::taken(&pairs.events) {
            let means = fused::attend(self, gsu, pairs, top_k);
            let attended = self.combine(means, pairs.any(pairs.seen().as_ref()));
            return Retrieval { attended, relevance: None, selection: None };
        }
        let seen = pairs.seen();
        let Retained { projected, scores, relevance, selection } =
            self.retain(gsu, pairs, top_k, seen.as_ref());
        let attended = self.attend(projected, scores, &selection, pairs.any(seen.as_ref()));
        Retrieval { attended, relevance: Some(relevance), selection: Some(selection) }
    }

    /// The weight that each event has in what [`TargetAttention::attend_top_k`] makes for a candidate, a mean over heads:
    /// `[B, C, L]`, 0 for events that were not kept. They sum to 1 for users with any event.
    pub fn weights_top_k<G: Gsu>(&self, gsu: &G, pairs: &Pairs<'_>, top_k: usize) -> Tensor<3> {
        if !pairs.events.device().is_autodiff() {
            let weights = scan(self, gsu, pairs, top_k, true).weights;
            return weights.expect("the weights were asked for");
        }
        let seen = pairs.seen();
        let Retained { projected, scores, selection, .. } = self.retain(gsu, pairs, top_k, seen.as_ref());
        let width = pairs.events.dims()[1];
        let weights = attention_weights(scores.unwrap_or_else(|| projected.relevance()), width, &selection);
        let weights = weights.mean_dim(2).squeeze_dim::<3>(2);
        if !self.masks_padding() {
            return weights;
        }
        weights * pairs.any(seen.as_ref())
    }

    /// The search with a tape.
    fn retain<G: Gsu>(&self, gsu: &G, pairs: &Pairs<'_>, top_k: usize, seen: Option<&Selection>) -> Retained {
        let Pairs { history, candidates, events, targets, .. } = pairs;
        let mut projected = self.project(history, events.clone(), candidates, targets.clone());
        let mask_padding = self.masks_padding();
        let scene = Scene { history, candidates, projected: &projected, mask_padding, seen };
        let (relevance, selection) = gsu.select(&scene, top_k);
        let zero_rows = !self.masks_padding() && G::PADDING_IS_ZERO;
        if zero_rows {
            projected = projected.with_zero_rows(history);
        }
        let scores = (G::BY_ATTENTION && !zero_rows).then(|| relevance.clone());
        Retained { projected, scores, relevance, selection }
    }
}

/// What the search leaves for the attention.
struct Retained {
    projected: Projected,
    /// The attention's own scores, where the search has computed them.
    scores: Option<Tensor<4>>,
    relevance: Tensor<4>,
    selection: Selection,
}
