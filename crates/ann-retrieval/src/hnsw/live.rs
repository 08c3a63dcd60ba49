//! Searching a graph, and changing it while it is searched.

use std::borrow::Cow;

use crate::error::Result;
use crate::filter::Filter;
use crate::flat::Flat;
use crate::hnsw::Hnsw;
use crate::index::{AnnIndex, Neighbor, Update, check, check_scored};
use crate::persist::Reader;
use crate::top_k::TopK;
use crate::vectors::Vectors;

/// Ids that are asked to learn how many a filter accepts.
const ASKED: usize = 256;
/// What a link costs on a walk, in comparisons of a scan: its vector lies anywhere in memory.
const LINK_COST: f64 = 2.0;
/// What it costs to ask a filter, in the same unit.
const FILTER_COST: f64 = 0.1;
/// A walk keeps about as many accepted candidates as without a filter; if it keeps fewer than one of so many of them, the filter
/// hides what is near.
const HIDDEN: usize = 2;
/// Removed vectors are mended when they are this share of all.
const REMOVED_SHARE: usize = 8;
/// All vectors are made sure to be reached when this share of them is new.
const UNPROVEN_SHARE: usize = 32;

impl Hnsw {
    /// The share of the slots that may be returned: as the filter says, or by asking for evenly spaced ones; at least what one
    /// of twice as many would be.
    fn share(&self, filter: Option<&dyn Filter>, accepts: &dyn Fn(u32) -> bool) -> f64 {
        let slots = self.nodes.slots();
        if filter.is_none() {
            return self.nodes.alive() as f64 / slots as f64;
        }
        let asked = slots.min(ASKED);
        let accepted = (0..asked).filter(|&at| accepts((at as u128 * slots as u128 / asked as u128) as u32));
        let share = (accepted.count() as f64).max(0.5) / asked as f64;
        match filter.and_then(Filter::count) {
            Some(count) => share.min(count as f64 / slots as f64),
            None => share,
        }
    }

    /// Candidates that a walk keeps so that about as many as without a filter are accepted; `None` where comparing all accepted
    /// vectors is cheaper.
    fn walk_width(&self, k: usize, share: f64, listed: Option<&[u64]>) -> Option<usize> {
        let slots = self.nodes.slots() as f64;
        let width = self.config.ef_search.max(k) as f64 / share.max(1.0 / slots);
        let walk = width * self.graph.most() as f64 * LINK_COST;
        let scan = match listed {
            Some(listed) => listed.len() as f64 * LINK_COST,
            None => slots * (share + if share < 1.0 { FILTER_COST } else { 0.0 }),
        };
        (walk < scan).then_some(width as usize)
    }

    /// The best `k` by comparing all that are accepted.
    fn scan(&self, query: &[f32], k: usize, filter: Option<&dyn Filter>) -> Result<Vec<Neighbor>> {
        let query = self.vectors.prepare(query)?;
        let mut top = [TopK::new(k)];
        match filter.and_then(Filter::listed) {
            Some(listed) => {
                for (&id, slot) in listed.iter().filter_map(|id| Some((id, self.nodes.slot(*id)?))) {
                    if let Some(score) = self.vectors.score(&query, u64::from(slot)) {
                        top[0].push(id, score);
                    }
                }
            }
            None => {
                let accepts = |slot: u64| self.accepts(slot as u32, filter);
                let name = |slot: u64| self.nodes.id(slot as u32);
                self.vectors.list().search(self.vectors.codec(), &[&query], &mut top, Some(&accepts), name);
            }
        }
        let [top] = top;
        Ok(top.into_sorted())
    }

    fn accepts(&self, slot: u32, filter: Option<&dyn Filter>) -> bool {
        !self.nodes.is_removed(slot) && filter.is_none_or(|filter| filter.accepts(self.nodes.id(slot)))
    }

    /// Links the last `new` vectors.
    fn link(&mut self, new: usize) {
        let slots = self.nodes.slots();
        self.graph.grow(slots);
        self.born += new as u64;
        self.linker().insert_last(new);
        self.unproven += new;
        if self.unproven * UNPROVEN_SHARE >= slots {
            self.linker().reach_all();
            self.unproven = 0;
        }
    }

    /// Links what a file of 0.1 kept beside the graph.
    pub(super) fn take_unlinked(&mut self, added: &Flat, from: &Reader) -> Result<()> {
        let fits = (added.dim(), added.metric()) == (self.dim(), self.vectors.metric());
        from.ensure(fits, "vectors")?;
        for (slot, id) in added.list().all_ids().enumerate() {
            self.add(id, added.row(slot)).map_err(|error| from.damaged(error.to_string()))?;
        }
        Ok(())
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
        check_scored("the query", self.vectors.metric(), query, self.dim())?;
        out.clear();
        let k = k.min(self.len());
        if k == 0 {
            return Ok(());
        }
        let open = filter.is_none() && self.nodes.removed() == 0;
        let accepts = |slot: u32| self.accepts(slot, filter);
        let share = if open { 1.0 } else { self.share(filter, &accepts) };
        if let Some(width) = self.walk_width(k, share, filter.and_then(Filter::listed)) {
            let prepared = self.vectors.metric().prepare_all(query, self.dim());
            let accepts: Option<&dyn Fn(u32) -> bool> = if open { None } else { Some(&accepts) };
            let found = self.graph.search(&self.vectors, &prepared, width, accepts);
            // A filter may hide just what is near, such as the longest rows under the inner product: then the walk ends among
            // vectors that it does not accept, and the best that it does accept lie elsewhere.
            let hidden = found.kept * HIDDEN < self.config.ef_search.max(k).min(self.len());
            if open || !hidden {
                let mut top = TopK::new(k);
                for (slot, score) in found.best {
                    top.push(self.nodes.id(slot), score);
                }
                *out = top.into_sorted();
            }
        }
        if out.len() < k {
            // A walk would cost more than comparing all, or it met too few that are accepted.
            *out = self.scan(query, k, filter)?;
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.nodes.alive()
    }

    fn dim(&self) -> usize {
        self.vectors.dim()
    }

    fn contains(&self, id: u64) -> bool {
        self.nodes.slot(id).is_some()
    }

    fn vector(&self, id: u64) -> Option<Cow<'_, [f32]>> {
        self.nodes.slot(id).map(|slot| Cow::Borrowed(self.vectors.row(slot as usize)))
    }

    fn bytes(&self) -> usize {
        self.vectors.bytes() + self.graph.bytes() + self.nodes.bytes()
    }
}

impl Update for Hnsw {
    fn add(&mut self, id: u64, row: &[f32]) -> Result<()> {
        check("the vector", row, self.dim())?;
        self.extend(id, &Vectors::new(self.dim(), row.to_vec())?)
    }

    fn extend(&mut self, first: u64, rows: &Vectors) -> Result<()> {
        if rows.dim() != self.dim() {
            return Err(crate::Error::Dimension {
                what: "the rows",
                expected: self.dim(),
                found: rows.dim(),
            });
        }
        self.take(first, rows)?;
        self.link(rows.len());
        Ok(())
    }

    fn remove(&mut self, id: u64) -> bool {
        let there = self.nodes.remove(id);
        if there && self.nodes.removed() * REMOVED_SHARE >= self.nodes.slots() {
            self.mend();
        }
        there
    }
}
