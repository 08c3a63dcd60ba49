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
use crate::kinds::ModalityKind;
use crate::parts::{Dropout, ModalityRows};

/// The settings of a [`ModalitySum`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModalitySumConfig {
    /// M, the number of item modalities; 2.
    pub modalities: usize,
    /// Share of items whose own vector training leaves out, of those with a frozen vector, which tells items apart as attributes do
    /// not: it learns to stand in, as it has to where an item is rare. 0.
    pub id_dropout: f64,
}

impl Default for ModalitySumConfig {
    fn default() -> Self {
        Self { modalities: 2, id_dropout: 0.0 }
    }
}

impl ModalitySumConfig {
    /// A sum with weights of 1 on `device`.
    pub fn init(&self, device: &Device) -> ModalitySum {
        self.draw(&mut Init::of_part("sum", 0, device))
    }

    pub(crate) fn draw(&self, init: &mut Init) -> ModalitySum {
        ModalitySum {
            weight: init.constant(1.0, [self.modalities]),
            id_dropout: Dropout::new(self.id_dropout),
        }
    }
}

/// A trained weight for each modality. A modality that an item lacks adds nothing: its row is zero.
#[derive(Module, Debug)]
pub struct ModalitySum {
    /// `[M]`.
    pub weight: Param<Tensor<1>>,
    /// On the rows of ids, whole rows at a time, in training only.
    pub id_dropout: Dropout,
}

impl ModalitySum {
    /// `Σ w_m e_m`, `[U, D]`.
    pub fn forward(&self, modalities: &[ModalityRows]) -> Tensor<2> {
        let weight = |m: usize| self.weight.val().narrow(0, m, 1).unsqueeze_dim::<2>(0);
        let parts = modalities.iter().enumerate().map(|(m, modality)| {
            let rows = modality.rows.clone() * weight(m);
            if modality.kind == ModalityKind::Id { self.without_some(rows, modalities) } else { rows }
        });
        parts.reduce(|sum, part| sum + part).expect("the configuration names a modality")
    }

    /// Rows of ids `[U, D]`, of which training drops some, of items with a frozen vector.
    fn without_some(&self, ids: Tensor<2>, modalities: &[ModalityRows]) -> Tensor<2> {
        let frozen = [ModalityKind::Text, ModalityKind::Image];
        let others = modalities.iter().filter(|modality| frozen.contains(&modality.kind));
        let others = others.map(|modality| modality.present.clone()).reduce(Tensor::max_pair);
        let (Some(others), true) = (others, self.id_dropout.drops(&ids.device())) else { return ids };
        let kept = self.id_dropout.forward(others.ones_like());
        ids * (kept * others.clone() - others + 1.0)
    }

    /// The weights of unique events, `[U, M]`.
    pub fn weights(&self, modalities: &[ModalityRows]) -> Tensor<2> {
        self.weight.val().unsqueeze_dim::<2>(0).repeat_dim(0, modalities[0].rows.dims()[0])
    }
}
