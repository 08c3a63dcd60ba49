//! The exact scan: every vector is compared with the query.

use crate::error::{Error, Result};
use crate::index::{AnnIndex, Neighbor};
use crate::metric::Metric;
use crate::top_k::TopK;
use crate::vectors::Vectors;

/// All vectors as they are. The id of a vector is its row.
#[derive(Clone, Debug)]
pub struct Flat {
    rows: Vectors,
    metric: Metric,
}

impl Flat {
    /// Copies the vectors.
    pub fn build(rows: &Vectors, metric: Metric) -> Self {
        Self { rows: rows.clone(), metric }
    }
}

impl AnnIndex for Flat {
    fn search(&self, query: &[f32], k: usize) -> Result<Vec<Neighbor>> {
        if query.len() != self.dim() {
            return Err(Error::Dimension { what: "the query", expected: self.dim(), found: query.len() });
        }
        let mut top = TopK::new(k.min(self.len()));
        for row in 0..self.len() {
            top.push(row as u64, self.metric.similarity(query, self.rows.row(row)));
        }
        Ok(top.into_sorted())
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn dim(&self) -> usize {
        self.rows.dim()
    }

    fn bytes_per_item(&self) -> usize {
        self.dim() * size_of::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_under_each_metric() {
        let rows = Vectors::new(2, vec![3.0, 0.0, 0.5, 0.5, -1.0, 1.0]).unwrap();
        let first = |metric| Flat::build(&rows, metric).search(&[1.0, 0.6], 1).unwrap()[0].id;
        assert_eq!([first(Metric::InnerProduct), first(Metric::Cosine), first(Metric::L2)], [0, 1, 1]);
        assert!(Flat::build(&rows, Metric::L2).search(&[1.0], 1).is_err());
    }
}
