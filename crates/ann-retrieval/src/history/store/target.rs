//! Targets of a store.

use std::sync::Arc;

use super::layout::Layout;
use crate::coded::Codec;
use crate::error::{Error, Result};
use crate::flat::{Whole, WholeQuery};
use crate::history::HistoryTarget;

/// A target `[M, d]` under the weights of a request, for every user of a store: for the codes and, where the store keeps
/// exact rows, for those.
pub struct StoreTarget<C: Codec> {
    codes: HistoryTarget<C>,
    exact: Option<WholeQuery>,
}

impl<C: Codec> std::fmt::Debug for StoreTarget<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreTarget")
            .field("codes", &self.codes)
            .field("exact", &self.exact.is_some())
            .finish()
    }
}

impl<C: Codec> StoreTarget<C> {
    pub(super) fn new(layout: &Layout<C>, target: &[f32], weights: &[f32]) -> Result<Self> {
        let codes = HistoryTarget::new(&layout.codec, layout.modalities, target, weights)?;
        let exact = layout.factor.map(|_| {
            let whole = Arc::new(Whole::new(layout.codec.dim()));
            HistoryTarget::new(&whole, layout.modalities, target, weights).map(HistoryTarget::into_query)
        });
        Ok(Self { codes, exact: exact.transpose()? })
    }

    /// The query for the codes, if the target was prepared for a store like this.
    pub(super) fn codes(&self, layout: &Layout<C>) -> Result<&C::Query> {
        self.codes.query(&layout.codec, layout.modalities)
    }

    /// The query for exact rows; none where the store keeps none.
    pub(super) fn exact(&self, layout: &Layout<C>) -> Result<Option<&WholeQuery>> {
        match (layout.factor, &self.exact) {
            (None, _) => Ok(None),
            (Some(_), Some(exact)) => Ok(Some(exact)),
            (Some(_), None) => {
                let message = "was prepared for a store of codes alone, and this one keeps exact rows".into();
                Err(Error::Config { field: "target", message })
            }
        }
    }
}
