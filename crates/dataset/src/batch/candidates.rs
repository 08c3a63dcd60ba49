//! Candidates of each example, and the queries beside them.

use super::{Batches, Epoch, IdBlock, TestMode};
use crate::negatives::{NegativeSampler, Scratch};
use crate::rng::Stream;
use crate::split::{Example, Split};

const HIDE: u64 = 0x6869_6465;
const BORROW: u64 = 0x626f_7272;
/// Stands for the query of EOS among rows of the corpus's query table.
const EOS_QUERY: u32 = u32::MAX;

/// The candidates of an example: items, the target first, and a row of the query table for each.
pub(super) struct Candidates {
    pub items: Vec<u32>,
    pub queries: Vec<u32>,
}

impl Epoch {
    pub(super) fn candidates(&self, examples: &[Example], scratch: &mut Scratch) -> IdBlock {
        let Batches { corpus, config, split, .. } = &self.batches;
        let rows: Vec<Candidates> =
            examples.iter().map(|&example| self.candidates_of(example, scratch)).collect();
        let fixed = match split {
            Split::Train | Split::Pretrain => config.training_negatives,
            Split::Valid | Split::Test => 0,
        };
        let width = rows.iter().map(|r| r.items.len()).max().unwrap_or(0).max(1 + fixed);
        let mut block = IdBlock::new(examples.len(), width, config.query_length);
        let eos_query = self.eos_query();
        for (row, candidates) in rows.iter().enumerate() {
            for (column, (&item, &query)) in candidates.items.iter().zip(&candidates.queries).enumerate() {
                let words = if query == EOS_QUERY { &eos_query } else { corpus.query(query) };
                block.set(row, column, item, words);
            }
        }
        block
    }

    pub(super) fn candidates_of(&self, example: Example, scratch: &mut Scratch) -> Candidates {
        let Batches { corpus, config, split, .. } = &self.batches;
        let history = corpus.history(example.user as usize);
        let target = example.target as usize;
        let mut items = vec![history.items[target]];
        let own_query = history.queries[target];
        let training = matches!(split, Split::Train | Split::Pretrain);
        let sampler = NegativeSampler::new(corpus, config.sampling, config.seed);
        let mut imported_queries = None;
        match corpus.sampled(example.user as usize) {
            _ if training => {
                let (drawn, count) = (self.drawn_as(example), config.training_negatives);
                sampler.training(drawn, self.epoch, count, config.published, scratch, &mut items);
            }
            Some((negatives, queries)) => {
                items.extend_from_slice(negatives);
                imported_queries = queries;
            }
            None => {
                let lists = if config.published { Split::Test } else { *split };
                sampler.evaluation(
                    example.user as usize,
                    lists,
                    config.evaluation_negatives,
                    scratch,
                    &mut items,
                );
            }
        }
        let own = |item: u32| if item as usize <= corpus.item_count() { corpus.item_query(item) } else { 0 };
        let queries = if training {
            self.training_queries(example, &items, own_query)
        } else {
            let negatives = items[1..].iter().enumerate().map(|(i, &item)| match config.test_mode {
                TestMode::Recommendation => 0,
                TestMode::Search => own_query,
                TestMode::Pair => imported_queries.map_or_else(|| own(item), |queries| queries[i]),
            });
            let first = if config.test_mode == TestMode::Recommendation { 0 } else { own_query };
            std::iter::once(first).chain(negatives).collect()
        };
        Candidates { items, queries }
    }

    /// The example by which random draws are keyed. As published, it counts targets from the newest one, so that the draws of
    /// pretraining and of training are the same.
    fn drawn_as(&self, example: Example) -> Example {
        let Batches { corpus, config, split, .. } = &self.batches;
        let newest = split.target_of(corpus, example.user as usize);
        match newest.filter(|_| config.published) {
            Some(newest) => Example { target: newest as u32 - example.target, ..example },
            None => example,
        }
    }

    fn training_queries(&self, example: Example, items: &[u32], own_query: u32) -> Vec<u32> {
        let Batches { corpus, config, .. } = &self.batches;
        let drawn = self.drawn_as(example);
        let key = |word| [config.seed, word, self.epoch, u64::from(drawn.user), u64::from(drawn.target)];
        if config.hide_query > 0.0 && Stream::new(&key(HIDE)).unit() < config.hide_query {
            return vec![0; items.len()];
        }
        // A negative item without a query of its own gets one from the user's history.
        let history = corpus.history(example.user as usize);
        let mut borrow = Stream::new(&key(BORROW));
        let asked = &history.queries[1..=example.target as usize];
        // As published, pretraining draws from EOS's query too, which stands before the target's.
        let (with_eos, last) = (config.published && self.batches.split == Split::Pretrain, asked.len() - 1);
        let choices = (asked.len() + usize::from(with_eos)) as u64;
        let mut borrowed = || match borrow.below(choices) as usize {
            choice if with_eos && choice == last => EOS_QUERY,
            choice => asked[choice.min(last)],
        };
        let negative = |&item: &u32| {
            let known = item as usize <= corpus.item_count();
            match known.then(|| corpus.item_query(item)) {
                Some(query) if query != 0 && !config.published => query,
                _ => borrowed(),
            }
        };
        std::iter::once(own_query).chain(items[1..].iter().map(negative)).collect()
    }
}
