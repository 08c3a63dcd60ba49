//! What a corpus holds, in the published tables' terms.

use serde::{Deserialize, Serialize};

use crate::corpus::Corpus;
use crate::instant::of_seconds;
use crate::split::Split;

/// Counts and shapes of a corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Users.
    pub users: u64,
    /// Items that occur in events.
    pub items: u64,
    /// Events.
    pub events: u64,
    /// Events per user.
    pub user_events: Range,
    /// Events per item.
    pub item_events: Range,
    /// Percent of the user-item matrix that is empty.
    pub sparsity: f64,
    /// Query words.
    pub queries: u64,
    /// Events with a query.
    pub events_with_query: u64,
    /// Distinct attributes.
    pub attributes: u64,
    /// Attributes per item, over items that the item file knows.
    pub item_attributes: Range,
    /// Items with a title.
    pub items_with_title: u64,
    /// Items with an image address.
    pub items_with_image: u64,
    /// Events that repeat an earlier item of the same user.
    pub repeated_pairs: u64,
    /// Users whose last item, or test answer of a given split, already occurs in their history.
    pub targets_in_history: u64,
    /// The first and the last time, in seconds since 1970; positions where the source keeps no times.
    #[serde(default)]
    pub times: [i64; 2],
    /// Whether there are times; `None` where an older release did not say.
    #[serde(default)]
    pub has_times: Option<bool>,
    /// Events per user below which so many percent of the users are.
    #[serde(default)]
    pub user_event_percentiles: Percentiles,
    /// Users without test, training and pretraining examples: those with fewer than 3, 4 and 5 events, where the last events of
    /// each user are held back.
    pub users_too_short: [u64; 3],
}

/// Mean, smallest and largest of some counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Mean.
    pub mean: f64,
    /// Smallest.
    pub min: u64,
    /// Largest.
    pub max: u64,
}

/// Percentiles of some counts: of all of them in order, the one at that share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// A tenth.
    pub p10: u64,
    /// A quarter.
    pub p25: u64,
    /// The median.
    pub p50: u64,
    /// Three quarters.
    pub p75: u64,
    /// Nine tenths.
    pub p90: u64,
    /// All but one in a hundred.
    pub p99: u64,
}

impl Percentiles {
    /// By nearest rank: the smallest value that at least so many percent of the values do not exceed.
    fn of(values: impl Iterator<Item = u64>) -> Self {
        let mut values: Vec<u64> = values.collect();
        values.sort_unstable();
        let at = |percent: usize| {
            let rank = (values.len() * percent).div_ceil(100);
            values.get(rank.saturating_sub(1)).copied().unwrap_or(0)
        };
        Self { p10: at(10), p25: at(25), p50: at(50), p75: at(75), p90: at(90), p99: at(99) }
    }
}

impl Range {
    fn of(values: impl Iterator<Item = u64>) -> Self {
        let (mut count, mut sum, mut min, mut max) = (0u64, 0, u64::MAX, 0);
        for value in values {
            (count, sum, min, max) = (count + 1, sum + value, min.min(value), max.max(value));
        }
        if count == 0 { Self::default() } else { Self { mean: sum as f64 / count as f64, min, max } }
    }
}

impl Statistics {
    /// Counts a corpus.
    pub fn of(corpus: &Corpus) -> Self {
        let users = corpus.user_count();
        let lengths = || (0..users).map(|user| corpus.history(user).items.len() as u64);
        let per_item = corpus.item_events();
        let used = || per_item.iter().filter(|&&n| n > 0).map(|&n| u64::from(n));
        let (items, events) = (used().count() as u64, corpus.event_count() as u64);
        let (mut repeated_pairs, mut targets_in_history, mut events_with_query) = (0, 0, 0);
        let mut last_user = vec![u32::MAX; corpus.item_count() + 1];
        for user in 0..users {
            let history = corpus.history(user);
            let answer = match corpus.split(user) {
                Some(_) => Split::Test.target_of(corpus, user),
                None => history.items.len().checked_sub(1),
            };
            for (index, &item) in history.items.iter().enumerate() {
                if std::mem::replace(&mut last_user[item as usize], user as u32) == user as u32 {
                    repeated_pairs += 1;
                    targets_in_history += u64::from(Some(index) == answer);
                }
            }
            events_with_query += history.queries.iter().filter(|&&q| q != 0).count() as u64;
        }
        let ids = || 1..=corpus.item_count() as u32;
        let without =
            |split: Split| (0..users).filter(|&u| split.target_of(corpus, u).is_none()).count() as u64;
        Self {
            users: users as u64,
            items,
            events,
            user_events: Range::of(lengths()),
            item_events: Range::of(used()),
            // Events that repeat may outnumber the pairs.
            sparsity: (100.0 * (1.0 - events as f64 / (users as f64 * items as f64))).max(0.0),
            queries: corpus.word_count() as u64,
            events_with_query,
            attributes: corpus.attribute_count() as u64,
            item_attributes: Range::of(ids().filter_map(|i| corpus.attributes(i)).map(|a| a.len() as u64)),
            items_with_title: ids().filter(|&i| corpus.title(i).is_some()).count() as u64,
            items_with_image: ids().filter(|&i| corpus.image_urls(i).next().is_some()).count() as u64,
            repeated_pairs,
            targets_in_history,
            times: times_of(corpus),
            has_times: corpus.knows_times(),
            user_event_percentiles: Percentiles::of(lengths()),
            users_too_short: [Split::Test, Split::Train, Split::Pretrain].map(without),
        }
    }
}

