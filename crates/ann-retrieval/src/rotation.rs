//! Rotations before quantisation (Ge, He, Ke, Sun 2013: optimised product quantisation), and random ones.

use std::borrow::Cow;

use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::coded::{Coded, StoredCodec};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::index::{AnnIndex, Neighbor, Persist, Update, check};
use crate::kernel::float::{self, Term};
use crate::metric::Metric;
use crate::persist::{Reader, Writer};
use crate::pq::{FastScan, Pq, PqConfig};
use crate::vectors::Vectors;

/// The widest matrix that is made in one piece: its time grows with the third power of the width.
const WHOLE: usize = 512;
/// The width of the pieces of wider ones.
const PIECE: usize = 256;

/// Rows `[dim, dim]` of a random orthogonal matrix.
///
/// A wide one is the product of two matrices of random blocks along the diagonal, with the axes dealt out in between, so that
/// every block of the second sees every block of the first.
pub(crate) fn random_orthogonal(dim: usize, seed: u64) -> Vec<f32> {
    if dim <= WHOLE {
        return in_one_piece(dim, &mut ChaCha8Rng::seed_from_u64(seed));
    }
    let pieces = dim.div_ceil(PIECE);
    // Blocks of nearly equal width: where each begins, and the end of the last.
    let starts: Vec<usize> = (0..=pieces).map(|piece| piece * dim / pieces).collect();
    let blocks = |layer: u64| -> Vec<Vec<f32>> {
        let block = |piece: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(1 + 2 * piece as u64 + layer);
            in_one_piece(starts[piece + 1] - starts[piece], &mut rng)
        };
        (0..pieces).into_par_iter().map(block).collect()
    };
    let (first, second) = (blocks(0), blocks(1));
    // The axes between the two, dealt out block by block: axis `i` of the second is axis `dealt[i]` of the first.
    let mut dealt: Vec<usize> = (0..dim).collect();
    dealt.sort_by_key(|&axis| (axis % pieces, axis));
    let home = |axis: usize| starts.partition_point(|&start| start <= axis) - 1;
    let mut rows = vec![0.0; dim * dim];
    rows.par_chunks_exact_mut(dim).enumerate().for_each(|(row, out)| {
        let piece = home(row);
        let width = starts[piece + 1] - starts[piece];
        let weights = &second[piece][(row - starts[piece]) * width..][..width];
        for (&axis, &weight) in dealt[starts[piece]..].iter().zip(weights) {
            let from = home(axis);
            let width = starts[from + 1] - starts[from];
            let own = &first[from][(axis - starts[from]) * width..][..width];
            out[starts[from]..].iter_mut().zip(own).for_each(|(sum, x)| *sum += weight * x);
        }
    });
    rows
}

fn in_one_piece(dim: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    // Box and Muller: a normal number from two uniform ones.
    let mut normal = || {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    let gaussian = DMatrix::from_fn(dim, dim, |_, _| normal());
    gaussian.qr().q().iter().map(|&x| x as f32).collect()
}

/// An orthogonal matrix. It keeps inner products and distances.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotation {
    /// `[dim, dim]`: a rotated vector's component is the inner product with a row.
    rows: Vectors,
}

impl Rotation {
    /// A random one.
    ///
    /// # Errors
    /// If the width is 0.
    pub fn random(dim: usize, seed: u64) -> Result<Self> {
        Ok(Self { rows: Vectors::new(dim, random_orthogonal(dim, seed))? })
    }

