//! The table of raw events, and its numbering.

use super::batch::Batch;
use super::core_filter::group;
use super::numbers::Numbers;
use super::sparse::Sparse;
use super::{Counts, PrepareConfig, Queries, Repeats, SplitAt};
use crate::error::{Error, Result};
use crate::event::{Part, RawEvent, Times};
use crate::ids::Vocabulary;
use crate::numbered::{Numbered, Texts};
use crate::ragged::Ragged;
use crate::words::keywords;

/// What a key of the query lists begins with: numbers of words, or a text.
const NUMBERS: u8 = 0;
const TEXT: u8 = 1;

/// All events in source order, 16 bytes each and a few more where the source has more to say, under provisional numbers.
#[derive(Default)]
pub(super) struct EventTable {
    pub users: Vec<u32>,
    pub items: Vec<u32>,
    times: Vec<i64>,
    kinds: Sparse<u8>,
    queries: Sparse<u32>,
    actions: Sparse<u8>,
    parts: Sparse<u8>,
    user_names: Vocabulary,
    item_names: Vocabulary,
    action_names: Vocabulary,
    /// Keyword lists as the bytes of their numbers, or texts.
    query_lists: Vocabulary,
    scratch: Vec<u8>,
}

impl EventTable {
    /// A table in which names that are numbered already keep their numbers.
    pub fn from_numbers(numbers: &Numbers) -> Self {
        let vocabulary = |names: &[String]| {
            let mut vocabulary = Vocabulary::default();
            names.iter().for_each(|name| {
                vocabulary.insert(name);
            });
            vocabulary
        };
        Self {
            user_names: vocabulary(&numbers.users),
            item_names: vocabulary(&numbers.items),
            action_names: vocabulary(&numbers.actions),
            ..Self::default()
        }
    }

    /// Appends events, in their order.
    pub fn push_all(&mut self, batch: &Batch) -> Result<()> {
        if self.users.len() + batch.len() >= u32::MAX as usize {
            let message = "more than 2^32 - 2 events cannot be numbered".to_owned();
            return Err(Error::Config { field: "events", message });
        }
        let users: Vec<&[u8]> = batch.events().map(|event| event.user.as_bytes()).collect();
        self.user_names.insert_all(&users, &mut self.users);
        let items: Vec<&[u8]> = batch.events().map(|event| event.item.as_bytes()).collect();
        self.item_names.insert_all(&items, &mut self.items);
        batch.events().try_for_each(|event| self.push(event))
    }

    /// Appends what an event says beside its user and its item, which have been numbered.
    fn push(&mut self, event: RawEvent<'_>) -> Result<()> {
        let index = self.times.len();
        self.times.push(event.time);
        self.kinds.push(index, event.kind as u8);
        self.parts.push(index, event.part as u8);
        let action = match event.action {
            "" => 0,
            action => u8::try_from(self.action_names.insert(action)).map_err(|_| Error::Config {
                field: "action",
                message: format!("`{action}` is the 256th kind of action: at most 255 are kept apart"),
            })?,
        };
        self.actions.push(index, action);
        let query = match (event.query, event.query_text) {
            ([], "") => 0,
            ([], text) => self.query_list(TEXT, text.as_bytes()),
            (numbers, _) => self.query_list(NUMBERS, bytemuck::cast_slice(numbers)),
        };
        self.queries.push(index, query);
        Ok(())
    }

    fn query_list(&mut self, form: u8, bytes: &[u8]) -> u32 {
        self.scratch.clear();
        self.scratch.push(form);
        self.scratch.extend_from_slice(bytes);
        self.query_lists.insert(&self.scratch)
    }

    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Distinct users and items of the events, and events.
    pub fn counts(&self) -> Counts {
        let distinct = |numbers: &[u32], names: &Vocabulary| {
            let mut seen = vec![false; names.len() + 1];
            numbers.iter().filter(|&&number| !std::mem::replace(&mut seen[number as usize], true)).count()
                as u64
        };
        Counts {
            users: distinct(&self.users, &self.user_names),
            items: distinct(&self.items, &self.item_names),
            events: self.users.len() as u64,
        }
    }

    /// The provisional number of an item.
    pub fn item(&self, name: &str) -> Option<u32> {
        self.item_names.get(name)
    }

