//! Ranking: chunks of candidates are scored side by side, and the best of each are kept.

use std::cmp::Ordering;

use rayon::prelude::*;
use seminar_models::SequenceModel;

use super::core::Recommender;
use super::history::History;
use super::request::{Candidates, Request, SeenItems};
use crate::error::{Error, Result};
use crate::host::host;
use crate::scorer::Shared;

/// Users who are ranked together, as they share the work on candidates.
pub(super) const USERS_TOGETHER: usize = 8;
/// Logits that are computed at once; with the vectors behind them some megabytes per thread, however many items there are.
const LOGITS_AT_ONCE: usize = 2048;

/// A score and an item.
pub(super) type Scored = (f32, u32);

/// A request in the numbers of the model.
pub(super) struct Search<'a> {
    pub request: &'a Request,
    pub query: Vec<u32>,
    /// Which items are ranked, ascending; all if `None`.
    list: Option<Vec<u32>>,
}

/// Best first; of equal scores, the smaller number.
fn better(a: &Scored, b: &Scored) -> Ordering {
    b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal).then(a.1.cmp(&b.1))
}

/// Keeps the `k` best, in no order.
fn keep_best(scored: &mut Vec<Scored>, k: usize) {
    if scored.len() > k {
        if k > 0 {
            scored.select_nth_unstable_by(k - 1, better);
        }
        scored.truncate(k);
    }
}

impl<M: SequenceModel> Recommender<M> {
    pub(super) fn search<'a>(&self, request: &'a Request) -> Result<Search<'a>> {
        if !request.query.trim().is_empty() && !self.sees_queries() {
            let message = "this model was trained without queries; leave the query out".into();
            return Err(Error::Config { field: "query", message });
        }
        let list = match &request.candidates {
            Candidates::All => None,
            Candidates::List(names) => {
                let mut list: Vec<u32> =
                    names.iter().filter_map(|name| self.catalogue().item(name)).collect();
                list.sort_unstable();
                list.dedup();
                Some(list)
            }
        };
        Ok(Search { request, query: self.query(&request.query), list })
    }

    /// The best items for each of at most [`USERS_TOGETHER`] histories, best first.
    pub(super) fn rank(&self, histories: &[&History], search: &Search<'_>) -> Result<Vec<Vec<Scored>>> {
        let Request { k, seen, filter, time, .. } = search.request;
        let events: Vec<Vec<usize>> = histories.iter().map(|history| history.until(*time)).collect();
        let users: Vec<(&History, &[usize])> =
            histories.iter().copied().zip(events.iter().map(Vec::as_slice)).collect();
        let block = self.block(&users, *time);
        let left_out: Vec<Vec<u32>> = users
            .iter()
            .map(|(history, events)| match seen {
                SeenItems::Keep => Vec::new(),
                SeenItems::Exclude => {
                    let mut items: Vec<u32> = events.iter().map(|&at| history.events[at].item).collect();
                    items.sort_unstable();
                    items
                }
            })
            .collect();
        let size = LOGITS_AT_ONCE / histories.len().max(1);
        let count = search.list.as_ref().map_or(self.catalogue().item_count(), Vec::len);
        let scorer = self.scorer();
        let best_of_chunk = |chunk: usize| -> Result<Vec<Vec<Scored>>> {
            let places = chunk * size..count.min((chunk + 1) * size);
            let items: Vec<u32> = match &search.list {
                Some(list) => list[places].to_vec(),
                None => places.map(|place| place as u32 + 1).collect(),
            };
            let items: Vec<u32> =
                items.into_iter().filter(|&item| filter.accepts(&self.item_of(item))).collect();
            if items.is_empty() {
                return Ok(vec![Vec::new(); histories.len()]);
            }
            let candidates = Shared { items: &items, query: &|_| &search.query };
            let logits = scorer.score_shared(&self.model(), &block, &candidates);
            self.all_finite(&logits, &items)?;
            let rows = logits.chunks_exact(items.len()).zip(&left_out);
            let best = |(logits, left_out): (&[f32], &Vec<u32>)| {
                let scored = logits.iter().copied().zip(items.iter().copied());
                let mut scored: Vec<Scored> =
                    scored.filter(|(_, item)| left_out.binary_search(item).is_err()).collect();
                keep_best(&mut scored, *k);
                scored
            };
            Ok(rows.map(best).collect())
        };
        let chunks: Vec<Result<Vec<Vec<Scored>>>> =
            (0..count.div_ceil(size)).into_par_iter().map(best_of_chunk).collect();
        let mut best: Vec<Vec<Scored>> = vec![Vec::new(); histories.len()];
        for chunk in chunks {
            best.iter_mut().zip(chunk?).for_each(|(best, more)| best.extend(more));
        }
        for scored in &mut best {
            keep_best(scored, *k);
            scored.sort_unstable_by(better);
        }
        Ok(best)
    }

    /// The scores of some items, in their order.
    pub(super) fn score_items(&self, history: &History, items: &[u32]) -> Result<Vec<f32>> {
        let events = history.until(None);
        let block = self.block(&[(history, &events)], None);
        let scorer = self.scorer();
        let score = |items: &[u32]| {
            let logits = scorer.score_shared(&self.model(), &block, &Shared { items, query: &|_| &[] });
            self.all_finite(&logits, items).map(|()| logits)
        };
        let chunks: Vec<Result<Vec<f32>>> = items.par_chunks(LOGITS_AT_ONCE).map(score).collect();
        let mut scores = Vec::with_capacity(items.len());
        for chunk in chunks {
            scores.extend(chunk?);
        }
        Ok(scores)
    }

    /// The items nearest to one by cosine, without itself.
    pub(super) fn nearest(&self, own: u32, k: usize) -> Result<Vec<Scored>> {
        let count = self.catalogue().item_count();
        let scorer = self.scorer();
        let norm = |vector: &[f32]| vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        let target = host(scorer.item_vectors(&self.model(), &[own]));
        let target_norm = norm(&target);
        let best_of_chunk = |chunk: usize| -> Result<Vec<Scored>> {
            let places = chunk * LOGITS_AT_ONCE..count.min((chunk + 1) * LOGITS_AT_ONCE);
            let items: Vec<u32> = places.map(|place| place as u32 + 1).collect();
            let vectors = host(scorer.item_vectors(&self.model(), &items));
            let cosine = |vector: &[f32]| {
                let product: f32 = vector.iter().zip(&target).map(|(a, b)| a * b).sum();
                let norms = norm(vector) * target_norm;
                if norms == 0.0 { 0.0 } else { product / norms }
            };
            let cosines: Vec<f32> = vectors.chunks_exact(target.len()).map(cosine).collect();
            self.all_finite(&cosines, &items)?;
            let scored = cosines.into_iter().zip(items);
            let mut scored: Vec<Scored> = scored.filter(|&(_, item)| item != own).collect();
            keep_best(&mut scored, k);
            Ok(scored)
        };
        let chunks: Vec<Result<Vec<Scored>>> =
            (0..count.div_ceil(LOGITS_AT_ONCE)).into_par_iter().map(best_of_chunk).collect();
        let mut best = Vec::new();
        for chunk in chunks {
            best.extend(chunk?);
        }
        keep_best(&mut best, k);
        best.sort_unstable_by(better);
        Ok(best)
    }

    /// `scores` are `[B, items]`.
    fn all_finite(&self, scores: &[f32], items: &[u32]) -> Result<()> {
        match scores.iter().position(|score| !score.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let item = self.catalogue().item_name(items[at % items.len()]).to_owned();
                Err(Error::NotAScore { item })
            }
        }
    }
}
