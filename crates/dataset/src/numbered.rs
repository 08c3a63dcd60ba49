//! Events with numbers instead of names, in memory: what preparing produces and a corpus file stores.

use crate::error::{Error, Result};
use crate::event::EventKind;
use crate::ids::Vocabulary;
use crate::prepare::Counts;
use crate::ragged::Ragged;
use crate::words::keywords;

/// A data set after numbering. Users count from 0; items, words and attributes from 1, 0 is the padding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbered {
    /// The number that text files write for each user.
    pub user_numbers: Vec<u32>,
    /// Start of each user's events, and the end of the last.
    pub user_offsets: Vec<u64>,
    /// Item of each event, oldest first within a user.
    pub event_items: Vec<u32>,
    /// Time of each event in seconds since 1970, or its position where the source keeps no times.
    pub event_times: Vec<i64>,
    /// Whether `event_times` are times.
    pub has_times: bool,
    /// [`EventKind`](crate::EventKind) of each event.
    pub event_kinds: Vec<u8>,
    /// Query of each event, a row of `queries`.
    pub event_queries: Vec<u32>,
    /// What the user did in each event, a number of `texts.actions`; 0 where the log does not tell. Empty if it never does.
    pub event_actions: Vec<u8>,
    /// Of each user, how many events are there to train on, and how many to train or validate on. Empty: the last two events of
    /// each user are held back.
    pub splits: Vec<[u32; 2]>,
    /// Keyword lists; row 0 is the empty query.
    pub queries: Ragged<u32>,
    /// Query that belongs to an item itself, by item id; 0 for none.
    pub item_queries: Vec<u32>,
    /// Items that have an attribute list, in the order of the item file.
    pub attribute_items: Vec<u32>,
    /// The attribute list of each of them.
    pub item_attributes: Ragged<u32>,
    /// Named fields of items.
    pub fields: Vec<Field>,
    /// Evaluation negatives that came with the data, one row per user.
    pub sampled: Option<Sampled>,
    /// Names and texts.
    pub texts: Texts,
}

/// Imported evaluation negatives: items and the queries that stand beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampled {
    /// Item ids, a row per user.
    pub items: Ragged<u32>,
    /// Rows of the query table, aligned with `items`; empty where the data has none.
    pub queries: Vec<u32>,
}

/// A named field of items, such as `genres`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Each value; row `i` is value `i + 1`. No rows: the data only numbers them.
    pub values: Ragged<u8>,
    /// The values of each item, a row per item.
    pub items: Ragged<u32>,
}

/// Names and texts by number. Row `i` of a numbered kind belongs to id `i + 1`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    /// The log's name of each user.
    pub users: Ragged<u8>,
    /// The log's name of each item.
    pub items: Ragged<u8>,
    /// Each query word; empty where the published numbering keeps the log's own numbers.
    pub words: Ragged<u8>,
    /// Each attribute.
    pub attributes: Ragged<u8>,
    /// Each action, such as `click`.
    pub actions: Ragged<u8>,
    /// Each item's title; empty where it has none.
    pub titles: Ragged<u8>,
    /// Each item's image addresses, best first, separated by line ends; empty where it has none.
    pub image_urls: Ragged<u8>,
}

impl Numbered {
    /// Number of users.
    pub fn user_count(&self) -> usize {
        self.user_numbers.len()
    }

    /// Largest item id.
    pub fn item_count(&self) -> usize {
        self.item_queries.len().saturating_sub(1)
    }

    /// Users and items that have events, and events.
    pub(crate) fn counts(&self) -> Counts {
        let mut seen = vec![false; self.item_count() + 1];
        let first = |&&item: &&u32| !std::mem::replace(&mut seen[item as usize], true);
        let items = self.event_items.iter().filter(first).count() as u64;
        let users = self.user_offsets.windows(2).filter(|range| range[0] < range[1]).count() as u64;
        Counts { users, items, events: self.event_items.len() as u64 }
    }

    /// How many of the users and of the items that had a number before have no event.
    pub(crate) fn without_events(&self, numbers: &crate::prepare::Numbers) -> [u64; 2] {
        let mut seen = vec![false; self.item_count() + 1];
        self.event_items.iter().for_each(|&item| seen[item as usize] = true);
        let ranges = self.user_offsets.windows(2).take(numbers.users.len());
        let users = ranges.filter(|range| range[0] == range[1]).count() as u64;
        let items = seen.iter().skip(1).take(numbers.items.len()).filter(|seen| !**seen).count() as u64;
        [users, items]
    }

