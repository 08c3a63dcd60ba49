//! How near two vectors are.

use std::borrow::Cow;

use crate::error::Result;
use crate::kernel::float::{dot, squared_distance};
use crate::persist::Reader;
use crate::vectors::Vectors;

/// A similarity: larger is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// ⟨a, b⟩.
    InnerProduct,
    /// ⟨a, b⟩ / (|a| |b|); 0 where one of them is zero. Indexes keep vectors scaled to length 1.
    Cosine,
    /// −|a − b|².
    L2,
}

impl Metric {
    /// The similarity of two vectors of equal width.
    pub fn similarity(self, a: &[f32], b: &[f32]) -> f32 {
        match self {
            Self::InnerProduct => dot(a, b),
            Self::Cosine => {
                let norms = (dot(a, a) * dot(b, b)).sqrt();
                if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
            }
            Self::L2 => -squared_distance(a, b),
        }
    }

    /// Rows `[n, dim]` as an index under this metric keeps and compares them.
    pub(crate) fn prepare_all(self, rows: &[f32], dim: usize) -> Cow<'_, [f32]> {
        if self != Self::Cosine {
            return Cow::Borrowed(rows);
        }
        let mut scaled = rows.to_vec();
        for row in scaled.chunks_exact_mut(dim) {
            // By the largest number first, so that squares neither overflow nor vanish.
            let largest = row.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            if largest > 0.0 {
                row.iter_mut().for_each(|x| *x /= largest);
                let norm = dot(row, row).sqrt();
                row.iter_mut().for_each(|x| *x /= norm);
            }
        }
        Cow::Owned(scaled)
    }

    /// All rows as an index keeps them; copied only where the metric changes them.
    pub(crate) fn prepare_rows(self, rows: &Vectors) -> Result<Cow<'_, Vectors>> {
        Ok(match self.prepare_all(rows.as_slice(), rows.dim()) {
            Cow::Borrowed(_) => Cow::Borrowed(rows),
            Cow::Owned(scaled) => Cow::Owned(Vectors::new(rows.dim(), scaled)?),
        })
    }

    /// The similarity of two rows that [`Metric::prepare_all`] gave.
    pub(crate) fn between_prepared(self, a: &[f32], b: &[f32]) -> f32 {
        match self {
            Self::InnerProduct | Self::Cosine => dot(a, b),
            Self::L2 => -squared_distance(a, b),
        }
    }

    pub(crate) fn number(self) -> u64 {
        match self {
            Self::InnerProduct => 0,
            Self::Cosine => 1,
            Self::L2 => 2,
        }
    }

    pub(crate) fn read(from: &Reader) -> Result<Self> {
        match from.header("metric")? {
            [0] => Ok(Self::InnerProduct),
            [1] => Ok(Self::Cosine),
            [2] => Ok(Self::L2),
            [other] => Err(from.damaged(format!("unknown metric {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_rows_have_length_one_whatever_their_size() {
        for scale in [1e-30f32, 1.0, 1e30] {
            let rows = Metric::Cosine.prepare_all(&[3.0 * scale, 4.0 * scale, 0.0, 0.0], 2).into_owned();
            assert!((rows[0] - 0.6).abs() < 1e-6 && (rows[1] - 0.8).abs() < 1e-6, "{rows:?}");
            assert_eq!(rows[2..], [0.0, 0.0]);
        }
    }
}
