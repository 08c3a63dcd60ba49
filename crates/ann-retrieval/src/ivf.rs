//! An inverted file: vectors in the lists of coarse centroids, of which a search visits the nearest few.

use std::borrow::Cow;
use std::collections::HashMap;

use rayon::prelude::*;

use crate::coded::{CodeList, Codec, StoredCodec, encode_all, fitted};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::ids::Ids;
use crate::index::{AnnIndex, Neighbor, Persist, Update, check_lengths, check_scored};
use crate::kernel::nearest::Panels;
use crate::kmeans::KMeansConfig;
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::top_k::TopK;
use crate::vectors::Vectors;

/// Ids that are asked to learn how many a filter accepts.
const ASKED: usize = 256;
/// Accepted vectors per wanted one that are enough to compare.
const WIDE: f64 = 32.0;
/// A filter's list of ids is looked up one by one where it is shorter than this share of the vectors.
const LISTED: usize = 16;
/// Most lists of an inverted file.
const MOST_LISTS: usize = 1 << 24;

/// The settings of an inverted file.
#[derive(Clone, Debug, PartialEq)]
pub struct IvfConfig {
    /// Number of lists, 1 to 2^24; about the square root of the number of vectors is usual.
    pub lists: usize,
    /// Lists that a search visits, at least 1: recall and the time of a search grow with it. More are visited with a filter, and where they hold fewer than `k` that it accepts.
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
    /// Trains the coarse centroids and files all rows, under their ids. Under the cosine the codec may have been trained on rows
    /// of any length: it is then trained anew from rows of length 1, or scaled where they are few.
    ///
    /// # Errors
    /// Settings that do not fit, or no rows.
    pub fn build<C: Codec>(&self, rows: &Vectors, codec: C, metric: Metric) -> Result<Ivf<C>> {
        if rows.dim() != codec.dim() {
            return Err(Error::Dimension { what: "the rows", expected: codec.dim(), found: rows.dim() });
        }
        if self.probes == 0 {
            return Err(Error::Config { field: "probes", message: "must be at least 1".into() });
        }
        let scaled = metric.prepare_rows(rows)?;
        let codec = if metric == Metric::Cosine { fitted(codec, scaled.as_slice()) } else { codec };
        let mut index = Ivf::empty(codec, metric, self.coarse(&scaled)?, self.probes);
        index.extend(0, rows)?;
        Ok(index)
    }

