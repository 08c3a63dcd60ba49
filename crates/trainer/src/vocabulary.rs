//! What stands behind the rows of the trained tables, and how the rows of one corpus become those of another.
//!
//! Row 0 is padding, rows 1 to n are ids of the corpus, and the row after them, in the tables of items and words, is EOS.
//! Numbers mean something within one corpus only: one more event can renumber half of the items. Names stay.

use std::fmt;

use hashbrown::HashMap;
use seminar_dataset::{Catalogue, Corpus};
use serde::{Deserialize, Serialize};

/// The ids of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    /// The largest.
    pub count: usize,
    /// Their names, from id 1 on; empty where the log only numbers them: numbers of the log are names, too.
    pub names: Vec<String>,
}

/// The ids of the three tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vocabulary {
    pub items: Ids,
    pub words: Ids,
    pub attributes: Ids,
}

/// The largest ids, as files keep them beside the names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub items: usize,
    pub words: usize,
    pub attributes: usize,
}

impl Counts {
    pub fn of(corpus: &Corpus) -> Self {
        Self { items: corpus.item_count(), words: corpus.word_count(), attributes: corpus.attribute_count() }
    }
}

impl Ids {
    fn collect(count: usize, name: impl Fn(u32) -> Option<String>) -> Self {
        Self { count, names: (1..=count as u32).map_while(name).collect() }
    }
}

impl Vocabulary {
    /// The items, words and attributes of a corpus.
    pub fn of(corpus: &Corpus) -> Self {
        let attribute = |id| corpus.attribute_name(id).map(str::to_owned);
        Self {
            items: Ids::collect(corpus.item_count(), |id| Some(corpus.item_name(id).to_owned())),
            words: Ids::collect(corpus.word_count(), |id| corpus.word(id).map(str::to_owned)),
            attributes: Ids::collect(corpus.attribute_count(), attribute),
        }
    }

    /// Those of a catalogue.
    pub fn of_catalogue(catalogue: &Catalogue) -> Self {
        let attribute = |id| catalogue.attribute_name(id).map(str::to_owned);
        Self {
            items: Ids::collect(catalogue.item_count(), |id| Some(catalogue.item_name(id).to_owned())),
            words: Ids::collect(catalogue.word_count(), |id| catalogue.word(id).map(str::to_owned)),
            attributes: Ids::collect(catalogue.attribute_count(), attribute),
        }
    }

    /// From the lists of a file.
    pub fn new(counts: Counts, [items, words, attributes]: [Vec<String>; 3]) -> Self {
        let ids = |count: usize, names: Vec<String>| Ids { count: count.max(names.len()), names };
        Self {
            items: ids(counts.items, items),
            words: ids(counts.words, words),
            attributes: ids(counts.attributes, attributes),
        }
    }

    /// In the order of the tables.
    pub fn tables(&self) -> [&Ids; 3] {
        [&self.items, &self.words, &self.attributes]
    }
}

/// How many rows of a table were taken, and what became of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsTaken {
    /// Rows that the file has for names of the corpus, padding and EOS apart.
    pub kept: usize,
    /// Those of them that had another number in the file.
    pub moved: usize,
    /// Names of the corpus that the file does not have: their rows have the initial values of a new table.
    pub fresh: usize,
    /// Names of the file that the corpus does not have.
    pub dropped: usize,
}

impl fmt::Display for RowsTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, moved, fresh, dropped } = self;
        write!(f, "{kept} kept, {moved} of them renumbered, {fresh} new, {dropped} dropped")
    }
}

/// Where the rows of a table come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowMap {
    /// Rows and the rows of the file that they are taken from, ascending by the first.
    pub pairs: Vec<(u32, u32)>,
    pub taken: RowsTaken,
}

impl RowMap {
    /// Every row from the row of its own number.
    pub fn identity(rows: usize, count: usize) -> Self {
        let pairs = (0..rows as u32).map(|row| (row, row)).collect();
        Self { pairs, taken: RowsTaken { kept: count, ..RowsTaken::default() } }
    }

