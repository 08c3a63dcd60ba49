//! Product quantisation: a vector as one small code per sub-vector (Jégou, Douze, Schmid 2011).

mod codes;
mod quantizer;

pub use codes::{ByteCodes, NibbleCodes};
pub(crate) use quantizer::ENOUGH;
pub use quantizer::{PqConfig, ProductQuantizer};

use crate::coded::Coded;
use crate::error::Result;
use crate::metric::Metric;
use crate::vectors::Vectors;

/// Codes of 8 bits per sub-vector, scored with tables of the query: the query itself is not quantised.
pub type Pq = Coded<ByteCodes>;

/// Codes of 4 bits per sub-vector, whose tables fit into registers.
pub type FastScan = Coded<NibbleCodes>;

impl PqConfig {
    /// Trains a quantiser and encodes all rows with 8 bits per sub-vector.
    ///
    /// # Errors
    /// Settings that do not fit the rows, or more than 256 centroids.
    pub fn build(&self, rows: &Vectors, metric: Metric) -> Result<Pq> {
        let scaled = metric.prepare_rows(rows)?;
        Pq::from_rows(ByteCodes::new(self.train(&scaled)?)?, metric, rows)
    }

    /// Trains a quantiser of 16 centroids and encodes all rows with 4 bits per sub-vector.
    ///
    /// # Errors
    /// Settings that do not fit the rows, or an odd number of sub-vectors.
    pub fn build_fast_scan(&self, rows: &Vectors, metric: Metric) -> Result<FastScan> {
        let scaled = metric.prepare_rows(rows)?;
        let config = Self { centroids: 16, ..self.clone() };
        FastScan::from_rows(NibbleCodes::new(config.train(&scaled)?)?, metric, rows)
    }
}
