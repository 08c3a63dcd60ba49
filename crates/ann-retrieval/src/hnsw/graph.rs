//! The graph as flat tables, and the walk through it.

use std::cmp::Ordering;

use pulp::{Arch, Simd, WithSimd};

use crate::bytes::Bytes;
use crate::error::Result;
use crate::flat::Flat;
use crate::kernel::float::sum_row;
use crate::kernel::prefetch;
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::top_k::TopK;

/// Marks the unused end of a list of links.
const NONE: u32 = u32::MAX;

/// One layer. Places are positions in this layer; on the lowest one they are the slots of the vectors.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// The vector at each place.
    pub nodes: Vec<u32>,
    /// Its place in the layer below.
    below: Vec<u32>,
    /// Links of each place, `[places, stride]`, filled up with `NONE`.
    links: Bytes,
    stride: usize,
}

impl Layer {
    pub(super) fn new(nodes: Vec<u32>, below: Vec<u32>, lists: Vec<Vec<u32>>) -> Self {
        // Whole cache lines, so that a list never takes one more than it must.
        let stride = lists.iter().map(Vec::len).max().unwrap_or(0).next_multiple_of(16).max(16);
        let mut links = Bytes::new();
        links.resize(lists.len() * stride * 4);
        let all: &mut [u32] = bytemuck::cast_slice_mut(links.make_mut());
        all.fill(NONE);
        for (row, list) in all.chunks_exact_mut(stride).zip(lists) {
            row[..list.len()].copy_from_slice(&list);
        }
        Self { nodes, below, links, stride }
    }

    /// Without places, and with room for so many links in each.
    fn empty(most: usize) -> Self {
        let stride = most.next_multiple_of(16);
        Self { nodes: Vec::new(), below: Vec::new(), links: Bytes::new(), stride }
    }

    /// Appends a place without links.
    fn push(&mut self, node: u32, below: u32) {
        self.nodes.push(node);
        self.below.push(below);
        self.make_room(self.stride);
    }

    /// Lengthens all lists to `stride`, and the table to the number of places.
    fn make_room(&mut self, stride: usize) {
        let (places, old) = (self.nodes.len(), self.stride);
        let before = self.links.as_slice().len() / 4;
        if stride == old {
            self.links.resize(places * stride * 4);
            bytemuck::cast_slice_mut::<_, u32>(self.links.make_mut())[before..].fill(NONE);
            return;
        }
        let mut longer = Bytes::new();
        longer.resize(places * stride * 4);
        let rows: &mut [u32] = bytemuck::cast_slice_mut(longer.make_mut());
        rows.fill(NONE);
        let all: &[u32] = bytemuck::cast_slice(self.links.as_slice());
        for (row, links) in rows.chunks_exact_mut(stride).zip(all.chunks_exact(old)) {
            row[..old].copy_from_slice(links);
        }
        (self.links, self.stride) = (longer, stride);
    }

    /// Replaces the links of a place.
    pub fn set_links(&mut self, place: u32, links: &[u32]) {
        if links.len() > self.stride {
            self.make_room(links.len().next_multiple_of(16));
        }
        let stride = self.stride;
        let all: &mut [u32] = bytemuck::cast_slice_mut(self.links.make_mut());
        let row = &mut all[place as usize * stride..][..stride];
        row[..links.len()].copy_from_slice(links);
        row[links.len()..].fill(NONE);
    }

    /// The place of a place in the layer below.
    pub fn below(&self, place: usize) -> u32 {
        self.below[place]
    }

    #[inline(always)]
    pub fn links(&self, place: u32) -> &[u32] {
        let all: &[u32] = bytemuck::cast_slice(self.links.as_slice());
        let row = &all[place as usize * self.stride..][..self.stride];
        &row[..row.iter().position(|&link| link == NONE).unwrap_or(row.len())]
    }
}

/// All layers, the lowest first.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    pub layers: Vec<Layer>,
    /// M: links of a place on the upper layers.
    most: usize,
}

impl Graph {
    /// The given layers; without any, an empty graph. The lowest one holds the nodes 0, 1, ….
    pub(super) fn of(layers: Vec<Layer>, most: usize) -> Self {
        debug_assert!(
            layers.first().is_none_or(|lowest| lowest.nodes.iter().copied().eq(0..lowest.nodes.len() as u32))
        );
        if layers.is_empty() { Self::empty(most) } else { Self { layers, most } }
    }

    /// Makes the first node the way in where there is no layer above the lowest one.
    pub(super) fn ensure_top(&mut self) {
        if self.layers.len() == 1 && !self.layers[0].nodes.is_empty() {
            self.add_places(0, 1);
        }
    }

    /// The lowest layer alone, without places.
    pub(super) fn empty(most: usize) -> Self {
        Self { layers: vec![Layer::empty(2 * most)], most }
    }

    /// Gives the lowest layer places for `len` vectors in all.
    pub(super) fn grow(&mut self, len: usize) {
        let lowest = &mut self.layers[0];
        lowest.nodes.extend(lowest.nodes.len() as u32..len as u32);
        lowest.below.resize(len, 0);
        lowest.make_room(lowest.stride);
    }