    /// Rows of the same name; of several of one name, the first from the first and so on. `rows` is the number of them in the
    /// table here.
    pub fn by_name(from: &Ids, to: &Ids, rows: usize, has_eos: bool) -> Self {
        let mut taken = RowsTaken::default();
        let mut pairs = vec![(0, 0)];
        let numbered = from.names.is_empty() && to.names.is_empty();
        let mut sources = Sources::new(&from.names);
        for id in 1..=to.count.min(rows.saturating_sub(1)) {
            let source = match to.names.get(id - 1) {
                Some(name) => sources.next(name),
                None => (numbered && id <= from.count).then_some(id as u32),
            };
            match source {
                Some(source) => {
                    pairs.push((id as u32, source));
                    taken.kept += 1;
                    taken.moved += usize::from(source != id as u32);
                }
                None => taken.fresh += 1,
            }
        }
        if has_eos && to.count + 1 < rows {
            pairs.push((to.count as u32 + 1, from.count as u32 + 1));
        }
        taken.dropped = from.count - taken.kept;
        Self { pairs, taken }
    }
}

/// The rows of each name that were not handed out yet.
struct Sources<'a> {
    first: HashMap<&'a str, u32>,
    /// The next row of the same name, by row; 0 for none.
    next: Vec<u32>,
}

impl<'a> Sources<'a> {
    fn new(names: &'a [String]) -> Self {
        let mut sources = Self { first: HashMap::with_capacity(names.len()), next: vec![0; names.len() + 1] };
        for (at, name) in names.iter().enumerate().rev() {
            let row = at as u32 + 1;
            sources.next[row as usize] = sources.first.insert(name, row).unwrap_or(0);
        }
        sources
    }

    fn next(&mut self, name: &str) -> Option<u32> {
        let slot = self.first.get_mut(name).filter(|row| **row != 0)?;
        let row = *slot;
        *slot = self.next[row as usize];
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Ids {
        Ids { count: names.len(), names: names.iter().map(|name| (*name).to_owned()).collect() }
    }

    fn pairs(from: &Ids, to: &Ids) -> (Vec<(u32, u32)>, RowsTaken) {
        let map = RowMap::by_name(from, to, to.count + 2, true);
        (map.pairs, map.taken)
    }

    #[test]
    fn rows_follow_their_names() {
        let before = ids(&["apple", "bread", "cheese", "dates", "eggs"]);
        let after = ids(&["apple", "bread", "cheese", "eggs", "dates"]);
        let (rows, taken) = pairs(&before, &after);
        assert_eq!(rows, [(0, 0), (1, 1), (2, 2), (3, 3), (4, 5), (5, 4), (6, 6)]);
        assert_eq!(taken, RowsTaken { kept: 5, moved: 2, fresh: 0, dropped: 0 });
        // A new item, and two that went away.
        let (rows, taken) = pairs(&before, &ids(&["eggs", "figs", "apple", "bread"]));
        assert_eq!(rows, [(0, 0), (1, 5), (3, 1), (4, 2), (5, 6)]);
        assert_eq!(taken, RowsTaken { kept: 3, moved: 3, fresh: 1, dropped: 2 });
        // Names that occur twice.
        let (rows, taken) = pairs(&ids(&["a", "b", "a"]), &ids(&["a", "a", "a", "b"]));
        assert_eq!(rows, [(0, 0), (1, 1), (2, 3), (4, 2), (5, 4)]);
        assert_eq!(taken, RowsTaken { kept: 3, moved: 2, fresh: 1, dropped: 0 });
    }

    #[test]
    fn numbers_of_the_log_are_names() {
        let numbered = |count| Ids { count, names: Vec::new() };
        let (rows, taken) = pairs(&numbered(3), &numbered(5));
        assert_eq!(rows, [(0, 0), (1, 1), (2, 2), (3, 3), (6, 4)]);
        assert_eq!(taken, RowsTaken { kept: 3, moved: 0, fresh: 2, dropped: 0 });
        assert_eq!(
            pairs(&numbered(2), &ids(&["a"])).1,
            RowsTaken { kept: 0, moved: 0, fresh: 1, dropped: 2 }
        );
        // Attributes have no EOS, and a table may have fewer rows than asked for.
        assert_eq!(
            RowMap::by_name(&numbered(3), &numbered(3), 4, false).pairs,
            [(0, 0), (1, 1), (2, 2), (3, 3)]
        );
    }
}
