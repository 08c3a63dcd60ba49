//! Relevance of queries and items (third pretraining task).

use burn::tensor::{Int, Tensor, TensorData};

use super::alignment::normalised;

/// Cosines over τ of each position's query with its own item `[B, L]` and with the items at `negatives` `[B, L, S]`.
///
/// A few samples a position: taking their items costs L·S products, all pairs of positions would cost L².
fn cosines(
    query: &Tensor<3>,
    item: &Tensor<3>,
    negatives: &[Vec<u32>],
    temperature: f64,
) -> (Tensor<2>, Tensor<3>) {
    let (query, item) = (normalised(query.clone()), normalised(item.clone()));
    let device = item.device();
    let product = |item: Tensor<3>| (query.clone() * item).sum_dim(2) / temperature;
    let samples = negatives.first().map_or(0, Vec::len);
    let drawn = |sample: usize| {
        let positions: Vec<i64> = negatives.iter().map(|own| i64::from(own[sample])).collect();
        let length = positions.len();
        let positions = Tensor::<1, Int>::from_data(TensorData::new(positions, [length]), &device);
        product(item.clone().select(1, positions))
    };
    let negative = Tensor::cat((0..samples).map(drawn).collect(), 2);
    (product(item.clone()).squeeze_dim(2), negative)
}

/// InfoNCE: mean of `−ln(e^pos / (e^pos + Σ e^neg))` over the anchors, where `weight` `[B, L]` is 1.
///
/// `eligible` `[B, L]` is 1 at positions that may serve as negatives. `query` and `item` are `[B, L, D]`;
/// `negatives[l]` are the positions drawn for position l.
pub fn relevance(
    query: &Tensor<3>,
    item: &Tensor<3>,
    negatives: &[Vec<u32>],
    weight: &Tensor<2>,
    eligible: &Tensor<2>,
    temperature: f64,
) -> Tensor<1> {
    let (positive, negative) = cosines(query, item, negatives, temperature);
    let [batch, length, samples] = negative.dims();
    let drawn: Vec<i64> = negatives.iter().flatten().map(|&n| i64::from(n)).collect();
    let drawn =
        Tensor::<2, Int>::from_data(TensorData::new(drawn, [1, length * samples]), &positive.device());
    let counts = eligible.clone().gather(1, drawn.repeat_dim(0, batch)).reshape([batch, length, samples]);
    // Cosines lie within ±1/τ: differences to the positive stay far from overflow.
    let ratio = (negative - positive.unsqueeze_dim::<3>(2)).exp() * counts;
    let loss = ratio.sum_dim(2).squeeze_dim::<2>(2).log1p();
    (loss * weight.clone()).sum() / weight.clone().sum().clamp_min(1.0)
}

/// The published form: mean of `e^pos / Σ e^neg` over all positions, which pushes matching pairs apart.
pub fn published_relevance(
    query: &Tensor<3>,
    item: &Tensor<3>,
    negatives: &[Vec<u32>],
    temperature: f64,
) -> Tensor<1> {
    let (positive, negative) = cosines(query, item, negatives, temperature);
    (positive.exp() / negative.exp().sum_dim(2).squeeze_dim(2)).mean()
}
