//! Codes with their ids, apart from the codec that reads them: many lists can share one codec.

use std::marker::PhantomData;

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

    pub(crate) fn ids(&self) -> &Ids {
        &self.ids
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

    /// Takes a code out; the last one moves into its place.
    pub(crate) fn remove(&mut self, codec: &C, id: u64) -> bool {
        let Some(slot) = self.ids.swap_remove(id) else {
            return false;
        };
        let last = self.ids.len();
        let mut code = vec![0; codec.code_len()];
        let (block, lane) = self.place(codec, last);
        codec.take(block, lane, &mut code);
        self.put(codec, slot, &code);
        code.fill(0);
        self.put(codec, last, &code);
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
        let (rows, length) = (self.ids.len(), C::BLOCK * codec.code_len());
        let bytes = self.blocks.as_slice();
        let chunk = match queries.len() {
            0..4 => (CHUNK_BYTES / codec.code_len()).clamp(256, 2048),
            _ => (MANY_CHUNK_BYTES / codec.code_len()).clamp(256, 16_384),
        };
        let mut hits = Vec::with_capacity(chunk);
        let mut scratches: Vec<C::Scratch> = queries.iter().map(|_| C::Scratch::default()).collect();
        let mut start = 0;
        while start < rows {
            // The first chunks are small: until the threshold has risen, every row is a proposal.
            let end = rows.min((start + start.clamp(1, chunk)).next_multiple_of(C::BLOCK.max(64)));
            let blocks = &bytes[start / C::BLOCK * length..end.div_ceil(C::BLOCK) * length];
            for ((query, scratch), top) in queries.iter().zip(&mut scratches).zip(&mut *tops) {
                hits.clear();
                codec.scan(query, scratch, blocks, top.threshold(), &mut hits);
                for slot in hits.iter().map(|&hit| start + hit as usize).filter(|&slot| slot < end) {
                    let id = self.ids.id(slot);
                    if filter.is_none_or(|filter| filter.accepts(id)) {
                        let (block, lane) = self.place(codec, slot);
                        top.push(name(id), codec.score(query, block, lane));
                    }
                }
            }
            start = end;
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