    /// Appends a node to the layers above the lowest one, up to `level`. Returns its place in each layer.
    pub(super) fn add_places(&mut self, node: u32, level: usize) -> Vec<u32> {
        let mut places = vec![node];
        for above in 1..=level {
            if above == self.layers.len() {
                self.layers.push(Layer::empty(self.most));
            }
            let layer = &mut self.layers[above];
            layer.push(node, places[above - 1]);
            places.push(layer.nodes.len() as u32 - 1);
        }
        places
    }

    /// The place of the lowest layer that every walk passes: it lies below the first place of the highest layer.
    pub(super) fn root(&self) -> u32 {
        self.layers.last().and_then(|layer| layer.nodes.first()).copied().unwrap_or(0)
    }

    /// M.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn bytes(&self) -> usize {
        let layer =
            |layer: &Layer| layer.links.as_slice().len() + 4 * (layer.nodes.len() + layer.below.len());
        self.layers.iter().map(layer).sum()
    }

    /// The slots and scores of the best vectors that a walk with `width` candidates meets, best first. With a condition on
    /// slots, only those that it accepts.
    pub(super) fn search(
        &self,
        vectors: &Flat,
        query: &[f32],
        width: usize,
        accepts: Option<&dyn Fn(u32) -> bool>,
    ) -> Vec<(u32, f32)> {
        Arch::new().dispatch(Walk::new(self, vectors, query, width, accepts))
    }

    pub(super) fn write<'a>(&'a self, out: &mut Writer<'a>) {
        out.put_own("most", &[self.most as u64]);
        let strides: Vec<u64> = self.layers.iter().map(|layer| layer.stride as u64).collect();
        out.put_own("strides", &strides);
        for (level, layer) in self.layers.iter().enumerate() {
            out.put(&format!("nodes{level}"), &layer.nodes);
            out.put(&format!("below{level}"), &layer.below);
            out.put(&format!("links{level}"), layer.links.as_slice());
        }
    }

    /// Every link is checked, so that no walk leaves its tables.
    pub(super) fn read(from: &Reader, len: usize) -> Result<Self> {
        let strides: Vec<u64> = from.numbers("strides")?;
        from.ensure(!strides.is_empty() && strides.len() <= 64, "layers")?;
        let mut layers: Vec<Layer> = Vec::new();
        for (level, &stride) in strides.iter().enumerate() {
            let nodes: Vec<u32> = from.numbers(&format!("nodes{level}"))?;
            let below: Vec<u32> = from.numbers(&format!("below{level}"))?;
            let links = from.bytes(&format!("links{level}"))?;
            let expected = nodes.len().checked_mul(4).and_then(|n| n.checked_mul(stride as usize));
            let shape = expected == Some(links.as_slice().len()) && nodes.len() == below.len() && stride > 0;
            from.ensure(shape && (level == 0 || !nodes.is_empty()), "layers")?;
            let inside = bytemuck::cast_slice::<_, u32>(links.as_slice())
                .iter()
                .all(|&link| link == NONE || (link as usize) < nodes.len());
            let descends = match layers.last() {
                None => nodes.iter().copied().eq(0..len as u32),
                Some(lower) => {
                    let same = |(&node, &place): (&u32, &u32)| lower.nodes.get(place as usize) == Some(&node);
                    nodes.iter().zip(&below).all(same)
                }
            };
            from.ensure(inside && descends, "links")?;
            layers.push(Layer { nodes, below, links, stride: stride as usize });
        }
        // Files of 0.1 do not say it: they were linked once and for all.
        let most = match from.has("most") {
            true => from.header::<1>("most")?[0] as usize,
            false => layers[0].stride / 2,
        };
        from.ensure((1..=256).contains(&most), "links")?;
        Ok(Self { layers, most })
    }
}

/// A search through the graph.
pub(super) struct Walk<'a> {
    graph: &'a Graph,
    vectors: &'a Flat,
    query: &'a [f32],
    width: usize,
    accepts: Option<&'a dyn Fn(u32) -> bool>,
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
    type Output = Vec<(u32, f32)>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<(u32, f32)> {
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
            entries.extend(pool.iter().map(|candidate| layer.below[candidate.place as usize]));
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
    fn walk<S: Simd, const PRODUCT: bool>(self, simd: S) -> Vec<(u32, f32)> {
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
            entries.extend(pool.iter().map(|candidate| layer.below[candidate.place as usize]));
        }
        match accepted {
            Some((_, top)) => top.into_sorted().into_iter().map(|n| (n.id as u32, n.score)).collect(),
            None => pool.into_iter().map(|c| (c.place, c.score)).collect(),
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
        let mut fresh: Vec<u32> = Vec::with_capacity(layer.stride);
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
        let ids = |found: Vec<(u32, f32)>| found.iter().map(|n| n.0).collect::<Vec<_>>();
        assert_eq!(ids(graph.search(&vectors, &[60.2], 3, None)), [60, 61, 59]);
        let tens = |slot: u32| slot.is_multiple_of(10);
        assert_eq!(ids(graph.search(&vectors, &[60.2], 40, Some(&tens)))[..2], [60, 70]);
    }
}
