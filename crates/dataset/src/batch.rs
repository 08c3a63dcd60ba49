//! Batches of plain integers: a pure function of (settings, epoch, position), so training can resume anywhere.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};

use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::ids::PAD;
use crate::negatives::{NegativeSampler, Sampling, Scratch};
use crate::rng::Stream;
use crate::split::{Example, Split};

/// Which queries the candidates of an evaluation carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestMode {
    /// None: the user is recommended to.
    #[default]
    Recommendation,
    /// All candidates carry the answer's query. On Amazon that query is made from the answer: it leaks.
    Search,
    /// Each candidate carries its own.
    Pair,
}

/// The settings of [`Batches`]. The default repairs what the published loader does wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchConfig {
    /// Users (examples) a batch.
    pub batch_size: usize,
    /// L: newest events of a history that are kept.
    pub history_length: usize,
    /// N: keywords of a query that are kept.
    pub query_length: usize,
    /// Targets a user and epoch in training.
    pub targets_per_user: usize,
    /// Negatives a training example.
    pub training_negatives: usize,
    /// Negatives a user in evaluation.
    pub evaluation_negatives: usize,
    /// How training and evaluation negatives are drawn.
    pub sampling: Sampling,
    /// Seed of the order of examples, of negatives and of hiding.
    pub seed: u64,
    /// Share of training examples whose candidates lose their queries.
    pub hide_query: f64,
    /// Queries of evaluation candidates.
    pub test_mode: TestMode,
    /// Reproduce the published loader: a training negative may be the EOS id, carries one of the user's own
    /// queries, validation shares the test negatives, EOS's query holds the item id of EOS, and training shows users in
    /// the order and with the negatives that pretraining showed: both are runs of their own, from the same seed.
    pub published: bool,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            batch_size: 256,
            history_length: 100,
            query_length: 5,
            targets_per_user: 1,
            training_negatives: 1,
            evaluation_negatives: 99,
            sampling: Sampling::Uniform,
            seed: 42,
            hide_query: 0.5,
            test_mode: TestMode::Recommendation,
            published: false,
        }
    }
}

impl BatchConfig {
    /// The published loader, its defects included.
    pub fn published() -> Self {
        Self { hide_query: 0.0, published: true, ..Self::default() }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// Names the field that cannot work.
    pub fn validate(&self) -> Result<()> {
        let positive: [(&'static str, usize); 5] = [
            ("batch_size", self.batch_size),
            ("history_length", self.history_length),
            ("query_length", self.query_length),
            ("targets_per_user", self.targets_per_user),
            ("training_negatives", self.training_negatives),
        ];
        for (field, value) in positive {
            if value == 0 {
                return Err(Error::Config { field, message: "must be at least 1".into() });
            }
        }
        if !(0.0..=1.0).contains(&self.hide_query) {
            let message = format!("{} is no probability", self.hide_query);
            return Err(Error::Config { field: "hide_query", message });
        }
        Ok(())
    }
}

/// Items and their queries in a rectangle of `rows × width` positions; 0 is padding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdBlock {
    /// B.
    pub rows: usize,
    /// L of a history, C of candidates.
    pub width: usize,
    /// N.
    pub query_length: usize,
    /// Item ids, `[rows, width]`.
    pub items: Vec<u32>,
    /// Keyword ids, `[rows, width, query_length]`, padded on the right.
    pub queries: Vec<u32>,
}

impl IdBlock {
    fn new(rows: usize, width: usize, query_length: usize) -> Self {
        let (items, queries) = (vec![PAD; rows * width], vec![PAD; rows * width * query_length]);
        Self { rows, width, query_length, items, queries }
    }

    fn set(&mut self, row: usize, column: usize, item: u32, query: &[u32]) {
        let at = row * self.width + column;
        self.items[at] = item;
        let kept = query.len().min(self.query_length);
        let slot = at * self.query_length;
        self.queries[slot..slot + kept].copy_from_slice(&query[..kept]);
    }

