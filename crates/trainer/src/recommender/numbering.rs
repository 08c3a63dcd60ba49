//! From names and words to the numbers of a saved model.

use seminar_dataset::{BlockTimes, IdBlock, keywords};
use seminar_models::SequenceModel;

use super::core::Recommender;
use super::history::{Event, History, Numbered, Unknown};
use crate::error::Result;

impl<M: SequenceModel> Recommender<M> {
    /// A user's history from external ids, or from [`Event`]s with times and queries, oldest first. Items that the model does not
    /// know are passed over and named by [`History::unknown`]. Where every event has a time, they are put in order.
    ///
    /// # Errors
    /// None today: unknown items are refused by [`Recommender::history_of`] only.
    pub fn history<'a, E: Into<Event<'a>>>(&self, events: impl IntoIterator<Item = E>) -> Result<History> {
        self.history_of(events, Unknown::Skip)
    }

    /// The same with a choice of what becomes of unknown items.
    ///
    /// # Errors
    /// If an item is unknown and that is to be refused: names the first.
    pub fn history_of<'a, E: Into<Event<'a>>>(
        &self,
        events: impl IntoIterator<Item = E>,
        unknown: Unknown,
    ) -> Result<History> {
        let mut history = History::default();
        for event in events {
            let Event { item, time, query } = event.into();
            match self.catalogue().item(item) {
                Some(item) => history.events.push(Numbered { item, query: self.query(query), time }),
                None if unknown == Unknown::Refuse => return Err(self.unknown(item)),
                None => history.unknown.push(item.to_owned()),
            }
        }
        if history.events.iter().all(|event| event.time.is_some()) {
            history.events.sort_by_key(|event| event.time);
        }
        Ok(history)
    }

    /// The numbers of a query's known words.
    pub(super) fn query(&self, text: &str) -> Vec<u32> {
        words(text).filter_map(|word| self.catalogue().word_number(word)).collect()
    }

    /// The newest L of some events of each user, `[B, L]`, padded on the left.
    pub(super) fn block(&self, users: &[(&History, &[usize])], now: Option<i64>) -> IdBlock {
        let batches = &self.description().train.batches;
        let (length, slots) = (batches.history_length, batches.query_length);
        let mut block = IdBlock::new(users.len(), length, slots);
        let mut times = BlockTimes::unknown(users.len(), length);
        for (row, (history, events)) in users.iter().enumerate() {
            for (column, &at) in (0..length).rev().zip(events.iter().rev()) {
                let event = &history.events[at];
                block.set(row, column, event.item, &event.query);
                times.events[row * length + column] = event.time.unwrap_or(BlockTimes::UNKNOWN);
            }
            // A request without a time comes right after the newest event.
            let newest = events.last().and_then(|&at| history.events[at].time);
            times.requests[row] = now.or(newest).unwrap_or(BlockTimes::UNKNOWN);
        }
        block.times = Some(times);
        block
    }

    /// The words of a search request that the model does not know: they count for nothing.
    pub fn unknown_words<'a>(&self, query: &'a str) -> Vec<&'a str> {
        words(query).filter(|word| self.catalogue().word_number(word).is_none()).collect()
    }
}

/// The words of a search request, by the rule with which queries were made for training; without the empty ones.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    keywords(text.trim()).filter(|word| !word.is_empty())
}
