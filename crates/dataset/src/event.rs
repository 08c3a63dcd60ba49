//! Raw events and items as the readers hand them over.
//!
//! Events borrow their texts. Items borrow what stands in the line as it is, and own what a reader makes: attributes, and
//! Amazon's image addresses.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// How an event came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EventKind {
    /// The item was recommended, or the log does not say.
    #[default]
    Recommendation = 0,
    /// The item was found by a search.
    Search = 1,
}

/// What a source's times are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Times {
    /// Seconds since 1970.
    #[default]
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// Microseconds since 1970.
    Microseconds,
    /// None: the order of the source is all that is known.
    Order,
}

impl Times {
    /// Units per second; `None` without times.
    pub fn per_second(self) -> Option<i64> {
        match self {
            Self::Seconds => Some(1),
            Self::Milliseconds => Some(1_000),
            Self::Microseconds => Some(1_000_000),
            Self::Order => None,
        }
    }
}

/// One interaction of a user with an item, before anything is numbered.
///
/// ```
/// use seminar_dataset::RawEvent;
/// let event = RawEvent { user: "ann", item: "pen", time: 1_700_000_000, ..RawEvent::default() };
/// assert_eq!(event.query_text, "");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RawEvent<'a> {
    /// The log's name of the user.
    pub user: &'a str,
    /// The log's name of the item.
    pub item: &'a str,
    /// The logged search words as the log numbers them; empty without a search.
    pub query: &'a [u64],
    /// The logged search words as a text, split by [`keywords`](crate::keywords); looked at where `query` is empty.
    pub query_text: &'a str,
    /// Time in the unit that [`EventSource::times`](crate::EventSource::times) says.
    pub time: i64,
    /// Recommendation or search.
    pub kind: EventKind,
    /// What the user did, where the log tells clicks from likes; else empty.
    pub action: &'a str,
    /// The part of a given split that the event belongs to.
    pub part: Part,
}

/// The part of a given split: data sets whose events come as separate files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Part {
    /// Events to train on; also where nothing is split.
    #[default]
    Train = 0,
    /// Events to validate on.
    Valid = 1,
    /// Events to test on.
    Test = 2,
}

/// What the log's item file says of one item. A field that is missing there is empty here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawItem<'a> {
    /// The log's name of the item.
    pub item: Cow<'a, str>,
    /// The title; `None` where it is missing or empty.
    pub title: Option<Cow<'a, str>>,
    /// The first description, of which dummy queries are made.
    pub description: Option<Cow<'a, str>>,
    /// Addresses of pictures of the item, best first.
    pub image_urls: Vec<Cow<'a, str>>,
    /// Brand, categories, author …, in the order of the file and by the source's rule.
    pub attributes: Vec<Cow<'a, str>>,
    /// Values of named fields: the number of the field in [`EventSource::fields`](crate::EventSource::fields), and a value; as often
    /// as the item has values.
    pub fields: Vec<(usize, Cow<'a, str>)>,
    /// The item's own query, where the log holds queries.
    pub query: Option<Cow<'a, str>>,
    /// Whether this adds to what was said of the item before, as a second item file does, instead of taking its place.
    pub adds: bool,
}

/// A named field of items, such as `genres` or `brand`. An item has any number of values of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemField {
    /// Its name.
    pub name: String,
    /// Values are numbers, which are put into so many buckets of about equal size; `None`: values are names.
    pub buckets: Option<usize>,
}

impl ItemField {
    /// A field of names.
    pub fn names(name: impl Into<String>) -> Self {
        Self { name: name.into(), buckets: None }
    }

    /// A field of numbers.
    pub fn numbers(name: impl Into<String>, buckets: usize) -> Self {
        Self { name: name.into(), buckets: Some(buckets) }
    }
}
