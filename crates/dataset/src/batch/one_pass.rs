//! Training examples that hold all targets of a user: the history is seen once, each target sees the events before it.

use super::{Batches, Epoch, IdBlock};
use crate::corpus::Corpus;
use crate::negatives::Scratch;
use crate::rng::Stream;
use crate::split::{Example, Split};

/// Batches within which examples are sorted by their numbers of targets.
const SORTED: usize = 32;
const SHARED: u64 = 0x7368_6172;

/// An example for each `targets` targets of a user, by the newest of them, newest first.
pub(super) fn examples(corpus: &Corpus, targets: usize) -> Vec<Example> {
    let of = |user: usize| {
        let newest = Split::Train.target_of(corpus, user).into_iter();
        let ends = newest.flat_map(|newest| (1..=newest).rev().step_by(targets));
        ends.map(move |target| Example { user: user as u32, target: target as u32 })
    };
    (0..corpus.user_count()).flat_map(of).collect()
}

/// Sorts stretches of a shuffled order by the number of targets, so that little of a batch is padding, and shuffles the batches.
pub(super) fn sort_within(order: &mut [u32], size: usize, targets: impl Fn(u32) -> usize, stream: &mut Stream) {
    for stretch in order.chunks_mut(SORTED * size) {
        stretch.sort_by_key(|&index| targets(index));
    }
    let whole = order.len() / size;
    let mut batches: Vec<u32> = (0..whole as u32).collect();
    stream.shuffle(&mut batches);
    let moved: Vec<u32> =
        batches.iter().flat_map(|&batch| &order[batch as usize * size..][..size]).copied().collect();
    order[..moved.len()].copy_from_slice(&moved);
}

impl Batches {
    /// Whether examples hold all targets of a user.
    pub(super) fn in_one_pass(&self) -> bool {
        self.config.one_pass && self.split == Split::Train
    }

    /// How many targets an example holds.
    pub(super) fn targets_of(&self, example: Example) -> usize {
        self.config.targets_in_one_pass().min(example.target as usize)
    }
}

impl Epoch {
    /// Candidates `[B, T · (1 + negatives)]`, the newest target first, and how many of the `length` events each sees.
    pub(super) fn candidates_in_one_pass(
        &self,
        examples: &[Example],
        length: usize,
        scratch: &mut Scratch,
    ) -> (IdBlock, Vec<u32>) {
        let Batches { corpus, config, .. } = &self.batches;
        let group = 1 + config.training_negatives;
        let most = examples.iter().map(|&example| self.batches.targets_of(example)).max().unwrap_or(0);
        let mut block = IdBlock::new(examples.len(), most * group, config.query_length);
        let mut sees = vec![0; examples.len() * most * group];
        for (row, &example) in examples.iter().enumerate() {
            for back in 0..self.batches.targets_of(example) {
                let one = Example { target: example.target - back as u32, ..example };
                let candidates = self.candidates_of(one, scratch);
                let columns = back * group..(back + 1) * group;
                sees[row * most * group..][columns.clone()].fill((length - back) as u32);
                for (column, (&item, &query)) in columns.zip(candidates.items.iter().zip(&candidates.queries)) {
                    block.set(row, column, item, corpus.query(query));
                }
            }
        }
        (block, sees)
    }

    /// The negatives that all targets of batch `index` share: none outside of training.
    pub(super) fn shared_negatives(&self, index: usize) -> Vec<u32> {
        let Batches { corpus, config, split, .. } = &self.batches;
        let items = corpus.item_count();
        if *split != Split::Train || config.shared_negatives == 0 {
            return Vec::new();
        }
        if config.shared_negatives >= items {
            return (1..=items as u32).collect();
        }
        let mut stream = Stream::new(&[config.seed, SHARED, self.epoch, index as u64]);
        let mut drawn: Vec<u32> =
            (0..config.shared_negatives).map(|_| 1 + stream.below(items as u64) as u32).collect();
        drawn.sort_unstable();
        drawn.dedup();
        drawn
    }
}
