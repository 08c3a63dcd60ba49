//! From the modalities of an event to one vector: project, gate, fuse.
//!
//! In formulas:
//!
//! ```text
//! e_id        = item_embeddings[item]
//! e_text      = text_emb_proj(text of the item),   0 without one
//! e_image     = image_emb_proj(image of the item), 0 without one
//! e_attribute = mean of attribute_embeddings[a] over the item's first 32 attributes a
//! q           = mean of query_keywords_embeddings[w] over the words w of the query, 0 without one
//! i           = gate(e_id, e_image, e_text, e_attribute), or their sum: those of the configuration; one alone as it is
//! x           = fusion(q, i), and i in a model without the modality query
//! ```

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::events::{Events, Modality, UniqueEvents};
use crate::init::Init;
use crate::kinds::{FusionKind, GateKind, ModalityKind};
use crate::parts::{
    Dropout, ModalityGate, ModalityGateConfig, ModalitySum, ModalitySumConfig, PairFusion, PairFusionConfig,
    Selection,
};

/// The settings of a [`PairEncoder`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairEncoderConfig {
    /// D; 64.
    pub dim: usize,
    /// The input modalities; id and query. At least one of them is not the query.
    pub modalities: Vec<ModalityKind>,
    /// Width of the frozen text embeddings; 512.
    pub text_dim: usize,
    /// Width of the frozen image embeddings; 512.
    pub image_dim: usize,
    /// How queries and items are fused; by a weighted average.
    pub fusion: FusionKind,
    /// a: weight of the query in a weighted average; 0.5.
    pub query_weight: f64,
    /// Where the weights of item modalities come from; one trained vector for all events.
    pub gate: GateKind,
    /// Share of the components of pair vectors that training drops; 0.
    pub dropout: f64,
    /// As for [`ModalitySumConfig::id_dropout`]; 0.
    pub id_dropout: f64,
    /// A modality that an item lacks counts for nothing; true. Published: it counts as the projection's bias.
    pub mask_missing: bool,
    /// Seed of the initial weights; 42.
    pub seed: u64,
}

impl Default for PairEncoderConfig {
    fn default() -> Self {
        Self {
            dim: 64,
            modalities: vec![ModalityKind::Id, ModalityKind::Query],
            text_dim: 512,
            image_dim: 512,
            fusion: FusionKind::WeightedAverage,
            query_weight: 0.5,
            gate: GateKind::Global,
            dropout: 0.0,
            id_dropout: 0.0,
            mask_missing: true,
            seed: 42,
        }
    }
}

impl PairEncoderConfig {
    /// An encoder with initial weights on `device`.
    pub fn init(&self, device: &Device) -> PairEncoder {
        self.draw(&mut Init::of_part("pair", self.seed, device))
    }

    pub(crate) fn draw(&self, init: &mut Init) -> PairEncoder {
        let has = |kind| self.modalities.contains(&kind);
        let order = [ModalityKind::Id, ModalityKind::Image, ModalityKind::Text, ModalityKind::Attribute];
        let modalities: Vec<ModalityKind> = order.into_iter().filter(|&kind| has(kind)).collect();
        let &Self { dim, mask_missing, seed, .. } = self;
        let gate =
            ModalityGateConfig { dim, modalities: modalities.len(), kind: self.gate, mask_missing, seed };
        let fusion = PairFusionConfig { dim, kind: self.fusion, query_weight: self.query_weight, seed };
        let summed = self.gate == GateKind::Sum;
        let frozen = |init: &mut Init, width: usize| {
            if summed { init.zero(width, dim) } else { init.normal(width, dim) }
        };
        PairEncoder {
            text: has(ModalityKind::Text).then(|| frozen(init, self.text_dim)),
            image: has(ModalityKind::Image).then(|| frozen(init, self.image_dim)),
            gate: (modalities.len() > 1 && !summed).then(|| gate.draw(init)),
            sum: summed.then(|| {
                let id_dropout = self.id_dropout;
                ModalitySumConfig { modalities: modalities.len(), id_dropout }.draw(init)
            }),
            fusion: fusion.draw(init),
            dropout: Dropout::new(self.dropout),
            with_query: has(ModalityKind::Query),
            mask_missing,
            modalities,
        }
    }
}

/// Histories and candidates with the vectors of their unique events.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    /// Histories `[B, L]`.
    pub history: &'a Events,
    /// Candidates `[B, C]`.
    pub candidates: &'a Events,
    /// Vectors of the history's unique events, `[U, D]`.
    pub events: Tensor<2>,
    /// The same without dropout.
    pub plain: Tensor<2>,
    /// Vectors of the unique candidates, `[V, D]`.
    pub targets: Tensor<2>,
}

impl<'a> Pairs<'a> {
    /// Pairs of vectors without dropout: of the history's unique events `[U, D]`, and of the unique candidates `[V, D]`.
    pub fn new(history: &'a Events, candidates: &'a Events, events: Tensor<2>, targets: Tensor<2>) -> Self {
        Self { history, candidates, plain: events.clone(), events, targets }
    }
}

impl Pairs<'_> {
    /// The events that each candidate sees, where that differs from candidate to candidate.
    pub(crate) fn seen(&self) -> Option<Selection> {
        self.history.seen_by(self.candidates)
    }

    /// 1 for users with an event, `[B, 1, 1]`, or for candidates that see one of those `seen`, `[B, C, 1]`; else 0.
    pub(crate) fn any(&self, seen: Option<&Selection>) -> Tensor<3> {
        match seen {
            None => self.history.float_mask().max_dim(1).unsqueeze_dim(2),
            Some(seen) => seen.bias.clone().max_dim(3).equal_elem(0.0).float().squeeze_dim(2),
        }
    }

    /// The candidates' vectors at their positions, `[B, C, D]`.
    pub fn placed_targets(&self) -> Tensor<3> {
        self.candidates.place(self.targets.clone())
    }
}

