//! A query against sign codes.

use crate::kernel::planes::{self, BLOCK, Limits, Planes};
use crate::metric::Metric;
use crate::rabitq::{OneBitCodes, dot};

/// A rotated query, and its components rounded to four bits and a sign.
#[derive(Clone, Debug)]
pub struct OneBitQuery {
    /// `P q`, under L2 `P (q − c)`.
    components: Vec<f64>,
    planes: Planes,
    /// `⟨q, c⟩`, under L2 `−|q − c|²`.
    pub(super) base: f64,
    /// 1, under L2 2: a score is `base + scale · ⟨v, o⟩ − square · |o|²`.
    pub(super) scale: f64,
    /// 0, under L2 1.
    pub(super) square: f64,
    /// Sum of the magnitudes.
    pub(super) sum: f64,
    /// Δ: a rounded magnitude stands for so many.
    pub(super) step: f64,
    /// What rounding added to the magnitudes, and what it took from them, in all.
    pub(super) added: f64,
    pub(super) taken: f64,
    /// |v| and |q|.
    pub(super) norm: f64,
    pub(super) query_norm: f64,
}

impl OneBitQuery {
    pub(super) fn new(codes: &OneBitCodes, query: &[f32], metric: Metric) -> Self {
        let centroid = codes.centroid.as_slice();
        let wide: Vec<f64> = query.iter().map(|&x| f64::from(x)).collect();
        let l2 = metric == Metric::L2;
        let own: Vec<f64> = match metric {
            Metric::InnerProduct | Metric::Cosine => wide.clone(),
            Metric::L2 => wide.iter().zip(centroid).map(|(x, &c)| x - f64::from(c)).collect(),
        };
        let length = |numbers: &[f64]| numbers.iter().map(|x| x * x).sum::<f64>();
        let norm_squared = length(&own);
        let components: Vec<f64> =
            codes.rotation.as_slice().chunks_exact(codes.rotation.dim()).map(|row| dot(&own, row)).collect();
        let largest = components.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let step = if largest > 0.0 { largest / 15.0 } else { 1.0 };
        let mut planes = Planes::default();
        let (mut added, mut taken) = (0.0, 0.0);
        for part in components.chunks_exact(64) {
            let (mut signs, mut bits) = (0, [0; 4]);
            for (place, component) in part.iter().enumerate() {
                let rounded = (component.abs() / step).round() as u64 & 15;
                let error = step * rounded as f64 - component.abs();
                added += error.max(0.0);
                taken += (-error).max(0.0);
                signs |= u64::from(*component >= 0.0) << place;
                (0..4).for_each(|bit| bits[bit] |= (rounded >> bit & 1) << place);
            }
            planes.signs.push(signs);
            planes.bits.push(bits);
        }
        Self {
            sum: components.iter().map(|x| x.abs()).sum(),
            components,
            planes,
            base: if l2 { -norm_squared } else { dot(&wide, centroid) },
            scale: if l2 { 2.0 } else { 1.0 },
            square: if l2 { 1.0 } else { 0.0 },
            step,
            added,
            taken,
            norm: norm_squared.sqrt(),
            query_norm: length(&wide).sqrt(),
        }
    }

    pub(super) fn planes(&self) -> &Planes {
        &self.planes
    }

    pub(super) fn root(&self) -> f64 {
        (self.components.len() as f64).sqrt()
    }

    /// What a row needs for its estimate to reach the threshold, with more room than f32 can take by rounding.
    pub(super) fn limits(&self, threshold: f32) -> Limits {
        let threshold = f64::from(threshold);
        let room = 1e-5 * (threshold.abs() + self.base.abs());
        Limits {
            // The last part is for numbers so small that f32 loses their digits.
            most: ((self.sum * (1.0 + 1e-5) + 2.0 * self.added) / self.root()) as f32 + f32::MIN_POSITIVE,
            step: (2.0 * self.step / self.root()) as f32,
            scale: self.scale as f32,
            square: (self.square * (1.0 - 1e-5)) as f32,
            // Without a threshold, every row is proposed.
            least: if threshold == f64::NEG_INFINITY {
                f32::NEG_INFINITY
            } else {
                (threshold - self.base - room) as f32
            },
        }
    }

    /// The estimate for a row of a block.
    pub(super) fn score(&self, block: &[u64], lane: usize) -> f32 {
        let mut sums = [0.0; 8];
        for (components, words) in self.components.chunks_exact(64).zip(block.as_chunks::<BLOCK>().0) {
            let word = words[lane];
            for (byte, components) in components.as_chunks::<8>().0.iter().enumerate() {
                for bit in 0..8 {
                    let set = word >> (8 * byte + bit) & 1 == 1;
                    sums[bit] += if set { components[bit] } else { -components[bit] };
                }
            }
        }
        let product = sums.iter().sum::<f64>() / self.root();
        let [a, rho] = planes::factors(block).map(|factors| f64::from(factors[lane]));
        let length = a * a + rho * rho;
        let factor = if a > 0.0 { length / a } else { 0.0 };
        (self.base + self.scale * factor * product - self.square * length) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coded::Codec;
    use crate::rabitq::RaBitQConfig;
    use crate::vectors::Vectors;

    proptest::proptest! {
        /// A scan misses no row whose estimate reaches the threshold.
        #[test]
        fn scans_propose_all_that_reach(
            numbers in proptest::collection::vec(-9f32..9.0, 20 * 17), exponent in -20i32..20,
            query in proptest::collection::vec(-9f32..9.0, 20), seed in 0u64..50,
        ) {
            let numbers = numbers.iter().enumerate().map(|(i, x)| x * 2f32.powi(exponent * (i as i32 / 20 % 2)));
            let rows = Vectors::new(20, numbers.collect()).unwrap();
            for metric in [Metric::InnerProduct, Metric::L2] {
                let codes = RaBitQConfig { seed }.train(&rows).unwrap();
                let index = crate::Coded::from_rows(codes, metric, &rows).unwrap();
                let prepared = index.prepare(&query).unwrap();
                let scores: Vec<f32> = (0..17).map(|id| index.score(&prepared, id).unwrap()).collect();
                for &threshold in &scores {
                    let mut hits = Vec::new();
                    index.codec().scan(&prepared, &mut (), index.list().blocks(), threshold, &mut hits);
                    let reached = (0..17u32).filter(|&row| scores[row as usize] >= threshold);
                    for row in reached {
                        proptest::prop_assert!(hits.contains(&row), "{row} {threshold}");
                    }
                }
            }
        }
    }
}
