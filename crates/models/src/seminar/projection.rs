//! G: the projections between the pretraining search unit's space and the search units'.

use burn::module::Module;
use burn::nn::Linear;

use crate::config::{ModalityKind, ModelConfig};
use crate::init::Init;
use crate::parts::Channel;

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
    pub(crate) fn new(config: &ModelConfig, init: &mut Init) -> Self {
        let mut layer = || match config.switches.identity_projections {
            true => init.identity(config.width),
            false => init.uniform(config.width, config.width, false),
        };
        let [id, query, text, image] = [layer(), layer(), layer(), layer()];
        Self { id, query, text, image, attribute: config.has(ModalityKind::Attribute).then(layer) }
    }

    /// Projects item modalities.
    pub fn channels(&self, channels: Vec<Channel>) -> Vec<Channel> {
        let project = |channel: Channel| {
            let layer = match channel.kind {
                ModalityKind::Text => &self.text,
                ModalityKind::Image => &self.image,
                ModalityKind::Attribute => self.attribute.as_ref().unwrap_or(&self.id),
                ModalityKind::Id | ModalityKind::Query => &self.id,
            };
            Channel { rows: layer.forward(channel.rows), ..channel }
        };
        channels.into_iter().map(project).collect()
    }
}
