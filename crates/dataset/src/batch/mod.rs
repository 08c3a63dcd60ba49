//! Batches of plain integers: a pure function of (settings, epoch, position), so training can resume anywhere.

mod block;
mod candidates;
mod config;
mod one_pass;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

pub use block::{Batch, BlockTimes, Event, IdBlock};
pub use config::{BatchConfig, TestMode};

use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::negatives::{NegativeSampler, Scratch};
use crate::rng::Stream;
use crate::split::{Example, Split};

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
const SAMPLE: u64 = 0x7361_6d70;

impl Batches {
    /// The batches of a split.
    ///
    /// # Errors
    /// Settings that cannot work, or a split in which no user has enough events.
    pub fn new(corpus: Arc<Corpus>, split: Split, config: BatchConfig) -> Result<Self> {
        config.validate()?;
        let examples = match config.one_pass && split == Split::Train {
            true => one_pass::examples(&corpus, config.targets_in_one_pass()),
            false => split.examples(&corpus, config.targets_per_user),
        };
        if examples.is_empty() {
            let before = format!("{} users, none with enough events for {split:?}", corpus.user_count());
            return Err(Error::Empty { step: "splitting", before });
        }
        Ok(Self { corpus, split, config, examples: Arc::new(examples) })
    }

    /// A random sample of so many examples, in their order, by the settings' seed; all of them if there are no more.
    pub fn sample(mut self, examples: usize) -> Self {
        let all = self.examples.len();
        if examples < all {
            let mut order: Vec<u32> = (0..all as u32).collect();
            Stream::new(&[self.config.seed, SAMPLE, self.split as u64]).shuffle(&mut order);
            order.truncate(examples);
            order.sort_unstable();
            self.examples = Arc::new(order.iter().map(|&index| self.examples[index as usize]).collect());
        }
        self
    }

    /// Negatives that an evaluation asks for: as many as the longest list that came with the data, else
    /// [`BatchConfig::evaluation_negatives`]. A user may have fewer.
    pub fn negatives_asked(&self) -> usize {
        let users = 0..self.corpus.user_count();
        let longest = users.map_while(|user| Some(self.corpus.sampled(user)?.0.len())).max();
        longest.unwrap_or(self.config.evaluation_negatives)
    }

    /// Examples per epoch.
    pub fn example_count(&self) -> usize {
        self.examples.len()
    }

    /// Users of the corpus without an example: those with too few events for this split, or outside of the
    /// [sample](Self::sample).
    pub fn users_left_out(&self) -> usize {
        let users = |examples: &[Example]| {
            let mut last = None;
            examples.iter().filter(|e| last.replace(e.user) != Some(e.user)).count()
        };
        self.corpus.user_count() - users(&self.examples)
    }

    /// Batches per epoch.
    pub fn len(&self) -> usize {
        self.examples.len().div_ceil(self.config.batch_size)
    }

    /// Never true: [`Batches::new`] refuses empty splits.
    pub fn is_empty(&self) -> bool {
        self.examples.is_empty()
    }

    /// The settings.
    pub fn config(&self) -> &BatchConfig {
        &self.config
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
    /// Number of batches.
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
        let (users, shared) = (examples.iter().map(|e| e.user).collect(), self.shared_negatives(index));
        if all.in_one_pass() {
            let length = examples.iter().map(|e| e.target as usize).max().unwrap_or(1);
            let history = self.history(&examples, length.min(all.config.history_length));
            let (candidates, sees) = self.candidates_in_one_pass(&examples, history.width, scratch);
            return Batch { users, history, candidates, sees, shared };
        }
        let history = self.history(&examples, all.config.history_length);
        Batch { users, history, candidates: self.candidates(&examples, scratch), sees: Vec::new(), shared }
    }

    /// The batches from `first` on, made on a background thread while earlier ones are used.
    pub fn prefetch(&self, first: usize) -> Prefetch {
        let epoch = self.clone();
        let mut scratch = NegativeSampler::scratch(&epoch.batches.corpus);
        Prefetch::new((first..epoch.len()).map(move |index| epoch.batch(index, &mut scratch)))
    }

    /// The newest `length` events before each target.
    fn history(&self, examples: &[Example], length: usize) -> IdBlock {
        let Batches { corpus, config, split, .. } = &self.batches;
        let mut block = IdBlock::new(examples.len(), length, config.query_length);
        let mut times = corpus.has_times().then(|| BlockTimes::unknown(examples.len(), length));
        let (eos, eos_query) = (corpus.item_count() as u32 + 1, self.eos_query());
        for (row, example) in examples.iter().enumerate() {
            let mut end = length;
            if *split == Split::Pretrain {
                end -= 1;
                block.set(row, end, eos, &eos_query);
            }
            let history = corpus.history(example.user as usize);
            let newest_first = (0..example.target as usize).rev();
            let event = |event: usize| (history.items[event], corpus.query(history.queries[event]));
            block.fill_left(row, end, newest_first.clone().map(event));
            if let Some(times) = &mut times {
                times.requests[row] = history.times[example.target as usize];
                for (column, event) in (0..end).rev().zip(newest_first) {
                    times.events[row * length + column] = history.times[event];
                }
            }
        }
        block.times = times;
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
