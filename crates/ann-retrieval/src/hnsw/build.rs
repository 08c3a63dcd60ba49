//! Linking vectors with `hnsw_rs`, whose types stay in this file.

use hnsw_rs::prelude::Distance;

use crate::error::{Error, Result};
use crate::flat::Flat;
use crate::hnsw::HnswConfig;
use crate::hnsw::graph::{Graph, Layer};
use crate::hnsw::linker::shuffled;
use crate::index::AnnIndex;
use crate::kernel::float::{dot, squared_distance};
use crate::metric::Metric;

/// Distances between the vectors as the library wants them: never negative.
struct Far {
    metric: Metric,
    /// Above every inner product.
    above: f32,
}

impl Distance<f32> for Far {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        match self.metric {
            Metric::InnerProduct | Metric::Cosine => (self.above - dot(a, b)).max(0.0),
            Metric::L2 => squared_distance(a, b),
        }
    }
}

/// Most layers; the library allows as many.
const LAYERS: usize = 16;

/// Vectors that are linked between two words to the watcher.
const ROUND: usize = 256;

/// Builds the graph over all vectors of a flat index whose ids are its slots; stops where `watch` says so.
pub(super) fn link(
    config: &HnswConfig,
    vectors: &Flat,
    watch: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Graph> {
    // No product of two rows is above the largest square of a length.
    let squares = (0..vectors.len()).map(|slot| dot(vectors.row(slot), vectors.row(slot)));
    let above = squares.fold(0.0, f32::max);
    let built = hnsw_rs::prelude::Hnsw::<f32, Far>::new(
        config.links,
        vectors.len(),
        LAYERS,
        config.ef_construction,
        Far { metric: vectors.metric(), above },
    );
    for (round, slots) in shuffled(vectors.len()).chunks(ROUND).enumerate() {
        slots.iter().for_each(|&slot| built.insert((vectors.row(slot as usize), slot as usize)));
        if !watch(round * ROUND + slots.len(), vectors.len()) {
            return Err(Error::Stopped);
        }
    }
    Ok(flatten(&built, config.links))
}

/// The graph as tables.
fn flatten(built: &hnsw_rs::prelude::Hnsw<'_, f32, Far>, most: usize) -> Graph {
    // Per layer and vector its neighbours there; a vector without an entry does not reach up to that layer.
    let mut layers: Vec<Vec<(u32, Vec<u32>)>> = Vec::new();
    for point in built.get_point_indexation() {
        let top = usize::from(point.get_point_id().0);
        layers.resize_with(layers.len().max(top + 1), Vec::new);
        let neighbours = point.get_neighborhood_id();
        for (level, layer) in layers.iter_mut().enumerate().take(top + 1) {
            let own = neighbours.get(level).map_or(&[][..], Vec::as_slice);
            let reaching = own.iter().filter(|n| usize::from(n.p_id.0) >= level);
            layer.push((point.get_origin_id() as u32, reaching.map(|n| n.d_id as u32).collect()));
        }
    }
    for layer in &mut layers {
        layer.sort_unstable_by_key(|(node, _)| *node);
    }
    let nodes: Vec<Vec<u32>> =
        layers.iter().map(|layer| layer.iter().map(|(node, _)| *node).collect()).collect();
    let place = |level: usize, node: u32| nodes[level].binary_search(&node).ok().map(|at| at as u32);
    let tables = layers.iter().enumerate().map(|(level, layer)| {
        let links = layer.iter().map(|(_, links)| links.iter().filter_map(|&n| place(level, n)).collect());
        let below =
            layer.iter().map(|(node, _)| level.checked_sub(1).and_then(|l| place(l, *node)).unwrap_or(0));
        Layer::new(nodes[level].clone(), below.collect(), links.collect())
    });
    let mut graph = Graph::of(tables.collect(), most);
    graph.ensure_top();
    graph
}
