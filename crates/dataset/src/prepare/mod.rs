//! From raw events to a numbered data set: read, order, core filter, number, describe.

mod core_filter;
mod events;
mod folder;
mod items;

use serde::{Deserialize, Serialize};

pub use core_filter::core_filter;
pub use folder::write_folder;
pub(crate) use items::attribute_queries;

use crate::error::{Error, Result};
use crate::numbered::Numbered;
use crate::source::{EventSource, FileReport};
use events::EventTable;

/// Where the query of an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queries {
    /// No queries.
    None,
    /// The first words of the item's own description: a *dummy* query, the same at every event of the item.
    Description,
    /// The words that the log holds for the event.
    Logged,
    /// The item's first attributes, as keywords.
    Attributes,
}

/// The settings of [`PrepareConfig::prepare`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrepareConfig {
    /// Users with fewer events fall out, repeatedly.
    pub min_user_events: u32,
    /// Items with fewer events fall out, repeatedly.
    pub min_item_events: u32,
    /// Where queries come from.
    pub queries: Queries,
    /// How many words of a description, or attributes of an item, make a query.
    pub query_words: usize,
    /// Attributes that fewer items have are left out.
    pub min_attribute_items: u32,
    /// Keep the log's own keyword numbers, as the published runs do, instead of numbering words densely.
    pub raw_keyword_numbers: bool,
    /// Drop events that repeat an earlier one of the same user, item and time.
    pub drop_repeats: bool,
}

impl PrepareConfig {
    /// Amazon as published: 5-core, dummy queries of five words.
    pub fn amazon() -> Self {
        Self {
            min_user_events: 5,
            min_item_events: 5,
            queries: Queries::Description,
            query_words: 5,
            min_attribute_items: 0,
            raw_keyword_numbers: false,
            drop_repeats: false,
        }
    }

    /// KuaiSAR as published: users with four events or more, attributes with three items or more.
    pub fn kuaisar() -> Self {
        Self {
            min_user_events: 4,
            min_item_events: 0,
            queries: Queries::Logged,
            min_attribute_items: 3,
            ..Self::amazon()
        }
    }

    /// Reads a source and numbers it.
    ///
    /// Users are numbered in order of their first event in the source, items from 1 as they appear along
    /// each user's events. Events of a user are ordered by time; equal times keep the source's order.
    ///
    /// # Errors
    /// What the source reports, or [`Error::Empty`] naming the step that left nothing.
    pub fn prepare(&self, source: &impl EventSource) -> Result<Prepared> {
        let mut table = EventTable::default();
        let mut files = source.for_each_event(&mut |event| table.push(event))?;
        let before = table.counts();
        if table.is_empty() {
            return Err(Error::Empty {
                step: "reading events",
                before: format!("{} files, no usable event", files.len()),
            });
        }
        let repeats = if self.drop_repeats { table.drop_repeats()? } else { 0 };
        let kept = core_filter(&table.users, &table.items, self.min_user_events, self.min_item_events);
        let (mut data, item_ids) = table.number(&kept, self)?;
        drop(kept);
        if data.user_count() == 0 {
            let core = format!(
                "{before}; kept: users with {}, items with {}",
                self.min_user_events, self.min_item_events
            );
            return Err(Error::Empty { step: "the core filter", before: core });
        }
        let mut catalogue = items::Catalogue::new(data.item_count(), self.query_words);
        let item_files = source.for_each_item(&mut |item| catalogue.add(item, &table, &item_ids))?;
        let has_items = !item_files.is_empty();
        files.extend(item_files);
        let joined = catalogue.finish(self, &mut data);
        if has_items && joined.items_with_meta == 0 {
            let example = String::from_utf8_lossy(data.texts.items.row(0)).into_owned();
            let other = joined.first_foreign_item.unwrap_or_default();
            let before = format!(
                "no item of the events (such as `{example}`) is in the item file (such as `{other}`)"
            );
            return Err(Error::Empty { step: "joining the item file", before });
        }
        let items_with_meta = joined.items_with_meta;
        let report = PrepareReport {
            files,
            before,
            repeats_dropped: repeats,
            items_without_meta: if has_items { data.item_count() as u64 - items_with_meta } else { 0 },
            items_described_twice: joined.described_twice,
            attributes_before_core: joined.attributes_before_core,
        };
        Ok(Prepared { data, report })
    }
}

/// Users, items and events at some step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Distinct users.
    pub users: u64,
    /// Distinct items.
    pub items: u64,
    /// Events.
    pub events: u64,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} users, {} items, {} events", self.users, self.items, self.events)
    }
}

/// What preparing saw and left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrepareReport {
    /// Each file read, with the lines skipped.
    pub files: Vec<FileReport>,
    /// Counts before the core filter.
    pub before: Counts,
    /// Events dropped as repeats.
    pub repeats_dropped: u64,
    /// Items of the events that the item file does not know.
    pub items_without_meta: u64,
    /// Items that the item file holds more than once; the last counts.
    pub items_described_twice: u64,
    /// Attributes before rare ones were left out.
    pub attributes_before_core: u64,
}

/// A numbered data set and how it came about.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The data.
    pub data: Numbered,
    /// What was seen and left out.
    pub report: PrepareReport,
}