    /// The centroids of the lists.
    fn coarse(&self, scaled: &Vectors) -> Result<Vectors> {
        if !(1..=MOST_LISTS).contains(&self.lists) {
            let message = format!("{} is not 1 to {MOST_LISTS}", self.lists);
            return Err(Error::Config { field: "lists", message });
        }
        let config = KMeansConfig { clusters: self.lists, iterations: self.iterations, seed: self.seed };
        Ok(config.fit(&scaled.sample(self.sample))?.centroids)
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

    /// Learns the lists anew from what the codes stand for, after many vectors were added or removed. The codes stay as they
    /// are; settings are taken from `config`.
    ///
    /// # Errors
    /// Settings that do not fit, no vectors, or codes that cannot be read back, such as signs.
    pub fn rebuild(&mut self, config: &IvfConfig) -> Result<()> {
        let ids: Vec<u64> = self.lists.iter().flat_map(|list| list.all_ids()).collect();
        let rows = ids.iter().map(|&id| self.vector(id)).collect::<Option<Vec<_>>>();
        let Some(rows) = rows else {
            let message = "these codes cannot be read back; build the index anew from its rows".into();
            return Err(Error::Config { field: "codec", message });
        };
        let rows = Vectors::new(self.dim(), rows.concat())?;
        let mut rebuilt =
            Self::empty(self.codec.clone(), self.metric, config.coarse(&rows)?, config.probes.max(1));
        let homes = rebuilt.nearest_lists(rows.as_slice());
        for (&id, list) in ids.iter().zip(homes) {
            let old = &self.lists[self.homes[&id] as usize];
            let slot = old.ids().slot(id).expect("an id is in the list of its home");
            rebuilt.file(id, list, &old.code(&self.codec, slot))?;
        }
        *self = rebuilt;
        Ok(())
    }

    /// Lists to visit. Where a filter accepts few, the nearest lists hold few of them: so many more are visited that about as many
    /// are accepted as without it, or [`WIDE`]` · k` if that is less.
    fn probes_for(&self, k: usize, filter: Option<&dyn Filter>) -> usize {
        let Some(filter) = filter else { return self.probes };
        let len = self.len();
        let share = match filter.count() {
            Some(count) => count as f64 / len.max(1) as f64,
            None => {
                let step = len.div_ceil(ASKED).max(1);
                let asked = self.lists.iter().flat_map(CodeList::all_ids).step_by(step);
                let (all, accepted) = asked.fold((0, 0), |(all, accepted), id| {
                    (all + 1, accepted + usize::from(filter.accepts(id)))
                });
                (accepted as f64).max(0.5) / f64::from(all.max(1))
            }
        };
        let share = share.clamp(1.0 / len.max(1) as f64, 1.0);
        let in_a_list = share * len as f64 / self.lists.len() as f64;
        let wide = k as f64 * WIDE / in_a_list;
        (self.probes as f64 / share).min(wide).max(self.probes as f64) as usize
    }

    /// The list of each row `[n, dim]`, on all threads; rows come scaled as the metric wants them.
    fn nearest_lists(&self, rows: &[f32]) -> Vec<u32> {
        let mut nearest = vec![(0, 0.0); rows.len() / self.dim()];
        let chunks = nearest.par_chunks_mut(1024).zip(rows.par_chunks(1024 * self.dim()));
        chunks.for_each(|(nearest, rows)| self.panels.nearest(rows, nearest));
        nearest.into_iter().map(|(list, _)| list).collect()
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
        check_scored("the query", self.metric, query, self.dim())?;
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
        if let Some(listed) = filter.and_then(Filter::listed)
            && listed.len() < self.len() / LISTED
        {
            // A few ids are looked up one by one, in whatever list they are.
            for &id in listed {
                let home = self.homes.get(&id).map(|&list| &self.lists[list as usize]);
                if let Some(score) = home.and_then(|list| list.score(&self.codec, &prepared, id)) {
                    top[0].push(id, score);
                }
            }
            let [top] = top;
            *out = top.into_sorted();
            return Ok(());
        }
        let visit = |list: &Neighbor, top: &mut [TopK; 1]| {
            self.lists[list.id as usize].search(&self.codec, &[&prepared], top, filter, |id| id);
        };
        let probes = self.probes_for(k, filter).min(self.lists.len());
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

    fn contains(&self, id: u64) -> bool {
        self.homes.contains_key(&id)
    }

    fn vector(&self, id: u64) -> Option<Cow<'_, [f32]>> {
        self.lists[*self.homes.get(&id)? as usize].decoded(&self.codec, id).map(Cow::Owned)
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
        check_scored("the vector", self.metric, row, self.dim())?;
        let row = self.metric.prepare_all(row, self.codec.dim());
        let (mut code, mut nearest) = (vec![0; self.codec.code_len()], [(0, 0.0)]);
        self.codec.encode(&row, &mut code);
        self.panels.nearest(&row, &mut nearest);
        self.file(id, nearest[0].0, &code)
    }

    fn extend(&mut self, first: u64, rows: &Vectors) -> Result<()> {
        if rows.dim() != self.dim() {
            return Err(Error::Dimension { what: "the rows", expected: self.dim(), found: rows.dim() });
        }
        check_lengths(self.metric, rows)?;
        let ids = rows.named_from(first)?;
        if let Some(&there) = ids.iter().find(|&&id| self.contains(id)) {
            return Err(Error::Duplicate(there));
        }
        let scaled = self.metric.prepare_all(rows.as_slice(), self.dim());
        let homes = self.nearest_lists(&scaled);
        let codes = encode_all(&self.codec, self.metric, rows.as_slice());
        let codes = codes.chunks_exact(self.codec.code_len());
        for ((&id, list), code) in ids.iter().zip(homes).zip(codes) {
            self.file(id, list, code)?;
        }
        Ok(())
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
        out.put_own("ids", &self.lists.iter().flat_map(CodeList::all_ids).collect::<Vec<u64>>());
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
