//! Negatives: items that a user never touched, drawn for training and evaluation.

use rand_mt::Mt;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::corpus::Corpus;
use crate::ragged::Ragged;
use crate::rng::Stream;
use crate::split::{Example, Split};

/// How likely an item is to be drawn.
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
pub enum Sampling {
    /// Every item alike.
    #[default]
    Uniform,
    /// In proportion to its number of events.
    Popularity,
}

/// Draws negatives from a corpus. What a user gets depends on the seed, the user and the use alone.
#[derive(Clone, Debug)]
pub struct NegativeSampler<'a> {
    corpus: &'a Corpus,
    sampling: Sampling,
    seed: u64,
}

/// Marks of the items that may not be drawn; kept between draws to save the allocation.
#[derive(Clone, Debug)]
pub struct Scratch {
    marks: Vec<u32>,
    now: u32,
}

impl Scratch {
    fn start(&mut self) {
        self.now = match self.now.checked_add(1) {
            Some(now) => now,
            None => {
                self.marks.fill(0);
                1
            }
        };
    }

    /// Marks an item; false if it was marked already.
    fn mark(&mut self, item: u32) -> bool {
        std::mem::replace(&mut self.marks[item as usize], self.now) != self.now
    }

    fn is_free(&self, item: u32) -> bool {
        self.marks[item as usize] != self.now
    }
}

/// Words that keep the streams of different uses apart.
const TRAINING: u64 = 0x7472_6169;
const EVALUATION: u64 = 0x6576_616c;

impl<'a> NegativeSampler<'a> {
    /// A sampler with a fixed seed.
    pub fn new(corpus: &'a Corpus, sampling: Sampling, seed: u64) -> Self {
        Self { corpus, sampling, seed }
    }

    /// Working memory for draws from this corpus.
    pub fn scratch(corpus: &Corpus) -> Scratch {
        Scratch { marks: vec![0; corpus.item_count() + 2], now: 0 }
    }

    /// Appends the evaluation negatives of a user: distinct, none in the user's whole history.
    ///
    /// Validation and test have lists of their own. A user who knows almost every item gets fewer, perhaps none; by
    /// [`Sampling::Popularity`], only items with events are drawn.
    ///
    /// # Panics
    /// If there is no such user; likewise below.
    pub fn evaluation(
        &self,
        user: usize,
        split: Split,
        count: usize,
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
    ) {
        let mut stream = Stream::new(&[self.seed, EVALUATION, split as u64, user as u64]);
        self.draw(user, count, self.corpus.item_count() as u32, &mut stream, scratch, out);
    }

    /// Appends the training negatives of an example in an epoch: as for evaluation, other ones each epoch.
    ///
    /// The target only tells the examples of a user apart. With `with_eos`, the EOS id (the number of items + 1) can be
    /// drawn too, as in the published code.
    pub fn training(
        &self,
        example: Example,
        epoch: u64,
        count: usize,
        with_eos: bool,
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
    ) {
        let key = [self.seed, TRAINING, epoch, u64::from(example.user), u64::from(example.target)];
        let last = self.corpus.item_count() as u32 + u32::from(with_eos);
        self.draw(example.user as usize, count, last, &mut Stream::new(&key), scratch, out);
    }

    fn draw(
        &self,
        user: usize,
        count: usize,
        last: u32,
        stream: &mut Stream,
        scratch: &mut Scratch,
        out: &mut Vec<u32>,
    ) {
        scratch.start();
        let mut free = last as usize;
        for &item in self.corpus.history(user).items {
            free -= usize::from(scratch.mark(item));
        }
        let wanted = count.min(free);
        let end = out.len() + wanted;
        // Rejection is quick while free items are common; else the free ones are listed and drawn from.
        let mut tries = 16 * wanted + 64;
        let events = self.corpus.event_items();
        while out.len() < end && tries > 0 {
            tries -= 1;
            let item = match self.sampling {
                Sampling::Uniform => 1 + stream.below(u64::from(last)) as u32,
                Sampling::Popularity => events[stream.below(events.len() as u64) as usize],
            };
            if scratch.mark(item) {
                out.push(item);
            }
        }
        if out.len() < end {
            self.draw_from_list(end, last, stream, scratch, out);
        }
    }

    /// Continues a draw exactly: sequential draws without replacement equal the order of `ln(u) / weight`.
    fn draw_from_list(
        &self,
        end: usize,
        last: u32,
        stream: &mut Stream,
        scratch: &Scratch,
        out: &mut Vec<u32>,
    ) {
        let weights = (self.sampling == Sampling::Popularity).then(|| self.corpus.item_events());
        let weight = |item: u32| weights.as_ref().map_or(1, |w| w.get(item as usize).copied().unwrap_or(0));
        let mut keyed: Vec<(f64, u32)> = (1..=last)
            .filter(|&item| scratch.is_free(item) && weight(item) > 0)
            .map(|item| ((1.0 - stream.unit()).ln() / f64::from(weight(item)), item))
            .collect();
        keyed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let missing = end - out.len();
        out.extend(keyed.iter().take(missing).map(|&(_, item)| item));
    }
}

/// The evaluation negatives of the published script, bit for bit: one MT19937 stream over all users in order.
///
/// Each draw shuffles the whole pool (O(items) per user), and a second draw may repeat a negative, as published.
/// Meant for comparisons with the published code; its seed is 12345.
pub fn published_negatives(corpus: &Corpus, seed: u32, count: usize) -> Ragged<u32> {
    let mut twister = Mt::new(seed);
    let mut seen = vec![false; corpus.item_count() + 1];
    let in_order = corpus.event_items().iter().copied();
    let pool: Vec<u32> =
        in_order.filter(|&item| !std::mem::replace(&mut seen[item as usize], true)).collect();
    let mut scratch = NegativeSampler::scratch(corpus);
    let mut order: Vec<u32> = Vec::new();
    (0..corpus.user_count())
        .map(|user| {
            scratch.start();
            let known = corpus.history(user).items.iter().filter(|&&item| scratch.mark(item)).count();
            let mut row = Vec::with_capacity(count);
            while row.len() < count && known < pool.len() {
                shuffle_as_numpy(pool.len(), &mut order, &mut twister);
                let drawn = order.iter().take(count).map(|&index| pool[index as usize]);
                row.extend(drawn.filter(|&item| scratch.is_free(item)));
            }
            row.truncate(count);
            row
        })
        .collect()
}

/// Fisher–Yates from the end; each index is a 32-bit word masked to the bound's bits, redrawn while too large.
fn shuffle_as_numpy(n: usize, order: &mut Vec<u32>, twister: &mut Mt) {
    order.clear();
    order.extend(0..n as u32);
    for i in (1..n as u32).rev() {
        let mask = u32::MAX >> i.leading_zeros();
        let j = loop {
            let word = twister.next_u32() & mask;
            if word <= i {
                break word;
            }
        };
        order.swap(i as usize, j as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_shuffle_is_reproduced() {
        // The first draw of the published script from a pool of the items 1 to 148.
        let mut order = Vec::new();
        shuffle_as_numpy(148, &mut order, &mut Mt::new(12345));
        let items: Vec<u32> = order[..10].iter().map(|index| index + 1).collect();
        assert_eq!(items, [68, 25, 55, 96, 17, 118, 128, 11, 94, 49]);
    }
}
