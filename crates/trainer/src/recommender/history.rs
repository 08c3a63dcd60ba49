//! Histories of the caller's.

use seminar_dataset::{IdBlock, keywords};
use seminar_models::SequenceModel;

use super::Recommender;
use crate::error::Result;

/// One event of a history, by the names of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// The item's name.
    pub item: &'a str,
    /// When it was.
    pub time: Option<i64>,
    /// The words of the search request that led to it; empty without one.
    pub query: &'a str,
}

impl<'a> Event<'a> {
    /// An event without time and query.
    pub fn new(item: &'a str) -> Self {
        Self { item, ..Self::default() }
    }

    /// With a time.
    pub fn at(self, time: i64) -> Self {
        Self { time: Some(time), ..self }
    }

    /// With the words of a search request.
    pub fn after_query(self, query: &'a str) -> Self {
        Self { query, ..self }
    }
}

impl<'a> From<&'a str> for Event<'a> {
    fn from(item: &'a str) -> Self {
        Self::new(item)
    }
}

impl<'a> From<&'a String> for Event<'a> {
    fn from(item: &'a String) -> Self {
        Self::new(item)
    }
}

/// What becomes of events whose item the model does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// They are passed over, and named by [`History::unknown`].
    #[default]
    Skip,
    /// They are an error.
    Refuse,
}

/// A user's events in the numbers of one saved model, oldest first. It belongs to the recommender that made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub(super) events: Vec<Numbered>,
    pub(super) unknown: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    pub item: u32,
    pub query: Vec<u32>,
    pub time: Option<i64>,
}

impl History {
    /// Number of events whose item the model knows.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none: every item is then scored as for a stranger.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The names of items that the model does not know, in the order given.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// The numbers of the items, oldest first.
    pub fn items(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.events.iter().map(|event| event.item)
    }

    /// The events up to a time, with their places: all of them without one.
    pub(super) fn until(&self, time: Option<i64>) -> Vec<usize> {
        let early = |event: &Numbered| match (event.time, time) {
            (Some(event), Some(request)) => event <= request,
            _ => true,
        };
        (0..self.events.len()).filter(|&at| early(&self.events[at])).collect()
    }
}

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
    pub(super) fn block(&self, users: &[(&History, &[usize])]) -> IdBlock {
        let batches = &self.description().train.batches;
        let (length, slots) = (batches.history_length, batches.query_length);
        let mut block = IdBlock::new(users.len(), length, slots);
        for (row, (history, events)) in users.iter().enumerate() {
            for (column, &at) in (0..length).rev().zip(events.iter().rev()) {
                let event = &history.events[at];
                block.set(row, column, event.item, &event.query);
            }
        }
        block
    }
}

/// The words of a search request, by the rule with which queries were made for training; without the empty ones.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    keywords(text.trim()).filter(|word| !word.is_empty())
}