    fn retain(&mut self, keep: &[bool]) {
        fn retain<T: Copy>(column: &mut Vec<T>, keep: &[bool]) {
            let mut flags = keep.iter();
            column.retain(|_| flags.next().is_some_and(|&kept| kept));
        }
        retain(&mut self.users, keep);
        retain(&mut self.items, keep);
        retain(&mut self.times, keep);
        self.kinds.retain(keep);
        self.queries.retain(keep);
        self.actions.retain(keep);
        self.parts.retain(keep);
    }

    /// Keeps events from `after` on and before `before`, in the unit of the events.
    pub fn keep_times(&mut self, after: Option<i64>, before: Option<i64>) {
        let inside = |time: i64| after.is_none_or(|t| time >= t) && before.is_none_or(|t| time < t);
        let keep: Vec<bool> = self.times.iter().map(|&time| inside(time)).collect();
        self.retain(&keep);
    }

    /// Removes events that repeat an earlier one; returns how many.
    pub fn drop_repeats(&mut self, repeats: Repeats, has_times: bool) -> u64 {
        self.keep_of_users(|table, own, keep| {
            let events = own.iter().map(|&e| (table.items[e as usize], table.times[e as usize]));
            own.iter()
                .zip(repeats.stay(events, has_times))
                .for_each(|(&event, stays)| keep[event as usize] = stays);
        })
    }

    /// Removes all but the newest events of each user; returns how many.
    pub fn keep_newest(&mut self, most: u32) -> u64 {
        self.keep_of_users(|_, own, keep| {
            let newest = &own[own.len().saturating_sub(most as usize)..];
            newest.iter().for_each(|&event| keep[event as usize] = true);
        })
    }

    /// Lets `mark` say which of each user's events, oldest first, stay.
    fn keep_of_users(&mut self, mark: impl Fn(&Self, &[u32], &mut [bool])) -> u64 {
        let (offsets, mut order) = self.by_user();
        let mut keep = vec![false; self.users.len()];
        for range in offsets.windows(2) {
            let own = &mut order[range[0] as usize..range[1] as usize];
            self.sort(own);
            mark(self, own, &mut keep);
        }
        self.retain(&keep);
        keep.iter().filter(|&&kept| !kept).count() as u64
    }

    /// Sorts events of a user, oldest first; equal times stay as they are.
    fn sort(&self, own: &mut [u32]) {
        match self.parts.is_default() {
            true => own.sort_by_key(|&event| self.times[event as usize]),
            false => own.sort_by_key(|&event| (self.parts.get(event as usize), self.times[event as usize])),
        }
    }

    /// Events grouped by user, in source order within each: the offsets by provisional number, and the events.
    fn by_user(&self) -> (Vec<u32>, Vec<u32>) {
        let mut count = vec![0u32; self.user_names.len() + 1];
        self.users.iter().for_each(|&user| count[user as usize] += 1);
        group(&self.users, &count)
    }

    /// Numbers the kept events. Also returns the final id of each provisional item number, 0 for fallen items.
    pub fn number(
        &mut self,
        kept: &[bool],
        config: &PrepareConfig,
        times: Times,
        numbers: &Numbers,
    ) -> Result<(Numbered, Vec<u32>)> {
        let (offsets, order) = self.by_user();
        let mut data = Numbered {
            user_offsets: vec![0],
            has_times: times.per_second().is_some(),
            ..Numbered::default()
        };
        let mut item_ids = vec![0u32; self.item_names.len() + 1];
        let (mut users, mut items) = (Ragged::default(), Ragged::default());
        // What was numbered before keeps its number, whether it still occurs or not.
        for (id, name) in (1..).zip(&numbers.items) {
            items.push(name.bytes());
            item_ids[id as usize] = id;
        }
        let (known_numbers, largest_number) = numbers.text_numbers();
        let events = kept.iter().filter(|&&k| k).count();
        data.event_items.reserve_exact(events);
        data.event_times.reserve_exact(events);
        data.event_kinds.reserve_exact(events);
        data.event_queries.reserve_exact(events);
        let mut splits = Splits::new(config, times, !self.parts.is_default());
        let mut own: Vec<u32> = Vec::new();
        for user in 1..=self.user_names.len() {
            own.clear();
            let range = offsets[user] as usize..offsets[user + 1] as usize;
            own.extend(order[range].iter().filter(|&&e| kept[e as usize]));
            let known = user <= numbers.users.len();
            if own.is_empty() && !known {
                continue;
            }
            self.sort(&mut own);
            for (position, event) in own.iter().map(|&e| e as usize).enumerate() {
                let item = &mut item_ids[self.items[event] as usize];
                if *item == 0 {
                    items.push(self.item_names.key(self.items[event]).iter().copied());
                    *item = items.len() as u32;
                }
                data.event_items.push(*item);
                data.event_times.push(match times.per_second() {
                    Some(units) => self.times[event].div_euclid(units),
                    None => position as i64,
                });
                data.event_kinds.push(self.kinds.get(event));
                data.event_queries.push(self.queries.get(event));
                if !self.actions.is_default() {
                    data.event_actions.push(self.actions.get(event));
                }
            }
            splits.user(own.iter().map(|&e| (self.times[e as usize], self.parts.get(e as usize))));
            data.user_offsets.push(data.event_items.len() as u64);
            users.push(self.user_names.key(user as u32).iter().copied());
            let new = users.len() - numbers.users.len().min(users.len());
            data.user_numbers.push(match known {
                true => known_numbers[user - 1],
                false => largest_number.saturating_add(new as u32),
            });
        }
        data.splits = splits.done;
        data.item_queries = vec![0; items.len() + 1];
        let actions =
            (1..=self.action_names.len() as u32).map(|id| self.action_names.key(id).iter().copied());
        data.texts = Texts { users, items, actions: actions.collect(), ..Texts::default() };
        self.number_queries(config, &mut data, &numbers.words)?;
        Ok((data, item_ids))
    }

