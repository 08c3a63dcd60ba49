//! Side information as a sum: what an item has is added to its id's vector.
//!
//! In formulas:
//!
//! ```text
//! sum = Σ_m modality_sum[m] · e_m, m in the order id, image, text, attribute; e_attribute is the sum of the attributes' vectors
//! ```

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::init::Init;
use crate::parts::ModalityRows;

/// The settings of a [`ModalitySum`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModalitySumConfig {
    /// M, the number of item modalities; 2.
    pub modalities: usize,
}

impl Default for ModalitySumConfig {
    fn default() -> Self {
        Self { modalities: 2 }
    }
}

impl ModalitySumConfig {
    /// A sum with weights of 1 on `device`.
    pub fn init(&self, device: &Device) -> ModalitySum {
        self.draw(&mut Init::of_part("sum", 0, device))
    }

    pub(crate) fn draw(&self, init: &mut Init) -> ModalitySum {
        ModalitySum { weight: init.constant(1.0, [self.modalities]) }
    }
}

/// A trained weight for each modality. A modality that an item lacks adds nothing: its row is zero.
#[derive(Module, Debug)]
pub struct ModalitySum {
    /// `[M]`.
    pub weight: Param<Tensor<1>>,
}

impl ModalitySum {
    /// `Σ w_m e_m`, `[U, D]`.
    pub fn forward(&self, modalities: &[ModalityRows]) -> Tensor<2> {
        let weight = |m: usize| self.weight.val().narrow(0, m, 1).unsqueeze_dim::<2>(0);
        let parts = modalities.iter().enumerate().map(|(m, modality)| modality.rows.clone() * weight(m));
        parts.reduce(|sum, part| sum + part).expect("the configuration names a modality")
    }

    /// The weights of unique events, `[U, M]`.
    pub fn weights(&self, modalities: &[ModalityRows]) -> Tensor<2> {
        self.weight.val().unsqueeze_dim::<2>(0).repeat_dim(0, modalities[0].rows.dims()[0])
    }
}
