//! Histories of the caller's.

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

impl<'a> From<&&'a str> for Event<'a> {
    fn from(item: &&'a str) -> Self {
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

    /// The model's numbers of the items, oldest first; [`Catalogue::item_name`](seminar_dataset::Catalogue::item_name) of
    /// [`Recommender::catalogue`](crate::Recommender::catalogue) gives their names.
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