    /// A data set from memory: of each user the names of the items, oldest first.
    ///
    /// Items are numbered from 1 in order of first appearance, as [`PrepareConfig::prepare`](crate::PrepareConfig::prepare)
    /// does; users are named by their numbers, from 1. Nobody is filtered out. Times are positions until
    /// [`with_times`](Self::with_times).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// use seminar_dataset::{Corpus, Numbered};
    /// let data = Numbered::from_sequences([vec!["pen", "ink", "pen"], vec!["paper", "ink"]])
    ///     .with_queries([vec!["blue pen", "", "pen"], vec!["", "blue"]])?
    ///     .with_titles([("ink", "Ink, blue")])?;
    /// Corpus::write(&data, folder.path())?;
    /// let corpus = Corpus::open(folder.path())?;
    /// assert_eq!(corpus.history(1).items, [3, 2]);
    /// assert_eq!(corpus.title(2), Some("Ink, blue"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// If there are more than 2^32 − 2 items or users.
    pub fn from_sequences<S>(users: impl IntoIterator<Item = S>) -> Self
    where
        S: IntoIterator,
        S::Item: AsRef<str>,
    {
        let mut data = Self { user_offsets: vec![0], ..Self::default() };
        let mut items = Vocabulary::default();
        for (user, sequence) in users.into_iter().enumerate() {
            let before = data.event_items.len();
            data.event_items.extend(sequence.into_iter().map(|name| items.insert(name.as_ref())));
            data.event_times.extend(0..(data.event_items.len() - before) as i64);
            data.user_numbers.push(u32::try_from(user + 1).expect("fewer than 2^32 users"));
            data.user_offsets.push(data.event_items.len() as u64);
        }
        data.event_kinds = vec![EventKind::Recommendation as u8; data.event_items.len()];
        data.event_queries = vec![0; data.event_items.len()];
        data.queries.push([]);
        data.item_queries = vec![0; items.len() + 1];
        data.texts.users = data.user_numbers.iter().map(|number| number.to_string().into_bytes()).collect();
        data.texts.items = (1..=items.len() as u32).map(|id| items.key(id).iter().copied()).collect();
        data.texts.titles = (0..items.len()).map(|_| []).collect();
        data.texts.image_urls = data.texts.titles.clone();
        data
    }

    /// Gives each event its time in seconds since 1970, user after user.
    ///
    /// # Errors
    /// [`Error::Config`] if there are more or fewer times than events, or a user's times fall.
    pub fn with_times<S: IntoIterator<Item = i64>>(
        mut self,
        times: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let mut all = Vec::with_capacity(self.event_items.len());
        self.align("times", times, |time| all.push(time))?;
        let own = self.user_offsets.windows(2).map(|range| &all[range[0] as usize..range[1] as usize]);
        if let Some(user) = own.into_iter().position(|times| !times.is_sorted()) {
            let message = format!("those of user {user} fall: events are given oldest first");
            return Err(Error::Config { field: "times", message });
        }
        self.event_times = all;
        self.has_times = true;
        Ok(self)
    }

    /// Gives each event the text of its query, user after user; an empty text is no query.
    ///
    /// Texts are split by [`keywords`]. An event with a query becomes [`EventKind::Search`]. Earlier queries are dropped, those
    /// of items and of sampled negatives too.
    ///
    /// # Errors
    /// [`Error::Config`] if there are more or fewer queries than events.
    pub fn with_queries<S>(mut self, queries: impl IntoIterator<Item = S>) -> Result<Self>
    where
        S: IntoIterator,
        S::Item: AsRef<str>,
    {
        let (mut texts, mut words) = (Vocabulary::default(), Vocabulary::default());
        let mut table = Ragged::default();
        table.push([]);
        let mut rows = Vec::with_capacity(self.event_items.len());
        self.align("queries", queries, |text| {
            let text = text.as_ref();
            let row = if text.is_empty() { 0 } else { texts.insert(text) };
            if row as usize == table.len() {
                table.push(keywords(text).map(|word| words.insert(word)));
            }
            rows.push(row);
        })?;
        let kind = |&row: &u32| if row == 0 { EventKind::Recommendation } else { EventKind::Search };
        self.event_kinds = rows.iter().map(|row| kind(row) as u8).collect();
        self.event_queries = rows;
        self.queries = table;
        self.item_queries.fill(0);
        if let Some(sampled) = &mut self.sampled {
            sampled.queries.clear();
        }
        self.texts.words = (1..=words.len() as u32).map(|id| words.key(id).iter().copied()).collect();
        Ok(self)
    }

