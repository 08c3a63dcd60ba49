//! Removed vectors leave the graph: their neighbours are linked to each other instead.

use rayon::prelude::*;

use crate::hnsw::Hnsw;
use crate::hnsw::graph::{Graph, Layer};
use crate::hnsw::linker::Linker;

impl Hnsw {
    /// Mends the links of all neighbours of removed vectors, and gives back their memory. Slots are numbered anew.
    pub(super) fn mend(&mut self) {
        let kept = self.nodes.kept();
        if kept.len() == self.nodes.slots() {
            return;
        }
        let mut removed = vec![true; self.nodes.slots()];
        kept.iter().for_each(|&slot| removed[slot as usize] = false);
        self.linker().link_past(&removed);
        self.graph = self.graph.kept(&kept, &removed);
        self.vectors = self.vectors.kept(&kept);
        self.nodes = self.nodes.compact(&kept);
        // The next vector's number stays above those of the kept ones.
        self.linker().reach_all();
        self.unproven = 0;
    }
}

impl Linker<'_> {
    /// Replaces, in every layer, the links to removed nodes by links to what those are linked to.
    fn link_past(&mut self, removed: &[bool]) {
        for level in 0..self.graph.layers.len() {
            let this = &*self;
            let layer = &this.graph.layers[level];
            let is_gone = |place: u32| removed[layer.nodes[place as usize] as usize];
            let mended: Vec<(u32, Vec<u32>)> = (0..layer.nodes.len() as u32)
                .into_par_iter()
                .filter(|&place| !is_gone(place) && layer.links(place).iter().any(|&link| is_gone(link)))
                .map(|place| {
                    let (gone, kept): (Vec<u32>, Vec<u32>) =
                        layer.links(place).iter().partition(|&&link| is_gone(link));
                    let past = gone.iter().flat_map(|&link| layer.links(link)).copied();
                    let past = past.filter(|link| *link != place && !is_gone(*link) && !kept.contains(link));
                    (place, this.choose(level, place, &kept, past.collect()))
                })
                .collect();
            let mut asked = Vec::new();
            for (place, links) in mended {
                let before = self.graph.layers[level].links(place);
                asked.extend(
                    links.iter().filter(|link| !before.contains(link)).map(|&link| (level, link, place)),
                );
                self.graph.layers[level].set_links(place, &links);
            }
            self.link_back(asked);
        }
    }
}

/// Marks a place that is not kept.
const GONE: u32 = u32::MAX;

impl Graph {
    /// The graph over some of its nodes, in their order; no link of theirs leads to another.
    fn kept(&self, kept: &[u32], removed: &[bool]) -> Self {
        let mut slots = vec![GONE; removed.len()];
        kept.iter().zip(0..).for_each(|(&old, new)| slots[old as usize] = new);
        let mut layers: Vec<Layer> = Vec::new();
        // New places of the layer below, by old ones.
        let mut lower: Vec<u32> = Vec::new();
        for layer in &self.layers {
            let mut count = 0..;
            let stays = |node: &u32| slots[*node as usize] != GONE;
            let places: Vec<u32> = layer
                .nodes
                .iter()
                .map(|node| if stays(node) { count.next().unwrap_or(GONE) } else { GONE })
                .collect();
            let old: Vec<usize> = (0..places.len()).filter(|&place| places[place] != GONE).collect();
            if old.is_empty() {
                break;
            }
            let nodes = old.iter().map(|&place| slots[layer.nodes[place] as usize]).collect();
            let below = old.iter().map(|&place| lower.get(layer.below(place) as usize).copied().unwrap_or(0));
            let links = old.iter().map(|&place| {
                layer
                    .links(place as u32)
                    .iter()
                    .map(|&link| places[link as usize])
                    .filter(|&link| link != GONE)
                    .collect()
            });
            layers.push(Layer::new(nodes, below.collect(), links.collect()));
            lower = places;
        }
        let mut graph = Self::of(layers, self.most());
        graph.ensure_top();
        graph
    }
}
