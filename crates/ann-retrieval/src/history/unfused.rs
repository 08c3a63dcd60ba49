//! Histories that keep each modality apart, for weights that change with the request.

use std::sync::Arc;

use crate::coded::{CodeList, Codec, StoredCodec, encode_all};
use crate::error::{Error, Result};
use crate::flat::Whole;
use crate::history::{HistoryIndex, check_shape, check_weights, fuse};
use crate::index::{Neighbor, Persist, check};
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::pq::{ByteCodes, NibbleCodes, ProductQuantizer};
use crate::top_k::TopK;

/// A history whose behaviours are kept as codes of their concatenated modalities.
///
/// A codec is trained once over all items and shared by all users.
#[derive(Clone, Debug)]
pub struct History<C> {
    codec: Arc<C>,
    list: CodeList<C>,
    modalities: usize,
    next: u64,
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
    /// If a row has another size, or holds a number that is not finite; nothing is appended then.
    pub fn extend(&mut self, events: &[f32]) -> Result<u64> {
        check("the behaviours", events, events.len().next_multiple_of(self.codec.dim()))?;
        let first = self.next;
        let codes = encode_all(&*self.codec, Metric::InnerProduct, events);
        let ids = first..first + (events.len() / self.codec.dim()) as u64;
        self.next = ids.end;
        self.list.extend(&self.codec, ids, &codes)?;
        Ok(first)
    }

    /// [`HistoryIndex::top_k_many`] for targets by reference. Of equal scores the newest behaviour comes first.
    pub(super) fn top_k_refs(&self, targets: &[&C::Query], k: usize) -> Vec<Vec<Neighbor>> {
        let mut tops: Vec<TopK> = targets.iter().map(|_| TopK::new(k.min(self.len()))).collect();
        // Of equal scores, a selection puts the smaller id first. With complements that is the newest behaviour.
        self.list.search(&self.codec, targets, &mut tops, None, |id| !id);
        let named = |n: Neighbor| Neighbor { id: !n.id, score: n.score };
        tops.into_iter().map(|top| top.into_sorted().into_iter().map(named).collect()).collect()
    }

    /// The codes that users share.
    pub fn shared(&self) -> &Arc<C> {
        &self.codec
    }
}

impl<C: Codec> HistoryIndex for History<C> {
    type Target = C::Query;

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

    fn prepare(&self, target: &[f32], weights: &[f32]) -> Result<C::Query> {
        check("the target", target, self.codec.dim())?;
        check_weights(weights, self.modalities)?;
        let fused = fuse(target, weights, self.dim());
        let query: Vec<f32> = weights.iter().flat_map(|&w| fused.iter().map(move |x| w * x)).collect();
        Ok(self.codec.prepare(&query, Metric::InnerProduct))
    }

    fn score(&self, target: &C::Query, event: u64) -> Option<f32> {
        self.list.score(&self.codec, target, event)
    }

    fn top_k_many(&self, targets: &[C::Query], k: usize) -> Vec<Vec<Neighbor>> {
        self.top_k_refs(&targets.iter().collect::<Vec<_>>(), k)
    }

    fn top_k(&self, target: &C::Query, k: usize) -> Vec<Neighbor> {
        self.top_k_refs(&[target], k).pop().unwrap_or_default()
    }
}

impl<C: StoredCodec> Persist for History<C> {
    const KIND: [u8; 8] =
        [b'h', C::KIND[0], C::KIND[1], C::KIND[2], C::KIND[3], C::KIND[4], C::KIND[5], C::KIND[6]];

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        out.put_own("shape", &[self.modalities as u64, self.next]);
        self.list.write(out);
        out.within("codec", |out| self.codec.write(out));
    }

    fn read(from: &Reader) -> Result<Self> {
        let codec = C::read(&from.within("codec"))?;
        let [modalities, next] = from.header("shape")?;
        let empty = Self::new(Arc::new(codec), modalities as usize);
        let empty = empty.map_err(|error| from.damaged(error.to_string()))?;
        let list = CodeList::<C>::read(&empty.codec, from)?;
        let newer = (0..list.ids().len()).all(|slot| list.ids().id(slot) < next);
        from.ensure(newer, "numbers")?;
        Ok(Self { list, next, ..empty })
    }
}
