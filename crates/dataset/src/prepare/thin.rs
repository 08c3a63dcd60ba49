//! The filters for data that is numbered already and has an order but no times, as text files have.

use super::{PrepareConfig, PrepareReport, Repeats, Step, core_filter};
use crate::error::{Error, Result};
use crate::ids::PAD;
use crate::numbered::Numbered;
use crate::ragged::Ragged;

impl PrepareConfig {
    /// Filters a numbered data set without times; each filter that is asked for is a step of the report.
    ///
    /// Users, and items that had events, fall with their last one; the others keep their order. Listed items without events stay.
    /// Returns the items that are left, by the numbers that they had.
    pub(crate) fn thin(&self, data: &mut Numbered, report: &mut PrepareReport) -> Result<Vec<u32>> {
        self.check()?;
        for (field, given) in [
            ("after", self.after.is_some()),
            ("before", self.before.is_some()),
            ("split", self.split.is_some()),
        ] {
            if given {
                return Err(Error::Config { field, message: "the source has no times".into() });
            }
        }
        let mut left: Vec<u32> = (1..=data.item_count() as u32).collect();
        if self.drop_repeats != Repeats::Keep {
            report.repeats_dropped = data.drop_repeats(self.drop_repeats);
            report.steps.push(Step::new("dropping repeats", "drop_repeats", data.counts()));
        }
        if let Some(most) = self.max_user_events {
            let newest = |range: &[u64]| {
                let events = range[1] - range[0];
                (0..events).map(move |n| n + u64::from(most) >= events)
            };
            let keep: Vec<bool> = data.user_offsets.windows(2).flat_map(newest).collect();
            retain(&mut left, &data.keep_events(&keep));
            let told = format!("max_user_events {most}");
            report.filtered("keeping the newest events", &["max_user_events"], told, data.counts())?;
        }
        if self.min_user_events > 1 || self.min_item_events > 1 {
            let own = data.user_offsets.windows(2).zip(1u32..);
            let users: Vec<u32> = own
                .flat_map(|(range, user)| std::iter::repeat_n(user, (range[1] - range[0]) as usize))
                .collect();
            let keep = core_filter(&users, &data.event_items, self.min_user_events, self.min_item_events);
            retain(&mut left, &data.keep_events(&keep));
            let told =
                format!("min_user_events {}, min_item_events {}", self.min_user_events, self.min_item_events);
            report.filtered(
                "the core filter",
                &["min_user_events", "min_item_events"],
                told,
                data.counts(),
            )?;
        }
        Ok(left)
    }
}

impl Numbered {
    /// Keeps some events, and the users and items that are left. Returns which items are.
    fn keep_events(&mut self, keep: &[bool]) -> Vec<bool> {
        let mut had_events = vec![false; self.item_count() + 1];
        self.event_items.iter().for_each(|&item| had_events[item as usize] = true);
        let mut kept_users = Vec::with_capacity(self.user_count());
        let (mut offsets, mut events) = (vec![0], Vec::new());
        for range in self.user_offsets.windows(2) {
            let range = range[0] as usize..range[1] as usize;
            let before = events.len();
            events.extend(range.clone().filter(|&event| keep[event]));
            // A user who had no event before is none that has fallen.
            let stays = events.len() > before || range.is_empty();
            kept_users.push(stays);
            if stays {
                offsets.push(events.len() as u64);
            }
        }
        let pick = |column: &[u32]| events.iter().map(|&event| column[event]).collect::<Vec<u32>>();
        let items = pick(&self.event_items);
        let mut ids = vec![PAD; self.item_count() + 1];
        items.iter().for_each(|&item| ids[item as usize] = 1);
        let mut kept_items = Vec::with_capacity(self.item_count());
        let mut next = 0;
        for item in 1..ids.len() {
            let stays = ids[item] == 1 || !had_events[item];
            kept_items.push(stays);
            next += u32::from(stays);
            ids[item] = if stays { next } else { PAD };
        }
        self.event_queries = pick(&self.event_queries);
        self.event_times = offsets.windows(2).flat_map(|range| 0..(range[1] - range[0]) as i64).collect();
        self.event_kinds = events.iter().map(|&event| self.event_kinds[event]).collect();
        self.event_items = items.into_iter().map(|item| ids[item as usize]).collect();
        self.user_offsets = offsets;
        retain(&mut self.user_numbers, &kept_users);
        self.texts.users = rows(&self.texts.users, &kept_users);
        self.keep_items(&ids, &kept_items);
        self.keep_sampled(&ids, &kept_users);
        kept_items
    }