/// The earliest and the latest time of all events.
fn times_of(corpus: &Corpus) -> [i64; 2] {
    let times = || (0..corpus.user_count()).flat_map(|user| corpus.history(user).times).copied();
    [times().min().unwrap_or(0), times().max().unwrap_or(0)]
}

impl Statistics {
    /// As a table: a row for each figure, with a line end.
    pub fn table(&self) -> String {
        let range = |range: Range| format!("{:.4} ({} to {})", range.mean, range.min, range.max);
        let Percentiles { p10, p25, p50, p75, p90, p99 } = self.user_event_percentiles;
        let without = |with: u64| self.items - with.min(self.items);
        let tested = self.users - self.users_too_short[0];
        let [first, last] = self.times.map(of_seconds);
        let rows = [
            ("users", format!("{}, events each {}", self.users, range(self.user_events))),
            ("lengths", format!("10 % {p10}, 25 % {p25}, median {p50}, 75 % {p75}, 90 % {p90}, 99 % {p99}")),
            ("items", format!("{}, events each {}", self.items, range(self.item_events))),
            ("events", format!("{}, sparsity {:.2} %", self.events, self.sparsity)),
            (
                "times",
                if self.has_times == Some(false) { "none".to_owned() } else { format!("{first} to {last}") },
            ),
            (
                "answers",
                format!("{tested} for the test, {} of them in the history already", self.targets_in_history),
            ),
            ("queries", format!("{} words, {} events with a query", self.queries, self.events_with_query)),
            ("attributes", format!("{}, per item {}", self.attributes, range(self.item_attributes))),
            (
                "titles",
                format!("{}, {} items without", self.items_with_title, without(self.items_with_title)),
            ),
            (
                "images",
                format!("{}, {} items without", self.items_with_image, without(self.items_with_image)),
            ),
        ];
        rows.map(|(name, figures)| format!("{name:<11} {figures}\n")).concat()
    }
}

impl Corpus {
    /// How many training events each item has, by id; entry 0 is 0.
    ///
    /// The targets of validation and test are left out: the last two events of each user who has such targets, or what the
    /// [split](Corpus::split) of the corpus holds back.
    pub fn training_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.item_count() + 1];
        for user in 0..self.user_count() {
            let items = self.history(user).items;
            let train = match self.split(user) {
                Some([train, _]) => train,
                None if Split::Test.target(items.len()).is_some() => items.len() - 2,
                None => items.len(),
            };
            items[..train].iter().for_each(|&item| counts[item as usize] += 1);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbered::Numbered;

    proptest::proptest! {
        #[test]
        fn percentiles_have_their_share_below(values in proptest::collection::vec(0u64..20, 1..40)) {
            let found = Percentiles::of(values.iter().copied());
            for (percent, value) in [(10, found.p10), (25, found.p25), (50, found.p50), (75, found.p75), (90, found.p90), (99, found.p99)] {
                let upto = |limit: u64| values.iter().filter(|&&v| v <= limit).count() * 100;
                proptest::prop_assert!(values.contains(&value) && upto(value) >= percent * values.len());
                proptest::prop_assert!(value == 0 || upto(value - 1) < percent * values.len());
            }
        }
    }

    #[test]
    fn training_counts_leave_out_the_targets_of_validation_and_test() {
        let folder = tempfile::tempdir().unwrap();
        let sequences = [vec!["a", "b", "a", "c", "d"], vec!["a", "b"], vec!["c", "d", "b"]];
        Corpus::write(&Numbered::from_sequences(sequences), folder.path()).unwrap();
        let corpus = Corpus::open(folder.path()).unwrap();
        // The second user is too short for targets: both events count.
        assert_eq!(corpus.training_counts(), [0, 3, 2, 1, 0]);
        assert_eq!(corpus.item_events(), [0, 3, 3, 2, 2]);
    }
}
