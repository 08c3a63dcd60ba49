//! Searches with a proof: the exact top K by codes with bounds, and the share of attention that it is proven to hold.
//!
//! Every row has an interval that its exact score lies in. Rows are scored exactly in the order of their upper bounds,
//! until no upper bound left reaches the worst kept score: the kept K are then the exact top. Softmax attention with the
//! temperature `√d` gives a row the weight `e^(s/√d)`. The weight of a row that was not scored is at most that of its upper
//! bound, so the share of the kept rows is at least
//!
//! ```text
//! Σ_kept e^(s/√d) / (Σ_scored e^(s/√d) + Σ_others e^(high/√d))
//! ```

use crate::coded::Coded;
use crate::error::{Error, Result};
use crate::flat::{Flat, WholeQuery};
use crate::index::{AnnIndex, Neighbor, Update};
use crate::rabitq::{Bounded, Interval};
use crate::top_k::TopK;

/// Rows that are scored before bounds are looked at again, where K grows: at least so many, and a quarter of those
/// that were scored before.
const STEP: usize = 64;

/// Codes with bounds and the vectors they were made from, under the same ids.
#[derive(Clone, Debug)]
pub struct Certified<C> {
    codes: Coded<C>,
    exact: Flat,
}

/// The exact top, and what is proven about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// The exact best, best first, ties by id: what [`Flat`] finds.
    pub found: Vec<Neighbor>,
    /// At least this share of the softmax mass over all rows, 0 to 1, falls on `found`: see
    /// [`attention_mass`](crate::attention_mass).
    pub share: f64,
    /// Rows that were scored exactly.
    pub scored: usize,
}

/// Rows in the order of their upper bounds, some of them scored.
struct Walk<'a> {
    exact: &'a Flat,
    query: WholeQuery,
    /// Upper bound and id, highest first.
    rows: Vec<(f64, u64)>,
    /// Sums of the weights of upper bounds, from each row to the last.
    tails: Vec<f64>,
    scored: usize,
    /// Weights are relative to this score.
    largest: f64,
    root: f64,
    weight: f64,
}

impl Walk<'_> {
    fn weight(&self, score: f64) -> f64 {
        ((score - self.largest) / self.root).exp()
    }

    /// The upper bound of all that were not scored.
    fn next(&self) -> f64 {
        self.rows.get(self.scored).map_or(f64::NEG_INFINITY, |row| row.0)
    }

    /// Scores the next row.
    fn score(&mut self) -> Neighbor {
        let id = self.rows[self.scored].1;
        self.scored += 1;
        // Both parts hold the same ids.
        let score = self.exact.score(&self.query, id).unwrap_or(f32::NEG_INFINITY);
        self.weight += self.weight(score.into());
        Neighbor { id, score }
    }

    /// A lower bound of the share of rows with this weight among all.
    fn share(&self, kept: f64) -> f64 {
        let all = self.weight + self.tails[self.scored];
        // What sums and exponentials in f64 may be off by, and the rounding of differences in f32 by others.
        let share = kept / all * (1.0 - 1e-6);
        // Infinite weights prove nothing.
        if share.is_finite() { share } else { 0.0 }
    }
}

impl<C: Bounded> Certified<C> {
    /// Joins codes and the vectors that they were made from.
    ///
    /// # Errors
    /// If the two differ in width, number, ids or metric.
    pub fn new(codes: Coded<C>, exact: Flat) -> Result<Self> {
        let shapes = [(codes.dim(), codes.len()), (exact.dim(), exact.len())];
        let same =
            (0..codes.len()).all(|slot| exact.list().ids().slot(codes.list().ids().id(slot)).is_some());
        if shapes[0] != shapes[1] || codes.metric() != exact.metric() || !same {
            let message = format!(
                "{} x {} vectors under {:?} where the codes are of {} x {} under {:?}, with the same ids",
                shapes[1].1,
                shapes[1].0,
                exact.metric(),
                shapes[0].1,
                shapes[0].0,
                codes.metric()
            );
            return Err(Error::Config { field: "exact", message });
        }
        Ok(Self { codes, exact })
    }

    /// The codes.
    pub fn codes(&self) -> &Coded<C> {
        &self.codes
    }

    /// The vectors.
    pub fn exact(&self) -> &Flat {
        &self.exact
    }

