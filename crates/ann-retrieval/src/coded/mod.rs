//! The one container of encoded vectors, whatever the code: adding, removing, scanning, saving.

mod codec;
mod list;
mod scale;

pub use codec::{Codec, StoredCodec};
pub(crate) use list::{CodeList, encode_all};
pub(crate) use scale::fitted;

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::index::{AnnIndex, Neighbor, Persist, Update, check_lengths, check_scored, check_width};
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::top_k::TopK;
use crate::vectors::Vectors;

/// A filter's list of ids is looked up one by one where it is shorter than this share of the vectors: a look-up costs more
/// than the same row in a scan.
const LISTED: usize = 16;

/// Vectors kept as codes of a fixed length, found by scanning all of them.
///
/// A search returns the exact top of the codec's scores, ties by id: the result depends neither on the order of
/// insertion nor on the processor.
#[derive(Clone, Debug)]
pub struct Coded<C> {
    codec: C,
    metric: Metric,
    list: CodeList<C>,
}

impl<C: Codec> Coded<C> {
    /// No vectors.
    pub fn empty(codec: C, metric: Metric) -> Self {
        Self { codec, metric, list: CodeList::new() }
    }

    /// Encodes all rows, on all threads, under their ids. Under the cosine the codec may have been trained on rows of any
    /// length: it is then trained anew from rows of length 1, or scaled where they are few.
    ///
    /// # Errors
    /// If the rows have another width than the codec, or one is too long for its square to be a number.
    pub fn from_rows(codec: C, metric: Metric, rows: &Vectors) -> Result<Self> {
        let mut index = Self::empty(codec, metric);
        index.extend(0, rows)?;
        Ok(index)
    }

    /// Adds many rows, encoding them on all threads: under the ids of the table or, where it has none, `first`, `first + 1`, ….
    ///
    /// # Errors
    /// If an id is there already, the ids or the rows are more than there can be, or the rows have another width; nothing is
    /// added then.
    pub fn extend(&mut self, first: u64, rows: &Vectors) -> Result<()> {
        if rows.dim() != self.codec.dim() {
            return Err(Error::Dimension { what: "the rows", expected: self.codec.dim(), found: rows.dim() });
        }
        check_lengths(self.metric, rows)?;
        let ids = rows.named_from(first)?;
        self.list.ids().ensure_room(rows.len())?;
        if let Some(&there) = ids.iter().find(|&&id| self.contains(id)) {
            return Err(Error::Duplicate(there));
        }
        self.fit(rows.as_slice());
        let codes = encode_all(&self.codec, self.metric, rows.as_slice());
        self.list.extend(&self.codec, ids.iter().copied(), &codes)
    }

    /// Adapts the codec to the first rows that come, under the cosine.
    fn fit(&mut self, rows: &[f32]) {
        if self.metric == Metric::Cosine && self.list.ids().len() == 0 {
            self.codec = fitted(self.codec.clone(), rows);
        }
    }

    /// The codec.
    pub fn codec(&self) -> &C {
        &self.codec
    }

    /// The metric.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// The codec's view of a query, made once and used for many searches.
    ///
    /// # Errors
    /// If the query has another width, or holds a number that is not finite.
    pub fn prepare(&self, query: &[f32]) -> Result<C::Query> {
        check_width(self.codec.dim())?;
        check_scored("the query", self.metric, query, self.codec.dim())?;
        Ok(self.codec.prepare(&self.metric.prepare_all(query, self.codec.dim()), self.metric))
    }

    /// The score of one vector, if it is there.
    pub fn score(&self, query: &C::Query, id: u64) -> Option<f32> {
        self.list.score(&self.codec, query, id)
    }

    /// The best `k` of each prepared query, in one pass over the codes.
    pub fn top_k(&self, queries: &[&C::Query], k: usize, filter: Option<&dyn Filter>) -> Vec<Vec<Neighbor>> {
        let mut tops: Vec<TopK> = queries.iter().map(|_| TopK::new(k.min(self.len()))).collect();
        self.list.search(&self.codec, queries, &mut tops, filter, |id| id);
        tops.into_iter().map(TopK::into_sorted).collect()
    }

    /// The best `k` of a list of ids, each once.
    fn top_of(&self, query: &C::Query, k: usize, listed: &[u64]) -> Vec<Neighbor> {
        let mut top = TopK::new(k.min(listed.len()));
        let scored = listed.iter().filter_map(|&id| Some((id, self.score(query, id)?)));
        scored.for_each(|(id, score)| top.push(id, score));
        top.into_sorted()
    }

    pub(crate) fn list(&self) -> &CodeList<C> {
        &self.list
    }

    /// Appends rows under their slots, whatever their ids.
    pub(crate) fn append(&mut self, rows: &Vectors) {
        let start = self.list.ids().len() as u64;
        let codes = encode_all(&self.codec, self.metric, rows.as_slice());
        let added = self.list.extend(&self.codec, start..start + rows.len() as u64, &codes);
        debug_assert!(added.is_ok(), "slots are new ids, and the caller has counted them");
    }

    /// The index with some of its slots alone, under the ids 0, 1, ….
    pub(crate) fn kept(&self, slots: &[u32]) -> Self {
        Self { codec: self.codec.clone(), metric: self.metric, list: self.list.kept(&self.codec, slots) }
    }
}

impl<C: Codec> AnnIndex for Coded<C> {
    fn search_into(
        &self,
        query: &[f32],
        k: usize,
        filter: Option<&dyn Filter>,
        out: &mut Vec<Neighbor>,
    ) -> Result<()> {
        let query = self.prepare(query)?;
        *out = match filter.and_then(Filter::listed) {
            Some(listed) if listed.len() < self.len() / LISTED => self.top_of(&query, k, listed),
            _ => self.top_k(&[&query], k, filter).pop().unwrap_or_default(),
        };
        Ok(())
    }

    fn contains(&self, id: u64) -> bool {
        self.list.ids().slot(id).is_some()
    }

    fn vector(&self, id: u64) -> Option<Cow<'_, [f32]>> {
        self.list.decoded(&self.codec, id).map(Cow::Owned)
    }

    fn len(&self) -> usize {
        self.list.ids().len()
    }

    fn dim(&self) -> usize {
        self.codec.dim()
    }

    fn bytes(&self) -> usize {
        self.list.bytes() + self.codec.bytes()
    }
}

impl<C: Codec> Update for Coded<C> {
    fn add(&mut self, id: u64, row: &[f32]) -> Result<()> {
        check_width(self.codec.dim())?;
        check_scored("the vector", self.metric, row, self.codec.dim())?;
        self.fit(row);
        let mut code = vec![0; self.codec.code_len()];
        self.codec.encode(&self.metric.prepare_all(row, self.codec.dim()), &mut code);
        self.list.extend(&self.codec, std::iter::once(id), &code)
    }

    fn extend(&mut self, first: u64, rows: &Vectors) -> Result<()> {
        Coded::extend(self, first, rows)
    }

    fn remove(&mut self, id: u64) -> bool {
        self.list.remove(&self.codec, id)
    }
}

impl<C: StoredCodec> Persist for Coded<C> {
    const KIND: [u8; 8] = C::KIND;

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        out.put_own("metric", &[self.metric.number()]);
        self.list.write(out);
        out.within("codec", |out| self.codec.write(out));
    }

    fn read(from: &Reader) -> Result<Self> {
        let codec = C::read(&from.within("codec"))?;
        Ok(Self { metric: Metric::read(from)?, list: CodeList::read(&codec, from)?, codec })
    }
}
