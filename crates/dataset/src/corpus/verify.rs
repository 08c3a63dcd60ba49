//! What a corpus has to hold so that its accessors cannot fail.

use super::Corpus;
use crate::container::offsets_fit;
use crate::error::Result;
use crate::ids::PAD;

impl Corpus {
    /// Checks that every number points at something.
    pub(super) fn verify(&self) -> Result<()> {
        let get = |column| self.file.get(column);
        let get_bytes = |column| self.file.get::<u8>(column);
        let (users, items, events) = (self.user_count(), self.item_count(), self.event_count());
        let fail = |what: &str| Err(self.file.damaged(format!("{what} is inconsistent")));
        let below = |column: &[u32], limit: usize| column.iter().all(|&v| (v as usize) < limit);
        let query_rows = self.queries.rows(&self.file);
        if get(&self.item_queries).is_empty()
            || !offsets_fit(self.file.get(&self.user_offsets), users, events)
        {
            return fail("the table of users");
        }
        let lengths = [get(&self.event_queries).len(), self.file.get(&self.event_times).len()];
        if lengths != [events; 2] || self.file.get(&self.event_kinds).len() != events {
            return fail("the number of events");
        }
        let items_fit = get(&self.event_items).iter().all(|&i| i != PAD && i as usize <= items);
        if !items_fit || query_rows == 0 || !below(get(&self.event_queries), query_rows) {
            return fail("an event");
        }
        if !below(get(&self.item_queries), query_rows) || !self.query(0).is_empty() {
            return fail("the table of item queries");
        }
        let slots = get(&self.attribute_items).len();
        if slots != self.item_attributes.rows(&self.file)
            || get(&self.attribute_rows).len() != items + 1
            || !below(get(&self.attribute_rows), slots + 1)
            || !below(get(&self.attribute_items), items + 1)
            || (self.attributes > 0 && self.largest.attribute > self.attributes)
        {
            return fail("the table of attributes");
        }
        let (sampled, queries) = (self.sampled.values(&self.file), get(&self.sampled_queries));
        let sampled_rows = self.sampled.rows(&self.file);
        if !below(sampled, items + 1)
            || !(sampled_rows == 0 || sampled_rows == users)
            || !(queries.is_empty() || queries.len() == sampled.len())
            || !below(queries, query_rows)
        {
            return fail("the table of sampled negatives");
        }
        let (actions, splits) = (get_bytes(&self.event_actions), self.file.get(&self.splits));
        let action_names = self.texts.actions.rows(&self.texts.file);
        if !(actions.is_empty() || actions.len() == events)
            || actions.iter().any(|&action| action as usize > action_names)
        {
            return fail("the table of actions");
        }
        let offsets = self.file.get(&self.user_offsets);
        let split = |(ends, range): (&[u32; 2], &[u64])| {
            ends[0] <= ends[1] && u64::from(ends[1]) <= range[1] - range[0]
        };
        if !(splits.is_empty() || splits.len() == users && splits.iter().zip(offsets.windows(2)).all(split)) {
            return fail("the table of splits");
        }
        if !self.fields.fit(&self.file, &self.texts, items) {
            return fail("the table of fields");
        }
        let texts = &self.texts;
        let rows = [
            (&texts.users, users),
            (&texts.items, items),
            (&texts.words, self.words),
            (&texts.attributes, self.attributes),
            (&texts.titles, items),
            (&texts.image_urls, items),
        ];
        if rows.into_iter().any(|(column, rows)| column.rows(&texts.file) != rows) {
            return Err(self.texts.file.damaged("does not belong to the corpus.bin beside it"));
        }
        Ok(())
    }
}
