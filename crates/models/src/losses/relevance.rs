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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn equals_its_definition() {
        const SHAPE: [usize; 3] = [2, 5, 3];
        let device = Device::flex();
        let draw = || Tensor::<3>::random(SHAPE, Distribution::Normal(0.0, 1.0), &device);
        let (query, item) = (draw(), draw());
        let negatives: Vec<Vec<u32>> = vec![vec![1, 4], vec![0, 2], vec![3, 4], vec![0, 1], vec![2, 3]];
        // Of the first user two positions are padding: neither anchors nor negatives. The last anchor has no query.
        let weight = [[0.0, 0.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0, 0.0]];
        let eligible = [[0.0, 0.0, 1.0, 1.0, 1.0], [1.0; 5]];
        let temperature = 0.3;
        let values = |rows: &Tensor<3>| rows.to_data().try_to_vec::<f32>().unwrap();
        let (queries, items) = (values(&query), values(&item));
        let row = |rows: &[f32], user: usize, at: usize| -> Vec<f64> {
            rows[(user * 5 + at) * 3..][..3].iter().map(|&x| f64::from(x)).collect()
        };
        let cosine = |a: Vec<f64>, b: Vec<f64>| {
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
        };
        let (mut loss, mut anchors) = (0.0, 0.0);
        for user in 0..2 {
            for at in 0..5 {
                let score = |other: usize| {
                    (cosine(row(&queries, user, at), row(&items, user, other)) / temperature).exp()
                };
                let drawn = negatives[at].iter().map(|&n| n as usize);
                let others: f64 = drawn.filter(|&n| eligible[user][n] == 1.0).map(score).sum();
                loss -= weight[user][at] * (score(at) / (score(at) + others)).ln();
                anchors += weight[user][at];
            }
        }
        let [weight, eligible] = [weight, eligible].map(|rows| Tensor::<2>::from_data(rows, &device));
        let found =
            relevance(&query, &item, &negatives, &weight, &eligible, temperature).into_scalar::<f32>();
        let right = loss / anchors;
        assert!((f64::from(found) - right).abs() < 1e-5, "{found} is not {right}");
    }
}
