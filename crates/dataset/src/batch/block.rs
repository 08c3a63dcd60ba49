//! Rectangles of ids, from a corpus or from anywhere else.

use crate::ids::PAD;

/// Items and their queries in a rectangle of `rows × width` positions; 0 is padding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdBlock {
    /// B: users.
    pub rows: usize,
    /// L, the length of histories, or C, the number of candidates.
    pub width: usize,
    /// N: keywords per query.
    pub query_length: usize,
    /// Item ids, `[rows, width]`.
    pub items: Vec<u32>,
    /// Keyword ids, `[rows, width, query_length]`, padded on the right.
    pub queries: Vec<u32>,
    /// Of histories with times: when each event and each request was.
    pub times: Option<BlockTimes>,
}

/// When the events of a block of histories were, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockTimes {
    /// `[rows, width]`; [`BlockTimes::UNKNOWN`] at padding and where nobody knows.
    pub events: Vec<i64>,
    /// When each row's candidates are asked for, `[rows]`.
    pub requests: Vec<i64>,
}

impl BlockTimes {
    /// Stands for no time.
    pub const UNKNOWN: i64 = i64::MIN;

    /// Unknown times of a block.
    pub fn unknown(rows: usize, width: usize) -> Self {
        Self { events: vec![Self::UNKNOWN; rows * width], requests: vec![Self::UNKNOWN; rows] }
    }
}

impl IdBlock {
    /// A block of padding.
    pub fn new(rows: usize, width: usize, query_length: usize) -> Self {
        let (items, queries) = (vec![PAD; rows * width], vec![PAD; rows * width * query_length]);
        Self { rows, width, query_length, items, queries, times: None }
    }

    /// Puts an item at a position, with the first N keywords of its query.
    ///
    /// # Panics
    /// If there is no such position.
    pub fn set(&mut self, row: usize, column: usize, item: u32, query: &[u32]) {
        let at = self.position(row, column);
        self.items[at] = item;
        let (kept, start) = (query.len().min(self.query_length), at * self.query_length);
        let slot = &mut self.queries[start..start + self.query_length];
        slot[..kept].copy_from_slice(&query[..kept]);
        slot[kept..].fill(PAD);
    }

    /// The item and the keywords at a position.
    ///
    /// # Panics
    /// If there is no such position.
    pub fn pair(&self, row: usize, column: usize) -> (u32, &[u32]) {
        let at = self.position(row, column);
        (self.items[at], &self.queries[at * self.query_length..][..self.query_length])
    }

    /// Item ids of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.items[row * self.width..(row + 1) * self.width]
    }

    /// Fills a row from column `end` to the left, newest event first, as far as there are columns.
    pub(super) fn fill_left<'a>(
        &mut self,
        row: usize,
        end: usize,
        newest_first: impl Iterator<Item = Event<'a>>,
    ) {
        for (column, (item, query)) in (0..end).rev().zip(newest_first) {
            self.set(row, column, item, query);
        }
    }

    fn position(&self, row: usize, column: usize) -> usize {
        assert!(row < self.rows && column < self.width, "no position {row}, {column}");
        row * self.width + column
    }
}

/// An item and the keywords of the query beside it; without a query there are none.
pub type Event<'a> = (u32, &'a [u32]);

/// The input of a model: histories padded on the left, candidates padded on the right, in training and evaluation with the
/// target first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Users, from 0; see [`Batch::of`] for those without a corpus.
    pub users: Vec<u32>,
    /// `[B, L]`, oldest first.
    pub history: IdBlock,
    /// `[B, C]`; from a corpus, column 0 is the target. In one pass, the candidates of each of the user's targets, newest target
    /// first: `[B, T · (1 + negatives)]`.
    pub candidates: IdBlock,
    /// In one pass, how many positions of the history each candidate sees, `[B, C]`: those before its target. Empty: all of them.
    pub sees: Vec<u32>,
    /// Items that all targets of the batch share as negatives.
    pub shared: Vec<u32>,
}

impl Batch {
    /// A batch of any users, without a corpus: row `i` is user `i`.
    ///
    /// - `histories`: the events of each user, oldest first. The newest `history_length` (L) of them are kept; a shorter
    ///   history is padded on the left.
    /// - `candidates`: what is to be scored for each user. C is the largest number of them; a shorter list is padded on the
    ///   right.
    /// - `query_length` (N): of each query the first N keywords are kept, and a shorter one is padded on the right.
    ///
    /// ```
    /// use seminar_dataset::Batch;
    /// let histories = [vec![(7, &[1, 2][..]), (5, &[])], vec![(4, &[3][..])]];
    /// let candidates = [[(8, &[2][..]), (9, &[2])], [(8, &[]), (4, &[])]];
    /// let batch = Batch::of(&histories, &candidates, 3, 1);
    /// assert_eq!(batch.history.items, [0, 7, 5, 0, 0, 4]);
    /// assert_eq!(batch.history.queries, [0, 1, 0, 0, 0, 3]);
    /// assert_eq!(batch.candidates.items, [8, 9, 8, 4]);
    /// ```
    ///
    /// # Panics
    /// If there are not as many lists of candidates as histories.
    pub fn of<'a>(
        histories: &[impl AsRef<[Event<'a>]>],
        candidates: &[impl AsRef<[Event<'a>]>],
        history_length: usize,
        query_length: usize,
    ) -> Self {
        assert_eq!(histories.len(), candidates.len(), "histories and lists of candidates");
        let rows = histories.len();
        let mut history = IdBlock::new(rows, history_length, query_length);
        for (row, events) in histories.iter().enumerate() {
            history.fill_left(row, history_length, events.as_ref().iter().rev().copied());
        }
        let width = candidates.iter().map(|list| list.as_ref().len()).max().unwrap_or(0);
        let mut block = IdBlock::new(rows, width, query_length);
        for (row, list) in candidates.iter().enumerate() {
            for (column, &(item, query)) in list.as_ref().iter().enumerate() {
                block.set(row, column, item, query);
            }
        }
        Self { users: (0..rows as u32).collect(), history, candidates: block, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_histories_and_queries_are_cut_to_the_newest_events_and_first_words() {
        let long: Vec<Event<'_>> = vec![(1, &[]), (2, &[21, 22, 23]), (3, &[31]), (4, &[])];
        let none: Vec<Event<'_>> = Vec::new();
        let batch = Batch::of(&[long, none.clone()], &[vec![(9, &[5, 6, 7][..])], none], 3, 2);
        assert_eq!(batch.users, [0, 1]);
        assert_eq!((batch.history.row(0), batch.history.row(1)), (&[2, 3, 4][..], &[0; 3][..]));
        assert_eq!(batch.history.queries[..6], [21, 22, 31, 0, 0, 0]);
        assert_eq!(batch.candidates.pair(0, 0), (9, &[5, 6][..]));
        assert_eq!((batch.candidates.width, batch.candidates.pair(1, 0)), (1, (0, &[0; 2][..])));
    }

    #[test]
    fn a_position_is_replaced_whole() {
        let mut block = IdBlock::new(1, 2, 3);
        block.set(0, 1, 5, &[1, 2, 3, 4]);
        block.set(0, 1, 6, &[7]);
        assert_eq!((block.items, block.queries), (vec![0, 6], vec![0, 0, 0, 7, 0, 0]));
    }

    #[test]
    #[should_panic(expected = "no position 0, 2")]
    fn a_column_beyond_the_width_is_no_other_row() {
        IdBlock::new(2, 2, 1).set(0, 2, 1, &[]);
    }
}
