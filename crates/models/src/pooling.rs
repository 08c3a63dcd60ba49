//! What the searches' own heads look at: events weighted by their relevance.

use burn::tensor::Tensor;

use crate::events::Events;
use crate::parts::Selection;

/// `Σ_l w_l x_l` for each candidate, `[B, C, D]`: weights `[B, C, 1, L]`, vectors of unique events `[U, D]`.
pub(crate) fn pooled(weights: Tensor<4>, history: &Events, events: Tensor<2>) -> Tensor<3> {
    weights.squeeze_dim::<3>(2).matmul(history.place(events))
}

/// 1 for users with an event, else 0, `[B, 1, 1, 1]`; and 0 at events, −10⁹ at padding, `[B, 1, 1, L]`.
pub(crate) fn presence(history: &Events) -> (Tensor<4>, Tensor<4>) {
    (history.float_mask().max_dim(1).reshape([-1, 1, 1, 1]), Selection::events(history).bias)
}