    /// Learns a rotation under which a product quantiser loses least: quantiser and rotation are learned in turn,
    /// `rounds` times.
    ///
    /// # Errors
    /// Settings that do not fit the rows.
    pub fn learn(rows: &Vectors, config: &PqConfig, rounds: usize) -> Result<Self> {
        let rows = rows.sample(config.sample);
        let dim = rows.dim();
        let mut rotation = Self::random(dim, config.seed)?;
        for _ in 0..rounds {
            let rotated = rotation.apply_all(&rows)?;
            let quantizer = PqConfig { iterations: 4, ..config.clone() }.train(&rotated)?;
            let decoded = quantizer.decode(&quantizer.encode(&rotated)?);
            // Orthogonal Procrustes: the rotation that brings the rows nearest to what they decode to.
            let mut cross = DMatrix::<f64>::zeros(dim, dim);
            for (row, target) in rows.as_slice().chunks_exact(dim).zip(decoded.chunks_exact(dim)) {
                for (i, &x) in row.iter().enumerate() {
                    let mut column = cross.column_mut(i);
                    column.iter_mut().zip(target).for_each(|(sum, &t)| *sum += f64::from(x) * f64::from(t));
                }
            }
            let svd = cross.svd(true, true);
            let (Some(u), Some(v)) = (svd.u, svd.v_t) else {
                return Err(Error::Config { field: "rotation", message: "no singular vectors".into() });
            };
            let matrix = (u * v).transpose();
            rotation = Self { rows: Vectors::new(dim, matrix.iter().map(|&x| x as f32).collect())? };
        }
        Ok(rotation)
    }

    /// The rotated vector.
    pub fn apply(&self, row: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; self.rows.dim()];
        float::rows(Term::Product, row, self.rows.as_slice(), &mut out);
        out
    }

    /// The vector that rotates to `row`.
    pub fn undo(&self, row: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; self.rows.dim()];
        for (axis, &x) in self.rows.as_slice().chunks_exact(self.rows.dim()).zip(row) {
            out.iter_mut().zip(axis).for_each(|(sum, a)| *sum += a * x);
        }
        out
    }

    /// All rows rotated, under their ids.
    ///
    /// # Errors
    /// If a rotated row holds a number beyond the largest: a row of several numbers near it.
    pub fn apply_all(&self, rows: &Vectors) -> Result<Vectors> {
        let rotated = rows.as_slice().par_chunks_exact(rows.dim()).flat_map_iter(|row| self.apply(row));
        let rotated = Vectors::new(rows.dim(), rotated.collect())?;
        match rows.ids() {
            Some(ids) => rotated.with_ids(ids.to_vec()),
            None => Ok(rotated),
        }
    }
}

/// An index of rotated vectors, searched with rotated queries.
#[derive(Clone, Debug)]
pub struct Rotated<I> {
    rotation: Rotation,
    index: I,
}

impl Rotated<Pq> {
    /// Learns the rotation and the quantiser, and encodes all rows with 8 bits per sub-vector.
    ///
    /// # Errors
    /// Settings that do not fit the rows.
    pub fn build_pq(rows: &Vectors, config: &PqConfig, metric: Metric, rounds: usize) -> Result<Self> {
        Self::build(rows, config, rounds, |rotated| config.build(rotated, metric))
    }
}

impl Rotated<FastScan> {
    /// Learns the rotation and the quantiser, and encodes all rows with 4 bits per sub-vector.
    ///
    /// # Errors
    /// Settings that do not fit the rows.
    pub fn build_fast_scan(rows: &Vectors, config: &PqConfig, metric: Metric, rounds: usize) -> Result<Self> {
        Self::build(rows, config, rounds, |rotated| config.build_fast_scan(rotated, metric))
    }
}

impl<I> Rotated<I> {
    fn build(
        rows: &Vectors,
        config: &PqConfig,
        rounds: usize,
        build: impl FnOnce(&Vectors) -> Result<I>,
    ) -> Result<Self> {
        let rotation = Rotation::learn(rows, config, rounds)?;
        let index = build(&rotation.apply_all(rows)?)?;
        Ok(Self { rotation, index })
    }
}

impl<I: AnnIndex> AnnIndex for Rotated<I> {
    fn search_into(
        &self,
        query: &[f32],
        k: usize,
        filter: Option<&dyn Filter>,
        out: &mut Vec<Neighbor>,
    ) -> Result<()> {
        check("the query", query, self.dim())?;
        let rotated = self.rotation.apply(query);
        if rotated.iter().any(|x| !x.is_finite()) {
            return Err(Error::TooLong { what: "the query" });
        }
        self.index.search_into(&rotated, k, filter, out)
    }

    fn len(&self) -> usize {
        self.index.len()
    }

    fn contains(&self, id: u64) -> bool {
        self.index.contains(id)
    }

