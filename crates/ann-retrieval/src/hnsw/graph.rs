//! The graph as flat tables.

use pulp::Arch;

use crate::bytes::Bytes;
use crate::error::Result;
use crate::flat::Flat;
use crate::hnsw::walk::{Found, Walk};
use crate::persist::{Reader, Writer};

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
    #[inline]
    pub fn below(&self, place: usize) -> u32 {
        self.below[place]
    }

    /// The most links of a place.
    pub fn stride(&self) -> usize {
        self.stride
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

    /// The best vectors that a walk with `width` candidates meets. With a condition on slots, only those that it accepts.
    pub(super) fn search(
        &self,
        vectors: &Flat,
        query: &[f32],
        width: usize,
        accepts: Option<&dyn Fn(u32) -> bool>,
    ) -> Found {
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
