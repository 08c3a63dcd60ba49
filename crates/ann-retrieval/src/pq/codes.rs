//! How codes of 8 and of 4 bits lie in blocks, and how they are scanned.

use crate::coded::{Codec, StoredCodec};
use crate::deficits::{DeficitTables, Deficits};
use crate::error::{Error, Result};
use crate::kernel::float::Term;
use crate::kernel::{bytes, nibbles};
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::pq::ProductQuantizer;
use crate::tables::{ScoreTables, sum_entries};
use crate::vectors::Vectors;

/// One byte per sub-vector.
#[derive(Clone, Debug, PartialEq)]
pub struct ByteCodes {
    quantizer: ProductQuantizer,
}

/// Half a byte per sub-vector.
#[derive(Clone, Debug, PartialEq)]
pub struct NibbleCodes {
    quantizer: ProductQuantizer,
}

fn check(quantizer: &ProductQuantizer, most: usize) -> Result<()> {
    if quantizer.ksub() > most {
        let message = format!("{} do not fit into a code for {most}", quantizer.ksub());
        return Err(Error::Config { field: "centroids", message });
    }
    Ok(())
}

/// Tables of partial scores, `entries` per sub-vector.
fn tables(quantizer: &ProductQuantizer, query: &[f32], metric: Metric, entries: usize) -> Vec<f32> {
    let mut exact = vec![0.0; quantizer.sub_vectors() * entries];
    match metric {
        Metric::InnerProduct | Metric::Cosine => quantizer.compare(Term::Product, query, &mut exact),
        Metric::L2 => {
            quantizer.compare(Term::SquaredDifference, query, &mut exact);
            exact.iter_mut().for_each(|x| *x = -*x);
        }
    }
    if quantizer.ksub() < entries {
        // Entries without a centroid are never looked up; they must not widen the range that is rounded.
        for table in exact.chunks_exact_mut(entries) {
            let first = table[0];
            table[quantizer.ksub()..].fill(first);
        }
    }
    exact
}

impl ByteCodes {
    /// Codes of a quantiser.
    ///
    /// # Errors
    /// If it has more than 256 centroids.
    pub fn new(quantizer: ProductQuantizer) -> Result<Self> {
        check(&quantizer, bytes::ENTRIES)?;
        Ok(Self { quantizer })
    }

    /// The quantiser.
    pub fn quantizer(&self) -> &ProductQuantizer {
        &self.quantizer
    }
}

impl NibbleCodes {
    /// Codes of a quantiser.
    ///
    /// # Errors
    /// If it has more than 16 centroids, or an odd number of sub-vectors, or more than 512.
    pub fn new(quantizer: ProductQuantizer) -> Result<Self> {
        check(&quantizer, 16)?;
        let subs = quantizer.sub_vectors();
        if subs % 2 == 1 || subs > 512 {
            let message = format!("{subs} is not an even number up to 512, which codes of 4 bits need");
            return Err(Error::Config { field: "sub_vectors", message });
        }
        Ok(Self { quantizer })
    }

    /// The quantiser.
    pub fn quantizer(&self) -> &ProductQuantizer {
        &self.quantizer
    }
}

impl Codec for ByteCodes {
    const BLOCK: usize = bytes::BLOCK;
    type Query = ScoreTables;
    type Scratch = ();

    fn dim(&self) -> usize {
        self.quantizer.dim()
    }

    fn code_len(&self) -> usize {
        self.quantizer.sub_vectors()
    }

    fn bytes(&self) -> usize {
        self.quantizer.bytes()
    }

    fn encode(&self, rows: &[f32], codes: &mut [u8]) {
        self.quantizer.encode_each(rows, |row, sub, code| codes[row * self.code_len() + sub] = code as u8);
    }

    fn decode(&self, code: &[u8], row: &mut [f32]) -> bool {
        self.quantizer.decode_into(code.iter().copied(), row);
        true
    }

    fn adapted(self, factor: f32, rows: &Vectors) -> Self {
        Self { quantizer: self.quantizer.adapted(factor, rows) }
    }

    fn put(&self, block: &mut [u8], lane: usize, code: &[u8]) {
        block.chunks_exact_mut(Self::BLOCK).zip(code).for_each(|(bytes, &code)| bytes[lane] = code);
    }

