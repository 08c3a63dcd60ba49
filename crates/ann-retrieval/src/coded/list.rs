//! Codes with their ids, apart from the codec that reads them: many lists can share one codec.

use std::marker::PhantomData;
use std::ops::Range;
use std::slice;

use crate::bytes::Bytes;
use crate::coded::Codec;
use crate::error::Result;
use crate::filter::Filter;
use crate::ids::Ids;
use crate::persist::{Reader, Writer};
use crate::top_k::TopK;

/// Bytes that a scan reads before its proposals are scored: they are still in the nearest cache then, and the threshold
/// rises in between.
const CHUNK_BYTES: usize = 1 << 14;

/// The same for many queries at once: each chunk costs a look at all their tables, so it is longer.
const MANY_CHUNK_BYTES: usize = 1 << 18;

/// Rows that are encoded together.
const ROWS: usize = 1024;

/// Lists of fewer rows are scanned without a guess of the result's least score.
const SEEDED: usize = 1 << 13;

/// One of so many blocks is looked at for the guess.
const SAMPLED: usize = 64;

/// The scan of one query.
struct Scan<'a, C: Codec> {
    query: &'a C::Query,
    scratch: C::Scratch,
    /// No lower score is in the result, if the guess is right.
    floor: f32,
    hits: Vec<u32>,
}

impl<'a, C: Codec> Scan<'a, C> {
    fn new(query: &'a C::Query) -> Self {
        Self { query, scratch: C::Scratch::default(), floor: f32::NEG_INFINITY, hits: Vec::new() }
    }
}

/// A growing list of codes.
#[derive(Clone, Debug)]
pub(crate) struct CodeList<C> {
    ids: Ids,
    blocks: Bytes,
    codec: PhantomData<fn(C)>,
}

impl<C: Codec> CodeList<C> {
    pub(crate) fn new() -> Self {
        Self { ids: Ids::Dense(0), blocks: Bytes::new(), codec: PhantomData }
    }

    /// Codes that lie in blocks already; their ids are 0, 1, 2 …
    pub(crate) fn over(blocks: Bytes, rows: usize) -> Self {
        Self { ids: Ids::Dense(rows), blocks, codec: PhantomData }
    }

    pub(crate) fn ids(&self) -> &Ids {
        &self.ids
    }

    /// The ids in the order of their slots.
    pub(crate) fn all_ids(&self) -> impl Iterator<Item = u64> {
        (0..self.ids.len()).map(|slot| self.ids.id(slot))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.blocks.as_slice().len() + self.ids.bytes()
    }

    /// The block of a slot and the lane in it.
    #[inline(always)]
    pub(crate) fn place(&self, codec: &C, slot: usize) -> (&[u8], usize) {
        let length = C::BLOCK * codec.code_len();
        (&self.blocks.as_slice()[slot / C::BLOCK * length..][..length], slot % C::BLOCK)
    }

    pub(crate) fn score(&self, codec: &C, query: &C::Query, id: u64) -> Option<f32> {
        let (block, lane) = self.place(codec, self.ids.slot(id)?);
        Some(codec.score(query, block, lane))
    }

    /// Adds codes under new ids.
    pub(crate) fn extend(&mut self, codec: &C, ids: impl Iterator<Item = u64>, codes: &[u8]) -> Result<()> {
        let start = self.ids.len();
        for id in ids {
            self.ids.push(id)?;
        }
        self.resize(codec);
        let length = C::BLOCK * codec.code_len();
        let blocks = self.blocks.make_mut();
        for (slot, code) in (start..).zip(codes.chunks_exact(codec.code_len())) {
            codec.put(&mut blocks[slot / C::BLOCK * length..][..length], slot % C::BLOCK, code);
        }
        Ok(())
    }

    /// The code in a slot.
    pub(crate) fn code(&self, codec: &C, slot: usize) -> Vec<u8> {
        let mut code = vec![0; codec.code_len()];
        let (block, lane) = self.place(codec, slot);
        codec.take(block, lane, &mut code);
        code
    }

