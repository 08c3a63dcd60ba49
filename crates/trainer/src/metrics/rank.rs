//! The place of the positive among the candidates.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// Where a positive stands that ties with others.
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
    /// In the middle of them.
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
    /// Place of the positive, from 0; a half where it ties with an odd number of others.
    pub rank: f64,
    /// Negatives that score exactly as the positive does.
    pub tied: u32,
    /// Negatives that score higher.
    pub higher: u32,
    /// Negatives.
    pub negatives: u32,
}

impl Ranked {
    /// Share of negatives that the positive beats, ties counting half; ½ without negatives.
    pub fn auc(&self) -> f64 {
        match self.negatives {
            0 => 0.5,
            n => 1.0 - (f64::from(self.higher) + f64::from(self.tied) / 2.0) / f64::from(n),
        }
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
    let within = match ties {
        Ties::Mean => f64::from(tied) / 2.0,
        Ties::Optimistic => 0.0,
        Ties::Pessimistic => f64::from(tied),
    };
    Some(Ranked { rank: f64::from(higher) + within, tied, higher, negatives: negatives.len() as u32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_and_nan() {
        let place = |ties| rank(&[0.5, 0.7, 0.5, 0.5, 0.1], ties).unwrap().rank;
        assert_eq!([place(Ties::Optimistic), place(Ties::Mean), place(Ties::Pessimistic)], [1.0, 2.0, 3.0]);
        assert_eq!(rank(&[f32::NAN, 0.0], Ties::Mean), None);
        assert_eq!(rank(&[0.0, f32::NAN], Ties::Mean), None);
        assert_eq!(rank(&[], Ties::Mean), None);
    }
}
