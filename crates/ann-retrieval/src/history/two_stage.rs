//! The published two-stage search: one index per modality proposes, the exact score decides.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::flat::Whole;
use crate::history::{ExactHistory, HistoryIndex, HistoryTarget};
use crate::index::{AnnIndex, Neighbor, Persist};
use crate::persist::{Reader, Writer};
use crate::top_k::TopK;

/// A fixed history with an index over each modality.
///
/// Each modality of a target is searched for in each index, and the union of the `M²` lists is scored exactly. Even with
/// exact indexes ([`crate::Flat`]) behaviours can be missed: the best by the sum of all pairs need not be among the best
/// of any single pair. Exact indexes therefore give the upper bound of the method's recall.
pub struct TwoStage<I: AnnIndex + ?Sized = dyn AnnIndex> {
    indexes: Vec<Box<I>>,
    exact: ExactHistory,
    list: usize,
}

/// The result of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct TwoStageFound {
    /// The most relevant behaviours, best first.
    pub best: Vec<Neighbor>,
    /// Size of the union that was scored.
    pub scored: usize,
}

impl<I: AnnIndex + ?Sized> TwoStage<I> {
    /// Joins an index over each modality, whose ids are the numbers of the behaviours, with the behaviours.
    ///
    /// # Errors
    /// If the number or width of the indexes is not that of the modalities, or `list` is 0.
    pub fn new(indexes: Vec<Box<I>>, exact: ExactHistory, list: usize) -> Result<Self> {
        if list == 0 {
            return Err(Error::Config { field: "list", message: "must be at least 1".into() });
        }
        let fits = indexes.iter().all(|index| (index.dim(), index.len()) == (exact.dim(), exact.len()));
        if indexes.len() != exact.modalities() || !fits {
            let message = format!(
                "{} indexes where {} are expected, each over {} vectors of {} numbers",
                indexes.len(),
                exact.modalities(),
                exact.len(),
                exact.dim()
            );
            return Err(Error::Config { field: "indexes", message });
        }
        let absent = |index: &I| (0..exact.len() as u64).find(|&event| !index.contains(event));
        if let Some(event) = indexes.iter().find_map(|index| absent(index)) {
            let message =
                format!("behaviour {event} is not in an index: ids are the places in the history, from 0");
            return Err(Error::Config { field: "indexes", message });
        }
        Ok(Self { indexes, exact, list })
    }

    /// The same with another length of the lists, at least 1.
    #[must_use]
    pub fn with_list(mut self, list: usize) -> Self {
        self.list = list.max(1);
        self
    }

    /// Prepares a target for the exact scores.
    ///
    /// # Errors
    /// If a size is wrong, or a number is not finite.
    pub fn prepare(&self, target: &[f32], weights: &[f32]) -> Result<HistoryTarget<Whole>> {
        self.exact.prepare(target, weights)
    }

    /// The best `k` of the union of all lists.
    ///
    /// # Errors
    /// If a size is wrong, or a number is not finite.
    pub fn top_k(&self, target: &[f32], weights: &[f32], k: usize) -> Result<TwoStageFound> {
        let prepared = self.prepare(target, weights)?;
        let mut union = BTreeSet::new();
        let mut found = Vec::new();
        for query in target.chunks_exact(self.exact.dim()) {
            for index in &self.indexes {
                index.search_into(query, self.list, None, &mut found)?;
                union.extend(found.iter().map(|n| n.id));
            }
        }
        let mut top = TopK::new(k);
        for &id in &union {
            if let Some(score) = self.exact.score(&prepared, id)? {
                top.push(!id, score);
            }
        }
        let best = top.into_sorted().into_iter().map(|n| Neighbor { id: !n.id, score: n.score });
        Ok(TwoStageFound { best: best.collect(), scored: union.len() })
    }

    /// Bytes of the indexes and of the behaviours kept for the exact score.
    pub fn bytes(&self) -> usize {
        self.indexes.iter().map(|index| index.bytes()).sum::<usize>() + self.exact.bytes()
    }
}

/// Indexes of one kind are saved with their behaviours in one file.
impl<I: AnnIndex + Persist> Persist for TwoStage<I> {
    const KIND: [u8; 8] =
        [b't', I::KIND[0], I::KIND[1], I::KIND[2], I::KIND[3], I::KIND[4], I::KIND[5], I::KIND[6]];

    fn write<'a>(&'a self, out: &mut Writer<'a>) {
        out.put_own("list", &[self.list as u64]);
        out.within("exact", |out| self.exact.write(out));
        for (number, index) in self.indexes.iter().enumerate() {
            out.within(&number.to_string(), |out| index.write(out));
        }
    }

    fn read(from: &Reader) -> Result<Self> {
        let [list] = from.header("list")?;
        let exact = ExactHistory::read(&from.within("exact"))?;
        let indexes = (0..exact.modalities()).map(|number| I::read(&from.within(&number.to_string())));
        let indexes = indexes.map(|index| index.map(Box::new)).collect::<Result<_>>()?;
        Self::new(indexes, exact, list as usize).map_err(|error| from.damaged(error.to_string()))
    }
}
