//! Histories that keep each modality apart, for weights that change with the request.

use std::sync::Arc;

use crate::coded::{CodeList, Codec, encode_all};
use crate::error::{Error, Result};
use crate::flat::Whole;
use crate::history::target::ensure_short;
use crate::history::{HistoryIndex, HistoryTarget, check_shape, finite};
use crate::index::{Neighbor, check};
use crate::metric::Metric;
use crate::pq::{ByteCodes, NibbleCodes, ProductQuantizer};
use crate::top_k::TopK;

/// A history whose behaviours are kept as codes of their concatenated modalities.
///
/// A codec is trained once over all items and shared by all users.
#[derive(Clone, Debug)]
pub struct History<C> {
    pub(super) codec: Arc<C>,
    pub(super) list: CodeList<C>,
    pub(super) modalities: usize,
    pub(super) next: u64,
}

/// Behaviours without quantisation.
pub type ExactHistory = History<Whole>;

/// Multi-modal product quantisation with one byte per sub-vector.
pub type PqHistory = History<ByteCodes>;

/// Multi-modal product quantisation with half a byte per sub-vector.
pub type NibbleHistory = History<NibbleCodes>;

impl ExactHistory {
    /// An empty history.
    ///
    /// # Errors
    /// If there is no modality or no width.
    pub fn exact(modalities: usize, dim: usize) -> Result<Self> {
        check_shape(modalities, dim)?;
        Self::new(Arc::new(Whole::new(modalities * dim)), modalities)
    }
}

impl PqHistory {
    /// Shared codes from one codebook per modality, all with the same number and width of sub-vectors.
    ///
    /// # Errors
    /// If the codebooks do not fit together or have more than 256 centroids.
    pub fn codec(codebooks: &[&ProductQuantizer]) -> Result<Arc<ByteCodes>> {
        Ok(Arc::new(ByteCodes::new(ProductQuantizer::concatenate(codebooks)?)?))
    }
}

impl NibbleHistory {
    /// Shared codes from one codebook per modality, all with the same number and width of sub-vectors.
    ///
    /// # Errors
    /// If the codebooks do not fit together or have more than 16 centroids.
    pub fn codec(codebooks: &[&ProductQuantizer]) -> Result<Arc<NibbleCodes>> {
        Ok(Arc::new(NibbleCodes::new(ProductQuantizer::concatenate(codebooks)?)?))
    }
}

impl<C: Codec> History<C> {
    /// An empty history over a shared codec of `M · d` numbers.
    ///
    /// # Errors
    /// If the modalities do not divide the codec's width.
    pub fn new(codec: Arc<C>, modalities: usize) -> Result<Self> {
        check_shape(modalities, codec.dim())?;
        if !codec.dim().is_multiple_of(modalities) {
            let message = format!("{modalities} do not divide the width {}", codec.dim());
            return Err(Error::Config { field: "modalities", message });
        }
        Ok(Self { codec, list: CodeList::new(), modalities, next: 0 })
    }

    /// Appends many behaviours `[n, M, d]`, encoding them on all threads; returns the number of the first.
    ///
    /// # Errors
    /// As [`HistoryIndex::append`]; nothing is appended then.
    pub fn extend(&mut self, events: &[f32]) -> Result<u64> {
        check("the behaviours", events, events.len().next_multiple_of(self.codec.dim()))?;
        ensure_short(events, self.codec.dim())?;
        let first = self.next;
        let codes = encode_all(&*self.codec, Metric::InnerProduct, events);
        let ids = first..first + (events.len() / self.codec.dim()) as u64;
        self.next = ids.end;
        self.list.extend(&self.codec, ids, &codes)?;
        Ok(first)
    }

    /// [`HistoryIndex::top_k_many`] for prepared queries. Of equal scores the newest behaviour comes first.
    pub(super) fn top_k_queries(&self, queries: &[&C::Query], k: usize) -> Result<Vec<Vec<Neighbor>>> {
        let mut tops: Vec<TopK> = queries.iter().map(|_| TopK::new(k.min(self.len()))).collect();
        // Of equal scores, a selection puts the smaller id first. With complements that is the newest behaviour.
        self.list.search(&self.codec, queries, &mut tops, None, |id| !id);
        let named = |n: Neighbor| Neighbor { id: !n.id, score: n.score };
        tops.into_iter().map(|top| finite(top.into_sorted().into_iter().map(named).collect())).collect()
    }

    /// The score of a prepared query.
    pub(super) fn score_query(&self, query: &C::Query, event: u64) -> Result<Option<f32>> {
        match self.list.score(&self.codec, query, event) {
            Some(score) if !score.is_finite() => Err(Error::NotFinite { what: "a score" }),
            score => Ok(score),
        }
    }

    /// The codes that users share.
    pub fn shared(&self) -> &Arc<C> {
        &self.codec
    }
}

impl<C: Codec> HistoryIndex for History<C> {
    type Target = HistoryTarget<C>;

    fn modalities(&self) -> usize {
        self.modalities
    }

    fn dim(&self) -> usize {
        self.codec.dim() / self.modalities
    }

    fn len(&self) -> usize {
        self.list.ids().len()
    }

    fn bytes(&self) -> usize {
        self.list.bytes()
    }

    fn append(&mut self, event: &[f32]) -> Result<u64> {
        check("the behaviour", event, self.codec.dim())?;
        ensure_short(event, self.codec.dim())?;
        let mut code = vec![0; self.codec.code_len()];
        self.codec.encode(event, &mut code);
        let id = self.next;
        self.list.extend(&self.codec, std::iter::once(id), &code)?;
        self.next += 1;
        Ok(id)
    }

    fn delete(&mut self, event: u64) -> Result<()> {
        if self.list.remove(&self.codec, event) { Ok(()) } else { Err(Error::Unknown(event)) }
    }

    fn prepare(&self, target: &[f32], weights: &[f32]) -> Result<HistoryTarget<C>> {
        HistoryTarget::new(&self.codec, self.modalities, target, weights)
    }

    fn score(&self, target: &HistoryTarget<C>, event: u64) -> Result<Option<f32>> {
        self.score_query(target.query(&self.codec, self.modalities)?, event)
    }

    fn top_k_many(&self, targets: &[HistoryTarget<C>], k: usize) -> Result<Vec<Vec<Neighbor>>> {
        let queries = targets.iter().map(|target| target.query(&self.codec, self.modalities));
        self.top_k_queries(&queries.collect::<Result<Vec<_>>>()?, k)
    }

    fn top_k(&self, target: &HistoryTarget<C>, k: usize) -> Result<Vec<Neighbor>> {
        let query = target.query(&self.codec, self.modalities)?;
        Ok(self.top_k_queries(&[query], k)?.pop().unwrap_or_default())
    }
}
