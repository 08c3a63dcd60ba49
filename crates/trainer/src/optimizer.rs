//! The optimiser of dense weights; rows of tables have [their own](crate::Table).

use burn::optim::{AdamConfig, ModuleOptimizer};

use crate::config::TrainConfig;

/// Adam over the dense weights, at its start.
pub(crate) fn dense_optimizer(config: &TrainConfig) -> ModuleOptimizer {
    let adam = &config.adam;
    let mut dense = AdamConfig::new().with_beta_1(adam.beta_1).with_beta_2(adam.beta_2);
    if adam.weight_decay > 0.0 {
        let decay = burn::optim::decay::WeightDecayConfig::new(adam.weight_decay);
        dense = dense.with_weight_decay(Some(decay));
    }
    dense.with_epsilon(adam.epsilon).init()
}