    /// Gives items their titles, by name; items that are not named have none.
    ///
    /// # Errors
    /// [`Error::Config`] if no event has an item of some name.
    pub fn with_titles<N: AsRef<str>, T: AsRef<str>>(
        mut self,
        titles: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self> {
        let mut own = vec![String::new(); self.texts.items.len()];
        {
            // Of several items of one name, the first.
            let rows = self.texts.items.rows().enumerate().rev();
            let rows: hashbrown::HashMap<&[u8], usize> = rows.map(|(row, name)| (name, row)).collect();
            for (name, title) in titles {
                let name = name.as_ref();
                let Some(&row) = rows.get(name.as_bytes()) else {
                    let message = format!("no event has the item `{name}`");
                    return Err(Error::Config { field: "titles", message });
                };
                title.as_ref().clone_into(&mut own[row]);
            }
        }
        self.texts.titles = own.iter().map(|title| title.bytes()).collect();
        Ok(self)
    }

    /// Hands over the values of all events, of which each user has as many as events.
    fn align<S: IntoIterator>(
        &self,
        field: &'static str,
        users: impl IntoIterator<Item = S>,
        mut take: impl FnMut(S::Item),
    ) -> Result<()> {
        let mut found = 0;
        for (user, values) in users.into_iter().enumerate() {
            let values = values.into_iter().map(&mut take).count();
            let events = self.user_offsets.get(user..user + 2).map(|range| (range[1] - range[0]) as usize);
            if events != Some(values) {
                let message = format!("{values} for the {} events of user {user}", events.unwrap_or(0));
                return Err(Error::Config { field, message });
            }
            found += 1;
        }
        if found != self.user_count() {
            let message = format!("of {found} users where there are {}", self.user_count());
            return Err(Error::Config { field, message });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{RawEvent, RawItem};
    use crate::prepare::{PrepareConfig, Queries};
    use crate::source::{EventSource, FileReport};

    /// The same data as a log.
    struct Log(Vec<Vec<(String, Vec<u64>)>>);

    impl EventSource for Log {
        fn for_each_event(
            &self,
            visit: &mut dyn FnMut(RawEvent<'_>) -> Result<()>,
        ) -> Result<Vec<FileReport>> {
            for (user, events) in self.0.iter().enumerate() {
                for (time, (item, query)) in events.iter().enumerate() {
                    let kind = if query.is_empty() { EventKind::Recommendation } else { EventKind::Search };
                    let user = (user + 1).to_string();
                    let event = RawEvent { user: &user, item, query, kind, ..RawEvent::default() };
                    visit(RawEvent { time: 7 * time as i64, ..event })?;
                }
            }
            Ok(Vec::new())
        }

        fn for_each_item(&self, _: &mut dyn FnMut(RawItem<'_>) -> Result<()>) -> Result<Vec<FileReport>> {
            Ok(Vec::new())
        }
    }

    proptest::proptest! {
        #[test]
        fn equals_what_preparing_makes_of_the_same_log(
            events in proptest::collection::vec(
                proptest::collection::vec(("[a-d]", proptest::collection::vec(0u64..4, 0..3)), 1..6), 1..5),
        ) {
            let log = Log(events);
            let config = PrepareConfig {
                min_user_events: 0, min_item_events: 0, queries: Queries::Logged, ..PrepareConfig::amazon()
            };
            let text = |words: &[u64]| words.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
            let of = |user: &Vec<(String, Vec<u64>)>| user.iter().map(|event| text(&event.1)).collect::<Vec<_>>();
            let data = Numbered::from_sequences(log.0.iter().map(|user| user.iter().map(|event| &event.0)))
                .with_times(log.0.iter().map(|user| (0..user.len() as i64).map(|time| 7 * time))).unwrap()
                .with_queries(log.0.iter().map(of)).unwrap();
            proptest::prop_assert_eq!(data, config.prepare(&log).unwrap().data);
        }
    }

    #[test]
    fn what_does_not_fit_the_events_is_an_error() {
        let data = || Numbered::from_sequences([vec!["a", "b"], vec!["a"]]);
        let times = |times: &[&[i64]]| data().with_times(times.iter().map(|own| own.iter().copied()));
        assert_eq!(times(&[&[5, 5], &[-1]]).unwrap().event_times, [5, 5, -1]);
        for wrong in
            [&[&[5, 6][..]][..], &[&[5, 6], &[]], &[&[5], &[6, 7]], &[&[5, 6], &[7], &[8]], &[&[5, 4], &[7]]]
        {
            assert!(matches!(times(wrong), Err(Error::Config { field: "times", .. })), "{wrong:?}");
        }
        assert!(matches!(data().with_queries([["a"], ["b"]]), Err(Error::Config { field: "queries", .. })));
        let error = data().with_titles([("c", "C")]).unwrap_err().to_string();
        assert!(error.contains("`c`"), "{error}");
    }
}