    /// The item and the keywords at a position.
    pub fn pair(&self, row: usize, column: usize) -> (u32, &[u32]) {
        let at = row * self.width + column;
        (self.items[at], &self.queries[at * self.query_length..][..self.query_length])
    }

    /// Item ids of a row.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.items[row * self.width..(row + 1) * self.width]
    }
}

/// What a model is fed: histories padded on the left, candidates with the positive first, padded on the right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Users, from 0.
    pub users: Vec<u32>,
    /// `[B, L]`, oldest first.
    pub history: IdBlock,
    /// `[B, C]`; column 0 is the target.
    pub candidates: IdBlock,
}

/// All batches of one split.
#[derive(Clone, Debug)]
pub struct Batches {
    corpus: Arc<Corpus>,
    split: Split,
    config: BatchConfig,
    examples: Arc<Vec<Example>>,
}

/// The batches of one epoch, in their order.
#[derive(Clone, Debug)]
pub struct Epoch {
    batches: Batches,
    epoch: u64,
    order: Arc<Vec<u32>>,
}

const SHUFFLE: u64 = 0x7368_7566;
const HIDE: u64 = 0x6869_6465;
const BORROW: u64 = 0x626f_7272;
/// Stands for the query of EOS among rows of the corpus's query table.
const EOS_QUERY: u32 = u32::MAX;

impl Batches {
    /// The batches of a split.
    ///
    /// # Errors
    /// Settings that cannot work, or a split in which no user has enough events.
    pub fn new(corpus: Arc<Corpus>, split: Split, config: BatchConfig) -> Result<Self> {
        config.validate()?;
        let examples = split.examples(&corpus, config.targets_per_user);
        if examples.is_empty() {
            let before = format!("{} users, none with enough events for {split:?}", corpus.user_count());
            return Err(Error::Empty { step: "splitting", before });
        }
        Ok(Self { corpus, split, config, examples: Arc::new(examples) })
    }

    /// Examples an epoch.
    pub fn example_count(&self) -> usize {
        self.examples.len()
    }

    /// Users of the corpus that have too few events for this split.
    pub fn users_left_out(&self) -> usize {
        let users = |examples: &[Example]| {
            let mut last = None;
            examples.iter().filter(|e| last.replace(e.user) != Some(e.user)).count()
        };
        self.corpus.user_count() - users(&self.examples)
    }

    /// Batches an epoch.
    pub fn len(&self) -> usize {
        self.examples.len().div_ceil(self.config.batch_size)
    }

    /// Never true: [`Batches::new`] refuses empty splits.
    pub fn is_empty(&self) -> bool {
        self.examples.is_empty()
    }

    /// The corpus that the batches are made from.
    pub fn corpus(&self) -> &Arc<Corpus> {
        &self.corpus
    }

    /// An epoch: shuffled for training and pretraining, in user order for evaluation.
    pub fn epoch(&self, epoch: u64) -> Epoch {
        let mut order: Vec<u32> = (0..self.examples.len() as u32).collect();
        if matches!(self.split, Split::Train | Split::Pretrain) {
            let split = if self.config.published { Split::Train } else { self.split };
            Stream::new(&[self.config.seed, SHUFFLE, split as u64, epoch]).shuffle(&mut order);
        }
        Epoch { batches: self.clone(), epoch, order: Arc::new(order) }
    }
}

impl Epoch {
    /// Batches of this epoch.
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// Never true, as for [`Batches`].
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Batch `index`; the last one of an epoch may be smaller.
    ///
    /// # Panics
    /// If there is no such batch.
    pub fn batch(&self, index: usize, scratch: &mut Scratch) -> Batch {
        let all = &self.batches;
        let size = all.config.batch_size;
        let chosen = &self.order[index * size..((index + 1) * size).min(self.order.len())];
        let examples: Vec<Example> = chosen.iter().map(|&i| all.examples[i as usize]).collect();
        Batch {
            users: examples.iter().map(|e| e.user).collect(),
            history: self.history(&examples),
            candidates: self.candidates(&examples, scratch),
        }
    }

