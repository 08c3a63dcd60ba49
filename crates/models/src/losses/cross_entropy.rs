//! Binary cross-entropy over all candidates.

use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Bool, Tensor};

/// Mean binary cross-entropy of `logits` against `labels`, both `[B, C]`, over the candidates that `mask` keeps.
///
/// From logits: `max(z, 0) − z y + ln(1 + e^−|z|)`, which cannot overflow. As published: `p = sigmoid(z)` in f32
/// and both logarithms clamped at −100, so that logits beyond about 17 saturate and lose their gradient.
pub fn cross_entropy(
    logits: Tensor<2>,
    labels: &Tensor<2>,
    mask: &Tensor<2, Bool>,
    from_logits: bool,
) -> Tensor<1> {
    let mask = mask.clone().float();
    let count = mask.clone().sum().clamp_min(1.0);
    let losses = if from_logits { stable(logits, labels) } else { published(logits, labels) };
    (losses * mask).sum() / count
}

fn stable(logits: Tensor<2>, labels: &Tensor<2>) -> Tensor<2> {
    let magnitude = logits.clone().abs();
    relu(logits.clone()) - logits * labels.clone() + magnitude.neg().exp().log1p()
}

/// PyTorch clamps the logarithms in the forward pass only: its backward is `(p − y) / max(p (1 − p), 1e-12)`
/// times the sigmoid's `p (1 − p)`. A factor that carries no gradient gives exactly that.
fn published(logits: Tensor<2>, labels: &Tensor<2>) -> Tensor<2> {
    let p = sigmoid(logits);
    let fixed = p.clone().detach();
    let ones = fixed.ones_like();
    let log_p = fixed.clone().log().clamp_min(-100.0);
    let log_q = (ones - fixed.clone()).log().clamp_min(-100.0);
    let value = (labels.clone() * log_p + (labels.clone().neg() + 1.0) * log_q).neg();
    let slope =
        (fixed.clone() - labels.clone()) / (fixed.clone() * (fixed.clone().neg() + 1.0)).clamp_min(1e-12);
    value + (p - fixed) * slope
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    /// Loss and gradient of one logit.
    fn one(z: f32, y: f32, from_logits: bool) -> (f32, f32) {
        let device = Device::flex().autodiff();
        let z = Tensor::<2>::from_data([[z]], &device).require_grad();
        let mask = Tensor::<2, Bool>::from_data(TensorData::new(vec![true], [1, 1]), &device);
        let loss = cross_entropy(z.clone(), &Tensor::from_data([[y]], &device), &mask, from_logits);
        let value = loss.clone().into_scalar::<f32>();
        (value, z.grad(&loss.backward()).unwrap().into_scalar::<f32>())
    }

    #[test]
    fn published_form_saturates_as_pytorch_does() {
        let near = |(a, b): (f32, f32), (x, y): (f32, f32)| {
            (a - x).abs() < 1e-3 * x.max(1.0) && (b - y).abs() < 1e-3
        };
        assert!(near(one(16.0, 0.0, false), (15.9424, 1.0)));
        assert!(near(one(17.0, 0.0, false), (100.0, 0.0)));
        assert!(near(one(-20.0, 1.0, false), (20.0, -1.0)));
        assert!(near(one(-120.0, 1.0, false), (100.0, 0.0)));
    }

    #[test]
    fn logits_form_does_not() {
        for (z, y) in [(17.0, 0.0), (500.0, 0.0), (-500.0, 1.0), (0.3, 1.0)] {
            let (loss, gradient) = one(z, y, true);
            let exact = f64::from(z).max(0.0) - f64::from(z * y) + (-f64::from(z).abs()).exp().ln_1p();
            let slope = 1.0 / (1.0 + (-f64::from(z)).exp()) - f64::from(y);
            assert!(
                (f64::from(loss) - exact).abs() < 1e-4 && (f64::from(gradient) - slope).abs() < 1e-4,
                "{z} {y}"
            );
        }
    }
}
