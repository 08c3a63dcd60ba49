//! Linking vectors in rounds: the nodes of a round search the graph as it stands, on all threads, and are then linked in order.
//! So the same vectors give the same graph, whatever the number of threads.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::flat::Flat;
use crate::hnsw::graph::Graph;
use crate::hnsw::walk::{Candidate, Walk};
use crate::index::AnnIndex;
use crate::kernel::float::sum_row;
use crate::metric::Metric;

/// Most nodes of a round. They are compared with each other one by one.
const ROUND: usize = 128;
/// A round has at most this share of the nodes that are linked already, so that few of a node's neighbours are unknown to it.
const SHARE: usize = 8;
/// Nodes of the same vector take at most this part of a node's links.
const COPIES: usize = 4;
/// Most layers above the lowest one.
const LAYERS: u32 = 15;

/// Puts nodes into a graph.
pub(super) struct Linker<'a> {
    pub vectors: &'a Flat,
    pub graph: &'a mut Graph,
    /// M: links that a new node asks for; the lowest layer keeps twice as many.
    pub links: usize,
    /// Candidates kept while searching.
    pub width: usize,
    /// The number of the first slot among all vectors that were ever linked.
    pub first: u64,
}

/// A new node and what its search found.
struct New {
    node: u32,
    level: usize,
    /// Its place in each layer up to its level.
    places: Vec<u32>,
    /// By layer: linked nodes, best first.
    found: Vec<Vec<Candidate>>,
}

/// All slots in an order that does not depend on the rows: rows that come group after group would be linked inside of their groups
/// alone.
pub(super) fn shuffled(len: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..len as u32).collect();
    order.sort_by_key(|&slot| (mixed(u64::from(slot)), slot));
    order
}

