//! Items of a saved model, and sets of them.

use seminar_dataset::Catalogue;

/// An item, as a [filter](super::Filter) sees it.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) number: u32,
}

impl<'a> Item<'a> {
    /// The model's number of it, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The log's name of it.
    pub fn id(&self) -> &'a str {
        self.catalogue.item_name(self.number)
    }

    /// Its title; empty where it has none.
    pub fn title(&self) -> &'a str {
        self.catalogue.title(self.number).unwrap_or_default()
    }

    /// Addresses of its pictures, best first.
    pub fn image_urls(&self) -> impl Iterator<Item = &'a str> {
        self.catalogue.image_urls(self.number)
    }

    /// The names of its attributes; none where the data only numbers them.
    pub fn attributes(&self) -> impl Iterator<Item = &'a str> {
        let list = self.catalogue.attributes(self.number).unwrap_or_default();
        list.iter().filter_map(|&attribute| self.catalogue.attribute_name(attribute))
    }
}

/// A set of items: a bit for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemSet(Vec<u64>);

impl ItemSet {
    pub(super) fn new(items: usize) -> Self {
        Self(vec![0; items / 64 + 1])
    }

    pub(super) fn insert(&mut self, number: u32) {
        self.0[number as usize / 64] |= 1 << (number % 64);
    }

    /// Whether the item of this number is in the set.
    pub fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// How many items are in it.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }
}
