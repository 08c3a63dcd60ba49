//! Hierarchical navigable small worlds (Malkov, Yashunin 2018): a graph of links between near vectors, through which a search
//! walks towards the query.

mod build;
mod graph;
mod linker;
mod live;
mod nodes;
mod repair;
mod walk;

use crate::error::{Error, Result};
use crate::flat::{Flat, Whole};
use crate::hnsw::graph::Graph;
use crate::hnsw::linker::Linker;
use crate::hnsw::nodes::Nodes;
use crate::index::{Persist, check_lengths, check_width};
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::vectors::Vectors;

/// The settings of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct HnswConfig {
    /// M: links per vector on the upper layers, 2 to 256; the lowest layer has twice as many. 16 by default.
    pub links: usize,
    /// Candidates kept while building, at least 1: 100 by default. More build longer and link better.
    pub ef_construction: usize,
    /// Candidates kept while searching, at least 1: 64 by default. A search for more neighbours keeps `k`. Recall and the time of a
    /// search grow with it: double it until recall on queries of one's own is what it has to be. With a filter, as many more are
    /// kept as it lets fewer through, and where that costs more than comparing all that it accepts, or the walk does not come
    /// across them, they are compared.
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
    /// The crate `hnsw_rs`, one vector after another on one thread. What is added later is linked in rounds.
    HnswRs,
}

impl Default for HnswConfig {
    fn default() -> Self {
        Self { links: 16, ef_construction: 100, ef_search: 64, builder: HnswBuilder::default() }
    }
}

/// A graph over vectors.
///
/// A vector that is added is linked at once. One that is removed is never returned; searches pass through it until, with an
/// eighth of the vectors removed, the links of their neighbours are mended and their memory is given back.
#[derive(Clone, Debug)]
pub struct Hnsw {
    config: HnswConfig,
    /// By slot; removed ones stay until they are mended.
    vectors: Flat,
    graph: Graph,
    nodes: Nodes,
    /// Vectors that were ever linked: a new one's number decides its highest layer.
    born: u64,
    /// Vectors that were linked since all were last known to be reached.
    unproven: usize,
}

impl HnswConfig {
    /// Links all rows, under their ids. The same rows give the same graph.
    ///
    /// # Errors
    /// If there is no row, a row is too long for its square to be a number, or a setting is out of its range.
    pub fn build(&self, rows: &Vectors, metric: Metric) -> Result<Hnsw> {
        self.build_watched(rows, metric, &mut |_, _| true)
    }

    /// The same, and tells `watch` now and then how many of how many vectors are linked; building stops where it answers
    /// `false`.
    ///
    /// # Errors
    /// As [`HnswConfig::build`], and [`Error::Stopped`].
    pub fn build_watched(
        &self,
        rows: &Vectors,
        metric: Metric,
        watch: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Hnsw> {
        if rows.is_empty() {
            let message = "a graph is built from at least one; begin with HnswConfig::empty".into();
            return Err(Error::Config { field: "rows", message });
        }
        let mut index = self.empty(rows.dim(), metric)?;
        index.take(0, rows)?;
        index.link_all(watch)?;
        Ok(index)
    }

    /// A graph without vectors, to which they are added.
    ///
    /// # Errors
    /// If the width is 0, or a setting is out of its range.
    pub fn empty(&self, dim: usize, metric: Metric) -> Result<Hnsw> {
        check_width(dim)?;
        if !(2..=256).contains(&self.links) {
            return Err(Error::Config { field: "links", message: format!("{} is not 2 to 256", self.links) });
        }
        for (field, value) in [("ef_construction", self.ef_construction), ("ef_search", self.ef_search)] {
            if value == 0 {
                return Err(Error::Config { field, message: "must be at least 1".into() });
            }
        }
        Ok(Hnsw {
            config: self.clone(),
            vectors: Flat::empty(Whole::new(dim), metric),
            graph: Graph::empty(self.links),
            nodes: Nodes::new(),
            born: 0,
            unproven: 0,
        })
    }
}

impl Hnsw {
    /// The same with another number of candidates kept while searching.
    #[must_use]
    pub fn with_ef_search(mut self, ef_search: usize) -> Self {
        self.config.ef_search = ef_search;
        self
    }

