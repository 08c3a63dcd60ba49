//! What the item file adds to the numbered events: attributes, dummy queries, titles, image addresses.

use super::events::EventTable;
use super::fields::{FieldValues, Value, add_to_attributes};
use super::numbers::Numbers;
use super::{PrepareConfig, Queries};
use crate::error::Result;
use crate::event::{ItemField, RawItem};
use crate::ids::Vocabulary;
use crate::numbered::{Field, Numbered};
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
    /// How many attributes had a number before.
    known_attributes: usize,
    known_words: Vec<String>,
    fields: Vec<FieldValues>,
    described_twice: u64,
    first_foreign_item: Option<String>,
    foreign_items: u64,
}

#[derive(Clone, Default)]
struct Entry {
    known: bool,
    title: Box<str>,
    image_urls: Box<str>,
    description: Option<Box<str>>,
    attributes: Box<[u32]>,
    values: Box<[Value]>,
    query: Option<Box<str>>,
}

impl Entry {
    /// Takes in what another file says of the item.
    fn add(&mut self, new: Self) {
        let fill = |old: &mut Box<str>, new: Box<str>| {
            if !new.is_empty() {
                *old = new;
            }
        };
        fill(&mut self.title, new.title);
        fill(&mut self.image_urls, new.image_urls);
        self.description = new.description.or(self.description.take());
        self.query = new.query.or(self.query.take());
        self.attributes = union(&self.attributes, &new.attributes);
        self.values = union(&self.values, &new.values);
    }
}

/// A list, and what another one has beyond it.
fn union<T: Copy + PartialEq>(old: &[T], new: &[T]) -> Box<[T]> {
    let beyond = new.iter().filter(|value| !old.contains(value));
    old.iter().chain(beyond).copied().collect()
}

/// What joining found.
pub(super) struct Joined {
    pub items_with_meta: u64,
    pub described_twice: u64,
    pub attributes_before_core: u64,
    pub first_foreign_item: Option<String>,
    /// Described items that are not among the events.
    pub foreign_items: u64,
}

impl Catalogue {
    pub fn new(items: usize, query_words: usize, fields: Vec<ItemField>, numbers: &Numbers) -> Self {
        let mut attributes = Vocabulary::default();
        numbers.attributes.iter().for_each(|name| {
            attributes.insert(name);
        });
        let fields = fields.into_iter().map(|field| {
            let known = numbers.fields.iter().find(|(name, _)| *name == field.name);
            FieldValues::new(field, known.map_or(&[], |(_, values)| values))
        });
        Self {
            query_words,
            entries: vec![Entry::default(); items + 1],
            order: Vec::new(),
            known_attributes: attributes.len(),
            known_words: numbers.words.clone(),
            attributes,
            fields: fields.collect(),
            described_twice: 0,
            first_foreign_item: None,
            foreign_items: 0,
        }
    }

    /// Takes in an item if events mention it. Memory grows with those items only.
    pub fn add(&mut self, raw: RawItem<'_>, table: &EventTable, item_ids: &[u32]) -> Result<()> {
        let id = table.item(&raw.item).map_or(0, |provisional| item_ids[provisional as usize]);
        if id == 0 {
            self.foreign_items += 1;
            self.first_foreign_item.get_or_insert_with(|| raw.item.into_owned());
            return Ok(());
        }
        let mut values: Vec<Value> = Vec::with_capacity(raw.fields.len());
        for (field, value) in &raw.fields {
            let Some(own) = self.fields.get_mut(*field) else { continue };
            if let Some(value) = own.insert(value).map(|value| (*field as u32, value))
                && !values.contains(&value)
            {
                values.push(value);
            }
        }
        let new = Entry {
            known: true,
            title: raw.title.as_deref().unwrap_or_default().into(),
            image_urls: raw.image_urls.join("\n").into(),
            description: raw.description.as_deref().map(|text| first_words(text, self.query_words).into()),
            attributes: raw.attributes.iter().map(|name| self.attributes.insert(name.as_bytes())).collect(),
            values: values.into(),
            query: raw.query.as_deref().filter(|text| !text.is_empty()).map(Into::into),
        };
        let entry = &mut self.entries[id as usize];
        match (entry.known, raw.adds) {
            (true, true) => entry.add(new),
            (known, _) => {
                if known {
                    self.described_twice += 1;
                } else {
                    self.order.push(id);
                }
                *entry = new;
            }
        }
        Ok(())
    }

