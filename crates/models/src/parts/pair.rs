//! From the modalities of an event to one vector: project, gate, fuse.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::Tensor;

use crate::config::{ModalityKind, ModelConfig};
use crate::events::{Modality, Rows};
use crate::init::Init;
use crate::parts::{ModalityGate, PairFusion};

/// One item modality of distinct events, of width D.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Which one.
    pub kind: ModalityKind,
    /// `[U, D]`.
    pub rows: Tensor<2>,
    /// 1 where the item has it, `[U, 1]`.
    pub present: Tensor<2>,
}

/// The embedding layer above the tables: projections of frozen modalities, the gate, and pair fusion.
#[derive(Module, Debug)]
pub struct PairEncoder {
    /// Text width to D.
    pub text: Option<Linear>,
    /// Image width to D.
    pub image: Option<Linear>,
    /// Present with two item modalities or more.
    pub gate: Option<ModalityGate>,
    /// Query and item.
    pub fusion: PairFusion,
    /// On pair vectors, in training only.
    pub dropout: Dropout,
    with_query: bool,
    mask_missing: bool,
    #[module(skip)]
    modalities: Vec<ModalityKind>,
}

impl PairEncoder {
    pub(crate) fn new(config: &ModelConfig, init: &mut Init) -> Self {
        let order = [ModalityKind::Id, ModalityKind::Image, ModalityKind::Text, ModalityKind::Attribute];
        let modalities: Vec<ModalityKind> = order.into_iter().filter(|&m| config.has(m)).collect();
        let mask_missing = config.switches.mask_padding;
        let (width, several) = (config.width, modalities.len() > 1);
        Self {
            text: config.has(ModalityKind::Text).then(|| init.normal(config.text_width, width)),
            image: config.has(ModalityKind::Image).then(|| init.normal(config.image_width, width)),
            gate: several
                .then(|| ModalityGate::new(width, modalities.len(), config.gate, mask_missing, init)),
            fusion: PairFusion::new(config, init),
            dropout: DropoutConfig::new(config.dropout).init(),
            with_query: config.has(ModalityKind::Query),
            mask_missing,
            modalities,
        }
    }

    /// The item modalities in the gate's order: id, image, text, attribute.
    ///
    /// # Panics
    /// If the events lack a modality that the configuration names.
    pub fn channels(&self, rows: &Rows) -> Vec<Channel> {
        let missing = "the events carry every configured modality";
        let channel = |&kind: &ModalityKind| {
            let projected = |layer: &Option<Linear>, modality: &Option<Modality>| {
                let Modality { rows, projected, present } = modality.clone().expect(missing);
                let rows = if projected { rows } else { layer.as_ref().expect(missing).forward(rows) };
                // A missing picture is not the projection's bias.
                (if self.mask_missing { rows * present.clone() } else { rows }, present)
            };
            let (rows, present) = match kind {
                ModalityKind::Text => projected(&self.text, &rows.text),
                ModalityKind::Image => projected(&self.image, &rows.image),
                ModalityKind::Attribute => {
                    let Modality { rows, present, .. } = rows.attribute.clone().expect(missing);
                    (rows, present)
                }
                ModalityKind::Id | ModalityKind::Query => (rows.item.clone(), rows.asked.ones_like()),
            };
            Channel { kind, rows, present }
        };
        self.modalities.iter().map(channel).collect()
    }

    /// Frozen embeddings projected, before those of missing items are masked.
    pub fn project(&self, kind: ModalityKind, rows: Tensor<2>) -> Option<Tensor<2>> {
        let layer = match kind {
            ModalityKind::Text => self.text.as_ref(),
            ModalityKind::Image => self.image.as_ref(),
            ModalityKind::Id | ModalityKind::Query | ModalityKind::Attribute => None,
        };
        layer.map(|layer| layer.forward(rows))
    }

    /// One item vector of its modalities, `[U, D]`.
    pub fn mix(&self, channels: &[Channel]) -> Tensor<2> {
        match &self.gate {
            Some(gate) => gate.forward(channels),
            None => channels[0].rows.clone(),
        }
    }

    /// The pair vector of queries and items, `[U, D]`; the item alone in a model without queries.
    pub fn fuse(&self, query: Tensor<2>, item: Tensor<2>) -> Tensor<2> {
        self.dropout.forward(if self.with_query { self.fusion.forward(query, item) } else { item })
    }

    /// What pair vectors are the sum of, `[U, D]` each: the query, in a model with queries, then each item modality, all
    /// as the gate and a weighted average weigh them.
    pub fn terms(&self, query: Tensor<2>, channels: &[Channel]) -> Vec<Tensor<2>> {
        let weights = self.gate.as_ref().map(|gate| gate.weights(channels));
        let nothing = query.zeros_like();
        let mut terms = Vec::with_capacity(1 + channels.len());
        if self.with_query {
            terms.push(self.fusion.weighted_average(query, nothing.clone()));
        }
        for (index, channel) in channels.iter().enumerate() {
            let item = match &weights {
                Some(weights) => channel.rows.clone() * weights.clone().narrow(1, index, 1),
                None => channel.rows.clone(),
            };
            terms.push(if self.with_query {
                self.fusion.weighted_average(nothing.clone(), item)
            } else {
                item
            });
        }
        terms
    }

    /// Item vectors of distinct events, `[U, D]`.
    pub fn items(&self, rows: &Rows) -> Tensor<2> {
        self.mix(&self.channels(rows))
    }

    /// Pair vectors of distinct events, `[U, D]`.
    pub fn pairs(&self, rows: &Rows) -> Tensor<2> {
        self.fuse(rows.query.clone(), self.items(rows))
    }
}
