//! Why an item is recommended: the events that the exact search unit attended to.

use seminar_models::SequenceModel;

use super::core::Recommender;
use super::history::History;
use super::rank::{Scored, Search};
use super::request::Because;
use crate::error::Result;
use crate::scorer::Shared;

/// Hits that are explained at once.
const HITS_AT_ONCE: usize = 512;

impl<M: SequenceModel> Recommender<M> {
    /// For each hit the events that weighed most; empty lists if not asked for, or if the model does not attend.
    pub(super) fn explain(
        &self,
        history: &History,
        search: &Search<'_>,
        hits: &[Scored],
    ) -> Result<Vec<Vec<Because>>> {
        let most = search.request.explain;
        if most == 0 {
            return Ok(vec![Vec::new(); hits.len()]);
        }
        let events = history.until(search.request.time);
        let block = self.block(&[(history, &events)], search.request.time);
        let newest = &events[events.len().saturating_sub(block.width)..];
        let padding = block.width - newest.len();
        let mut all = Vec::with_capacity(hits.len());
        for hits in hits.chunks(HITS_AT_ONCE) {
            let items: Vec<u32> = hits.iter().map(|&(_, item)| item).collect();
            let candidates = Shared { items: &items, query: &|_| &search.query };
            let Some(weights) = self.scorer().attention_weights(&self.model(), &block, &candidates) else {
                all.resize(all.len() + hits.len(), Vec::new());
                continue;
            };
            for weights in weights.chunks_exact(block.width) {
                let own = weights[padding..].iter().copied().zip(newest.iter().copied());
                let mut own: Vec<(f32, usize)> = own.filter(|&(weight, _)| weight > 0.0).collect();
                own.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
                own.truncate(most);
                let because = |(weight, event): (f32, usize)| {
                    let item = self.item_of(history.events[event].item);
                    Because { event, id: item.id().into(), title: item.title().into(), weight }
                };
                all.push(own.into_iter().map(because).collect());
            }
        }
        Ok(all)
    }
}