    /// Takes a code out; the last one moves into its place.
    pub(crate) fn remove(&mut self, codec: &C, id: u64) -> bool {
        let Some(slot) = self.ids.swap_remove(id) else {
            return false;
        };
        let last = self.ids.len();
        let code = self.code(codec, last);
        self.put(codec, slot, &code);
        self.put(codec, last, &vec![0; code.len()]);
        self.resize(codec);
        true
    }

    fn put(&mut self, codec: &C, slot: usize, code: &[u8]) {
        let length = C::BLOCK * codec.code_len();
        codec.put(&mut self.blocks.make_mut()[slot / C::BLOCK * length..][..length], slot % C::BLOCK, code);
    }

    fn resize(&mut self, codec: &C) {
        self.blocks.resize(self.ids.len().div_ceil(C::BLOCK) * C::BLOCK * codec.code_len());
    }

    /// What a code stands for, where the codec can tell.
    pub(crate) fn decoded(&self, codec: &C, id: u64) -> Option<Vec<f32>> {
        let mut row = vec![0.0; codec.dim()];
        codec.decode(&self.code(codec, self.ids.slot(id)?), &mut row).then_some(row)
    }

    /// The list with some of its slots alone, in their order, under the ids 0, 1, ….
    pub(crate) fn kept(&self, codec: &C, slots: &[u32]) -> Self {
        let mut kept = Self { ids: Ids::Dense(slots.len()), blocks: Bytes::new(), codec: PhantomData };
        kept.resize(codec);
        for (to, &from) in slots.iter().enumerate() {
            kept.put(codec, to, &self.code(codec, from as usize));
        }
        kept
    }

    /// Offers every accepted row to the selection of each query. A chunk is scanned for all queries while it is in
    /// the cache. `name` gives the id under which a row is offered, and so the order of ties.
    pub(crate) fn search(
        &self,
        codec: &C,
        queries: &[&C::Query],
        tops: &mut [TopK],
        filter: Option<&dyn Filter>,
        name: impl Fn(u64) -> u64,
    ) {
        let mut scans: Vec<Scan<C>> = queries.iter().map(|&query| Scan::new(query)).collect();
        self.seed(codec, &mut scans, tops, filter);
        self.offer_all(codec, &mut scans, tops, filter, &name);
        for (scan, top) in scans.iter_mut().zip(tops) {
            let guessed = scan.floor > f32::NEG_INFINITY;
            if guessed && (!top.is_full() || top.threshold() < scan.floor) {
                // The guess promised more than there is: once more from the beginning.
                scan.floor = f32::NEG_INFINITY;
                *top = TopK::new(top.k());
                self.offer_all(codec, slice::from_mut(scan), slice::from_mut(top), filter, &name);
            }
        }
    }

    /// Guesses from a sample a score that at least `k` rows reach: until a selection is full, rows below it need not be
    /// looked at. Whether so many reach it is known after the scan.
    fn seed(&self, codec: &C, scans: &mut [Scan<C>], tops: &[TopK], filter: Option<&dyn Filter>) {
        let rows = self.ids.len();
        if rows < SEEDED || tops.iter().any(|top| !top.is_empty()) {
            return;
        }
        let share = 1.0 / SAMPLED as f64;
        let mut samples: Vec<TopK> = tops.iter().map(|top| TopK::new(safe_rank(top.k(), share))).collect();
        if samples.iter().any(|sample| sample.k() * 4 > rows / SAMPLED) {
            return;
        }
        let piece = C::BLOCK.max(64);
        for start in (0..rows).step_by(piece * SAMPLED) {
            self.offer(codec, start..rows.min(start + piece), scans, &mut samples, filter, &|id| id);
        }
        for (scan, sample) in scans.iter_mut().zip(&samples) {
            scan.floor = sample.threshold();
        }
    }