    fn keep_items(&mut self, ids: &[u32], kept: &[bool]) {
        let mut flags = std::iter::once(true).chain(kept.iter().copied());
        self.item_queries.retain(|_| flags.next().unwrap_or(false));
        for column in [&mut self.texts.items, &mut self.texts.titles, &mut self.texts.image_urls] {
            *column = rows(column, kept);
        }
        let listed: Vec<bool> = self.attribute_items.iter().map(|&item| ids[item as usize] != PAD).collect();
        self.item_attributes = rows(&self.item_attributes, &listed);
        retain(&mut self.attribute_items, &listed);
        self.attribute_items.iter_mut().for_each(|item| *item = ids[*item as usize]);
        self.fields.iter_mut().for_each(|field| field.items = rows(&field.items, kept));
    }

    fn keep_sampled(&mut self, ids: &[u32], kept_users: &[bool]) {
        let Some(sampled) = self.sampled.as_mut().filter(|sampled| !sampled.items.is_empty()) else { return };
        let (mut items, mut queries) = (Ragged::default(), Vec::new());
        for user in (0..kept_users.len()).filter(|&user| kept_users[user]) {
            let start = sampled.items.offsets[user] as usize;
            let own =
                sampled.items.row(user).iter().enumerate().filter(|(_, item)| ids[**item as usize] != PAD);
            queries.extend(own.clone().filter_map(|(at, _)| sampled.queries.get(start + at)));
            items.push(own.map(|(_, &item)| ids[item as usize]));
        }
        (sampled.items, sampled.queries) = (items, queries);
    }
}

fn retain<T>(column: &mut Vec<T>, keep: &[bool]) {
    let mut flags = keep.iter();
    column.retain(|_| flags.next().is_some_and(|&kept| kept));
}

fn rows<T: Copy>(column: &Ragged<T>, keep: &[bool]) -> Ragged<T> {
    column.rows().zip(keep).filter(|(_, kept)| **kept).map(|(row, _)| row.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{RawEvent, RawItem};
    use crate::source::{EventSource, FileReport};

    struct Log(Vec<Vec<String>>);

    impl EventSource for Log {
        fn for_each_event(
            &self,
            visit: &mut dyn FnMut(RawEvent<'_>) -> Result<()>,
        ) -> Result<Vec<FileReport>> {
            for (user, items) in self.0.iter().enumerate() {
                let user = (user + 1).to_string();
                items
                    .iter()
                    .try_for_each(|item| visit(RawEvent { user: &user, item, ..RawEvent::default() }))?;
            }
            Ok(Vec::new())
        }

        fn for_each_item(&self, _: &mut dyn FnMut(RawItem<'_>) -> Result<()>) -> Result<Vec<FileReport>> {
            Ok(Vec::new())
        }

        fn times(&self) -> crate::event::Times {
            crate::event::Times::Order
        }
    }

    /// Histories by names.
    fn histories(data: &Numbered) -> Vec<(String, Vec<String>)> {
        let text = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap();
        let own = |user: usize| {
            let range = data.user_offsets[user] as usize..data.user_offsets[user + 1] as usize;
            data.event_items[range]
                .iter()
                .map(|&item| text(data.texts.items.row(item as usize - 1)))
                .collect()
        };
        (0..data.user_count()).map(|user| (text(data.texts.users.row(user)), own(user))).collect()
    }

    proptest::proptest! {
        #[test]
        fn leaves_what_preparing_the_same_log_leaves(
            log in proptest::collection::vec(proptest::collection::vec("[a-e]", 1..8), 1..7),
            users in 1u32..4, items in 1u32..4, most in proptest::option::of(1u32..6),
        ) {
            let config = PrepareConfig { min_user_events: users, min_item_events: items, max_user_events: most, ..PrepareConfig::table() };
            let mut data = Numbered::from_sequences(&log);
            let thinned = config.thin(&mut data, &mut PrepareReport::default());
            match config.prepare(&Log(log)) {
                Err(_) => proptest::prop_assert!(thinned.is_err()),
                Ok(prepared) => {
                    let left = thinned.unwrap();
                    proptest::prop_assert_eq!(left.len(), data.item_count());
                    data.check().unwrap();
                    proptest::prop_assert_eq!(histories(&data), histories(&prepared.data));
                    proptest::prop_assert_eq!(data.item_count(), prepared.data.item_count());
                }
            }
        }
    }
}
