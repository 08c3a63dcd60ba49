//! The place of the positive among the candidates.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// Where a positive stands that ties with others. All places among them are equally likely in a random order.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Ties {
    /// Every metric has its expected value over random orders of the tied candidates.
    #[default]
    Mean,
    /// Before them.
    Optimistic,
    /// Behind them.
    Pessimistic,
}

/// The outcome for one user.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ranked {
    /// Negatives that score higher.
    pub higher: u32,
    /// Negatives that score exactly as the positive does.
    pub tied: u32,
    /// Negatives.
    pub negatives: u32,
    /// Where the positive stands among those that tie with it.
    pub ties: Ties,
}

impl Ranked {
    /// First and last of the places that the positive may have, from 0; each of them is equally likely.
    fn places(&self) -> [u32; 2] {
        let (best, worst) = (self.higher, self.higher + self.tied);
        match self.ties {
            Ties::Mean => [best, worst],
            Ties::Optimistic => [best; 2],
            Ties::Pessimistic => [worst; 2],
        }
    }

    /// Mean of a value over the places; `beyond` the places below it, the value is 0.
    fn mean(&self, beyond: u32, value: impl Fn(f64) -> f64) -> f64 {
        let [first, last] = self.places();
        let sum: f64 = (first..beyond.min(last + 1)).map(|place| value(f64::from(place))).sum();
        sum / f64::from(last - first + 1)
    }

    /// Expected place of the positive, from 0.
    pub fn place(&self) -> f64 {
        let [first, last] = self.places();
        (f64::from(first) + f64::from(last)) / 2.0
    }

    /// Probability that the positive is among the first k.
    pub fn hit(&self, k: usize) -> f64 {
        let ([first, last], k) = (self.places(), u32::try_from(k).unwrap_or(u32::MAX));
        f64::from(k.min(last + 1).saturating_sub(first)) / f64::from(last - first + 1)
    }

    /// Expected discounted gain within the first k: 1 / log₂(place + 2), or 0 behind them.
    pub fn gain(&self, k: usize) -> f64 {
        self.mean(u32::try_from(k).unwrap_or(u32::MAX), |place| 1.0 / (place + 2.0).log2())
    }

    /// Expected 1 / (place + 1).
    pub fn reciprocal(&self) -> f64 {
        self.mean(u32::MAX, |place| 1.0 / (place + 1.0))
    }

    /// Share of negatives that the positive beats, ties counting half; `None` without negatives.
    pub fn auc(&self) -> Option<f64> {
        let lost = f64::from(self.higher) + f64::from(self.tied) / 2.0;
        (self.negatives > 0).then(|| 1.0 - lost / f64::from(self.negatives))
    }
}

/// Ranks the first score among all; `None` if one of them is NaN: it has no place in an order.
pub fn rank(scores: &[f32], ties: Ties) -> Option<Ranked> {
    let (&positive, negatives) = scores.split_first()?;
    if scores.iter().any(|s| s.is_nan()) {
        return None;
    }
    let higher = negatives.iter().filter(|&&s| s > positive).count() as u32;
    let tied = negatives.iter().filter(|&&s| s == positive).count() as u32;
    Some(Ranked { higher, tied, negatives: negatives.len() as u32, ties })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_and_nan() {
        let place = |ties| rank(&[0.5, 0.7, 0.5, 0.5, 0.1], ties).unwrap().place();
        assert_eq!([place(Ties::Optimistic), place(Ties::Mean), place(Ties::Pessimistic)], [1.0, 2.0, 3.0]);
        assert_eq!(rank(&[f32::NAN, 0.0], Ties::Mean), None);
        assert_eq!(rank(&[0.0, f32::NAN], Ties::Mean), None);
        assert_eq!(rank(&[], Ties::Mean), None);
    }

    #[test]
    fn a_model_that_knows_nothing_hits_half_of_the_time_in_half_of_the_list() {
        let ranked = rank(&[0.0; 100], Ties::Mean).unwrap();
        assert_eq!([1, 10, 50, 100, 1000].map(|k| ranked.hit(k)), [0.01, 0.1, 0.5, 1.0, 1.0]);
        assert_eq!(ranked.auc(), Some(0.5));
        let harmonic: f64 = (1..=100).map(|place| 1.0 / f64::from(place)).sum();
        assert!((ranked.reciprocal() - harmonic / 100.0).abs() < 1e-15);
        assert_eq!(rank(&[0.0], Ties::Mean).unwrap().auc(), None, "no pair to compare");
    }

    /// Every order of `0..n`.
    fn orders(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![Vec::new()];
        }
        let shorter = orders(n - 1);
        let longer = |at| shorter.iter().map(move |order| [&order[..at], &[n - 1], &order[at..]].concat());
        (0..n).flat_map(longer).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// All orders of all candidates are listed; those that the scores allow are averaged, or the best and the worst taken.
        #[test]
        fn metrics_are_means_over_all_orders_that_the_scores_allow(scores in prop::collection::vec(0u8..3, 1..7)) {
            let sorted = |order: &Vec<usize>| order.windows(2).all(|pair| scores[pair[0]] >= scores[pair[1]]);
            let places: Vec<usize> = orders(scores.len())
                .iter()
                .filter(|order| sorted(order))
                .map(|order| order.iter().position(|&candidate| candidate == 0).unwrap())
                .collect();
            let floats: Vec<f32> = scores.iter().map(|&score| f32::from(score)).collect();
            let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
            for (ties, places) in [
                (Ties::Mean, places.clone()),
                (Ties::Optimistic, vec![*places.iter().min().unwrap()]),
                (Ties::Pessimistic, vec![*places.iter().max().unwrap()]),
            ] {
                let ranked = rank(&floats, ties).unwrap();
                let mean = |value: &dyn Fn(f64) -> f64| {
                    places.iter().map(|&place| value(place as f64)).sum::<f64>() / places.len() as f64
                };
                prop_assert!(close(ranked.place(), mean(&|place| place)));
                prop_assert!(close(ranked.reciprocal(), mean(&|place| 1.0 / (place + 1.0))));
                for k in 1..8 {
                    let inside = |place: f64| f64::from(u8::from(place < k as f64));
                    prop_assert!(close(ranked.hit(k), mean(&inside)));
                    prop_assert!(close(ranked.gain(k), mean(&|place| inside(place) / (place + 2.0).log2())));
                }
            }
        }
    }
}
