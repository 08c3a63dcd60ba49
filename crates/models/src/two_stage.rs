//! What SIM, ETA and QIN share: one selection for all heads, then the exact search unit.

use burn::tensor::Tensor;

use crate::events::Events;
use crate::model::Search;
use crate::parts::{Selection, TargetAttention};

/// Attends to a selection that all heads share, as published or with padding masked.
pub(crate) fn attend_shared(
    attention: &TargetAttention,
    [history, candidates]: [&Events; 2],
    [pairs, targets]: [Tensor<2>; 2],
    relevance: Tensor<4>,
    selection: Selection,
    mask_padding: bool,
) -> Search {
    let mut projected = attention.project(history, pairs, candidates, targets);
    if !mask_padding {
        projected = projected.with_zero_rows(history);
    }
    let attended = attention.attend(projected, None, &selection, history);
    Search { relevance, selection, attended }
}

/// `Σ_l w_l x_l` for each candidate: weights `[B, C, 1, L]`, rows `[U, D]`; the stage-one vector `[B, C, D]`.
pub(crate) fn pooled(weights: Tensor<4>, history: &Events, pairs: Tensor<2>) -> Tensor<3> {
    weights.squeeze_dim::<3>(2).matmul(history.place(pairs))
}