    /// The settings.
    pub fn config(&self) -> &HnswConfig {
        &self.config
    }

    /// Links all vectors anew, as if the index were built from those that it holds; removed ones give back their memory.
    ///
    /// # Errors
    /// Only what building gives.
    pub fn rebuild(&mut self) -> Result<()> {
        self.rebuild_watched(&mut |_, _| true)
    }

    /// The same, and tells `watch` now and then how many of how many vectors are linked. Where it answers `false`, the index
    /// stays as it was.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn rebuild_watched(&mut self, watch: &mut dyn FnMut(usize, usize) -> bool) -> Result<()> {
        let kept = self.nodes.kept();
        let mut rebuilt = Self {
            config: self.config.clone(),
            vectors: self.vectors.kept(&kept),
            graph: Graph::empty(self.config.links),
            nodes: self.nodes.compact(&kept),
            born: 0,
            unproven: 0,
        };
        rebuilt.link_all(watch)?;
        *self = rebuilt;
        Ok(())
    }

    /// Takes rows without linking them.
    fn take(&mut self, first: u64, rows: &Vectors) -> Result<()> {
        check_lengths(self.vectors.metric(), rows)?;
        let ids = rows.named_from(first)?;
        self.nodes.extend(&ids)?;
        self.vectors.append(rows);
        Ok(())
    }

    /// Links all vectors of an index that has no links.
    fn link_all(&mut self, watch: &mut dyn FnMut(usize, usize) -> bool) -> Result<()> {
        if self.nodes.slots() == 0 {
            return Ok(());
        }
        match self.config.builder {
            HnswBuilder::Rounds => self.linker().link_all(watch)?,
            HnswBuilder::HnswRs => self.graph = build::link(&self.config, &self.vectors, watch)?,
        }
        self.linker().reach_all();
        self.born = self.nodes.slots() as u64;
        Ok(())
    }

    fn linker(&mut self) -> Linker<'_> {
        let first = self.born.saturating_sub(self.nodes.slots() as u64);
        Linker {
            vectors: &self.vectors,
            graph: &mut self.graph,
            links: self.config.links,
            width: self.config.ef_construction,
            first,
        }
    }
}

impl Persist for Hnsw {
    const KIND: [u8; 8] = *b"hnsw    ";

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        let rs = u64::from(self.config.builder == HnswBuilder::HnswRs);
        out.put_own("ef", &[self.config.ef_search as u64]);
        out.put_own("build", &[self.config.ef_construction as u64, rs, self.born, self.unproven as u64]);
        out.within("vectors", |out| self.vectors.write(out));
        self.nodes.write(out);
        self.graph.write(out);
    }

    fn read(from: &Reader) -> Result<Self> {
        let [ef_search] = from.header("ef")?;
        let vectors = Flat::read(&from.within("vectors"))?;
        let graph = Graph::read(from, vectors.list().ids().len())?;
        let nodes = Nodes::read(from, vectors.list().ids().len())?;
        // Files of 0.1 do not say how they were built.
        let [ef_construction, rs, born, unproven] = match from.has("build") {
            true => from.header("build")?,
            false => [HnswConfig::default().ef_construction as u64, 0, nodes.slots() as u64, 0],
        };
        from.ensure((1..1 << 32).contains(&ef_construction) && rs < 2 && unproven <= born, "build")?;
        let config = HnswConfig {
            links: graph.most(),
            ef_construction: ef_construction as usize,
            ef_search: ef_search as usize,
            builder: if rs == 1 { HnswBuilder::HnswRs } else { HnswBuilder::Rounds },
        };
        let mut index = Self { config, vectors, graph, nodes, born, unproven: unproven as usize };
        if from.has("added.rows") {
            index.take_unlinked(&Flat::read(&from.within("added"))?, from)?;
        }
        Ok(index)
    }
}
