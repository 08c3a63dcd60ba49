//! Hierarchical navigable small worlds (Malkov, Yashunin 2018): `hnsw_rs` builds the graph, which is then laid out
//! flat for searching, saving and mapping.

mod build;
mod graph;
mod linker;

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::flat::{Flat, Whole};
use crate::hnsw::graph::Graph;
use crate::index::{AnnIndex, Neighbor, Persist, Update, check};
use crate::kernel::float::dot;
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
    /// What links the vectors.
    pub builder: HnswBuilder,
}

/// What links the vectors of a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HnswBuilder {
    /// Rounds on all threads: the same graph for any number of them.
    #[default]
    Rounds,
    /// The crate `hnsw_rs`, one vector after another on one thread.
    HnswRs,
}

impl Default for HnswConfig {
    fn default() -> Self {
        Self { links: 16, ef_construction: 100, ef_search: 64, builder: HnswBuilder::default() }
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
        check_squares(&vectors)?;
        let graph = match self.builder {
            HnswBuilder::Rounds => self.linked(&vectors),
            HnswBuilder::HnswRs => build::link(self, &vectors),
        };
        let added = Flat::empty(Whole::new(rows.dim()), metric);
        Ok(Hnsw { vectors, graph, ef_search: self.ef_search, removed: BTreeSet::new(), added })
    }
}

/// Ids that are asked to learn how many a filter accepts.
const ASKED: usize = 256;
/// What a link costs on a walk, in comparisons of a scan: its vector lies anywhere in memory.
const LINK_COST: f64 = 2.0;
/// What it costs to ask a filter, in the same unit.
const FILTER_COST: f64 = 0.1;

impl Hnsw {
    /// The share of the vectors that a condition accepts, by asking for evenly spaced ids; at least what one of twice as many
    /// would be.
    fn share(&self, accepts: &dyn Fn(u64) -> bool) -> f64 {
        let len = self.vectors.len();
        let asked = len.min(ASKED);
        let accepted = (0..asked).filter(|&at| accepts((at as u128 * len as u128 / asked as u128) as u64));
        (accepted.count() as f64).max(0.5) / asked as f64
    }

    /// Candidates that a walk keeps so that about as many as without a filter are accepted; `None` where comparing all accepted
    /// vectors is cheaper.
    fn walk_width(&self, k: usize, share: f64) -> Option<usize> {
        let len = self.vectors.len() as f64;
        let width = self.ef_search.max(k) as f64 / share;
        let walk = width * self.graph.most() as f64 * LINK_COST;
        let scan = len * (share + if share < 1.0 { FILTER_COST } else { 0.0 });
        (walk < scan).then_some(width as usize)
    }
}

/// Whether the graph's scores are numbers: the square of a length must be one, and the square of the largest distance.
fn check_squares(vectors: &Flat) -> Result<()> {
    let square = |slot: usize| dot(vectors.row(slot), vectors.row(slot));
    match (0..vectors.len()).find(|&slot| !(4.0 * square(slot)).is_finite()) {
        Some(row) => Err(Error::TooLarge { row }),
        None => Ok(()),
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
        let share = if open { 1.0 } else { self.share(&accepts) };
        if let Some(width) = self.walk_width(k, share) {
            let accepts: Option<&dyn Fn(u64) -> bool> = if open { None } else { Some(&accepts) };
            let found = self.graph.search(&self.vectors, &prepared, width, accepts);
            out.extend(found.into_iter().take(k));
        }
        if out.len() < k {
            // A walk would cost more than comparing all, or it met too few that are accepted.
            *out = self.vectors.search_filtered(query, k, &accepts)?;
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
