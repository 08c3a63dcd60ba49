//! What a data set has to hold so that its file can be opened: the twin of [`verify`](super::verify) that names the field of
//! [`Numbered`], before anything is written.

use crate::container::offsets_fit;
use crate::error::{Error, Result};
use crate::ids::PAD;
use crate::numbered::{Numbered, Sampled};
use crate::ragged::Ragged;

impl Numbered {
    /// Checks that nothing is missing and every number points at something: [`Corpus::write`](crate::Corpus::write) does.
    ///
    /// # Errors
    /// [`Error::Config`] that names the first field that cannot be, with what was expected and what came.
    pub fn check(&self) -> Result<()> {
        if self.item_queries.is_empty() {
            let message =
                "is empty: it has an entry for padding and one for each item, 0 where it has no query";
            return fail("item_queries", message.into());
        }
        let (users, items, events) = (self.user_count(), self.item_count(), self.event_items.len());
        if !offsets_fit(&self.user_offsets, users, events) {
            let message =
                format!("do not lead from 0 to the {events} events in a step for each of {users} users");
            return fail("user_offsets", message);
        }
        let aligned = [
            ("event_times", self.event_times.len()),
            ("event_kinds", self.event_kinds.len()),
            ("event_queries", self.event_queries.len()),
        ];
        if let Some((field, found)) = aligned.into_iter().find(|&(_, found)| found != events) {
            return fail(field, format!("{found} for {events} events"));
        }
        if !(self.event_actions.is_empty() || self.event_actions.len() == events) {
            return fail("event_actions", format!("{} for {events} events", self.event_actions.len()));
        }
        let actions = self.texts.actions.len();
        if let Some(at) = self.event_actions.iter().position(|&action| action as usize > actions) {
            return fail(
                "event_actions",
                format!("entry {at} is {}, not 0 to {actions}", self.event_actions[at]),
            );
        }
        self.check_splits(users)?;
        whole("queries", &self.queries)?;
        if self.queries.is_empty() || !self.queries.row(0).is_empty() {
            return fail("queries", "row 0 is the empty query, and has to be there".into());
        }
        let last_query = self.queries.len() - 1;
        within("event_items", &self.event_items, 1, items)?;
        within("event_queries", &self.event_queries, 0, last_query)?;
        within("item_queries", &self.item_queries, 0, last_query)?;
        self.check_attributes(items)?;
        self.check_fields(items)?;
        if let Some(sampled) = &self.sampled {
            sampled.check(users, items, last_query)?;
        }
        self.check_texts(users, items)
    }

    fn check_attributes(&self, items: usize) -> Result<()> {
        whole("item_attributes", &self.item_attributes)?;
        within("attribute_items", &self.attribute_items, 1, items)?;
        if self.attribute_items.len() != self.item_attributes.len() {
            let (found, needed) = (self.item_attributes.len(), self.attribute_items.len());
            return fail("item_attributes", format!("{found} lists for {needed} items"));
        }
        let mut seen = vec![false; items + 1];
        for &item in &self.attribute_items {
            if std::mem::replace(&mut seen[item as usize], true) {
                return fail("attribute_items", format!("item {item} is there twice"));
            }
        }
        match self.texts.attributes.len() {
            0 => Ok(()),
            names => within("item_attributes", &self.item_attributes.values, 0, names),
        }
    }

    fn check_splits(&self, users: usize) -> Result<()> {
        if self.splits.is_empty() {
            return Ok(());
        }
        if self.splits.len() != users {
            return fail("splits", format!("{} for {users} users", self.splits.len()));
        }
        for (user, (ends, range)) in self.splits.iter().zip(self.user_offsets.windows(2)).enumerate() {
            let events = range[1] - range[0];
            if ends[0] > ends[1] || u64::from(ends[1]) > events {
                return fail("splits", format!("user {user} is split at {ends:?} of {events} events"));
            }
        }
        Ok(())
    }

    fn check_fields(&self, items: usize) -> Result<()> {
        let mut names = hashbrown::HashSet::new();
        for field in &self.fields {
            whole("fields", &field.items)?;
            whole("fields", &field.values)?;
            let name = &field.name;
            if field.items.len() != items {
                return fail("fields", format!("`{name}` has {} lists for {items} items", field.items.len()));
            }
            if !names.insert(name) {
                return fail("fields", format!("`{name}` is there twice"));
            }
            let largest = match field.values.len() {
                0 => u32::MAX as usize - 1,
                named => named,
            };
            within("fields", &field.items.values, 1, largest)?;
            if let Some(row) = field.values.rows().position(|text| str::from_utf8(text).is_err()) {
                return fail("fields", format!("value {row} of `{name}` is not UTF-8"));
            }
        }
        Ok(())
    }

    fn check_texts(&self, users: usize, items: usize) -> Result<()> {
        let texts = &self.texts;
        let counts = [
            ("texts.users", &texts.users, Some(users)),
            ("texts.items", &texts.items, Some(items)),
            ("texts.titles", &texts.titles, Some(items)),
            ("texts.image_urls", &texts.image_urls, Some(items)),
            ("texts.words", &texts.words, None),
            ("texts.attributes", &texts.attributes, None),
            ("texts.actions", &texts.actions, None),
        ];
        for (field, column, rows) in counts {
            whole(field, column)?;
            if let Some(rows) = rows.filter(|&rows| rows != column.len()) {
                let message = format!("{} texts where {rows} are needed; a text may be empty", column.len());
                return fail(field, message);
            }
            if let Some(row) = column.rows().position(|text| str::from_utf8(text).is_err()) {
                return fail(field, format!("text {row} is not UTF-8"));
            }
        }
        Ok(())
    }
}

impl Sampled {
    fn check(&self, users: usize, items: usize, last_query: usize) -> Result<()> {
        whole("sampled.items", &self.items)?;
        if !(self.items.is_empty() || self.items.len() == users) {
            return fail("sampled.items", format!("{} lists for {users} users", self.items.len()));
        }
        within("sampled.items", &self.items.values, PAD as usize, items)?;
        if !(self.queries.is_empty() || self.queries.len() == self.items.values.len()) {
            let message = format!("{} for {} items", self.queries.len(), self.items.values.len());
            return fail("sampled.queries", message);
        }
        within("sampled.queries", &self.queries, 0, last_query)
    }
}

fn fail(field: &'static str, message: String) -> Result<()> {
    Err(Error::Config { field, message })
}

fn within(field: &'static str, values: &[u32], first: usize, last: usize) -> Result<()> {
    match values.iter().position(|&value| !(first..=last).contains(&(value as usize))) {
        Some(at) => fail(field, format!("entry {at} is {}, not {first} to {last}", values[at])),
        None => Ok(()),
    }
}

/// Whether the offsets of rows lead through all values.
fn whole<T>(field: &'static str, rows: &Ragged<T>) -> Result<()> {
    match rows.offsets.len().checked_sub(1) {
        Some(count) if offsets_fit(&rows.offsets, count, rows.values.len()) => Ok(()),
        _ => fail(field, format!("the offsets do not lead from 0 to the {} values", rows.values.len())),
    }
}
