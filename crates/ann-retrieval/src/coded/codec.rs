//! The operations of a code.

use crate::error::Result;
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::vectors::Vectors;

/// How vectors become codes of a fixed length, and how codes are scored.
///
/// Codes lie in blocks of [`Codec::BLOCK`] rows, arranged as the scan wants them. Where the metric is the cosine, rows and
/// queries come scaled to length 1; a codec that was trained on longer or shorter rows is adapted to them. Equal codecs give
/// equal codes and scores.
pub trait Codec: Clone + PartialEq + Send + Sync {
    /// Rows that are interleaved; 1 if a code lies in one piece.
    const BLOCK: usize;
    /// What a query becomes before a scan, such as tables.
    type Query: Send + Sync;
    /// What the scan of one query keeps from one call to the next, such as tables rounded for the threshold.
    type Scratch: Default;

    /// Width of the vectors.
    fn dim(&self) -> usize;

    /// Bytes of a code.
    fn code_len(&self) -> usize;

    /// Bytes of the codebooks.
    fn bytes(&self) -> usize;

    /// Encodes rows `[n, dim]` into `[n, code_len]`.
    fn encode(&self, rows: &[f32], codes: &mut [u8]);

    /// Reads a code back into the row that it stands for. False where codes cannot be read back, as signs cannot.
    fn decode(&self, _code: &[u8], _row: &mut [f32]) -> bool {
        false
    }

    /// The codec for `rows`, which are `factor` times as long as those it was trained on: trained anew where they are many, or
    /// scaled. Itself, where lengths do not matter.
    #[must_use]
    fn adapted(self, _factor: f32, _rows: &Vectors) -> Self {
        self
    }

    /// Writes a code into a lane of a block.
    fn put(&self, block: &mut [u8], lane: usize, code: &[u8]);

    /// Reads a code from a lane of a block.
    fn take(&self, block: &[u8], lane: usize, code: &mut [u8]);

    /// Prepares a query for many scores.
    fn prepare(&self, query: &[f32], metric: Metric) -> Self::Query;

    /// Appends the position in `blocks` of at least every row whose score reaches the threshold. A scratch belongs to
    /// one query; the threshold may differ from call to call.
    fn scan(
        &self,
        query: &Self::Query,
        scratch: &mut Self::Scratch,
        blocks: &[u8],
        threshold: f32,
        hits: &mut Vec<u32>,
    );

    /// The score of one row; larger is nearer.
    fn score(&self, query: &Self::Query, block: &[u8], lane: usize) -> f32;
}

/// A codec that can be saved with its index.
///
/// The trait is sealed in effect: [`Writer`] and [`Reader`] have no public methods, so only types of this crate can
/// implement it.
pub trait StoredCodec: Codec {
    /// The kind of a file that holds an index of these codes.
    const KIND: [u8; 8];

    /// Names the codebooks.
    fn write<'a>(&'a self, out: &mut Writer<'a>);

    /// Takes the codebooks from a file.
    ///
    /// # Errors
    /// If they do not belong together.
    fn read(from: &Reader) -> Result<Self>;
}