    fn vector(&self, id: u64) -> Option<Cow<'_, [f32]>> {
        Some(Cow::Owned(self.rotation.undo(&self.index.vector(id)?)))
    }

    fn dim(&self) -> usize {
        self.index.dim()
    }

    fn bytes(&self) -> usize {
        self.index.bytes() + size_of_val(self.rotation.rows.as_slice())
    }
}

impl<I: Update> Update for Rotated<I> {
    fn add(&mut self, id: u64, row: &[f32]) -> Result<()> {
        check("the vector", row, self.dim())?;
        self.index.add(id, &self.rotation.apply(row))
    }

    fn extend(&mut self, first: u64, rows: &Vectors) -> Result<()> {
        self.index.extend(first, &self.rotation.apply_all(rows)?)
    }

    fn remove(&mut self, id: u64) -> bool {
        self.index.remove(id)
    }
}

impl<C: StoredCodec> Persist for Rotated<Coded<C>> {
    const KIND: [u8; 8] =
        [b'r', C::KIND[0], C::KIND[1], C::KIND[2], C::KIND[3], C::KIND[4], C::KIND[5], b' '];

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        self.rotation.rows.write("rotation", out);
        out.within("index", |out| self.index.write(out));
    }

    fn read(from: &Reader) -> Result<Self> {
        let rotation = Rotation { rows: Vectors::read("rotation", from)? };
        let index = Coded::<C>::read(&from.within("index"))?;
        let dim = index.dim();
        from.ensure(rotation.rows.dim() == dim && rotation.rows.len() == dim, "rotation")?;
        Ok(Self { rotation, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pq::ProductQuantizer;

    fn loss(quantizer: &ProductQuantizer, rows: &Vectors) -> f32 {
        let decoded = quantizer.decode(&quantizer.encode(rows).unwrap());
        float::squared_distance(&decoded, rows.as_slice()) / rows.len() as f32
    }

    /// Numbers whose pairs of components are strongly correlated across sub-vectors.
    fn correlated() -> Vectors {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut rows = Vec::new();
        for _ in 0..2000 {
            let hidden: [f32; 4] = std::array::from_fn(|_| rng.random::<f32>() - 0.5);
            rows.extend((0..8).map(|i| hidden[i % 4] + 0.05 * (rng.random::<f32>() - 0.5)));
        }
        Vectors::new(8, rows).unwrap()
    }

    /// Of one piece, of two kinds of pieces, and of many.
    #[test]
    fn random_rotations_are_orthogonal_at_any_width() {
        for dim in [1, 7, 512, 513, 1000] {
            let rows = random_orthogonal(dim, 3);
            assert!(rows == random_orthogonal(dim, 3) && (dim < 7 || rows != random_orthogonal(dim, 4)));
            let row = |i: usize| &rows[i * dim..][..dim];
            for i in (0..dim).step_by(1 + dim / 40) {
                for j in 0..dim {
                    let expected = f32::from(u8::from(i == j));
                    assert!((float::dot(row(i), row(j)) - expected).abs() < 1e-5, "{dim}: {i} {j}");
                }
            }
            // Each axis of the result depends on all axes: no entry stands out.
            let largest = rows.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            assert!(dim < 512 || largest < 0.45, "{dim}: {largest}");
            assert!(dim < 512 || rows.iter().filter(|x| **x == 0.0).count() < dim, "{dim}");
        }
    }

    #[test]
    fn a_learned_rotation_loses_less_and_changes_no_product() {
        let rows = correlated();
        let config = PqConfig { sub_vectors: 4, centroids: 16, ..Default::default() };
        let plain = loss(&config.train(&rows).unwrap(), &rows);
        let rotation = Rotation::learn(&rows, &config, 8).unwrap();
        let rotated = rotation.apply_all(&rows).unwrap();
        let better = loss(&config.train(&rotated).unwrap(), &rotated);
        assert!(better < 0.8 * plain, "{better} {plain}");
        let [before, after] = [&rows, &rotated].map(|r| float::dot(r.row(3), r.row(70)));
        assert!((before - after).abs() < 1e-4, "{before} {after}");
    }
}