    /// The batches from `first` on, made on a background thread while earlier ones are used.
    pub fn prefetch(&self, first: usize) -> Prefetch {
        let epoch = self.clone();
        let mut scratch = NegativeSampler::scratch(&epoch.batches.corpus);
        Prefetch::new((first..epoch.len()).map(move |index| epoch.batch(index, &mut scratch)))
    }

    fn history(&self, examples: &[Example]) -> IdBlock {
        let Batches { corpus, config, split, .. } = &self.batches;
        let mut block = IdBlock::new(examples.len(), config.history_length, config.query_length);
        let (eos, eos_query) = (corpus.item_count() as u32 + 1, self.eos_query());
        for (row, example) in examples.iter().enumerate() {
            let mut column = config.history_length;
            if *split == Split::Pretrain {
                column -= 1;
                block.set(row, column, eos, &eos_query);
            }
            let history = corpus.history(example.user as usize);
            for event in (0..example.target as usize).rev().take(column) {
                column -= 1;
                block.set(row, column, history.items[event], corpus.query(history.queries[event]));
            }
        }
        block
    }

    /// The keywords of EOS. As published, its item id fills the query.
    fn eos_query(&self) -> Vec<u32> {
        let Batches { corpus, config, .. } = &self.batches;
        match config.published {
            true => vec![corpus.item_count() as u32 + 1; config.query_length],
            false => vec![corpus.word_count() as u32 + 1],
        }
    }

    fn candidates(&self, examples: &[Example], scratch: &mut Scratch) -> IdBlock {
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

    fn candidates_of(&self, example: Example, scratch: &mut Scratch) -> Candidates {
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

    /// The example that random draws are made for. As published, one that has the same place among the targets of pretraining
    /// and of training.
    fn drawn_as(&self, example: Example) -> Example {
        let Batches { corpus, config, split, .. } = &self.batches;
        let newest = split.target(corpus.history(example.user as usize).items.len());
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
        // Where queries belong to events only, a negative borrows one that the user asked before.
        let history = corpus.history(example.user as usize);
        let mut borrow = Stream::new(&key(BORROW));
        let asked = &history.queries[1..=example.target as usize];
        // As published, pretraining counts EOS's query among the user's, before the target's.
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

struct Candidates {
    items: Vec<u32>,
    queries: Vec<u32>,
}

/// Batches that come off a background thread, in order.
///
/// A panic while a batch is made continues in the caller of `next`: an epoch never ends early without a word.
#[derive(Debug)]
pub struct Prefetch {
    batches: Receiver<Batch>,
    maker: Option<JoinHandle<()>>,
}

impl Prefetch {
    fn new(mut made: impl Iterator<Item = Batch> + Send + 'static) -> Self {
        let (sender, batches) = sync_channel(4);
        // A failed send means that the consumer stopped early.
        let make = move || while made.next().is_some_and(|batch| sender.send(batch).is_ok()) {};
        Self { batches, maker: Some(std::thread::spawn(make)) }
    }
}

impl Iterator for Prefetch {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let batch = self.batches.recv().ok();
        if batch.is_none()
            && let Some(Err(panic)) = self.maker.take().map(JoinHandle::join)
        {
            std::panic::resume_unwind(panic);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_while_batches_are_made_reaches_the_caller() {
        let batch = |user| Batch { users: vec![user], ..Batch::default() };
        let mut batches = Prefetch::new((0..9).map(move |user| match user {
            5 => panic!("batch 5 cannot be made"),
            _ => batch(user),
        }));
        for user in 0..5 {
            assert_eq!(batches.next(), Some(batch(user)));
        }
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| batches.next()));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"batch 5 cannot be made"));
    }

    #[test]
    fn the_end_is_the_end() {
        let mut batches = Prefetch::new(std::iter::repeat_n(Batch::default(), 2));
        assert_eq!(batches.by_ref().count(), 2);
        assert_eq!((batches.next(), batches.next()), (None, None));
    }
}
