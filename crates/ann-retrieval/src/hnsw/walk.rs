//! The walk through the graph.

use std::cmp::Ordering;

use pulp::{Simd, WithSimd};

use crate::flat::Flat;
use crate::hnsw::graph::{Graph, Layer};
use crate::kernel::float::sum_row;
use crate::kernel::prefetch;
use crate::metric::Metric;
use crate::top_k::TopK;

/// A search through the graph.
pub(super) struct Walk<'a> {
    graph: &'a Graph,
    vectors: &'a Flat,
    query: &'a [f32],
    width: usize,
    accepts: Option<&'a dyn Fn(u32) -> bool>,
}

/// What a walk found.
pub(super) struct Found {
    /// Slots and scores of the best that are accepted, best first.
    pub best: Vec<(u32, f32)>,
    /// How many of them are among the candidates that the walk kept.
    pub kept: usize,
}

/// Candidates kept on the upper layers. With one alone, as first published, a walk through well separated clusters
/// often ends in the wrong one.
const UPPER_WIDTH: usize = 8;

/// A vector met on the walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub score: f32,
    /// Its place in the layer.
    pub place: u32,
    expanded: bool,
}

impl Candidate {
    pub fn new(score: f32, place: u32) -> Self {
        Self { score, place, expanded: false }
    }

    /// Best first, ties by place.
    pub fn order(a: &Self, b: &Self) -> Ordering {
        b.score.total_cmp(&a.score).then(a.place.cmp(&b.place))
    }
}

impl WithSimd for Walk<'_> {
    type Output = Found;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Found {
        match self.vectors.metric() {
            Metric::InnerProduct | Metric::Cosine => self.walk::<S, true>(simd),
            Metric::L2 => self.walk::<S, false>(simd),
        }
    }
}

impl<'a> Walk<'a> {
    pub fn new(
        graph: &'a Graph,
        vectors: &'a Flat,
        query: &'a [f32],
        width: usize,
        accepts: Option<&'a dyn Fn(u32) -> bool>,
    ) -> Self {
        Self { graph, vectors, query, width, accepts }
    }

    pub fn metric(&self) -> Metric {
        self.vectors.metric()
    }

    /// The candidates of each layer from the lowest to `level`, best first.
    #[inline(always)]
    pub fn gather<S: Simd, const PRODUCT: bool>(&self, simd: S, level: usize) -> Vec<Vec<Candidate>> {
        let mut found = vec![Vec::new(); level + 1];
        let mut entries = vec![0];
        let mut pool = Vec::new();
        for (own, layer) in self.graph.layers.iter().enumerate().rev() {
            let width = if own > level { self.width.min(UPPER_WIDTH) } else { self.width };
            if own == 0 {
                entries.push(self.graph.root());
            }
            self.spread::<S, PRODUCT>(simd, layer, &entries, width, None, &mut pool);
            entries.clear();
            entries.extend(pool.iter().map(|candidate| layer.below(candidate.place as usize)));
            if own <= level {
                found[own].clone_from(&pool);
            }
        }
        found
    }

    #[inline(always)]
    fn score<S: Simd, const PRODUCT: bool>(&self, simd: S, node: u32) -> f32 {
        let sum = sum_row::<S, PRODUCT>(simd, self.query, self.vectors.row(node as usize));
        if PRODUCT { sum } else { -sum }
    }