    /// Adds a vector to both parts.
    ///
    /// # Errors
    /// If the id is there already, or the vector does not fit.
    pub fn add(&mut self, id: u64, row: &[f32]) -> Result<()> {
        self.codes.add(id, row)?;
        self.exact.add(id, row).inspect_err(|_| {
            self.codes.remove(id);
        })
    }

    /// Removes a vector from both parts. Returns whether it was there.
    pub fn remove(&mut self, id: u64) -> bool {
        self.exact.remove(id) && self.codes.remove(id)
    }

    /// The interval that the exact score of each vector lies in, by slot; with the id of the slot.
    ///
    /// # Errors
    /// If the query has another width, or holds a number that is not finite.
    pub fn bounds(&self, query: &[f32]) -> Result<Vec<(u64, Interval)>> {
        let (prepared, list) = (self.codes.prepare(query)?, self.codes.list());
        let mut all = Vec::with_capacity(list.ids().len() + C::BLOCK);
        self.codes.codec().bounds(&prepared, list.blocks(), &mut all);
        Ok(all
            .into_iter()
            .take(list.ids().len())
            .enumerate()
            .map(|(slot, own)| (list.ids().id(slot), own))
            .collect())
    }

    fn walk(&self, query: &[f32]) -> Result<Walk<'_>> {
        let mut rows: Vec<(f64, u64)> =
            self.bounds(query)?.into_iter().map(|(id, interval)| (interval.high, id)).collect();
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let query = self.exact.prepare(query)?;
        let largest = rows.first().and_then(|row| self.exact.score(&query, row.1)).map_or(0.0, f64::from);
        let mut walk = Walk {
            exact: &self.exact,
            query,
            tails: vec![0.0; rows.len() + 1],
            rows,
            scored: 0,
            largest: if largest.is_finite() { largest } else { 0.0 },
            root: (self.exact.dim() as f64).sqrt(),
            weight: 0.0,
        };
        for row in (0..walk.rows.len()).rev() {
            walk.tails[row] = walk.tails[row + 1] + walk.weight(walk.rows[row].0);
        }
        Ok(walk)
    }

    /// The exact `k` best, and the share of attention that they are proven to hold.
    ///
    /// # Errors
    /// If the query has another width, or holds a number that is not finite.
    pub fn search(&self, query: &[f32], k: usize) -> Result<Proof> {
        let mut walk = self.walk(query)?;
        let mut top = TopK::new(k.min(walk.rows.len()));
        while walk.scored < walk.rows.len() {
            // An upper bound equal to the threshold may be a tie that comes first by its id. A threshold that is not a
            // number, as of rows near the largest, is above nothing.
            if f64::from(top.threshold()) > walk.next() {
                break;
            }
            let Neighbor { id, score } = walk.score();
            top.push(id, score);
        }
        let found = top.into_sorted();
        let kept: f64 = found.iter().map(|n| walk.weight(n.score.into())).sum();
        let share = if found.len() == walk.rows.len() { 1.0 } else { walk.share(kept) };
        Ok(Proof { found, share, scored: walk.scored })
    }

    /// The fewest exact best that the walk can prove to hold a share of the attention: K grows until it is proven. All
    /// vectors if the share is 1.
    ///
    /// # Errors
    /// As [`Certified::search`], or if the share is not 0 to 1.
    pub fn search_share(&self, query: &[f32], share: f64) -> Result<Proof> {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::Config { field: "share", message: format!("{share} is not 0 to 1") });
        }
        let mut walk = self.walk(query)?;
        let mut found: Vec<Neighbor> = Vec::new();
        loop {
            for _ in 0..(found.len() / 4).max(STEP).min(walk.rows.len() - walk.scored) {
                found.push(walk.score());
            }
            found.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
            // The scored rows above every bound that is left are the exact best of all.
            let whole = walk.scored == walk.rows.len();
            let certain = found.partition_point(|n| whole || f64::from(n.score) > walk.next());
            let (mut kept, mut count) = (0.0, 0);
            while count < certain && (count == 0 || walk.share(kept) < share) {
                kept += walk.weight(found[count].score.into());
                count += 1;
            }
            if whole || (count > 0 && walk.share(kept) >= share) {
                found.truncate(count);
                let proven = if count == walk.rows.len() { 1.0 } else { walk.share(kept) };
                return Ok(Proof { found, share: proven, scored: walk.scored });
            }
        }
    }
}