    /// Numbers attributes and words, and fills the data set's item tables.
    pub fn finish(self, config: &PrepareConfig, data: &mut Numbered) -> Joined {
        self.number_attributes(config, data);
        match config.queries {
            Queries::Description => self.description_queries(config, data),
            Queries::Attributes => attribute_queries(config.query_words, data),
            Queries::Logged if !config.raw_keyword_numbers => self.own_queries(data),
            Queries::None | Queries::Logged => {}
        }
        // Names of other fields are among the attributes as the source gives them; of numbers, only now their buckets are known.
        let fields = self.number_fields();
        let numbers = fields.iter().zip(&self.fields).filter(|(_, values)| values.are_numbers());
        let numbers: Vec<&Field> = numbers.map(|(field, _)| field).collect();
        add_to_attributes(&numbers, config.min_attribute_items, data);
        data.fields = fields;
        let own = &self.entries[1..];
        data.texts.titles = own.iter().map(|e| e.title.bytes()).collect();
        data.texts.image_urls = own.iter().map(|e| e.image_urls.bytes()).collect();
        Joined {
            items_with_meta: self.order.len() as u64,
            described_twice: self.described_twice,
            attributes_before_core: self.attributes.len() as u64,
            first_foreign_item: self.first_foreign_item,
            foreign_items: self.foreign_items,
        }
    }

    fn number_fields(&self) -> Vec<Field> {
        let own = &self.entries[1..];
        let number = |(at, field): (usize, &FieldValues)| {
            // One flat list of this field's values, and where each item's end.
            let mut rows = Ragged::default();
            for entry in own {
                rows.push(entry.values.iter().filter(|(of, _)| *of as usize == at).map(|&(_, value)| value));
            }
            field.finish(&rows)
        };
        self.fields.iter().enumerate().map(number).collect()
    }

    fn number_attributes(&self, config: &PrepareConfig, data: &mut Numbered) {
        let mut count = vec![0u32; self.attributes.len() + 1];
        let lists = || self.order.iter().map(|&item| &self.entries[item as usize].attributes);
        lists().flatten().for_each(|&a| count[a as usize] += 1);
        let mut ids = vec![0u32; count.len()];
        let mut names = Ragged::default();
        for id in 1..=self.known_attributes as u32 {
            names.push(self.attributes.key(id).iter().copied());
            ids[id as usize] = id;
        }
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

    /// The queries that items have of their own, beside those of events.
    fn own_queries(&self, data: &mut Numbered) {
        if self.entries.iter().all(|entry| entry.query.is_none()) {
            return;
        }
        let mut words = Vocabulary::default();
        data.texts.words.rows().for_each(|word| {
            words.insert(word);
        });
        for (item, entry) in self.entries.iter().enumerate().skip(1) {
            if let Some(query) = &entry.query {
                data.item_queries[item] = data.queries.len() as u32;
                data.queries.push(keywords(query).map(|word| words.insert(word)));
            }
        }
        data.texts.words = (1..=words.len() as u32).map(|id| words.key(id).iter().copied()).collect();
    }

    /// An event's query is its item's: the first words of the description.
    fn description_queries(&self, config: &PrepareConfig, data: &mut Numbered) {
        let mut words = Vocabulary::default();
        self.known_words.iter().for_each(|word| {
            words.insert(word);
        });
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