    #[inline(always)]
    fn walk<S: Simd, const PRODUCT: bool>(self, simd: S) -> Found {
        let mut accepted = self.accepts.map(|accepts| (accepts, TopK::new(self.width)));
        let mut entries = vec![0];
        let mut pool = Vec::new();
        for (level, layer) in self.graph.layers.iter().enumerate().rev() {
            let width = if level == 0 { self.width } else { self.width.min(UPPER_WIDTH) };
            let accepted = accepted.as_mut().filter(|_| level == 0);
            if level == 0 {
                entries.push(self.graph.root());
            }
            self.spread::<S, PRODUCT>(simd, layer, &entries, width, accepted, &mut pool);
            entries.clear();
            entries.extend(pool.iter().map(|candidate| layer.below(candidate.place as usize)));
        }
        match accepted {
            Some((_, top)) => {
                let best: Vec<_> = top.into_sorted().into_iter().map(|n| (n.id as u32, n.score)).collect();
                // A walk that is not full has met all that it can reach.
                let least =
                    pool.last().filter(|_| pool.len() == self.width).map_or(f32::NEG_INFINITY, |c| c.score);
                Found { kept: best.partition_point(|found| found.1 >= least), best }
            }
            None => Found { kept: pool.len(), best: pool.into_iter().map(|c| (c.place, c.score)).collect() },
        }
    }

    /// One layer: always the best candidate that was not yet expanded, until all that are kept were. Leaves them in
    /// `pool`, best first.
    #[inline(always)]
    fn spread<S: Simd, const PRODUCT: bool>(
        &self,
        simd: S,
        layer: &Layer,
        entries: &[u32],
        width: usize,
        mut accepted: Option<&mut (&dyn Fn(u32) -> bool, TopK)>,
        pool: &mut Vec<Candidate>,
    ) {
        let mut seen = vec![0u64; layer.nodes.len().div_ceil(64)];
        let mut meet = |place: u32| {
            let (word, bit) = (place as usize / 64, 1 << (place % 64));
            let fresh = seen[word] & bit == 0;
            seen[word] |= bit;
            fresh
        };
        pool.clear();
        let mut fresh: Vec<u32> = Vec::with_capacity(layer.stride());
        fresh.extend(entries.iter().copied().filter(|&place| meet(place)));
        let mut next = 0;
        loop {
            for &place in &fresh {
                let node = layer.nodes[place as usize];
                let score = self.score::<S, PRODUCT>(simd, node);
                if let Some((accepts, top)) = accepted.as_deref_mut()
                    && accepts(node)
                {
                    top.push(u64::from(node), score);
                }
                if pool.len() < width || pool.last().is_some_and(|last| score > last.score) {
                    if pool.len() == width {
                        pool.pop();
                    }
                    let at =
                        pool.partition_point(|c| c.score > score || (c.score == score && c.place < place));
                    pool.insert(at, Candidate::new(score, place));
                    next = next.min(at);
                }
            }
            while pool.get(next).is_some_and(|candidate| candidate.expanded) {
                next += 1;
            }
            let Some(candidate) = pool.get_mut(next) else {
                return;
            };
            candidate.expanded = true;
            fresh.clear();
            for &link in layer.links(candidate.place).iter().filter(|&&link| meet(link)) {
                prefetch(self.vectors.row(layer.nodes[link as usize] as usize));
                fresh.push(link);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each number of candidates finds on a line of points that only know their neighbours.
    #[test]
    fn walks_along_links_and_past_vectors_that_are_not_accepted() {
        let rows = crate::Vectors::new(1, (0..100).map(|i| i as f32).collect()).unwrap();
        let vectors = Flat::build(&rows, Metric::L2).unwrap();
        let lists = (0..100u32).map(|i| [i.checked_sub(1), Some(i + 1).filter(|&i| i < 100)]);
        let lists = lists.map(|pair| pair.into_iter().flatten().collect()).collect();
        let graph = Graph::of(vec![Layer::new((0..100).collect(), vec![0; 100], lists)], 16);
        let ids = |found: Found| found.best.iter().map(|n| n.0).collect::<Vec<_>>();
        assert_eq!(ids(graph.search(&vectors, &[60.2], 3, None)), [60, 61, 59]);
        let tens = |slot: u32| slot.is_multiple_of(10);
        assert_eq!(ids(graph.search(&vectors, &[60.2], 40, Some(&tens)))[..2], [60, 70]);
    }
}
