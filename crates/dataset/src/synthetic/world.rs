//! The planted structure: which items belong together, and what a user does.

use super::{MIN_EVENTS, SyntheticConfig};
use crate::rng::Stream;

/// Items of an interest, in order of popularity.
const TOPIC: u64 = 40;
/// Items of a series, in order.
const SERIES: u64 = 8;

const LENGTH: u64 = 1;
const USER: u64 = 2;
const VECTOR: u64 = 3;
const WORD: u64 = 4;

/// The items and users of a synthetic data set. Everything is computed from the seed when asked for.
#[derive(Clone, Debug)]
pub struct World {
    config: SyntheticConfig,
    topics: u64,
    /// Extra events a unit of user weight is worth.
    scale: f64,
}

/// One planted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planted {
    /// Item, from 0.
    pub item: u64,
    /// The interest the event follows; `None` for noise.
    pub topic: Option<u64>,
    /// Whether it continues a series.
    pub continues: bool,
}

impl World {
    /// The world of these settings, which must be valid.
    pub fn new(config: &SyntheticConfig) -> Self {
        let mut world = Self { config: config.clone(), topics: config.items.div_ceil(TOPIC), scale: 0.0 };
        let total: f64 = (0..config.users).map(|user| world.weight(user)).sum();
        world.scale = (config.events - MIN_EVENTS * config.users) as f64 / total;
        world
    }

    /// Number of interests that exist.
    pub fn topics(&self) -> u64 {
        self.topics
    }

    /// How active a user is: heavy-tailed, as in real logs, and bounded.
    fn weight(&self, user: u64) -> f64 {
        (1.2 * Stream::new(&[self.config.seed, LENGTH, user]).normal()).exp().min(60.0)
    }

    /// The number of events of each user in turn; they sum to the configured number exactly.
    pub fn lengths(&self) -> impl Iterator<Item = u64> + '_ {
        let spare = self.config.events - MIN_EVENTS * self.config.users;
        let mut sum = 0.0;
        let mut given = 0;
        (0..self.config.users).map(move |user| {
            sum += self.weight(user) * self.scale;
            let last = user + 1 == self.config.users;
            let due = if last { spare } else { (sum as u64).min(spare) };
            let length = MIN_EVENTS + due - given;
            given = due;
            length
        })
    }

    /// A user's events, oldest first.
    pub fn events(&self, user: u64, length: u64) -> Vec<Planted> {
        let SyntheticConfig { seed, items, interests, mean_run, continuation, noise, .. } = self.config;
        let mut stream = Stream::new(&[seed, USER, user]);
        let interests: Vec<u64> = (0..interests).map(|_| skewed(&mut stream, self.topics)).collect();
        let mut left_off: Vec<Option<u64>> = vec![None; interests.len()];
        let mut current = 0;
        (0..length)
            .map(|_| {
                if stream.unit() < 1.0 / mean_run {
                    current = stream.below(interests.len() as u64) as usize;
                }
                if stream.unit() < noise {
                    return Planted { item: stream.below(items), topic: None, continues: false };
                }
                let topic = interests[current];
                let next = left_off[current]
                    .filter(|_| stream.unit() < continuation)
                    .and_then(|i| self.successor(i));
                let first = topic * TOPIC;
                let item = next.unwrap_or_else(|| first + skewed(&mut stream, TOPIC.min(items - first)));
                left_off[current] = Some(item);
                Planted { item, topic: Some(topic), continues: next.is_some() }
            })
            .collect()
    }

    /// The next item of the same series.
    fn successor(&self, item: u64) -> Option<u64> {
        Some(item + 1).filter(|next| next % SERIES != 0 && *next < self.config.items)
    }

    /// Another item.
    pub(crate) fn item_after(&self, item: u64) -> u64 {
        (item + 1) % self.config.items
    }

    /// The interest an item belongs to.
    pub fn topic(&self, item: u64) -> u64 {
        item / TOPIC
    }

    /// Series within the whole world, and the item's place in it.
    pub fn series(&self, item: u64) -> (u64, u64) {
        (item / SERIES, item % SERIES)
    }

    /// A made-up word; the same key is always the same word.
    pub fn word(&self, key: &[u64]) -> String {
        const ONSETS: [&str; 16] =
            ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "st", "tr"];
        const VOWELS: [&str; 6] = ["a", "e", "i", "o", "u", "ea"];
        let mut full = vec![self.config.seed, WORD];
        full.extend(key);
        let mut stream = Stream::new(&full);
        let syllables = 2 + stream.below(2);
        (0..syllables)
            .flat_map(|_| [ONSETS[stream.below(16) as usize], VOWELS[stream.below(6) as usize]])
            .collect()
    }

    /// What the item's picture shows, as a vector: its interest, its series, and a part of its own.
    pub fn image(&self, item: u64) -> Vec<f32> {
        let direction = |kind: u64, number: u64| {
            let mut stream = Stream::new(&[self.config.seed, VECTOR, kind, number]);
            (0..self.config.image_dim).map(move |_| stream.normal()).collect::<Vec<_>>()
        };
        let parts = [
            (1.0, direction(0, self.topic(item))),
            (0.6, direction(1, item / SERIES)),
            (0.4, direction(2, item)),
        ];
        let sum = (0..self.config.image_dim).map(|d| parts.iter().map(|(w, v)| w * v[d]).sum::<f64>());
        let vector: Vec<f64> = sum.collect();
        let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        vector.iter().map(|x| (x / norm) as f32).collect()
    }
}

/// An integer below `n`, small ones more often.
fn skewed(stream: &mut Stream, n: u64) -> u64 {
    ((stream.unit().powf(1.6) * n as f64) as u64).min(n - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_sum_to_the_number_of_events() {
        let config = SyntheticConfig { users: 997, events: 31_337, ..Default::default() };
        let lengths: Vec<u64> = World::new(&config).lengths().collect();
        assert_eq!(lengths.iter().sum::<u64>(), 31_337);
        assert!(lengths.iter().all(|&n| n >= MIN_EVENTS) && lengths.iter().max() > Some(&150));
    }

    #[test]
    fn series_are_continued_over_long_gaps() {
        let config = SyntheticConfig { users: 1, events: 2000, ..Default::default() };
        let world = World::new(&config);
        let events = world.events(0, 2000);
        let gaps: Vec<usize> = (0..events.len())
            .filter(|&at| events[at].continues)
            .filter_map(|at| (0..at).rev().find(|&b| events[b].item + 1 == events[at].item).map(|b| at - b))
            .collect();
        assert!(gaps.len() > 600, "{} of 2000 events continue a series", gaps.len());
        let far = gaps.iter().filter(|&&gap| gap > 10).count();
        assert!(far * 10 > gaps.len(), "{far} of {} continue from more than 10 events back", gaps.len());
    }

    #[test]
    fn images_of_one_interest_are_nearer() {
        let world = World::new(&SyntheticConfig::default());
        let dot = |a: u64, b: u64| world.image(a).iter().zip(world.image(b)).map(|(x, y)| x * y).sum::<f32>();
        assert!(dot(0, 1) > 0.6 && dot(0, 20) > 0.3 && dot(0, 100).abs() < 0.4);
    }
}
