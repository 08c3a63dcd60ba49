//! Hierarchical navigable small worlds (Malkov, Yashunin 2018): `hnsw_rs` builds the graph, which is then laid out
//! flat for searching, saving and mapping.

mod build;
mod graph;

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::flat::{Flat, Whole};
use crate::hnsw::graph::Graph;
use crate::index::{AnnIndex, Neighbor, Persist, Update, check};
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::top_k::TopK;
use crate::vectors::Vectors;

/// The settings of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct HnswConfig {
    /// M: links per vector on the upper layers, 2 to 256; the lowest layer has twice as many.
    pub links: usize,
    /// Candidates kept while building.
    pub ef_construction: usize,
    /// Candidates kept while searching; a search for more neighbours keeps `k`.
    pub ef_search: usize,
}

impl Default for HnswConfig {
    fn default() -> Self {
        Self { links: 16, ef_construction: 100, ef_search: 64 }
    }
}

/// A graph over the vectors it was built from.
///
/// A vector that is added later is not linked: each query is compared with it directly. A removed vector stays in the
/// graph, so that searches can pass through it, but is never returned.
#[derive(Clone, Debug)]
pub struct Hnsw {
    vectors: Flat,
    graph: Graph,
    ef_search: usize,
    removed: BTreeSet<u64>,
    added: Flat,
}

impl HnswConfig {
    /// Links all rows, one after another, so that the same rows give the same graph; the id of a vector is its row.
    ///
    /// # Errors
    /// If there is no row, or a setting is out of its range.
    pub fn build(&self, rows: &Vectors, metric: Metric) -> Result<Hnsw> {
        if !(2..=256).contains(&self.links) {
            return Err(Error::Config { field: "links", message: format!("{} is not 2 to 256", self.links) });
        }
        if self.ef_construction == 0 {
            return Err(Error::Config { field: "ef_construction", message: "must be at least 1".into() });
        }
        if rows.is_empty() {
            return Err(Error::Config { field: "rows", message: "a graph needs at least one".into() });
        }
        let vectors = Flat::build(rows, metric)?;
        let graph = build::link(self, &vectors);
        let added = Flat::empty(Whole::new(rows.dim()), metric);
        Ok(Hnsw { vectors, graph, ef_search: self.ef_search, removed: BTreeSet::new(), added })
    }
}

impl Hnsw {
    /// The same with another number of candidates kept while searching.
    #[must_use]
    pub fn with_ef_search(mut self, ef_search: usize) -> Self {
        self.ef_search = ef_search;
        self
    }
}

impl AnnIndex for Hnsw {
    fn search_into(
        &self,
        query: &[f32],
        k: usize,
        filter: Option<&dyn Filter>,
        out: &mut Vec<Neighbor>,
    ) -> Result<()> {
        check("the query", query, self.dim())?;
        let prepared = self.vectors.metric().prepare_all(query, self.dim());
        out.clear();
        let open = filter.is_none() && self.removed.is_empty();
        let accepts = |id: u64| !self.removed.contains(&id) && filter.is_none_or(|filter| filter.accepts(id));
        let k = k.min(self.len());
        let width = self.ef_search.max(k).clamp(1, self.vectors.len());
        if open {
            let found = self.graph.search(&self.vectors, &prepared, width, None);
            out.extend(found.into_iter().take(k));
        } else {
            let found = self.graph.search(&self.vectors, &prepared, width, Some(&accepts));
            out.extend(found.into_iter().take(k));
            if out.len() < k {
                // The walk met too few that are accepted: compare all of them.
                *out = self.vectors.search_filtered(query, k, &accepts)?;
            }
        }
        if !self.added.is_empty() {
            let mut top = TopK::new(k);
            let mut newer = Vec::new();
            self.added.search_into(query, k, filter, &mut newer)?;
            out.iter().chain(&newer).for_each(|n| top.push(n.id, n.score));
            *out = top.into_sorted();
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.vectors.len() - self.removed.len() + self.added.len()
    }

    fn dim(&self) -> usize {
        self.vectors.dim()
    }

    fn bytes(&self) -> usize {
        self.vectors.bytes() + self.graph.bytes() + self.added.bytes() + self.removed.len() * 16
    }
}

impl Update for Hnsw {
    fn add(&mut self, id: u64, row: &[f32]) -> Result<()> {
        if id < self.vectors.len() as u64 && !self.removed.contains(&id) {
            return Err(Error::Duplicate(id));
        }
        self.added.add(id, row)
    }

    fn remove(&mut self, id: u64) -> bool {
        self.added.remove(id) || id < self.vectors.len() as u64 && self.removed.insert(id)
    }
}

impl Persist for Hnsw {
    const KIND: [u8; 8] = *b"hnsw    ";

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        out.put_own("ef", &[self.ef_search as u64]);
        out.put_own("removed", &self.removed.iter().copied().collect::<Vec<u64>>());
        out.within("vectors", |out| self.vectors.write(out));
        out.within("added", |out| self.added.write(out));
        self.graph.write(out);
    }

    fn read(from: &Reader) -> Result<Self> {
        let [ef_search] = from.header("ef")?;
        let vectors = Flat::read(&from.within("vectors"))?;
        let added = Flat::read(&from.within("added"))?;
        let removed: Vec<u64> = from.numbers("removed")?;
        let same = (vectors.dim(), vectors.metric()) == (added.dim(), added.metric());
        from.ensure(same && removed.iter().all(|&id| id < vectors.len() as u64), "vectors")?;
        let graph = Graph::read(from, vectors.len())?;
        Ok(Self {
            vectors,
            graph,
            ef_search: ef_search as usize,
            removed: removed.into_iter().collect(),
            added,
        })
    }
}
