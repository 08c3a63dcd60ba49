//! Adam on single rows: the step, and the replay of steps that passed a row by.
//!
//! The operations and their order are those of burn's dense Adam, so that both give the same bits.

use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

use crate::schedule::Schedule;

/// Adam's constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdamConfig {
    /// Step size, before the schedule.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Added to each gradient: so much of the weight itself (an L2 penalty). With it, a row that is not touched still
    /// moves at every step, and each of them is replayed.
    pub weight_decay: f32,
    /// How the step size changes over time.
    pub schedule: Schedule,
    /// Largest norm of all gradients of a step together; 0 for no limit.
    pub clip_norm: f32,
    /// Replay untouched steps (exact), or forget them (as common sparse Adams do).
    pub exact: bool,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            schedule: Schedule::default(),
            clip_norm: 0.0,
            exact: true,
        }
    }
}

/// What a step multiplies with.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    learning_rate: f32,
    /// `√(1 − β₂ᵗ) / (1 − β₁ᵗ)`.
    correction: f32,
    /// `ε √(1 − β₂ᵗ)`.
    epsilon: f32,
}

/// Adam with the rates of all steps so far.
#[derive(Clone, Debug)]
pub(super) struct Adam {
    pub config: AdamConfig,
    /// Of the learning rate of steps whose rates are not known yet.
    pub scale: f64,
    /// Of step t at t − 1.
    rates: Vec<Rate>,
}

/// Before this step, warm-up and bias correction may grow faster than the first moment decays.
const SETTLED: u64 = 20;

impl Adam {
    pub fn new(config: AdamConfig) -> Self {
        Self { config, scale: 1.0, rates: Vec::new() }
    }

    /// Knows the rates of steps up to `step` from now on.
    pub fn prepare(&mut self, step: u64) {
        let config = &self.config;
        for step in self.rates.len() as u64 + 1..=step {
            let root = (1.0 - config.beta_2.powi(step as i32)).sqrt();
            self.rates.push(Rate {
                learning_rate: (config.learning_rate * config.schedule.factor(step) * self.scale) as f32,
                correction: root / (1.0 - config.beta_1.powi(step as i32)),
                epsilon: config.epsilon * root,
            });
        }
    }

    fn rate(&self, step: u64) -> Rate {
        self.rates[step as usize - 1]
    }
}

/// A row: its weights and moments, `[3, width]`.
pub(super) struct Row<'a> {
    pub weight: &'a mut [f32],
    pub first: &'a mut [f32],
    pub second: &'a mut [f32],
}

impl<'a> Row<'a> {
    pub fn new(block: &'a mut [f32]) -> Self {
        let width = block.len() / 3;
        let (weight, moments) = block.split_at_mut(width);
        let (first, second) = moments.split_at_mut(width);
        Self { weight, first, second }
    }

    /// Steps `from + 1 ..= to` with no gradient but the decay of weights.
    pub fn replay(&mut self, adam: &Adam, from: u64, to: u64) {
        if from < to {
            Arch::new().dispatch(Replay { row: self, adam, from, to });
        }
    }

    /// One step.
    pub fn step(&mut self, adam: &Adam, gradient: &[f32], step: u64) {
        Arch::new().dispatch(Step { row: self, adam, gradient, rate: adam.rate(step) });
    }
}

#[inline(always)]
fn advance(w: &mut f32, m: &mut f32, v: &mut f32, gradient: f32, config: &AdamConfig, rate: Rate) {
    let g = if config.weight_decay == 0.0 { gradient } else { gradient + *w * config.weight_decay };
    *m = *m * config.beta_1 + g * (1.0 - config.beta_1);
    *v = *v * config.beta_2 + g * g * (1.0 - config.beta_2);
    *w -= (*m * rate.correction) / (v.sqrt() + rate.epsilon) * rate.learning_rate;
}

struct Step<'r, 'a> {
    row: &'r mut Row<'a>,
    adam: &'r Adam,
    gradient: &'r [f32],
    rate: Rate,
}

impl WithSimd for Step<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Row { weight, first, second } = self.row;
        let state = weight.iter_mut().zip(first.iter_mut()).zip(second.iter_mut());
        for (((w, m), v), &gradient) in state.zip(self.gradient) {
            advance(w, m, v, gradient, &self.adam.config, self.rate);
        }
    }
}

struct Replay<'r, 'a> {
    row: &'r mut Row<'a>,
    adam: &'r Adam,
    from: u64,
    to: u64,
}

impl WithSimd for Replay<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { row: Row { weight, first, second }, adam, from, to } = self;
        let config = &adam.config;
        for step in from + 1..=to {
            let rate = adam.rate(step);
            let mut moved = 0u32;
            let state = weight.iter_mut().zip(first.iter_mut()).zip(second.iter_mut());
            for ((w, m), v) in state {
                let before = *w;
                advance(w, m, v, 0.0, config, rate);
                moved |= before.to_bits() ^ w.to_bits();
            }
            if moved == 0 && step >= SETTLED && config.weight_decay == 0.0 {
                // m shrinks faster than the root of v: no later step moves the row either. What is left of m is
                // nothing beside the next gradient; v decays step by step, or its rounding would show.
                let decay = config.beta_1.powi((to - step) as i32);
                first.iter_mut().for_each(|m| *m *= decay);
                for _ in step..to {
                    second.iter_mut().for_each(|v| *v *= config.beta_2);
                }
                return;
            }
        }
    }
}
