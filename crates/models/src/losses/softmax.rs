//! Cross-entropy of a softmax: of each target among its own negatives, or among negatives that all targets share.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Tensor, TensorData};

use crate::parts::NOT_SELECTED;

/// The mean over targets of `−log softmax(z)` at the target among its group of candidates.
///
/// `logits` and `mask` are `[B, T · G]`: T groups of G candidates, the target first. A group whose target `mask` leaves out counts for
/// nothing, and neither do other candidates that it leaves out.
pub fn grouped_softmax(logits: Tensor<2>, mask: &Tensor<2, Bool>, group: usize) -> Tensor<1> {
    let [batch, count] = logits.dims();
    let targets = batch * count / group;
    let mask = mask.clone().float().reshape([targets, group]);
    let there = mask.clone().narrow(1, 0, 1);
    let bias = (mask - 1.0) * -f64::from(NOT_SELECTED);
    let losses = log_softmax(logits.reshape([targets, group]) + bias, 1).narrow(1, 0, 1).neg();
    (losses * there.clone()).sum() / there.sum().clamp_min(1.0)
}

/// Candidates of each target, from labels `[B, T · G]` that are 1 at the targets: G.
pub fn group_size(labels: &Tensor<2>) -> usize {
    let [_, count] = labels.dims();
    let first = labels.clone().narrow(0, 0, 1).to_data_as::<f32>().try_into_vec::<f32>();
    let first = first.expect("the data was converted to f32");
    first.iter().skip(1).position(|&label| label == 1.0).map_or(count, |at| at + 1)
}

/// The mean over targets of `−log softmax` at the target among itself and shared negatives: states `[T, D]`, targets `[T, D]`,
/// negatives `[n, D]`, compared by inner products.
///
/// `same[i]` is the negative that is target `i` itself, if one is: it counts once.
pub fn sampled_softmax(
    states: Tensor<2>,
    targets: Tensor<2>,
    negatives: Tensor<2>,
    same: &[Option<u32>],
) -> Tensor<1> {
    let ([count, _], [width, _]) = (states.dims(), negatives.dims());
    let positive = (states.clone() * targets).sum_dim(1);
    let mut others = states.matmul(negatives.transpose());
    if same.iter().any(Option::is_some) {
        let mut bias = vec![0.0; count * width];
        for (row, column) in same.iter().enumerate().filter_map(|(row, same)| Some((row, (*same)? as usize))) {
            bias[row * width + column] = NOT_SELECTED;
        }
        others = others + Tensor::from_data(TensorData::new(bias, [count, width]), &positive.device());
    }
    log_softmax(Tensor::cat(vec![positive, others], 1), 1).narrow(1, 0, 1).neg().mean()
}
