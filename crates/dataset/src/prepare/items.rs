//! What the item file adds to the numbered events: attributes, dummy queries, titles, image addresses.

use super::events::EventTable;
use super::{PrepareConfig, Queries};
use crate::error::Result;
use crate::event::RawItem;
use crate::ids::Vocabulary;
use crate::numbered::Numbered;
use crate::ragged::Ragged;
use crate::words::{first_words, keywords};

/// The text that stands for a description that is missing.
const NO_DESCRIPTION: &str = "<empty>";

/// Items as the item file describes them; of items described twice, the last description counts.
pub(super) struct Catalogue {
    query_words: usize,
    entries: Vec<Entry>,
    /// Items in the order of their first description.
    order: Vec<u32>,
    attributes: Vocabulary,
    described_twice: u64,
    first_foreign_item: Option<String>,
}

#[derive(Clone, Default)]
struct Entry {
    known: bool,
    title: Box<str>,
    image_urls: Box<str>,
    description: Option<Box<str>>,
    attributes: Box<[u32]>,
}

/// What joining found.
pub(super) struct Joined {
    pub items_with_meta: u64,
    pub described_twice: u64,
    pub attributes_before_core: u64,
    pub first_foreign_item: Option<String>,
}

impl Catalogue {
    pub fn new(items: usize, query_words: usize) -> Self {
        Self {
            query_words,
            entries: vec![Entry::default(); items + 1],
            order: Vec::new(),
            attributes: Vocabulary::default(),
            described_twice: 0,
            first_foreign_item: None,
        }
    }

    /// Takes in an item if events mention it. Memory grows with those items only.
    pub fn add(&mut self, raw: RawItem<'_>, table: &EventTable, item_ids: &[u32]) -> Result<()> {
        let id = table.item(&raw.item).map_or(0, |provisional| item_ids[provisional as usize]);
        if id == 0 {
            self.first_foreign_item.get_or_insert_with(|| raw.item.into_owned());
            return Ok(());
        }
        let entry = &mut self.entries[id as usize];
        if entry.known {
            self.described_twice += 1;
        } else {
            self.order.push(id);
        }
        *entry = Entry {
            known: true,
            title: raw.title.as_deref().unwrap_or_default().into(),
            image_urls: raw.image_urls.join("\n").into(),
            description: raw.description.as_deref().map(|text| first_words(text, self.query_words).into()),
            attributes: raw.attributes.iter().map(|name| self.attributes.insert(name.as_bytes())).collect(),
        };
        Ok(())
    }

    /// Numbers attributes and words, and fills the data set's item tables.
    pub fn finish(self, config: &PrepareConfig, data: &mut Numbered) -> Joined {
        self.number_attributes(config, data);
        match config.queries {
            Queries::Description => self.description_queries(config, data),
            Queries::Attributes => attribute_queries(config.query_words, data),
            Queries::None | Queries::Logged => {}
        }
        let own = &self.entries[1..];
        data.texts.titles = own.iter().map(|e| e.title.bytes()).collect();
        data.texts.image_urls = own.iter().map(|e| e.image_urls.bytes()).collect();
        Joined {
            items_with_meta: self.order.len() as u64,
            described_twice: self.described_twice,
            attributes_before_core: self.attributes.len() as u64,
            first_foreign_item: self.first_foreign_item,
        }
    }

    fn number_attributes(&self, config: &PrepareConfig, data: &mut Numbered) {
        let mut count = vec![0u32; self.attributes.len() + 1];
        let lists = || self.order.iter().map(|&item| &self.entries[item as usize].attributes);
        lists().flatten().for_each(|&a| count[a as usize] += 1);
        let mut ids = vec![0u32; count.len()];
        let mut names = Ragged::default();
        data.item_attributes = lists()
            .map(|list| {
                let kept = list.iter().filter(|&&a| count[a as usize] >= config.min_attribute_items);
                let mut numbered = Vec::with_capacity(list.len());
                for &attribute in kept {
                    let id = &mut ids[attribute as usize];
                    if *id == 0 {
                        names.push(self.attributes.key(attribute).iter().copied());
                        *id = names.len() as u32;
                    }
                    numbered.push(*id);
                }
                numbered
            })
            .collect();
        data.attribute_items.clone_from(&self.order);
        data.texts.attributes = names;
    }

    /// An event's query is its item's: the first words of the description.
    fn description_queries(&self, config: &PrepareConfig, data: &mut Numbered) {
        let mut words = Vocabulary::default();
        for (item, entry) in self.entries.iter().enumerate().skip(1) {
            let description = entry.description.as_deref().unwrap_or(NO_DESCRIPTION);
            let row = keywords(description).take(config.query_words).map(|word| words.insert(word));
            data.item_queries[item] = data.queries.len() as u32;
            data.queries.push(row);
        }
        data.texts.words = (1..=words.len() as u32).map(|id| words.key(id).iter().copied()).collect();
        queries_from_items(data);
    }
}

/// Makes each item's first attributes its query; keyword ids are then attribute ids.
pub(crate) fn attribute_queries(words: usize, data: &mut Numbered) {
    for slot in 0..data.attribute_items.len() {
        let row: Vec<u32> = data.item_attributes.row(slot).iter().take(words).copied().collect();
        if !row.is_empty() {
            data.item_queries[data.attribute_items[slot] as usize] = data.queries.len() as u32;
            data.queries.push(row);
        }
    }
    data.texts.words = data.texts.attributes.clone();
    queries_from_items(data);
}

/// Gives every event the query of its item.
pub(crate) fn queries_from_items(data: &mut Numbered) {
    for (query, &item) in data.event_queries.iter_mut().zip(&data.event_items) {
        *query = data.item_queries[item as usize];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn the_kept_part_of_a_description_has_its_first_keywords(text in "[ a-c\u{a0}]{0,12}", count in 1usize..6) {
            let kept: Vec<&str> = keywords(first_words(&text, count)).collect();
            assert_eq!(kept, keywords(&text).take(count).collect::<Vec<_>>());
        }
    }
}
