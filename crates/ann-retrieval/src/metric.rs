//! How near two vectors are.

/// A similarity: larger is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// ⟨a, b⟩.
    InnerProduct,
    /// ⟨a, b⟩ / (|a| |b|); 0 where one of them is zero.
    Cosine,
    /// −|a − b|².
    L2,
}

impl Metric {
    /// The similarity of two vectors of equal width.
    pub fn similarity(self, a: &[f32], b: &[f32]) -> f32 {
        match self {
            Self::InnerProduct => dot(a, b),
            Self::Cosine => {
                let norms = (dot(a, a) * dot(b, b)).sqrt();
                if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
            }
            Self::L2 => -squared_distance(a, b),
        }
    }
}

/// Lanes summed apart, so that the compiler can use wide registers; the order of additions is fixed.
const LANES: usize = 16;

/// ⟨a, b⟩ over the shorter of the two.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    fold(a, b, |x, y| x * y)
}

/// |a − b|² over the shorter of the two.
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    fold(a, b, |x, y| (x - y) * (x - y))
}

fn fold(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            lanes[lane] += term(x[lane], y[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(&x, &y)| term(x, y)).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn agrees_with_f64(pairs in proptest::collection::vec((-9.0f32..9.0, -9.0f32..9.0), 1..70)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let exact: f64 = a.iter().zip(&b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            let far: f64 = a.iter().zip(&b).map(|(&x, &y)| f64::from(x - y).powi(2)).sum();
            proptest::prop_assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-2);
            proptest::prop_assert!((f64::from(squared_distance(&a, &b)) - far).abs() < 1e-2 * far.max(1.0));
        }
    }
}
