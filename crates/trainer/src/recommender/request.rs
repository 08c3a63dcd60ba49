//! What is asked for, and what comes back.

use std::fmt;
use std::sync::Arc;

use super::items::{Item, ItemSet};

/// A request for recommendations. `Request::default()` asks for ten items that the user has not seen.
#[derive(Clone, Debug)]
pub struct Request {
    /// How many items at most: fewer come back where fewer are left, and that is no error. 10.
    pub k: usize,
    /// What is ranked. All items.
    pub candidates: Candidates,
    /// What becomes of the items of the history. They are left out.
    pub seen: SeenItems,
    /// Which items may come back. All.
    pub filter: Filter,
    /// The words of a search request; empty for a recommendation. Words that the model does not know count for nothing, see
    /// [`Recommender::unknown_words`](super::Recommender::unknown_words).
    pub query: String,
    /// When the request is made, in the unit of the events' times: later events are not looked at, nor do they count as seen. By default all are.
    pub time: Option<i64>,
    /// For each hit, name at most so many events that weighed most. None.
    pub explain: usize,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            k: 10,
            candidates: Candidates::All,
            seen: SeenItems::Exclude,
            filter: Filter::All,
            query: String::new(),
            time: None,
            explain: 0,
        }
    }
}

/// What is ranked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Candidates {
    /// Every item.
    #[default]
    All,
    /// The items of these names; unknown ones and repeats are passed over.
    List(Vec<String>),
}

impl Candidates {
    /// The items of these names.
    pub fn list<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::List(names.into_iter().map(Into::into).collect())
    }
}

/// What becomes of items that the history holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SeenItems {
    /// They are left out.
    #[default]
    Exclude,
    /// They are ranked like all others.
    Keep,
}

/// Which items may come back.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Filter {
    /// All.
    #[default]
    All,
    /// Those of a set, see [`Recommender::item_set`](super::Recommender::item_set).
    Only(ItemSet),
    /// All but those of a set.
    Without(ItemSet),
    /// Those that a function accepts.
    Where(Arc<Accepts>),
}

/// A function that accepts or refuses items; it runs on several threads.
pub type Accepts = dyn Fn(&Item<'_>) -> bool + Send + Sync;

impl Filter {
    /// Those that a function accepts.
    pub fn by(accepts: impl Fn(&Item<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self::Where(Arc::new(accepts))
    }

    pub(super) fn accepts(&self, item: &Item<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Only(set) => set.contains(item.number()),
            Self::Without(set) => !set.contains(item.number()),
            Self::Where(accepts) => accepts(item),
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "All"),
            Self::Only(set) => write!(f, "Only({} items)", set.len()),
            Self::Without(set) => write!(f, "Without({} items)", set.len()),
            Self::Where(_) => write!(f, "Where(..)"),
        }
    }
}

/// A recommended item.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The log's name of the item.
    pub id: String,
    /// Its title; empty where it has none.
    pub title: String,
    /// The model's logit, or the cosine of [`Recommender::similar`](super::Recommender::similar); larger is better.
    pub score: f32,
    /// The events that weighed most, if asked for: heaviest first, newer ones first among equals.
    pub because: Vec<Because>,
}

/// An event that a recommendation leans on.
#[derive(Clone, Debug, PartialEq)]
pub struct Because {
    /// Its place among the known events of the history, from 0, oldest first.
    pub event: usize,
    /// The log's name of its item.
    pub id: String,
    /// The item's title; empty where it has none.
    pub title: String,
    /// Its weight in the exact search unit, a mean over heads: those of all kept events sum to 1. In a model that attends to
    /// padding, as published, padding takes its share of that.
    pub weight: f32,
}
