//! Alignment of modalities (second pretraining task).

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Int, Tensor};

/// Rows scaled to length 1; a zero row stays zero.
pub(super) fn normalised<const D: usize>(rows: Tensor<D>) -> Tensor<D> {
    let squares = rows.clone().powf_scalar(2.0).sum_dim(D - 1);
    rows / squares.clamp_min(1e-24).sqrt()
}

/// Symmetric InfoNCE of two modalities `[U, D]` of the same events: row i of one belongs to row i of the other.
///
/// Rows are compared within chunks of `chunk` rows; a last chunk of one row has nothing to compare and is left
/// out. `None` if no chunk is left.
pub fn alignment(x: &Tensor<2>, y: &Tensor<2>, chunk: usize, temperature: f64) -> Option<Tensor<1>> {
    let rows = x.dims()[0];
    let (x, y) = (normalised(x.clone()), normalised(y.clone()));
    let mut total: Option<Tensor<1>> = None;
    let mut counted = 0;
    for start in (0..rows).step_by(chunk) {
        let size = chunk.min(rows - start);
        if size < 2 {
            continue;
        }
        let part = |rows: &Tensor<2>| rows.clone().narrow(0, start, size);
        let logits = part(&y).matmul(part(&x).transpose()) / temperature;
        let own = Tensor::<1, Int>::arange(0..size as i64, &logits.device()).unsqueeze_dim(1);
        let rows_loss = log_softmax(logits.clone(), 1).gather(1, own.clone()).sum();
        let columns_loss = log_softmax(logits.transpose(), 1).gather(1, own).sum();
        let loss = (rows_loss + columns_loss) / -2.0;
        total = Some(total.map_or(loss.clone(), |t| t + loss));
        counted += size;
    }
    total.map(|t| t / counted as f64)
}

/// The published form: soft targets `softmax((x xᵀ + y yᵀ)/2 · τ)`, nearly uniform, over `chunks` equal chunks;
/// rows that do not fill a chunk are dropped. Zero where there are fewer rows than chunks.
pub fn published_alignment(x: &Tensor<2>, y: &Tensor<2>, chunks: usize, temperature: f64) -> Tensor<1> {
    let size = x.dims()[0] / chunks;
    let (x, y) = (normalised(x.clone()), normalised(y.clone()));
    let mut total = Tensor::zeros([1], &x.device());
    if size == 0 {
        return total;
    }
    for chunk in 0..chunks {
        let part = |rows: &Tensor<2>| rows.clone().narrow(0, chunk * size, size);
        let (x, y) = (part(&x), part(&y));
        let logits = y.clone().matmul(x.clone().transpose()) / temperature;
        let similar = x.clone().matmul(x.transpose()) + y.clone().matmul(y.transpose());
        let targets = softmax(similar / 2.0 * temperature, 1);
        let forward = targets.clone() * log_softmax(logits.clone(), 1);
        let backward = targets.transpose() * log_softmax(logits.transpose(), 1);
        total = total - (forward.sum() + backward.sum()) / (2.0 * size as f64);
    }
    total / chunks as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    /// The same by its definition, one pair after another, in f64.
    fn naive(x: &[f32], y: &[f32], width: usize, chunk: usize, temperature: f64) -> f64 {
        let unit = |rows: &[f32]| -> Vec<Vec<f64>> {
            let length =
                |row: &[f32]| row.iter().map(|&a| f64::from(a).powi(2)).sum::<f64>().sqrt().max(1e-12);
            rows.chunks(width).map(|row| row.iter().map(|&a| f64::from(a) / length(row)).collect()).collect()
        };
        let (x, y) = (unit(x), unit(y));
        let (mut loss, mut counted) = (0.0, 0);
        for start in (0..x.len()).step_by(chunk) {
            let own = start..(start + chunk).min(x.len());
            if own.len() < 2 {
                continue;
            }
            let score = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / temperature;
            let missed = |i: usize, one: &[Vec<f64>], other: &[Vec<f64>]| {
                own.clone().map(|j| score(&one[i], &other[j]).exp()).sum::<f64>().ln()
                    - score(&one[i], &other[i])
            };
            loss += own.clone().map(|i| (missed(i, &x, &y) + missed(i, &y, &x)) / 2.0).sum::<f64>();
            counted += own.len();
        }
        loss / f64::from(counted as u32)
    }

    #[test]
    fn equals_its_definition() {
        let device = Device::flex();
        for (rows, chunk) in [(7, 7), (7, 3), (8, 100), (5, 2)] {
            let draw = || Tensor::<2>::random([rows, 4], Distribution::Normal(0.0, 1.0), &device);
            let (x, y) = (draw(), draw());
            let values = |rows: &Tensor<2>| rows.to_data().try_to_vec::<f32>().unwrap();
            for temperature in [0.05, 0.7] {
                let loss = alignment(&x, &y, chunk, temperature).unwrap().into_scalar::<f32>();
                let right = naive(&values(&x), &values(&y), 4, chunk, temperature);
                assert!(
                    (f64::from(loss) - right).abs() < 1e-4 * right.abs().max(1.0),
                    "{loss} is not {right}"
                );
            }
        }
        let one = Tensor::<2>::ones([1, 4], &device);
        assert!(alignment(&one, &one, 8, 0.05).is_none(), "nothing to compare");
    }
}
