//! Raw events and items as the readers hand them over.
//!
//! Events borrow their texts. Items borrow what stands in the line as it is, and own what a reader makes: attributes, and
//! Amazon's image addresses.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// How an event came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EventKind {
    /// The item was recommended, or the log does not say.
    Recommendation = 0,
    /// The item was found by a search.
    Search = 1,
}

/// One interaction of a user with an item, before anything is numbered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawEvent<'a> {
    /// The log's name of the user.
    pub user: &'a str,
    /// The log's name of the item.
    pub item: &'a str,
    /// The logged search words as the log numbers them; empty without a search.
    pub query: &'a [u64],
    /// Time in the log's own unit (Amazon seconds, KuaiSAR milliseconds); only its order matters.
    pub time: i64,
    /// Recommendation or search.
    pub kind: EventKind,
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
}