/// A number that looks random for each input (SplitMix64, Steele and others 2014).
fn mixed(input: u64) -> u64 {
    let mut z = input.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Linker<'_> {
    /// The highest layer of a node: each holds one of M nodes of the layer below.
    fn level(&self, node: u32) -> usize {
        // Another number than that of the order.
        let unit = (mixed(!(self.first + u64::from(node))) >> 11) as f64 / (1u64 << 53) as f64;
        let level = -(1.0 - unit).ln() / (self.links as f64).ln();
        (level as u32).min(LAYERS) as usize
    }

    /// Links all vectors of an empty graph; stops where `watch` says so.
    pub fn link_all(&mut self, watch: &mut dyn FnMut(usize, usize) -> bool) -> Result<()> {
        let len = self.vectors.len();
        self.graph.grow(len);
        let order = shuffled(len);
        self.begin(order[0]);
        self.insert(&order[1..], watch)
    }

    /// Links the last `count` vectors, for which the lowest layer has places.
    pub fn insert_last(&mut self, count: usize) {
        let start = (self.vectors.len() - count) as u32;
        let mut order: Vec<u32> = shuffled(count).into_iter().map(|slot| start + slot).collect();
        if start == 0 && count > 0 {
            self.begin(order.remove(0));
        }
        let unwatched = self.insert(&order, &mut |_, _| true);
        debug_assert!(unwatched.is_ok(), "nothing stops it");
        self.reach(&order);
    }

    /// Makes the first node of an empty graph the way in: the first place of the highest layer.
    fn begin(&mut self, first: u32) {
        let level = self.level(first).max(1);
        self.graph.add_places(first, level);
    }

    /// Links nodes that the lowest layer has places for, into a graph that has some.
    fn insert(&mut self, order: &[u32], watch: &mut dyn FnMut(usize, usize) -> bool) -> Result<()> {
        let mut rest = order;
        let mut linked = self.vectors.len() - rest.len();
        while !rest.is_empty() {
            let size = (linked / SHARE).clamp(1, ROUND).min(rest.len());
            // A node that opens a new layer becomes the way in, so it is linked alone.
            let top = self.graph.layers.len() - 1;
            let opens = |node: &u32| self.level(*node) > top;
            let size = rest[..size].iter().position(opens).unwrap_or(size).max(1);
            let (round, others) = rest.split_at(size);
            self.round(round);
            linked += size;
            rest = others;
            if !watch(linked, self.vectors.len()) {
                return Err(Error::Stopped);
            }
        }
        Ok(())
    }

    fn round(&mut self, nodes: &[u32]) {
        let this = &*self;
        let mut round: Vec<New> = nodes
            .par_iter()
            .map(|&node| {
                let (level, query) = (this.level(node), this.vectors.row(node as usize));
                let known = level.min(this.graph.layers.len() - 1);
                let walk = Walk::new(this.graph, this.vectors, query, this.width, None);
                let found = Arch::new().dispatch(Gather { walk, level: known });
                New { node, level, places: Vec::new(), found }
            })
            .collect();
        for new in &mut round {
            new.places = self.graph.add_places(new.node, new.level);
        }
        let this = &*self;
        let chosen: Vec<Vec<Vec<u32>>> = (0..round.len())
            .into_par_iter()
            .map(|own| {
                let new = &round[own];
                let query = this.vectors.row(new.node as usize);
                // Nodes of the same round are not linked yet, so that no search has found them.
                let peers: Vec<(&New, f32)> =
                    round[..own].iter().map(|peer| (peer, score(this.vectors, query, peer.node))).collect();
                let layers = 0..new.found.len();
                layers
                    .map(|level| {
                        let mut all = new.found[level].clone();
                        let same = peers.iter().filter(|(peer, _)| peer.level >= level);
                        all.extend(same.map(|&(peer, score)| Candidate::new(score, peer.places[level])));
                        all.sort_unstable_by(Candidate::order);
                        all.truncate(this.width);
                        this.select(level, query, &[], &all, this.links)
                    })
                    .collect()
            })
            .collect();
        let mut asked: Vec<(usize, u32, u32)> = Vec::new();
        for (new, layers) in round.iter().zip(&chosen) {
            for (level, links) in layers.iter().enumerate() {
                let own = new.places[level];
                self.graph.layers[level].set_links(own, links);
                asked.extend(links.iter().map(|&target| (level, target, own)));
            }
        }
        self.link_back(asked);
    }

    /// Gives each target the links that ask for it, as far as they are among its best.
    pub fn link_back(&mut self, mut asked: Vec<(usize, u32, u32)>) {
        // Within a target in the order of the places, which is that of the round.
        asked.sort_unstable();
        let this = &*self;
        let groups: Vec<&[(usize, u32, u32)]> = asked.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).collect();
        let lists: Vec<Vec<u32>> = groups
            .par_iter()
            .map(|group| {
                let (level, target, _) = group[0];
                let layer = &this.graph.layers[level];
                let mut links = layer.links(target).to_vec();
                links.extend(
                    group.iter().map(|&(.., own)| own).filter(|own| !layer.links(target).contains(own)),
                );
                let most = this.most(level);
                if links.len() <= most {
                    return links;
                }
                this.choose(level, target, &[], links)
            })
            .collect();
        for (group, links) in groups.iter().zip(lists) {
            self.graph.layers[group[0].0].set_links(group[0].1, &links);
        }
    }

    /// The links of a place of a layer: those it keeps, and the best of those offered.
    pub fn choose(&self, level: usize, place: u32, kept: &[u32], mut offered: Vec<u32>) -> Vec<u32> {
        let layer = &self.graph.layers[level];
        let query = self.vectors.row(layer.nodes[place as usize] as usize);
        offered.sort_unstable();
        offered.dedup();
        let scored =
            |&place: &u32| Candidate::new(score(self.vectors, query, layer.nodes[place as usize]), place);
        let mut all: Vec<Candidate> = offered.iter().map(scored).collect();
        all.sort_unstable_by(Candidate::order);
        self.select(level, query, kept, &all, self.most(level))
    }

    /// Links that a place of a layer keeps.
    fn most(&self, level: usize) -> usize {
        if level == 0 { 2 * self.links } else { self.links }
    }

    /// Of candidates, best first, those that are nearer to the node than to one that was chosen before: links in all directions.
    /// Nodes of the same vector would stand in every direction: of them a few are chosen, and they rule out no other.
    /// Those that are kept come first.
    fn select(
        &self,
        level: usize,
        own: &[f32],
        kept: &[u32],
        candidates: &[Candidate],
        most: usize,
    ) -> Vec<u32> {
        let nodes = &self.graph.layers[level].nodes;
        Arch::new().dispatch(Select { vectors: self.vectors, nodes, own, kept, candidates, most })
    }

    /// Links what a walk from the root does not reach from the nearest place that it reaches.
    pub fn reach_all(&mut self) {
        let len = self.graph.layers[0].nodes.len();
        if len == 0 {
            return;
        }
        let mut reached = vec![false; len];
        self.mark(vec![self.graph.root()], &mut reached);
        for lost in 0..len as u32 {
            if !reached[lost as usize] {
                self.link_from_near(lost, &|place| reached[place as usize]);
                self.mark(vec![lost], &mut reached);
            }
        }
    }

    /// Makes sure that each of some new nodes is linked from another one: a neighbour may have kept none of its links to them.
    fn reach(&mut self, new: &[u32]) {
        let lost = |&&own: &&u32| {
            let layer = &self.graph.layers[0];
            !layer.links(own).iter().any(|&near| layer.links(near).contains(&own))
        };
        let lost: Vec<u32> = new.iter().filter(lost).copied().collect();
        lost.into_iter().for_each(|own| self.link_from_near(own, &|place| place != own));
    }

    /// Links a place of the lowest layer from its nearest one that may be linked from; where it has no links, it gets some.
    fn link_from_near(&mut self, lost: u32, may: &dyn Fn(u32) -> bool) {
        let query = self.vectors.row(lost as usize);
        let walk = Walk::new(self.graph, self.vectors, query, self.width, None);
        let found = Arch::new().dispatch(Gather { walk, level: 0 }).swap_remove(0);
        let layer = &self.graph.layers[0];
        // The nearest one with room; where there is none, the one with the fewest links gets one more.
        let near: Vec<u32> = found.iter().map(|near| near.place).filter(|&place| may(place)).collect();
        let room = near.iter().find(|&&place| layer.links(place).len() < self.most(0));
        let from = room.or_else(|| near.iter().min_by_key(|&&place| layer.links(place).len()));
        let from = from.copied().unwrap_or(self.graph.root());
        let links = [layer.links(from), &[lost]].concat();
        if layer.links(lost).is_empty() {
            let own = self.choose(0, lost, &[], near);
            self.graph.layers[0].set_links(lost, &own);
        }
        self.graph.layers[0].set_links(from, &links);
    }

    /// Marks what links lead to.
    fn mark(&self, mut open: Vec<u32>, reached: &mut [bool]) {
        open.iter().for_each(|&place| reached[place as usize] = true);
        while let Some(place) = open.pop() {
            for &link in self.graph.layers[0].links(place) {
                if !std::mem::replace(&mut reached[link as usize], true) {
                    open.push(link);
                }
            }
        }
    }
}

