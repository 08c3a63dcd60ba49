//! Cross-entropy of a softmax: of each target among its own negatives, or among negatives that all targets share.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Tensor, TensorData};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::gsu::scan::{host_rows, softmax};
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
///
/// Its gradient is a product with the probabilities, which are at hand: it is given to the tape as it is, so that no matrix `[T, n]` is
/// recorded.
pub fn sampled_softmax(
    states: Tensor<2>,
    targets: Tensor<2>,
    negatives: Tensor<2>,
    same: &[Option<u32>],
) -> Tensor<1> {
    let [states_now, targets_now, negatives_now] =
        [&states, &targets, &negatives].map(|t| t.clone().detach());
    let (count, device) = (states.dims()[0], states.device());
    let width = negatives.dims()[0];
    let mut positive = host_rows(&(states_now.clone() * targets_now.clone()).sum_dim(1));
    let mut others = host_rows(&states_now.clone().matmul(negatives_now.clone().transpose()));
    let losses = slopes(&mut positive, &mut others, width, same);
    let tensor = |values: Vec<f32>, width: usize| {
        Tensor::<2>::from_data(TensorData::new(values, [count, width]), &device)
    };
    let (positive, others) = (tensor(positive, 1), tensor(others, width));
    let to_states = others.clone().matmul(negatives_now) + targets_now * positive.clone();
    let to_negatives = others.transpose().matmul(states_now.clone());
    let slope = (states * to_states).sum()
        + (targets * states_now * positive).sum()
        + (negatives * to_negatives).sum();
    let mean = losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / count as f64;
    slope.clone() - slope.detach() + mean
}

/// From logits of targets `[T]` and of negatives `[T, n]` to the derivatives of the mean loss by them, in place, and the losses.
fn slopes(positive: &mut [f32], others: &mut [f32], width: usize, same: &[Option<u32>]) -> Vec<f32> {
    struct Row<'a>(&'a mut [f32]);
    impl WithSimd for Row<'_> {
        type Output = [f32; 2];
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> [f32; 2] {
            softmax(simd, self.0, 1.0)
        }
    }
    let (arch, share) = (Arch::new(), 1.0 / positive.len() as f32);
    let rows = positive.par_iter_mut().zip(others.par_chunks_exact_mut(width)).zip(same);
    let row = |logits: &mut Vec<f32>, ((positive, others), same): ((&mut f32, &mut [f32]), &Option<u32>)| {
        let own = *positive;
        logits.clear();
        logits.push(own);
        logits.extend_from_slice(others);
        if let Some(same) = same {
            logits[1 + *same as usize] = NOT_SELECTED;
        }
        let [largest, sum] = arch.dispatch(Row(logits));
        *positive = (logits[0] - 1.0) * share;
        others.iter_mut().zip(&logits[1..]).for_each(|(value, weight)| *value = weight * share);
        sum.ln() + largest - own
    };
    rows.map_init(Vec::new, row).collect()
}