    fn take(&self, block: &[u8], lane: usize, code: &mut [u8]) {
        block.chunks_exact(Self::BLOCK).zip(code).for_each(|(bytes, code)| *code = bytes[lane]);
    }

    fn prepare(&self, query: &[f32], metric: Metric) -> ScoreTables {
        let exact = tables(&self.quantizer, query, metric, bytes::ENTRIES);
        ScoreTables::new(exact, bytes::ENTRIES, u8::MAX)
    }

    fn scan(&self, query: &ScoreTables, (): &mut (), blocks: &[u8], threshold: f32, hits: &mut Vec<u32>) {
        query.scan_bytes(blocks, threshold, hits);
    }

    fn score(&self, query: &ScoreTables, block: &[u8], lane: usize) -> f32 {
        sum_entries::<{ bytes::ENTRIES }, { bytes::BLOCK }>(query.exact(), block, |sub| {
            sub[lane % bytes::BLOCK]
        })
    }
}

impl Codec for NibbleCodes {
    const BLOCK: usize = nibbles::BLOCK;
    type Query = DeficitTables;
    type Scratch = Deficits;

    fn dim(&self) -> usize {
        self.quantizer.dim()
    }

    fn code_len(&self) -> usize {
        self.quantizer.sub_vectors() / 2
    }

    fn bytes(&self) -> usize {
        self.quantizer.bytes()
    }

    fn encode(&self, rows: &[f32], codes: &mut [u8]) {
        let length = self.code_len();
        codes.fill(0);
        self.quantizer.encode_each(rows, |row, sub, code| {
            codes[row * length + sub / 2] |= (code as u8) << (4 * (sub % 2));
        });
    }

    fn decode(&self, code: &[u8], row: &mut [f32]) -> bool {
        self.quantizer.decode_into(code.iter().flat_map(|pair| [pair & 15, pair >> 4]), row);
        true
    }

    fn adapted(self, factor: f32, rows: &Vectors) -> Self {
        Self { quantizer: self.quantizer.adapted(factor, rows) }
    }

    fn put(&self, block: &mut [u8], lane: usize, code: &[u8]) {
        let (byte, shift) = (lane % nibbles::STRIDE, 4 * (lane / nibbles::STRIDE));
        for (sub, bytes) in block.chunks_exact_mut(nibbles::STRIDE).enumerate() {
            let own = (code[sub / 2] >> (4 * (sub % 2))) & 15;
            bytes[byte] = bytes[byte] & !(15 << shift) | own << shift;
        }
    }

    fn take(&self, block: &[u8], lane: usize, code: &mut [u8]) {
        let (subs, _) = block.as_chunks::<{ nibbles::STRIDE }>();
        for (byte, code) in code.iter_mut().enumerate() {
            let [low, high] = [0, 1].map(|odd| nibbles::code(&subs[2 * byte + odd], lane));
            *code = low | high << 4;
        }
    }

    fn prepare(&self, query: &[f32], metric: Metric) -> DeficitTables {
        DeficitTables::new(tables(&self.quantizer, query, metric, 16))
    }

    fn scan(
        &self,
        query: &DeficitTables,
        deficits: &mut Deficits,
        blocks: &[u8],
        threshold: f32,
        hits: &mut Vec<u32>,
    ) {
        query.scan(deficits, blocks, threshold, hits);
    }

    fn score(&self, query: &DeficitTables, block: &[u8], lane: usize) -> f32 {
        sum_entries::<16, { nibbles::STRIDE }>(query.exact(), block, |sub| nibbles::code(sub, lane))
    }
}

impl StoredCodec for ByteCodes {
    const KIND: [u8; 8] = *b"pq8     ";

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        self.quantizer.write(out);
    }

    fn read(from: &Reader) -> Result<Self> {
        Self::new(ProductQuantizer::read(from)?).map_err(|error| from.damaged(error.to_string()))
    }
}

impl StoredCodec for NibbleCodes {
    const KIND: [u8; 8] = *b"pq4     ";

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        self.quantizer.write(out);
    }

    fn read(from: &Reader) -> Result<Self> {
        Self::new(ProductQuantizer::read(from)?).map_err(|error| from.damaged(error.to_string()))
    }
}
