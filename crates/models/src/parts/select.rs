//! The top K: which events each candidate keeps.

use burn::tensor::{Bool, Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::events::{Events, host_bools};

/// Additive mask outside the top K: the softmax weight is then exactly 0.
pub(crate) const NOT_SELECTED: f32 = -1e9;

/// The selected events.
#[derive(Clone, Debug)]
pub struct Selection {
    /// 0 where an event is selected, −10⁹ elsewhere, `[B or 1, C or 1, H or 1, L]`: added to attention scores.
    pub bias: Tensor<4>,
}

impl Selection {
    /// The selected positions of each row of `[B, C, H]`, ascending.
    pub fn positions(&self) -> Vec<Vec<usize>> {
        let [.., length] = self.bias.dims();
        let kept = |row: &[f32]| (0..length).filter(|&l| row[l] == 0.0).collect();
        host(&self.bias).chunks_exact(length).map(kept).collect()
    }

    /// Every position, padding too.
    pub fn everything(length: usize, device: &Device) -> Self {
        Self { bias: Tensor::zeros([1, 1, 1, length], device) }
    }

    /// Every event, no padding.
    pub fn events(history: &Events) -> Self {
        let [batch, length] = history.dims();
        let bias = (history.float_mask() - 1.0) * -f64::from(NOT_SELECTED);
        Self { bias: bias.reshape([batch, 1, 1, length]) }
    }
}

/// The K most relevant events of each row of `relevance` `[B, C, H, L]`; among equals, the more recent ones.
///
/// With `mask_padding`, padding is never selected, and users with fewer than K events keep those they have.
/// Positions that `within` leaves out are never selected either.
pub fn select_top_k(
    relevance: &Tensor<4>,
    history: &Events,
    k: usize,
    mask_padding: bool,
    within: Option<&Selection>,
) -> Selection {
    let [batch, candidates, heads, length] = relevance.dims();
    let device = relevance.device();
    if within.is_none() && k >= length && !mask_padding {
        return Selection::everything(length, &device);
    }
    if mask_padding && longest(&history.mask) <= k {
        return within.cloned().unwrap_or_else(|| Selection::events(history));
    }
    let relevance = match within {
        Some(outer) => relevance.clone().detach() + outer.bias.clone(),
        None => relevance.clone().detach(),
    };
    let mask = host_bools(&history.mask);
    let mut scores = host(&relevance);
    scores.par_chunks_mut(heads * candidates * length).enumerate().for_each(|(user, rows)| {
        let mask = &mask[user * length..][..length];
        let mut order: Vec<u32> = Vec::with_capacity(length);
        for row in rows.chunks_exact_mut(length) {
            let eligible = |l: usize| (mask[l] || !mask_padding) && row[l] > NOT_SELECTED / 2.0;
            order.clear();
            order.extend((0..length).filter(|&l| eligible(l)).map(|l| l as u32));
            if order.len() > k {
                let better = |&a: &u32, &b: &u32| row[b as usize].total_cmp(&row[a as usize]).then(b.cmp(&a));
                order.select_nth_unstable_by(k, better);
                order.truncate(k);
            }
            row.fill(NOT_SELECTED);
            order.iter().for_each(|&l| row[l as usize] = 0.0);
        }
    });
    Selection {
        bias: Tensor::from_data(TensorData::new(scores, [batch, candidates, heads, length]), &device),
    }
}

/// The last K positions, the same for every candidate: events only with `mask_padding`.
pub fn select_last_k(history: &Events, k: usize, mask_padding: bool) -> Selection {
    let [batch, length] = history.dims();
    let mask = host_bools(&history.mask);
    let bias = (0..batch * length).map(|at| {
        let recent = at % length + k >= length;
        if recent && (mask[at] || !mask_padding) { 0.0 } else { NOT_SELECTED }
    });
    let data = TensorData::new(bias.collect::<Vec<f32>>(), [batch, 1, 1, length]);
    Selection { bias: Tensor::from_data(data, &history.inverse.device()) }
}

/// The number of events of the longest history.
fn longest(mask: &Tensor<2, Bool>) -> usize {
    let [_, length] = mask.dims();
    host_bools(mask)
        .chunks_exact(length)
        .map(|row| row.iter().filter(|&&event| event).count())
        .max()
        .unwrap_or(0)
}

fn host<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data_as::<f32>().try_into_vec().expect("the data was converted to f32")
}
