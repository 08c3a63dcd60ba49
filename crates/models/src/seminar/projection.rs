//! G: the projections between the pretraining search unit's space and the search units'.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::config::ModelConfig;
use crate::init::Init;
use crate::kinds::ModalityKind;
use crate::parts::ModalityRows;

/// The settings of a [`Projection`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectionConfig {
    /// D; 64.
    pub dim: usize,
    /// Layers start at the identity; true. Published: random.
    pub identity_start: bool,
    /// With a layer for attributes; false.
    pub attributes: bool,
    /// Seed of the initial weights; 42.
    pub seed: u64,
}

impl Default for ProjectionConfig {
    fn default() -> Self {
        Self { dim: 64, identity_start: true, attributes: false, seed: 42 }
    }
}

impl ProjectionConfig {
    pub(super) fn of(config: &ModelConfig) -> Self {
        Self {
            dim: config.width,
            identity_start: config.switches.identity_projections,
            attributes: config.has(ModalityKind::Attribute),
            seed: config.seed,
        }
    }

    /// Projections with initial weights on `device`.
    pub fn init(&self, device: &Device) -> Projection {
        self.draw(&mut Init::of_part("projection", self.seed, device))
    }

    pub(super) fn draw(&self, init: &mut Init) -> Projection {
        let mut layer = || match self.identity_start {
            true => init.identity(self.dim),
            false => init.uniform(self.dim, self.dim, false),
        };
        let [id, query, text, image] = [layer(), layer(), layer(), layer()];
        Projection { id, query, text, image, attribute: self.attributes.then(layer) }
    }
}

/// One D×D layer without bias for the query and each modality.
#[derive(Module, Debug)]
pub struct Projection {
    /// G_id.
    pub id: Linear,
    /// G_query.
    pub query: Linear,
    /// G_text.
    pub text: Linear,
    /// G_image.
    pub image: Linear,
    /// Of attributes, which the published model leaves out.
    pub attribute: Option<Linear>,
}

impl Projection {
    /// Projects item modalities, `[U, D]` each.
    pub fn modalities(&self, modalities: Vec<ModalityRows>) -> Vec<ModalityRows> {
        let project = |modality: ModalityRows| {
            let layer = match modality.kind {
                ModalityKind::Text => &self.text,
                ModalityKind::Image => &self.image,
                ModalityKind::Attribute => self.attribute.as_ref().unwrap_or(&self.id),
                ModalityKind::Id | ModalityKind::Query => &self.id,
            };
            ModalityRows { rows: layer.forward(modality.rows), ..modality }
        };
        modalities.into_iter().map(project).collect()
    }
}
