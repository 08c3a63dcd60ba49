//! The one container of encoded vectors, whatever the code: adding, removing, scanning, saving.

mod codec;
mod list;

pub use codec::{Codec, StoredCodec};
pub(crate) use list::{CodeList, encode_all};

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::index::{AnnIndex, Neighbor, Persist, Update, check, check_width};
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::top_k::TopK;
use crate::vectors::Vectors;

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

    /// Encodes all rows, on all threads; the id of a vector is its row.
    ///
    /// # Errors
    /// If the rows have another width than the codec.
    pub fn from_rows(codec: C, metric: Metric, rows: &Vectors) -> Result<Self> {
        let mut index = Self::empty(codec, metric);
        index.extend(0, rows)?;
        Ok(index)
    }

    /// Adds many rows under the ids `first`, `first + 1`, …, encoding them on all threads.
    ///
    /// # Errors
    /// If an id is there already, the ids or the rows are more than there can be, or the rows have another width; nothing is
    /// added then.
    pub fn extend(&mut self, first: u64, rows: &Vectors) -> Result<()> {
        if rows.dim() != self.codec.dim() {
            return Err(Error::Dimension { what: "the rows", expected: self.codec.dim(), found: rows.dim() });
        }
        let Some(more) = (rows.len() as u64).checked_sub(1) else { return Ok(()) };
        let Some(last) = first.checked_add(more) else {
            let message = format!("{} ids from {first} on go beyond the largest, {}", rows.len(), u64::MAX);
            return Err(Error::Config { field: "first", message });
        };
        self.list.ids().ensure_room(rows.len())?;
        let ids = first..=last;
        if let Some(there) = ids.clone().find(|&id| self.list.ids().slot(id).is_some()) {
            return Err(Error::Duplicate(there));
        }
        let codes = encode_all(&self.codec, self.metric, rows.as_slice());
        self.list.extend(&self.codec, ids, &codes)
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
        check("the query", query, self.codec.dim())?;
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

    pub(crate) fn list(&self) -> &CodeList<C> {
        &self.list
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
        *out = self.top_k(&[&query], k, filter).pop().unwrap_or_default();
        Ok(())
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
        check("the vector", row, self.codec.dim())?;
        let mut code = vec![0; self.codec.code_len()];
        self.codec.encode(&self.metric.prepare_all(row, self.codec.dim()), &mut code);
        self.list.extend(&self.codec, std::iter::once(id), &code)
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
