//! From the item numbers of the files to ids without gaps.

use hashbrown::{HashMap, HashSet};

use super::grammar;

/// The ids of a data set's items. The numbers in the files are names like others: gaps between them are no items.
#[derive(Default)]
pub(super) struct ItemNumbers {
    ids: HashMap<u32, u32>,
    /// The number of each item, by id from 1.
    pub numbers: Vec<u32>,
}

impl ItemNumbers {
    /// Numbers the items of the events, and those that item files list.
    ///
    /// Files that number their items 1, 2, 3 … without gaps keep these numbers. In others, items count from 1 in order of first
    /// appearance in the events, so that two files that differ only in their numbers become the same data. Listed items without
    /// events follow in the order of the listing.
    pub fn new(events: &[u32], listed: &[u32]) -> Self {
        let known: HashSet<u32> = events.iter().chain(listed).copied().collect();
        let dense = (1..).take_while(|number| known.contains(number)).last().unwrap_or(0);
        let keep = events.iter().all(|&number| number <= dense);
        let mut items = Self::default();
        if keep {
            (1..=dense).for_each(|number| items.add(number));
        }
        events.iter().chain(listed).for_each(|&number| items.add(number));
        items
    }

    fn add(&mut self, number: u32) {
        let Self { ids, numbers } = self;
        ids.entry(number).or_insert_with(|| {
            numbers.push(number);
            numbers.len() as u32
        });
    }

    /// The id of a number that was given to [`ItemNumbers::new`].
    pub fn renumber(&self, number: &mut u32) {
        *number = self.ids[number];
    }

    /// The id of a number in a file.
    pub fn id(&self, field: &str) -> Result<u32, String> {
        self.id_of(grammar::id(field)?)
    }

    /// The id of a number.
    pub fn id_of(&self, number: u32) -> Result<u32, String> {
        let id = self.ids.get(&number).copied();
        id.ok_or_else(|| format!("item {number} is in no sequence and in no item file"))
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether each id is the number in the files.
    pub fn are_ids(&self) -> bool {
        self.numbers.iter().zip(1..).all(|(&number, id)| number == id)
    }
}