    fn offer_all(
        &self,
        codec: &C,
        scans: &mut [Scan<C>],
        tops: &mut [TopK],
        filter: Option<&dyn Filter>,
        name: &impl Fn(u64) -> u64,
    ) {
        let rows = self.ids.len();
        let chunk = match scans.len() {
            0..4 => (CHUNK_BYTES / codec.code_len()).clamp(256, 2048),
            _ => (MANY_CHUNK_BYTES / codec.code_len()).clamp(256, 16_384),
        };
        let mut start = 0;
        while start < rows {
            // The first chunks are small: until the threshold has risen, every row is a proposal.
            let end = rows.min((start + start.clamp(1, chunk)).next_multiple_of(C::BLOCK.max(64)));
            self.offer(codec, start..end, scans, tops, filter, name);
            // With more of the list seen, a better guess can be made.
            for part in [4, 2].into_iter().filter(|part| (start..end).contains(&(rows / part))) {
                for (scan, top) in
                    scans.iter_mut().zip(&*tops).filter(|(scan, _)| scan.floor > f32::NEG_INFINITY)
                {
                    let guess = top.score_at(safe_rank(top.k(), 1.0 / part as f64));
                    scan.floor = guess.map_or(scan.floor, |guess| guess.max(scan.floor));
                }
            }
            start = end;
        }
    }

    /// Offers the rows in a range of slots, which begins with a block.
    fn offer(
        &self,
        codec: &C,
        slots: Range<usize>,
        scans: &mut [Scan<C>],
        tops: &mut [TopK],
        filter: Option<&dyn Filter>,
        name: &impl Fn(u64) -> u64,
    ) {
        let length = C::BLOCK * codec.code_len();
        let bytes = slots.start / C::BLOCK * length..slots.end.div_ceil(C::BLOCK) * length;
        let blocks = &self.blocks.as_slice()[bytes];
        for (scan, top) in scans.iter_mut().zip(tops) {
            scan.hits.clear();
            let threshold = top.threshold().max(scan.floor);
            codec.scan(scan.query, &mut scan.scratch, blocks, threshold, &mut scan.hits);
            for slot in
                scan.hits.iter().map(|&hit| slots.start + hit as usize).filter(|&slot| slot < slots.end)
            {
                let id = self.ids.id(slot);
                if filter.is_none_or(|filter| filter.accepts(id)) {
                    let (block, lane) = self.place(codec, slot);
                    let score = codec.score(scan.query, block, lane);
                    top.push(name(id), score);
                }
            }
        }
    }

    pub(crate) fn write<'a>(&'a self, out: &mut Writer<'a>) {
        self.ids.write(out);
        out.put("codes", self.blocks.as_slice());
    }

    pub(crate) fn read(codec: &C, from: &Reader) -> Result<Self> {
        Self::from_parts(codec, Ids::read(from)?, from.bytes("codes")?, from)
    }

    /// A list whose codes lie in a file.
    pub(crate) fn from_parts(codec: &C, ids: Ids, blocks: Bytes, from: &Reader) -> Result<Self> {
        let expected = Self::bytes_of(codec, ids.len());
        from.ensure(expected == Some(blocks.as_slice().len()), "codes")?;
        Ok(Self { ids, blocks, codec: PhantomData })
    }

    /// Bytes that the blocks of so many rows take.
    pub(crate) fn bytes_of(codec: &C, rows: usize) -> Option<usize> {
        rows.div_ceil(C::BLOCK).checked_mul(C::BLOCK)?.checked_mul(codec.code_len())
    }

    pub(crate) fn blocks(&self) -> &[u8] {
        self.blocks.as_slice()
    }
}

/// A place in the order of a part of the rows, whose score is not above that of the `k`-th of all but in about one search of a
/// thousand: of the best `k`, `k` times the share are expected in the part.
fn safe_rank(k: usize, share: f64) -> usize {
    let expected = k as f64 * share;
    (expected + 3.0 * expected.sqrt() + 2.0).ceil() as usize
}

/// Encodes rows on all threads.
pub(crate) fn encode_all<C: Codec>(codec: &C, metric: crate::Metric, rows: &[f32]) -> Vec<u8> {
    use rayon::prelude::*;

    let (dim, length) = (codec.dim(), codec.code_len());
    let mut codes = vec![0; length * (rows.len() / dim)];
    codes.par_chunks_mut(ROWS * length).zip(rows.par_chunks(ROWS * dim)).for_each(|(codes, rows)| {
        codec.encode(&metric.prepare_all(rows, dim), codes);
    });
    codes
}
