//! One user's history as it was when it was asked for.

use std::sync::{Arc, PoisonError, RwLock};

use super::StoreTarget;
use super::layout::Layout;
use super::merge::{Gone, gather};
use super::segment::{Run, Segment};
use super::tail::Tail;
use crate::bytes::Bytes;
use crate::coded::{CodeList, Codec};
use crate::error::{Error, Result};
use crate::flat::{Whole, WholeQuery};
use crate::history::finite;
use crate::index::Neighbor;
use crate::top_k::TopK;

/// A user's behaviours at the moment of [`HistoryStore::get`](super::HistoryStore::get); later changes do not show.
///
/// Behaviours are named by the caller's ids. Of equal scores the newest comes first, as in every history.
pub struct UserHistory<C: Codec> {
    layout: Arc<Layout<C>>,
    /// Oldest first.
    parts: Vec<Part<C>>,
    /// Codes that lie in no whole block of a segment, gathered in blocks.
    loose: CodeList<C>,
    /// The place in the order of arrival of each of them.
    loose_orders: Vec<u64>,
    len: usize,
}

struct Part<C> {
    /// Place of its first behaviour in the order of arrival; those taken back leave gaps.
    first: u64,
    source: Source<C>,
}

enum Source<C> {
    Segment { segment: Arc<Segment>, run: Run, hidden: Vec<u32>, blocks: CodeList<C> },
    Tail { tail: Arc<RwLock<Tail>>, events: Vec<(u64, u32)> },
}

impl<C: Codec> UserHistory<C> {
    /// Gathers a user's behaviours from the segments, oldest first, and the tail.
    pub(super) fn gather(
        layout: &Arc<Layout<C>>,
        segments: &[Arc<Segment>],
        tail: &Arc<RwLock<Tail>>,
        user: u64,
    ) -> Result<Self> {
        let mut loose_codes = Vec::new();
        let left = {
            let tail = tail.read().unwrap_or_else(PoisonError::into_inner);
            let left = tail.left(user);
            left.events.iter().for_each(|&(_, slot)| loose_codes.extend_from_slice(tail.code(layout, slot)));
            left
        };
        let mut gone = Gone::default();
        gone.add(left.deleted.iter().copied());
        let older = if left.erased { &[] } else { segments };
        let gathered = gather(older, gone, |number| segments[number].find(layout, user))?;
        let (mut parts, mut orders, mut first, mut len) = (Vec::new(), Vec::new(), 0, 0);
        let mut codes = Vec::new();
        for (number, run, hidden) in gathered.runs {
            let segment = segments[number].clone();
            segment.check_codes(layout, &run)?;
            for i in layout.in_blocks(run.events)..run.events {
                if hidden.binary_search(&(i as u32)).is_err() {
                    codes.extend_from_slice(segment.loose_code(layout, &run, i));
                    orders.push(first + i as u64);
                }
            }
            let (count, blocks) = (run.events as u64, segment.blocks(layout, &run));
            len += run.events - hidden.len();
            parts.push(Part { first, source: Source::Segment { segment, run, hidden, blocks } });
            first += count;
        }
        codes.append(&mut loose_codes);
        orders.extend((first..).take(left.events.len()));
        len += left.events.len();
        parts.push(Part { first, source: Source::Tail { tail: tail.clone(), events: left.events } });
        let mut blocks = Bytes::new();
        let rows = orders.len();
        blocks.resize(rows.div_ceil(C::BLOCK) * C::BLOCK * layout.code);
        let length = C::BLOCK * layout.code;
        for (block, codes) in blocks.make_mut().chunks_exact_mut(length).zip(codes.chunks(length)) {
            let each = codes.chunks_exact(layout.code).enumerate();
            each.for_each(|(lane, code)| layout.codec.put(block, lane, code));
        }
        let loose = CodeList::over(blocks, rows);
        Ok(Self { layout: layout.clone(), parts, loose, loose_orders: orders, len })
    }

    /// Number of behaviours.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none; so it is for a user that the store does not know.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The ids of the behaviours, oldest first.
    pub fn events(&self) -> Vec<u64> {
        let mut events = Vec::with_capacity(self.len);
        for part in &self.parts {
            match &part.source {
                Source::Segment { segment, run, hidden, .. } => {
                    let own = (0u32..).zip(segment.events(run));
                    events.extend(
                        own.filter(|(i, _)| hidden.binary_search(i).is_err()).map(|(_, event)| event),
                    );
                }
                Source::Tail { events: own, .. } => events.extend(own.iter().map(|&(event, _)| event)),
            }
        }
        events
    }

    /// The score of one behaviour, if it is there: exact where the store keeps exact rows.
    ///
    /// # Errors
    /// If the target was prepared for another store, a file is damaged, or the score is not finite.
    pub fn score(&self, target: &StoreTarget<C>, event: u64) -> Result<Option<f32>> {
        let query = target.codes(&self.layout)?;
        let Some(order) = self.order(event) else { return Ok(None) };
        let score = match target.exact(&self.layout)? {
            Some(exact) => self.exact_score(exact, order)?,
            None => self.code_score(query, order),
        };
        if score.is_finite() { Ok(Some(score)) } else { Err(Error::NotFinite { what: "a score" }) }
    }

