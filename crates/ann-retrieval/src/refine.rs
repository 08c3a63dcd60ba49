//! Exact rescoring of a shortlist, for every approximate index.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::flat::Flat;
use crate::index::{AnnIndex, Neighbor, Persist, Update};
use crate::persist::{Reader, Writer};
use crate::top_k::TopK;
use crate::vectors::Vectors;

/// An index whose best `factor · k` are scored again with the vectors themselves.
#[derive(Clone, Debug)]
pub struct Refined<I> {
    index: I,
    exact: Flat,
    factor: usize,
}

impl<I: AnnIndex> Refined<I> {
    /// Joins an index and the vectors it was built from, under the same ids. Scores are those of `exact`, under its metric, which
    /// should be the index's.
    ///
    /// # Errors
    /// If the two differ in width, length or ids, or the factor is 0.
    pub fn new(index: I, exact: Flat, factor: usize) -> Result<Self> {
        if factor == 0 {
            return Err(Error::Config { field: "factor", message: "must be at least 1".into() });
        }
        if (index.dim(), index.len()) != (exact.dim(), exact.len()) {
            let message = format!(
                "{} x {} vectors in the index, {} x {} to rescore",
                index.len(),
                index.dim(),
                exact.len(),
                exact.dim()
            );
            return Err(Error::Config { field: "exact", message });
        }
        if let Some(id) = exact.list().all_ids().find(|&id| !index.contains(id)) {
            let message = format!("vector {id} is not in the index: both need the same ids");
            return Err(Error::Config { field: "exact", message });
        }
        Ok(Self { index, exact, factor })
    }
}

impl<I: AnnIndex> AnnIndex for Refined<I> {
    fn search_into(
        &self,
        query: &[f32],
        k: usize,
        filter: Option<&dyn Filter>,
        out: &mut Vec<Neighbor>,
    ) -> Result<()> {
        self.index.search_into(query, k.saturating_mul(self.factor), filter, out)?;
        let query = self.exact.prepare(query)?;
        let mut top = TopK::new(k.min(out.len()));
        for found in out.drain(..) {
            // Both hold the same ids, as every change is applied to both.
            if let Some(score) = self.exact.score(&query, found.id) {
                top.push(found.id, score);
            }
        }
        *out = top.into_sorted();
        Ok(())
    }

    fn len(&self) -> usize {
        self.index.len()
    }

    fn contains(&self, id: u64) -> bool {
        self.exact.contains(id)
    }

    fn vector(&self, id: u64) -> Option<Cow<'_, [f32]>> {
        self.exact.vector(id)
    }

    fn dim(&self) -> usize {
        self.index.dim()
    }

    fn bytes(&self) -> usize {
        self.index.bytes() + self.exact.bytes()
    }
}

impl<I: Update> Update for Refined<I> {
    fn add(&mut self, id: u64, row: &[f32]) -> Result<()> {
        self.index.add(id, row)?;
        self.exact.add(id, row).inspect_err(|_| {
            self.index.remove(id);
        })
    }

    fn extend(&mut self, first: u64, rows: &Vectors) -> Result<()> {
        self.index.extend(first, rows)?;
        // It holds the same ids, so what the index took fits here too.
        self.exact.extend(first, rows)
    }

    fn remove(&mut self, id: u64) -> bool {
        self.exact.remove(id) && self.index.remove(id)
    }
}

impl<I: Persist + AnnIndex> Persist for Refined<I> {
    const KIND: [u8; 8] =
        [b'x', I::KIND[0], I::KIND[1], I::KIND[2], I::KIND[3], I::KIND[4], I::KIND[5], I::KIND[6]];

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        out.put_own("factor", &[self.factor as u64]);
        out.within("index", |out| self.index.write(out));
        out.within("exact", |out| self.exact.write(out));
    }

    fn read(from: &Reader) -> Result<Self> {
        let [factor] = from.header("factor")?;
        let (index, exact) = (I::read(&from.within("index"))?, Flat::read(&from.within("exact"))?);
        Self::new(index, exact, factor as usize).map_err(|error| from.damaged(error.to_string()))
    }
}
