//! How the step size changes over the steps.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// What happens after the warm-up.
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
pub enum Decay {
    /// Nothing.
    #[default]
    Constant,
    /// A straight line to zero at the last step.
    Linear,
    /// Half a cosine to zero at the last step.
    Cosine,
    /// To a fifth after each validation that is no better than the best so far; training then goes on from the best. Without patience
    /// nothing is validated, and the rate is constant.
    Plateau,
}

impl Decay {
    /// Whether the rate falls with the steps, to zero at the last.
    pub fn has_end(self) -> bool {
        matches!(self, Self::Linear | Self::Cosine)
    }
}

/// What is left of the rate after `cuts` validations that were no better than the best.
pub(crate) fn after_cuts(cuts: u32) -> f64 {
    0.2_f64.powi(cuts as i32)
}

/// A factor of the learning rate for each step; constant 1 by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schedule {
    /// Steps over which the rate rises from zero.
    pub warmup: u64,
    /// What follows.
    pub decay: Decay,
    /// The step at which a decay ends. 0: a [`Run`](crate::Run) takes its last step.
    pub total: u64,
}

impl Schedule {
    /// The factor of step `step`, from 1.
    pub fn factor(&self, step: u64) -> f64 {
        if step < self.warmup {
            return step as f64 / self.warmup as f64;
        }
        let span = self.total.saturating_sub(self.warmup).max(1) as f64;
        let passed = ((step - self.warmup) as f64 / span).min(1.0);
        match self.decay {
            Decay::Constant | Decay::Plateau => 1.0,
            Decay::Linear => 1.0 - passed,
            Decay::Cosine => (1.0 + (std::f64::consts::PI * passed).cos()) / 2.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_then_falls() {
        let with = |decay| Schedule { warmup: 10, decay, total: 110 };
        let at = |decay, step| with(decay).factor(step);
        assert_eq!(
            [at(Decay::Constant, 5), at(Decay::Constant, 10), at(Decay::Constant, 999)],
            [0.5, 1.0, 1.0]
        );
        assert_eq!([at(Decay::Linear, 10), at(Decay::Linear, 60), at(Decay::Linear, 200)], [1.0, 0.5, 0.0]);
        assert!((at(Decay::Cosine, 60) - 0.5).abs() < 1e-12 && at(Decay::Cosine, 110).abs() < 1e-12);
        assert_eq!(Schedule::default().factor(1), 1.0);
    }
}
