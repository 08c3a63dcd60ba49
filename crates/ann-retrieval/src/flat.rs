//! The exact scan: every vector is compared with the query.

use crate::coded::{Codec, Coded, StoredCodec};
use crate::error::Result;
use crate::kernel::float::{self, Term};
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::vectors::Vectors;

/// Vectors without quantisation.
pub type Flat = Coded<Whole>;

/// The codec that keeps vectors without quantisation, row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    dim: usize,
}

/// A query and the metric that it is compared under.
#[derive(Clone, Debug)]
pub struct WholeQuery {
    query: Vec<f32>,
    metric: Metric,
}

impl Whole {
    /// Vectors of this width.
    pub fn new(dim: usize) -> Self {
        Self { dim }
    }
}

impl Flat {
    /// Copies the vectors, under their ids.
    ///
    /// # Errors
    /// If there are 2³² or more.
    pub fn build(rows: &Vectors, metric: Metric) -> Result<Self> {
        Self::from_rows(Whole::new(rows.dim()), metric, rows)
    }

    /// The vector in a slot.
    #[inline(always)]
    pub(crate) fn row(&self, slot: usize) -> &[f32] {
        bytemuck::cast_slice(self.list().place(self.codec(), slot).0)
    }
}

/// Rows whose scores are formed before they are compared with the threshold.
const ROWS: usize = 64;

impl Codec for Whole {
    const BLOCK: usize = 1;
    type Query = WholeQuery;
    type Scratch = ();

    fn dim(&self) -> usize {
        self.dim
    }

    fn code_len(&self) -> usize {
        self.dim * size_of::<f32>()
    }

    fn bytes(&self) -> usize {
        0
    }

    fn encode(&self, rows: &[f32], codes: &mut [u8]) {
        codes.copy_from_slice(bytemuck::cast_slice(rows));
    }

    fn put(&self, block: &mut [u8], _: usize, code: &[u8]) {
        block.copy_from_slice(code);
    }

    fn take(&self, block: &[u8], _: usize, code: &mut [u8]) {
        code.copy_from_slice(block);
    }

    fn decode(&self, code: &[u8], row: &mut [f32]) -> bool {
        // Codes lie in one piece, but a copied one need not be aligned.
        let numbers = code.as_chunks().0.iter().map(|&bytes| f32::from_ne_bytes(bytes));
        row.iter_mut().zip(numbers).for_each(|(x, number)| *x = number);
        true
    }

    fn prepare(&self, query: &[f32], metric: Metric) -> WholeQuery {
        WholeQuery { query: query.to_vec(), metric }
    }

    fn scan(&self, query: &WholeQuery, (): &mut (), blocks: &[u8], threshold: f32, hits: &mut Vec<u32>) {
        let (term, sign) = match query.metric {
            Metric::InnerProduct | Metric::Cosine => (Term::Product, 1.0),
            Metric::L2 => (Term::SquaredDifference, -1.0),
        };
        let rows: &[f32] = bytemuck::cast_slice(blocks);
        let mut scores = [0.0; ROWS];
        for (number, rows) in rows.chunks(ROWS * self.dim).enumerate() {
            let scores = &mut scores[..rows.len() / self.dim];
            float::rows(term, &query.query, rows, scores);
            if scores.iter().fold(false, |any, score| any | (sign * score >= threshold)) {
                let reached = (0u32..).zip(&*scores).filter(|&(_, score)| sign * score >= threshold);
                hits.extend(reached.map(|(row, _)| (number * ROWS) as u32 + row));
            }
        }
    }

    fn score(&self, query: &WholeQuery, block: &[u8], _: usize) -> f32 {
        query.metric.between_prepared(&query.query, bytemuck::cast_slice(block))
    }
}

impl StoredCodec for Whole {
    const KIND: [u8; 8] = *b"flat    ";

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        out.put_own("dim", &[self.dim as u64]);
    }

    fn read(from: &Reader) -> Result<Self> {
        let [dim] = from.header("dim")?;
        from.ensure((1..1 << 24).contains(&dim), "dim")?;
        Ok(Self::new(dim as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::AnnIndex;

    #[test]
    fn finds_the_nearest_under_each_metric() {
        let rows = Vectors::new(2, vec![3.0, 0.0, 0.5, 0.5, -1.0, 1.0]).unwrap();
        let first = |metric| Flat::build(&rows, metric).unwrap().search(&[1.0, 0.6], 1).unwrap()[0].id;
        assert_eq!([first(Metric::InnerProduct), first(Metric::Cosine), first(Metric::L2)], [0, 1, 1]);
        let flat = Flat::build(&rows, Metric::L2).unwrap();
        assert!(flat.search(&[1.0], 1).is_err() && flat.search(&[1.0, f32::NAN], 1).is_err());
        assert!(flat.search(&[1.0, 1.0], 0).unwrap().is_empty());
    }
}