    /// Renumbers queries and their words by first sight along the kept events.
    fn number_queries(&self, config: &PrepareConfig, data: &mut Numbered, known: &[String]) -> Result<()> {
        data.queries.push([]);
        if config.queries != Queries::Logged {
            data.event_queries.fill(0);
            return Ok(());
        }
        let mut renumbered = vec![0u32; self.query_lists.len() + 1];
        let mut words = Vocabulary::default();
        known.iter().for_each(|word| {
            words.insert(word);
        });
        for query in &mut data.event_queries {
            if *query == 0 {
                continue;
            }
            let slot = &mut renumbered[*query as usize];
            if *slot == 0 {
                let row = match self.query_lists.key(*query) {
                    [TEXT, text @ ..] => keywords(str::from_utf8(text).unwrap_or_default())
                        .map(|word| words.insert(word))
                        .collect::<Vec<_>>(),
                    list => {
                        let list = list[1..].chunks_exact(8);
                        let numbers =
                            list.map(|bytes| u64::from_ne_bytes(bytes.try_into().expect("8 bytes")));
                        match config.raw_keyword_numbers {
                            false => numbers.map(|word| words.insert(word.to_string())).collect(),
                            true => numbers.map(raw_keyword).collect::<Result<Vec<_>>>()?,
                        }
                    }
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

/// Where each user's events are split.
struct Splits {
    rule: Rule,
    done: Vec<[u32; 2]>,
}

enum Rule {
    LeaveOneOut,
    Parts,
    /// From which times on, in the unit of the events.
    Times([i64; 2]),
}

impl Splits {
    fn new(config: &PrepareConfig, times: Times, has_parts: bool) -> Self {
        let units = times.per_second().unwrap_or(1);
        let rule = match config.split {
            _ if has_parts => Rule::Parts,
            None => Rule::LeaveOneOut,
            Some(SplitAt { valid, test }) => {
                Rule::Times([valid.saturating_mul(units), test.saturating_mul(units)])
            }
        };
        Self { rule, done: Vec::new() }
    }

    /// Takes in times and parts of a user's events, oldest first.
    fn user(&mut self, events: impl Iterator<Item = (i64, u8)> + Clone) {
        let count =
            |before: &dyn Fn((i64, u8)) -> bool| events.clone().take_while(|&e| before(e)).count() as u32;
        match self.rule {
            Rule::LeaveOneOut => {}
            Rule::Parts => {
                self.done.push([Part::Valid, Part::Test].map(|part| count(&|(_, own)| own < part as u8)))
            }
            Rule::Times(ends) => self.done.push(ends.map(|end| count(&|(time, _)| time < end))),
        }
    }
}

fn raw_keyword(word: u64) -> Result<u32> {
    u32::try_from(word).ok().filter(|&w| w < u32::MAX - 1).ok_or_else(|| Error::Config {
        field: "raw_keyword_numbers",
        message: format!("keyword {word} does not fit; number words densely instead"),
    })
}
