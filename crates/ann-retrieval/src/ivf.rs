//! An inverted file: vectors in the lists of coarse centroids, of which a search visits the nearest few.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::coded::{CodeList, Codec, StoredCodec, encode_all};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::ids::Ids;
use crate::index::{AnnIndex, Neighbor, Persist, Update, check};
use crate::kernel::nearest::Panels;
use crate::kmeans::KMeansConfig;
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::top_k::TopK;
use crate::vectors::Vectors;

/// Most lists of an inverted file.
const MOST_LISTS: usize = 1 << 24;

/// The settings of an inverted file.
#[derive(Clone, Debug, PartialEq)]
pub struct IvfConfig {
    /// Number of lists; about the square root of the number of vectors is usual.
    pub lists: usize,
    /// Lists that a search visits; more where they hold fewer than `k` that the filter accepts.
    pub probes: usize,
    /// Rounds of k-means.
    pub iterations: usize,
    /// Seed of k-means.
    pub seed: u64,
    /// Most rows that k-means sees, evenly spaced among all.
    pub sample: usize,
}

impl Default for IvfConfig {
    fn default() -> Self {
        Self { lists: 256, probes: 8, iterations: 10, seed: 0, sample: 1 << 16 }
    }
}

/// Codes in lists. One codec serves all of them, so a query is prepared once.
#[derive(Clone, Debug)]
pub struct Ivf<C> {
    codec: C,
    metric: Metric,
    coarse: Vectors,
    panels: Panels,
    lists: Vec<CodeList<C>>,
    /// The list of each id.
    homes: HashMap<u64, u32>,
    probes: usize,
}

impl IvfConfig {
    /// Trains the coarse centroids and files all rows; the id of a vector is its row.
    ///
    /// # Errors
    /// Settings that do not fit, or no rows.
    pub fn build<C: Codec>(&self, rows: &Vectors, codec: C, metric: Metric) -> Result<Ivf<C>> {
        if rows.dim() != codec.dim() {
            return Err(Error::Dimension { what: "the rows", expected: codec.dim(), found: rows.dim() });
        }
        if !(1..=MOST_LISTS).contains(&self.lists) {
            let message = format!("{} is not 1 to {MOST_LISTS}", self.lists);
            return Err(Error::Config { field: "lists", message });
        }
        if self.probes == 0 {
            return Err(Error::Config { field: "probes", message: "must be at least 1".into() });
        }
        let scaled = metric.prepare_rows(rows)?;
        let config = KMeansConfig { clusters: self.lists, iterations: self.iterations, seed: self.seed };
        let coarse = config.fit(&scaled.sample(self.sample))?.centroids;
        let mut index = Ivf::empty(codec, metric, coarse, self.probes);
        let mut nearest = vec![(0, 0.0); rows.len()];
        let chunks = nearest.par_chunks_mut(1024).zip(scaled.as_slice().par_chunks(1024 * rows.dim()));
        chunks.for_each(|(nearest, rows)| index.panels.nearest(rows, nearest));
        let codes = encode_all(&index.codec, metric, rows.as_slice());
        let codes = codes.chunks_exact(index.codec.code_len());
        for (id, (&(list, _), code)) in (0..).zip(nearest.iter().zip(codes)) {
            index.file(id, list, code)?;
        }
        Ok(index)
    }
}

impl<C: Codec> Ivf<C> {
    fn empty(codec: C, metric: Metric, coarse: Vectors, probes: usize) -> Self {
        let panels = Panels::new(coarse.dim(), coarse.as_slice());
        let lists = (0..coarse.len()).map(|_| CodeList::new()).collect();
        Self { codec, metric, panels, lists, coarse, homes: HashMap::new(), probes }
    }

    /// The same with another number of visited lists, at least 1.
    #[must_use]
    pub fn with_probes(mut self, probes: usize) -> Self {
        self.probes = probes.max(1);
        self
    }

    fn file(&mut self, id: u64, list: u32, code: &[u8]) -> Result<()> {
        if self.homes.contains_key(&id) {
            return Err(Error::Duplicate(id));
        }
        self.lists[list as usize].extend(&self.codec, std::iter::once(id), code)?;
        self.homes.insert(id, list);
        Ok(())
    }
}