/// One item modality of unique events, of width D.
#[derive(Clone, Debug)]
pub struct ModalityRows {
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
    /// In place of a gate, where modalities are summed.
    pub sum: Option<ModalitySum>,
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
    /// The item modalities in the gate's order: id, image, text, attribute.
    ///
    /// # Panics
    /// If the events lack a modality that the configuration names.
    pub fn modalities(&self, unique: &UniqueEvents) -> Vec<ModalityRows> {
        let missing = "the events carry every configured modality";
        let rows_of = |&kind: &ModalityKind| {
            let projected = |layer: &Option<Linear>, modality: &Option<Modality>| {
                let Modality { rows, projected, present, .. } = modality.clone().expect(missing);
                let rows = if projected { rows } else { layer.as_ref().expect(missing).forward(rows) };
                // A missing picture is not the projection's bias.
                (if self.mask_missing { rows * present.clone() } else { rows }, present)
            };
            let (rows, present) = match kind {
                ModalityKind::Text => projected(&self.text, &unique.text),
                ModalityKind::Image => projected(&self.image, &unique.image),
                ModalityKind::Attribute => {
                    let Modality { rows, present, count, .. } = unique.attribute.clone().expect(missing);
                    let count = count.filter(|_| self.sum.is_some());
                    (count.map_or(rows.clone(), |count| rows * count), present)
                }
                ModalityKind::Id | ModalityKind::Query => (unique.item.clone(), unique.has_query.ones_like()),
            };
            ModalityRows { kind, rows, present }
        };
        self.modalities.iter().map(rows_of).collect()
    }

    /// Histories and candidates through the whole encoder: modalities, gate, fusion.
    ///
    /// # Panics
    /// If the events lack a modality that the configuration names.
    pub fn encode<'a>(&self, history: &'a Events, candidates: &'a Events) -> Pairs<'a> {
        let plain = self.plain(&history.unique);
        let (events, targets) = (self.dropout.forward(plain.clone()), self.pairs(&candidates.unique));
        Pairs { history, candidates, events, plain, targets }
    }

    /// Frozen embeddings `[n, width]` projected to `[n, D]`, before those of missing items are masked; `None` for modalities
    /// that are not projected.
    pub fn project(&self, kind: ModalityKind, rows: Tensor<2>) -> Option<Tensor<2>> {
        let layer = match kind {
            ModalityKind::Text => self.text.as_ref(),
            ModalityKind::Image => self.image.as_ref(),
            ModalityKind::Id | ModalityKind::Query | ModalityKind::Attribute => None,
        };
        layer.map(|layer| layer.forward(rows))
    }

    /// One item vector of its modalities, `[U, D]`.
    pub fn mix(&self, modalities: &[ModalityRows]) -> Tensor<2> {
        match (&self.gate, &self.sum) {
            (Some(gate), _) => gate.forward(modalities),
            (None, Some(sum)) => sum.forward(modalities),
            (None, None) => modalities[0].rows.clone(),
        }
    }

    /// The pair vector of queries and items, `[U, D]`; the item alone in a model without queries.
    pub fn fuse(&self, query: Tensor<2>, item: Tensor<2>) -> Tensor<2> {
        self.dropout.forward(self.fuse_all(query, item))
    }

    /// The same without dropout.
    pub fn fuse_all(&self, query: Tensor<2>, item: Tensor<2>) -> Tensor<2> {
        if self.with_query { self.fusion.forward(query, item) } else { item }
    }

    /// What pair vectors are the sum of, `[U, D]` each: the query, in a model with queries, then each item modality, all
    /// as the gate and a weighted average weigh them.
    pub fn terms(&self, query: Tensor<2>, modalities: &[ModalityRows]) -> Vec<Tensor<2>> {
        let weights = match (&self.gate, &self.sum) {
            (Some(gate), _) => Some(gate.weights(modalities)),
            (None, sum) => sum.as_ref().map(|sum| sum.weights(modalities)),
        };
        let nothing = query.zeros_like();
        let mut terms = Vec::with_capacity(1 + modalities.len());
        if self.with_query {
            terms.push(self.fusion.weighted_average(query, nothing.clone()));
        }
        for (index, modality) in modalities.iter().enumerate() {
            let item = match &weights {
                Some(weights) => modality.rows.clone() * weights.clone().narrow(1, index, 1),
                None => modality.rows.clone(),
            };
            terms.push(if self.with_query {
                self.fusion.weighted_average(nothing.clone(), item)
            } else {
                item
            });
        }
        terms
    }

    /// Item vectors of unique events, `[U, D]`.
    pub fn items(&self, unique: &UniqueEvents) -> Tensor<2> {
        self.mix(&self.modalities(unique))
    }

    /// Pair vectors of unique events, `[U, D]`.
    pub fn pairs(&self, unique: &UniqueEvents) -> Tensor<2> {
        self.dropout.forward(self.plain(unique))
    }

    /// The same without dropout.
    fn plain(&self, unique: &UniqueEvents) -> Tensor<2> {
        self.fuse_all(unique.query.clone(), self.items(unique))
    }

    /// Items as candidates of a recommendation: without a query, without dropout.
    pub(crate) fn recommended(&self, items: Tensor<2>) -> Tensor<2> {
        self.fuse_all(items.zeros_like(), items)
    }
}
