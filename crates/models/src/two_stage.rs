//! What all models share: stage one finds events, the exact search unit attends to them.

use burn::tensor::Tensor;

use crate::events::Events;
use crate::model::Search;
use crate::parts::scan::scan;
use crate::parts::stage_one::StageOne;
use crate::parts::{Selection, TargetAttention, select_last_k, select_top_k};

/// Stage one and the exact search unit over distinct `pairs` `[U, D]` and `targets` `[V, D]`.
///
/// Where gradients are recorded, tensors hold every score; elsewhere one pass over each user's events gives the same
/// numbers, see [`scan`].
pub(crate) fn search_and_attend(
    attention: &TargetAttention,
    events: [&Events; 2],
    [pairs, targets]: [Tensor<2>; 2],
    stage_one: &StageOne,
    top_k: usize,
    mask_padding: bool,
) -> Search {
    if !pairs.device().is_autodiff() {
        let attended = scan(attention, events, [&pairs, &targets], stage_one, top_k, mask_padding);
        return Search { attended, relevance: None, selection: None };
    }
    let [history, candidates] = events;
    let mut projected = attention.project(history, pairs, candidates, targets);
    let (relevance, selection) = match stage_one {
        StageOne::Recent => (projected.relevance(), select_last_k(history, top_k, mask_padding)),
        StageOne::Heads => {
            let relevance = projected.relevance();
            let selection = select_top_k(&relevance, history, top_k, mask_padding, None);
            (relevance, selection)
        }
        _ => stage_one.shared(history, candidates, top_k, mask_padding),
    };
    // As published, padding that is selected enters as a zero row; the base model has no selection.
    if !mask_padding && !matches!(stage_one, StageOne::Recent) {
        projected = projected.with_zero_rows(history);
    }
    let own = matches!(stage_one, StageOne::Recent) || (matches!(stage_one, StageOne::Heads) && mask_padding);
    let scores = own.then(|| relevance.clone());
    let attended = attention.attend(projected, scores, &selection, history);
    Search { attended, relevance: Some(relevance), selection: Some(selection) }
}

/// `Σ_l w_l x_l` for each candidate: weights `[B, C, 1, L]`, rows `[U, D]`; the stage-one vector `[B, C, D]`.
pub(crate) fn pooled(weights: Tensor<4>, history: &Events, pairs: Tensor<2>) -> Tensor<3> {
    weights.squeeze_dim::<3>(2).matmul(history.place(pairs))
}

/// 1 for users with an event, else 0, `[B, 1, 1, 1]`; and 0 at events, −10⁹ at padding, `[B, 1, 1, L]`.
pub(crate) fn presence(history: &Events) -> (Tensor<4>, Tensor<4>) {
    (history.mask().max_dim(1).reshape([-1, 1, 1, 1]), Selection::real(history).bias)
}
