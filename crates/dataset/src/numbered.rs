//! Events with numbers instead of names, in memory: what preparing produces and a corpus file stores.

use crate::ragged::Ragged;

/// A data set after numbering. Users count from 0; items, words and attributes from 1, 0 is the padding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbered {
    /// The number that text files write for each user.
    pub user_numbers: Vec<u32>,
    /// Start of each user's events, and the end of the last.
    pub user_offsets: Vec<u64>,
    /// Item of each event, oldest first within a user.
    pub event_items: Vec<u32>,
    /// Time of each event in the log's unit, or its position where the source keeps no times.
    pub event_times: Vec<i64>,
    /// [`EventKind`](crate::EventKind) of each event.
    pub event_kinds: Vec<u8>,
    /// Query of each event, a row of `queries`.
    pub event_queries: Vec<u32>,
    /// Keyword lists; row 0 is the empty query.
    pub queries: Ragged<u32>,
    /// Query that belongs to an item itself, by item id; 0 for none.
    pub item_queries: Vec<u32>,
    /// Items that have an attribute list, in the order of the item file.
    pub attribute_items: Vec<u32>,
    /// The attribute list of each of them.
    pub item_attributes: Ragged<u32>,
    /// Evaluation negatives that came with the data, one row a user.
    pub sampled: Option<Sampled>,
    /// Names and texts.
    pub texts: Texts,
}

/// Imported evaluation negatives: items and the queries that stand beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampled {
    /// Item ids, a row a user.
    pub items: Ragged<u32>,
    /// Rows of the query table, aligned with `items`; empty where the data has none.
    pub queries: Vec<u32>,
}

/// Names and texts by number. Row `i` of a numbered kind belongs to id `i + 1`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    /// The log's name of each user.
    pub users: Ragged<u8>,
    /// The log's name of each item.
    pub items: Ragged<u8>,
    /// Each query word; empty where the published numbering keeps the log's own numbers.
    pub words: Ragged<u8>,
    /// Each attribute.
    pub attributes: Ragged<u8>,
    /// Each item's title; empty where it has none.
    pub titles: Ragged<u8>,
    /// Each item's image addresses, best first, separated by line ends; empty where it has none.
    pub image_urls: Ragged<u8>,
}

impl Numbered {
    /// Number of users.
    pub fn user_count(&self) -> usize {
        self.user_numbers.len()
    }

    /// Largest item id.
    pub fn item_count(&self) -> usize {
        self.item_queries.len().saturating_sub(1)
    }
}