    /// The `k` most relevant behaviours, best first.
    ///
    /// # Errors
    /// If the target was prepared for another store, a file is damaged, or a score is not finite.
    pub fn top_k(&self, target: &StoreTarget<C>, k: usize) -> Result<Vec<Neighbor>> {
        Ok(self.top_k_refs(&[target], k)?.pop().unwrap_or_default())
    }

    /// The `k` most relevant behaviours for each of many targets, in one pass, best first.
    ///
    /// # Errors
    /// As [`UserHistory::top_k`].
    pub fn top_k_many(&self, targets: &[StoreTarget<C>], k: usize) -> Result<Vec<Vec<Neighbor>>> {
        self.top_k_refs(&targets.iter().collect::<Vec<_>>(), k)
    }

    fn top_k_refs(&self, targets: &[&StoreTarget<C>], k: usize) -> Result<Vec<Vec<Neighbor>>> {
        let queries = targets.iter().map(|target| target.codes(&self.layout)).collect::<Result<Vec<_>>>()?;
        let reach = k.saturating_mul(self.layout.factor.unwrap_or(1)).min(self.len);
        let mut tops: Vec<TopK> = queries.iter().map(|_| TopK::new(reach)).collect();
        // Of equal scores, a selection puts the smaller id first. With complements that is the newest behaviour.
        for part in &self.parts {
            if let Source::Segment { hidden, blocks, .. } = &part.source {
                let seen = |slot: u64| hidden.binary_search(&(slot as u32)).is_err();
                let filter = (!hidden.is_empty()).then_some(&seen as &dyn crate::Filter);
                blocks.search(&self.layout.codec, &queries, &mut tops, filter, |slot| !(part.first + slot));
            }
        }
        let order = |slot: u64| !self.loose_orders[slot as usize];
        self.loose.search(&self.layout.codec, &queries, &mut tops, None, order);
        let found = tops.into_iter().map(TopK::into_sorted).zip(targets);
        let named = |n: Neighbor| Neighbor { id: self.event(!n.id), score: n.score };
        found
            .map(|(found, target)| {
                let best = match target.exact(&self.layout)? {
                    Some(exact) => self.rescore(exact, k, &found)?,
                    None => found,
                };
                finite(best.into_iter().map(named).collect())
            })
            .collect()
    }

    fn rescore(&self, target: &WholeQuery, k: usize, found: &[Neighbor]) -> Result<Vec<Neighbor>> {
        let mut top = TopK::new(k.min(found.len()));
        for found in found {
            top.push(found.id, self.exact_score(target, !found.id)?);
        }
        Ok(top.into_sorted())
    }

    /// The part that a behaviour lies in, and its place there.
    fn place(&self, order: u64) -> (&Source<C>, usize) {
        let part = &self.parts[self.parts.partition_point(|part| part.first <= order) - 1];
        (&part.source, (order - part.first) as usize)
    }

    fn event(&self, order: u64) -> u64 {
        match self.place(order) {
            (Source::Segment { segment, run, .. }, i) => segment.event(run, i),
            (Source::Tail { events, .. }, i) => events[i].0,
        }
    }

    /// The place of a behaviour in the order of arrival; from the newest on, as an id may have been given again.
    fn order(&self, event: u64) -> Option<u64> {
        self.parts.iter().rev().find_map(|part| {
            let place = match &part.source {
                Source::Segment { segment, run, hidden, .. } => (0u32..)
                    .zip(segment.events(run))
                    .find(|&(i, own)| own == event && hidden.binary_search(&i).is_err())
                    .map(|(i, _)| u64::from(i)),
                Source::Tail { events, .. } => {
                    events.iter().position(|&(own, _)| own == event).map(|i| i as u64)
                }
            };
            place.map(|place| part.first + place)
        })
    }

    fn code_score(&self, query: &C::Query, order: u64) -> f32 {
        let codec = &self.layout.codec;
        let (list, slot) = match (self.loose_orders.binary_search(&order), self.place(order)) {
            (Ok(slot), _) => (&self.loose, slot),
            (Err(_), (Source::Segment { blocks, .. }, i)) => (blocks, i),
            (Err(_), (Source::Tail { .. }, _)) => unreachable!("all codes of the tail are loose"),
        };
        let (block, lane) = list.place(codec, slot);
        codec.score(query, block, lane)
    }

    fn exact_score(&self, target: &WholeQuery, order: u64) -> Result<f32> {
        let whole = Whole::new(self.layout.codec.dim());
        match self.place(order) {
            (Source::Segment { segment, run, .. }, i) => {
                Ok(whole.score(target, segment.row(&self.layout, run, i)?, 0))
            }
            (Source::Tail { tail, events }, i) => {
                let tail = tail.read().unwrap_or_else(PoisonError::into_inner);
                Ok(whole.score(target, tail.row(&self.layout, events[i].1), 0))
            }
        }
    }
}
