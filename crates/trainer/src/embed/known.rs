//! The ids that tables have rows for, and batches that hold others.

use seminar_dataset::{Batch, BlockTimes, Corpus, IdBlock};

use crate::config::TrainConfig;
use crate::error::{Error, Result};

/// Where a batch may hold EOS, the id after the last item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eos {
    /// It is no item.
    Nowhere,
    /// The published loader draws it among the negatives of training.
    AmongCandidates,
    /// Pretraining: each history ends in it.
    Everywhere,
}

/// The largest ids of a corpus.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    items: u32,
    words: u32,
    /// The largest keyword id that stands beside EOS.
    eos_words: u32,
}

impl Known {
    pub fn of(config: &TrainConfig, corpus: &Corpus) -> Self {
        let (items, words) = (corpus.item_count() as u32, corpus.word_count() as u32);
        // As published, the item id of EOS fills its query.
        let eos_words = if config.batches.published { (items + 1).max(words + 1) } else { words + 1 };
        Self { items, words, eos_words }
    }

    /// Whether there is a row for every id of a batch, and its blocks hold what they say.
    pub fn check(self, batch: &Batch, eos: Eos) -> Result<()> {
        let Batch { history, candidates, .. } = batch;
        if history.rows != candidates.rows {
            return size(
                "candidates",
                format!("of {} users, histories of {}", candidates.rows, history.rows),
            );
        }
        self.block("history", history, eos == Eos::Everywhere)?;
        self.block("candidates", candidates, eos != Eos::Nowhere)
    }

    fn block(self, field: &'static str, block: &IdBlock, eos: bool) -> Result<()> {
        let IdBlock { rows, width, query_length, items, queries, times } = block;
        if items.is_empty() || *query_length == 0 {
            return size(
                field,
                format!("{rows} × {width} events with {query_length} keywords: nothing to embed"),
            );
        }
        if items.len() != rows * width || queries.len() != items.len() * query_length {
            return size(
                field,
                format!(
                    "{} items and {} keywords where {rows} × {width} events with {query_length} keywords each are announced",
                    items.len(),
                    queries.len()
                ),
            );
        }
        let fit = |times: &BlockTimes| times.events.len() == rows * width && times.requests.len() == *rows;
        if !times.as_ref().is_none_or(fit) {
            return size(
                field,
                format!("times of other numbers than {rows} × {width} events and {rows} requests"),
            );
        }
        let (last, words) = match eos {
            true => (self.items + 1, self.eos_words),
            false => (self.items, self.words),
        };
        let unknown = |ids: &[u32], last: u32| ids.iter().copied().find(|&id| id > last);
        if let Some(id) = unknown(items, last) {
            return Err(Error::UnknownId { what: "item", field, id, last: self.items });
        }
        match unknown(queries, words) {
            Some(id) => Err(Error::UnknownId { what: "keyword", field, id, last: self.words }),
            None => Ok(()),
        }
    }
}

fn size(field: &'static str, message: String) -> Result<()> {
    Err(Error::Config { field, message })
}