/// The similarity of a prepared row and a node.
fn score(vectors: &Flat, query: &[f32], node: u32) -> f32 {
    vectors.metric().between_prepared(query, vectors.row(node as usize))
}

/// Walks down to a layer, and collects the candidates of each layer from there on.
struct Gather<'a> {
    walk: Walk<'a>,
    level: usize,
}

impl WithSimd for Gather<'_> {
    type Output = Vec<Vec<Candidate>>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        match self.walk.metric() {
            Metric::InnerProduct | Metric::Cosine => self.walk.gather::<S, true>(simd, self.level),
            Metric::L2 => self.walk.gather::<S, false>(simd, self.level),
        }
    }
}

/// [`Linker::select`] with the registers of this processor.
struct Select<'a> {
    vectors: &'a Flat,
    nodes: &'a [u32],
    /// The node's own vector.
    own: &'a [f32],
    kept: &'a [u32],
    candidates: &'a [Candidate],
    most: usize,
}

impl Select<'_> {
    #[inline(always)]
    fn select<S: Simd, const PRODUCT: bool>(self, simd: S) -> Vec<u32> {
        let row = |place: u32| self.vectors.row(self.nodes[place as usize] as usize);
        // Nodes of the same vector, and others.
        let (mut copies, mut chosen): (Vec<u32>, Vec<u32>) =
            self.kept.iter().partition(|&&place| row(place) == self.own);
        let most_copies = (self.most / COPIES).max(1);
        for candidate in self.candidates {
            if chosen.len() + copies.len() >= self.most {
                break;
            }
            let vector = row(candidate.place);
            if vector == self.own {
                if copies.len() < most_copies {
                    copies.push(candidate.place);
                }
                continue;
            }
            let between = |&other: &u32| {
                let sum = sum_row::<S, PRODUCT>(simd, vector, row(other));
                if PRODUCT { sum } else { -sum }
            };
            if chosen.iter().all(|other| between(other) < candidate.score) {
                chosen.push(candidate.place);
            }
        }
        copies.append(&mut chosen);
        copies
    }
}

impl WithSimd for Select<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<u32> {
        match self.vectors.metric() {
            Metric::InnerProduct | Metric::Cosine => self.select::<S, true>(simd),
            Metric::L2 => self.select::<S, false>(simd),
        }
    }
}
