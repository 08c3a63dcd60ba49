//! What the searches' own heads look at: events weighted by their relevance.

use burn::tensor::Tensor;

use crate::events::Events;
use crate::parts::{Pairs, Selection};

/// `Σ_l w_l x_l` for each candidate, `[B, C, D]`: weights `[B, C, 1, L]`, vectors of unique events `[U, D]`.
pub(crate) fn pooled(weights: Tensor<4>, history: &Events, events: Tensor<2>) -> Tensor<3> {
    weights.squeeze_dim::<3>(2).matmul(history.place(events))
}

/// 1 for users with an event, else 0, `[B, 1, 1, 1]`; and 0 at events, −10⁹ at padding, `[B, 1, 1, L]`. For candidates that see
/// different events the same of each, `[B, C, 1, …]`.
pub(crate) fn presence(pairs: &Pairs<'_>) -> (Tensor<4>, Tensor<4>) {
    let seen = pairs.seen();
    let any = pairs.any(seen.as_ref()).unsqueeze_dim(2);
    (any, seen.unwrap_or_else(|| Selection::events(pairs.history)).bias)
}
