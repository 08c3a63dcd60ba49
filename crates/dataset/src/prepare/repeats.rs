//! Events that come more than once.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::numbered::Numbered;

/// Which events are dropped as repeats of an earlier one.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Repeats {
    /// None: every event counts.
    #[default]
    Keep,
    /// Those of the same user, item and time. In data without times, the same as [`Consecutive`](Self::Consecutive).
    SameTime,
    /// Those of the user's item just before.
    Consecutive,
    /// All but a user's first event of an item.
    All,
}

impl Repeats {
    /// Which of a user's events stay, given oldest first as items and times; without times, their order is all that is known.
    pub(crate) fn stay<'a>(
        self,
        events: impl Iterator<Item = (u32, i64)> + 'a,
        has_times: bool,
    ) -> impl Iterator<Item = bool> + 'a {
        let rule = match self {
            Self::SameTime if !has_times => Self::Consecutive,
            rule => rule,
        };
        let mut seen = hashbrown::HashSet::new();
        let mut before = None;
        events.map(move |(item, time)| match rule {
            Self::Keep => true,
            Self::SameTime => seen.insert((item, time)),
            Self::Consecutive => before.replace(item) != Some(item),
            Self::All => seen.insert((item, 0)),
        })
    }
}

impl Numbered {
    /// Drops repeats of data that has no times; returns how many there were.
    pub(crate) fn drop_repeats(&mut self, repeats: Repeats) -> u64 {
        let before = self.event_items.len();
        let (mut kept, mut start) = (0, 0);
        for user in 0..self.user_count() {
            let end = self.user_offsets[user + 1] as usize;
            let own: Vec<(u32, i64)> = self.event_items[start..end].iter().map(|&item| (item, 0)).collect();
            let first = kept;
            for (event, stays) in (start..end).zip(repeats.stay(own.into_iter(), false)) {
                if stays {
                    self.event_items[kept] = self.event_items[event];
                    self.event_times[kept] = (kept - first) as i64;
                    self.event_kinds[kept] = self.event_kinds[event];
                    self.event_queries[kept] = self.event_queries[event];
                    kept += 1;
                }
            }
            start = end;
            self.user_offsets[user + 1] = kept as u64;
        }
        self.event_items.truncate(kept);
        self.event_times.truncate(kept);
        self.event_kinds.truncate(kept);
        self.event_queries.truncate(kept);
        (before - kept) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_drops_its_repeats() {
        let events = [(1, 5), (1, 5), (2, 5), (1, 5), (1, 6), (2, 7)];
        let kept = |rule: Repeats, times| {
            rule.stay(events.into_iter(), times)
                .map(|stays| if stays { 'x' } else { '-' })
                .collect::<String>()
        };
        assert_eq!(kept(Repeats::Keep, true), "xxxxxx");
        assert_eq!(kept(Repeats::SameTime, true), "x-x-xx");
        assert_eq!(kept(Repeats::SameTime, false), "x-xx-x");
        assert_eq!(kept(Repeats::Consecutive, true), "x-xx-x");
        assert_eq!(kept(Repeats::All, true), "x-x---");
    }

    #[test]
    fn queries_and_users_stay_with_their_events() {
        let mut data = Numbered::from_sequences([vec!["a", "a", "b"], vec![], vec!["b", "b", "a"]])
            .with_queries([vec!["1", "2", "3"], vec![], vec!["4", "5", "6"]])
            .unwrap();
        assert_eq!(data.drop_repeats(Repeats::SameTime), 2);
        let expected = Numbered::from_sequences([vec!["a", "b"], vec![], vec!["b", "a"]]);
        assert_eq!((&data.event_items, &data.user_offsets), (&expected.event_items, &expected.user_offsets));
        assert_eq!(data.event_times, expected.event_times);
        let words: Vec<u32> = data.event_queries.iter().map(|&q| data.queries.row(q as usize)[0]).collect();
        assert_eq!(words, [1, 3, 4, 6]);
    }
}
