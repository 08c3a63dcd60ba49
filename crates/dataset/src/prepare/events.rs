//! The table of raw events, and its numbering.

use super::core_filter::group;
use super::{Counts, PrepareConfig, Queries, Repeats};
use crate::error::{Error, Result};
use crate::event::RawEvent;
use crate::ids::Vocabulary;
use crate::numbered::{Numbered, Texts};
use crate::ragged::Ragged;

/// All events in source order, 21 bytes each, under provisional numbers.
#[derive(Default)]
pub(super) struct EventTable {
    pub users: Vec<u32>,
    pub items: Vec<u32>,
    times: Vec<i64>,
    kinds: Vec<u8>,
    queries: Vec<u32>,
    user_names: Vocabulary,
    item_names: Vocabulary,
    /// Keyword lists as the bytes of their numbers.
    query_lists: Vocabulary,
}

impl EventTable {
    pub fn push(&mut self, event: RawEvent<'_>) -> Result<()> {
        if self.users.len() >= u32::MAX as usize - 1 {
            let message = "more than 2^32 - 2 events cannot be numbered".to_owned();
            return Err(Error::Config { field: "events", message });
        }
        self.users.push(self.user_names.insert(event.user));
        self.items.push(self.item_names.insert(event.item));
        self.times.push(event.time);
        self.kinds.push(event.kind as u8);
        let list: &[u8] = bytemuck::cast_slice(event.query);
        self.queries.push(if list.is_empty() { 0 } else { self.query_lists.insert(list) });
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub fn counts(&self) -> Counts {
        Counts {
            users: self.user_names.len() as u64,
            items: self.item_names.len() as u64,
            events: self.users.len() as u64,
        }
    }

    /// The provisional number of an item.
    pub fn item(&self, name: &str) -> Option<u32> {
        self.item_names.get(name)
    }

    /// Removes events that repeat an earlier one; returns how many.
    pub fn drop_repeats(&mut self, repeats: Repeats) -> u64 {
        let (offsets, mut order) = self.by_user();
        let mut keep = vec![false; self.users.len()];
        for range in offsets.windows(2) {
            let own = &mut order[range[0] as usize..range[1] as usize];
            own.sort_by_key(|&event| self.times[event as usize]);
            let events = own.iter().map(|&e| (self.items[e as usize], self.times[e as usize]));
            own.iter()
                .zip(repeats.stay(events, true))
                .for_each(|(&event, stays)| keep[event as usize] = stays);
        }
        fn retain<T: Copy>(column: &mut Vec<T>, keep: &[bool]) {
            let mut flags = keep.iter();
            column.retain(|_| flags.next().is_some_and(|&k| k));
        }
        retain(&mut self.users, &keep);
        retain(&mut self.items, &keep);
        retain(&mut self.times, &keep);
        retain(&mut self.kinds, &keep);
        retain(&mut self.queries, &keep);
        keep.iter().filter(|&&k| !k).count() as u64
    }

    /// Events grouped by user, in source order within each: the offsets by provisional number, and the events.
    fn by_user(&self) -> (Vec<u32>, Vec<u32>) {
        let mut count = vec![0u32; self.user_names.len() + 1];
        self.users.iter().for_each(|&user| count[user as usize] += 1);
        group(&self.users, &count)
    }

    /// Numbers the kept events. Also returns the final id of each provisional item number, 0 for fallen items.
    pub fn number(&mut self, kept: &[bool], config: &PrepareConfig) -> Result<(Numbered, Vec<u32>)> {
        let (offsets, order) = self.by_user();
        let mut data = Numbered { user_offsets: vec![0], ..Numbered::default() };
        let mut item_ids = vec![0u32; self.item_names.len() + 1];
        let (mut users, mut items) = (Ragged::default(), Ragged::default());
        let events = kept.iter().filter(|&&k| k).count();
        data.event_items.reserve_exact(events);
        data.event_times.reserve_exact(events);
        data.event_kinds.reserve_exact(events);
        data.event_queries.reserve_exact(events);
        let mut own: Vec<u32> = Vec::new();
        for user in 1..=self.user_names.len() {
            own.clear();
            let range = offsets[user] as usize..offsets[user + 1] as usize;
            own.extend(order[range].iter().filter(|&&e| kept[e as usize]));
            if own.is_empty() {
                continue;
            }
            own.sort_by_key(|&event| self.times[event as usize]);
            for event in own.iter().map(|&e| e as usize) {
                let item = &mut item_ids[self.items[event] as usize];
                if *item == 0 {
                    items.push(self.item_names.key(self.items[event]).iter().copied());
                    *item = items.len() as u32;
                }
                data.event_items.push(*item);
                data.event_times.push(self.times[event]);
                data.event_kinds.push(self.kinds[event]);
                data.event_queries.push(self.queries[event]);
            }
            data.user_offsets.push(data.event_items.len() as u64);
            users.push(self.user_names.key(user as u32).iter().copied());
            data.user_numbers.push(users.len() as u32);
        }
        data.item_queries = vec![0; items.len() + 1];
        data.texts = Texts { users, items, ..Texts::default() };
        self.number_queries(config, &mut data)?;
        Ok((data, item_ids))
    }

    /// Renumbers queries and their words by first sight along the kept events.
    fn number_queries(&self, config: &PrepareConfig, data: &mut Numbered) -> Result<()> {
        data.queries.push([]);
        if config.queries != Queries::Logged {
            data.event_queries.fill(0);
            return Ok(());
        }
        let mut renumbered = vec![0u32; self.query_lists.len() + 1];
        let mut words = Vocabulary::default();
        for query in &mut data.event_queries {
            if *query == 0 {
                continue;
            }
            let slot = &mut renumbered[*query as usize];
            if *slot == 0 {
                let list = self.query_lists.key(*query).chunks_exact(8);
                let numbers = list.map(|bytes| u64::from_ne_bytes(bytes.try_into().expect("8 bytes")));
                let row = match config.raw_keyword_numbers {
                    false => numbers.map(|word| words.insert(word.to_string())).collect::<Vec<_>>(),
                    true => numbers.map(raw_keyword).collect::<Result<Vec<_>>>()?,
                };
                *slot = data.queries.len() as u32;
                data.queries.push(row);
            }
            *query = *slot;
        }
        data.texts.words = (1..=words.len() as u32).map(|id| words.key(id).iter().copied()).collect();
        Ok(())
    }
}

fn raw_keyword(word: u64) -> Result<u32> {
    u32::try_from(word).ok().filter(|&w| w < u32::MAX - 1).ok_or_else(|| Error::Config {
        field: "raw_keyword_numbers",
        message: format!("keyword {word} does not fit; number words densely instead"),
    })
}
