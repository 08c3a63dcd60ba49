//! Intervals that exact scores lie in.

use crate::coded::Codec;
use crate::kernel::planes;
use crate::rabitq::{OneBitCodes, OneBitQuery};

/// What an exact score lies between, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The least that it can be.
    pub low: f64,
    /// The most that it can be.
    pub high: f64,
}

impl Interval {
    /// Nothing is known.
    pub const ALL: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };
}

/// Codes that bound the exact score of a row.
pub trait Bounded: Codec {
    /// Appends the interval of each row of whole blocks. The score that [`Flat`](crate::Flat) gives for the encoded row,
    /// rounding in f32 included, lies in it.
    fn bounds(&self, query: &Self::Query, blocks: &[u8], out: &mut Vec<Interval>);
}

impl Bounded for OneBitCodes {
    fn bounds(&self, query: &OneBitQuery, blocks: &[u8], out: &mut Vec<Interval>) {
        let slack = Slack::new(self, query);
        let blocks: &[u64] = bytemuck::cast_slice(blocks);
        for block in blocks.chunks_exact((self.words() + 1) * Self::BLOCK) {
            let sums = planes::differing(query.planes(), block);
            let [a, rho] = planes::factors(block);
            out.extend(
                (0..Self::BLOCK).map(|row| slack.interval(query, sums[row], a[row].into(), rho[row].into())),
            );
        }
    }
}

/// What rounding may move, in units of lengths: derived from the number of operations, and generous.
struct Slack {
    /// Of `⟨v, o⟩`, per `|v| |o|`: f32 sums of the rotated row, the rotation's skew, the stored projection.
    rotated: f64,
    /// Of the exact score, per `|q| |x|` or, under L2, per `(|v| + |o|)²`.
    exact: f64,
    /// |c|.
    centroid: f64,
    /// Of products that vanish in f32.
    vanished: f64,
    root: f64,
}

impl Slack {
    fn new(codes: &OneBitCodes, query: &OneBitQuery) -> Self {
        // A sum of n products in f32 is off by at most (n + 8) ε / 2 of the sum of magnitudes; twice that is taken.
        let sum = (codes.dim() + 8) as f64 * f64::from(f32::EPSILON);
        let root = query.root();
        let centroid = codes.centroid.as_slice().iter().map(|&c| f64::from(c).powi(2)).sum::<f64>().sqrt();
        let smallest = f64::from(f32::MIN_POSITIVE) * codes.dim() as f64;
        Self {
            rotated: codes.skew + root * sum + 4.0 * f64::from(f32::EPSILON),
            exact: sum,
            centroid,
            vanished: smallest * (1.0 + root * (1.0 + query.norm) + query.query_norm),
            root,
        }
    }

    fn interval(&self, query: &OneBitQuery, differing: u32, a: f64, rho: f64) -> Interval {
        // ⟨v, b⟩ = Σ |v_i| − 2 Σ_differing |v_i|, whose rounded magnitudes are known.
        let middle = query.sum - 2.0 * query.step * f64::from(differing);
        let (least, most) =
            ((middle - 2.0 * query.taken) / self.root, (middle + 2.0 * query.added) / self.root);
        // What is orthogonal to u is longest where ⟨v, u⟩ is nearest to 0. The rotated query may be longer by the skew.
        let nearest = if least > 0.0 { least } else { (-most).max(0.0) };
        let length = query.norm * (1.0 + self.rotated);
        let beside = rho * (length * length - nearest * nearest).max(0.0).sqrt();
        // |o| is at most a + ρ, up to rounding.
        let own = 1.01 * (a + rho) * (1.0 + self.rotated) + self.vanished;
        let moved = 1.1 * self.rotated * query.norm * own;
        let (low, high) = (a * least - beside - moved, a * most + beside + moved);
        let squared = a * a + rho * rho;
        let square_moved = query.square * 4.0 * self.rotated * own * own;
        let (reach, other) = match query.square {
            0.0 => (query.query_norm, self.centroid + own),
            _ => (query.norm + own, 2.0 * (query.norm + own)),
        };
        let rounding = self.exact * reach * other + square_moved + self.vanished;
        let middle = query.base - query.square * squared;
        let rounding = rounding + 1e-9 * (middle.abs() + query.base.abs());
        let interval = Interval {
            low: middle + query.scale * low - rounding,
            high: middle + query.scale * high + rounding,
        };
        // Near the largest number, sums in f32 may become infinite; a file's rotation may be none.
        let largest = f64::from(f32::MAX) / 4.0;
        let bounded = self.rotated < 0.1 && reach * other < largest && own < largest;
        if bounded && interval.low <= interval.high { interval } else { Interval::ALL }
    }
}
