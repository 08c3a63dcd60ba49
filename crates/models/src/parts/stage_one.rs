//! Stage one: how relevant each event is for each candidate, in each model's own way.

use burn::tensor::Tensor;

use crate::events::Events;
use crate::parts::{HashBits, Selection, select_top_k};

/// The general search unit of a model, over distinct events and targets.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "one lives at a time")]
pub(crate) enum StageOne {
    /// No search: the last K positions.
    Recent,
    /// The attention's own scores, a selection a head (TWIN).
    Heads,
    /// Inner products (SIM, and SEMINAR's `multi_pq`).
    Product(Product),
    /// Equal bits (ETA, and SEMINAR's `lsh`).
    Bits(Product),
    /// The query keeps K1 events, the item keeps K of those (QIN).
    QueryThenItem {
        /// Stage 1.
        by_query: Product,
        /// Stage 2.
        by_item: Product,
        /// K1.
        keep: usize,
        /// 1 where a target has a query, `[V, 1]`: the others skip stage 1. As published, none does.
        asked: Option<Tensor<2>>,
    },
}

/// What is compared: rows of targets and of events.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    /// `[V, X]`.
    pub targets: Tensor<2>,
    /// `[U, X]`.
    pub keys: Tensor<2>,
    /// The key that stands at padded positions, `[1, X]`, where it is not the padding row's own.
    pub padding: Option<Tensor<2>>,
}

impl Product {
    pub fn new(targets: Tensor<2>, keys: Tensor<2>) -> Self {
        Self { targets, keys, padding: None }
    }

    /// `[B, C, 1, L]`.
    pub fn relevance(&self, history: &Events, candidates: &Events) -> Tensor<4> {
        let mut keys = history.place(self.keys.clone());
        if let Some(padding) = &self.padding {
            let mask: Tensor<3> = history.mask().unsqueeze_dim(2);
            keys = keys * mask.clone() + (mask.neg() + 1.0) * padding.clone().unsqueeze_dim::<3>(0);
        }
        candidates.place(self.targets.clone()).matmul(keys.swap_dims(1, 2)).unsqueeze_dim(2)
    }
}

impl StageOne {
    /// Relevance `[B, C, 1, L]` that all heads share, and the selection it leads to.
    ///
    /// # Panics
    /// For [`StageOne::Recent`] and [`StageOne::Heads`], whose relevance is the attention's.
    pub fn shared(
        &self,
        history: &Events,
        candidates: &Events,
        k: usize,
        mask_padding: bool,
    ) -> (Tensor<4>, Selection) {
        match self {
            Self::Recent | Self::Heads => unreachable!("the attention scores these"),
            Self::Product(product) => {
                let relevance = product.relevance(history, candidates);
                let selection = select_top_k(&relevance, history, k, mask_padding, None);
                (relevance, selection)
            }
            Self::Bits(Product { targets, keys, .. }) => {
                let place = |events: &Events, bits: &Tensor<2>| events.place(bits.clone());
                let relevance = HashBits::equal_bits(place(candidates, targets), place(history, keys));
                let selection = select_top_k(&relevance, history, k, mask_padding, None);
                (relevance, selection)
            }
            Self::QueryThenItem { by_item, .. } => {
                let relevance = by_item.relevance(history, candidates);
                let first = self.query_stage(history, candidates, mask_padding);
                let selection = select_top_k(&relevance, history, k, mask_padding, Some(&first));
                (relevance, selection)
            }
        }
    }

    /// What QIN's first stage keeps; candidates without a query keep every event.
    ///
    /// # Panics
    /// For the other kinds.
    pub fn query_stage(&self, history: &Events, candidates: &Events, mask_padding: bool) -> Selection {
        let Self::QueryThenItem { by_query, keep, asked, .. } = self else {
            unreachable!("only QIN has two searches")
        };
        let relevance = by_query.relevance(history, candidates);
        let kept = select_top_k(&relevance, history, *keep, mask_padding, None);
        let Some(asked) = asked else { return kept };
        let [batch, count] = candidates.dims();
        let asked = candidates.place(asked.clone()).reshape([batch, count, 1, 1]);
        let everything = Selection::real(history).bias;
        Selection { bias: kept.bias * asked.clone() + everything * (asked.neg() + 1.0) }
    }
}
