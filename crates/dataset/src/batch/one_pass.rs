//! Training examples that hold all targets of a user: the history is seen once, each target sees the events before it.

use super::{Batches, Epoch, IdBlock};
use crate::corpus::Corpus;
use crate::negatives::Scratch;
use crate::rng::Stream;
use crate::split::{Example, Split};

const CHOICE: u64 = 0x6368_6f69;
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
        let chosen: Vec<Vec<u32>> = examples.iter().map(|&example| self.chosen(example)).collect();
        let width = group * chosen.iter().map(Vec::len).max().unwrap_or(0);
        let mut block = IdBlock::new(examples.len(), width, config.query_length);
        let mut sees = vec![0; examples.len() * width];
        for (row, (&example, chosen)) in examples.iter().zip(&chosen).enumerate() {
            for (at, &back) in chosen.iter().enumerate() {
                let one = Example { target: example.target - back, ..example };
                let candidates = self.candidates_of(one, scratch);
                let columns = at * group..(at + 1) * group;
                sees[row * width..][columns.clone()].fill(length as u32 - back);
                for (column, (&item, &query)) in columns.zip(candidates.items.iter().zip(&candidates.queries))
                {
                    block.set(row, column, item, corpus.query(query));
                }
            }
        }
        (block, sees)
    }

    /// The targets of an example that get candidates, by how many events follow them within it, ascending: the newest, and others
    /// drawn anew in each epoch.
    fn chosen(&self, example: Example) -> Vec<u32> {
        let config = &self.batches.config;
        let mut chosen: Vec<u32> = (0..self.batches.targets_of(example) as u32).collect();
        let most = config.compared_targets;
        if most > 0 && chosen.len() > most {
            let key = [config.seed, CHOICE, self.epoch, u64::from(example.user), u64::from(example.target)];
            Stream::new(&key).shuffle(&mut chosen[1..]);
            chosen.truncate(most);
            chosen.sort_unstable();
        }
        chosen
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