impl<C: Codec> AnnIndex for Ivf<C> {
    fn search_into(
        &self,
        query: &[f32],
        k: usize,
        filter: Option<&dyn Filter>,
        out: &mut Vec<Neighbor>,
    ) -> Result<()> {
        check("the query", query, self.dim())?;
        let query = self.metric.prepare_all(query, self.dim());
        let centroids = || (0u64..).zip(self.coarse.as_slice().chunks_exact(self.dim()));
        let nearest = |count: usize| {
            let mut nearest = TopK::new(count);
            for (list, centroid) in centroids() {
                nearest.push(list, self.metric.between_prepared(&query, centroid));
            }
            nearest.into_sorted()
        };
        let prepared = self.codec.prepare(&query, self.metric);
        let mut top = [TopK::new(k.min(self.len()))];
        let visit = |list: &Neighbor, top: &mut [TopK; 1]| {
            self.lists[list.id as usize].search(&self.codec, &[&prepared], top, filter, |id| id);
        };
        let probes = self.probes.min(self.lists.len());
        nearest(probes).iter().for_each(|list| visit(list, &mut top));
        if !top[0].is_full() {
            // Few are accepted, or k is more than these lists hold: the next lists, as long as there is room.
            for list in &nearest(self.lists.len())[probes..] {
                visit(list, &mut top);
                if top[0].is_full() {
                    break;
                }
            }
        }
        let [top] = top;
        *out = top.into_sorted();
        Ok(())
    }

    fn len(&self) -> usize {
        self.homes.len()
    }

    fn dim(&self) -> usize {
        self.codec.dim()
    }

    fn bytes(&self) -> usize {
        let lists: usize = self.lists.iter().map(CodeList::bytes).sum();
        lists + 2 * size_of_val(self.coarse.as_slice()) + self.homes.capacity() * 17 + self.codec.bytes()
    }
}

impl<C: Codec> Update for Ivf<C> {
    fn add(&mut self, id: u64, row: &[f32]) -> Result<()> {
        check("the vector", row, self.dim())?;
        let row = self.metric.prepare_all(row, self.codec.dim());
        let (mut code, mut nearest) = (vec![0; self.codec.code_len()], [(0, 0.0)]);
        self.codec.encode(&row, &mut code);
        self.panels.nearest(&row, &mut nearest);
        self.file(id, nearest[0].0, &code)
    }

    fn remove(&mut self, id: u64) -> bool {
        let home = self.homes.remove(&id);
        home.is_some_and(|list| self.lists[list as usize].remove(&self.codec, id))
    }
}

impl<C: StoredCodec> Persist for Ivf<C> {
    const KIND: [u8; 8] =
        [b'i', C::KIND[0], C::KIND[1], C::KIND[2], C::KIND[3], C::KIND[4], C::KIND[5], C::KIND[6]];

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        out.put_own("metric", &[self.metric.number()]);
        out.put_own("probes", &[self.probes as u64]);
        self.coarse.write("coarse", out);
        out.within("codec", |out| self.codec.write(out));
        let lengths: Vec<u64> = self.lists.iter().map(|list| list.ids().len() as u64).collect();
        out.put_own("lengths", &lengths);
        let ids = self.lists.iter().flat_map(|list| (0..list.ids().len()).map(|slot| list.ids().id(slot)));
        out.put_own("ids", &ids.collect::<Vec<u64>>());
        out.put_own("codes", &self.lists.iter().flat_map(|list| list.blocks()).copied().collect::<Vec<u8>>());
    }

    fn read(from: &Reader) -> Result<Self> {
        let codec = C::read(&from.within("codec"))?;
        let coarse = Vectors::read("coarse", from)?;
        let [probes] = from.header("probes")?;
        let (lengths, ids): (Vec<u64>, Vec<u64>) = (from.numbers("lengths")?, from.numbers("ids")?);
        let codes = from.bytes("codes")?;
        from.ensure(coarse.dim() == codec.dim() && coarse.len() == lengths.len() && probes > 0, "lists")?;
        let mut index = Self::empty(codec, Metric::read(from)?, coarse, probes as usize);
        let (mut row, mut byte) = (0usize, 0usize);
        for (list, &length) in lengths.iter().enumerate() {
            let own = usize::try_from(length).ok().and_then(|length| ids.get(row..row.checked_add(length)?));
            let own = own.ok_or_else(|| from.damaged("a list is longer than the ids"))?;
            let bytes = CodeList::bytes_of(&index.codec, own.len());
            let end = bytes.and_then(|bytes| byte.checked_add(bytes));
            let end = end.filter(|&end| end <= codes.as_slice().len());
            let end = end.ok_or_else(|| from.damaged("a list is longer than the codes"))?;
            let slots = Ids::from_list(own.to_vec()).ok_or_else(|| from.damaged("an id occurs twice"))?;
            index.homes.extend(own.iter().map(|&id| (id, list as u32)));
            index.lists[list] = CodeList::from_parts(&index.codec, slots, codes.slice(byte..end), from)?;
            (row, byte) = (row + own.len(), end);
        }
        let whole = row == ids.len() && byte == codes.as_slice().len() && index.homes.len() == ids.len();
        from.ensure(whole, "lists")?;
        Ok(index)
    }
}
