//! The prepared data set on disk: two memory-mapped files that open without parsing.
//!
//! `corpus.bin` holds numbers, `texts.bin` names and texts, `stats.json` what preparing counted. Opening
//! checks checksums and that every number points at something, so that the accessors cannot fail.

mod complete;
mod fields;
mod texts;
mod verify;

use std::path::Path;

use crate::container::{Column, Container, ContainerWriter, RaggedColumn};
use crate::error::Result;
use crate::event::EventKind;
use crate::numbered::{Numbered, Sampled};
use crate::ragged::row;
use fields::{Fields, FlatFields};
use texts::TextFile;

pub use fields::ItemFieldColumn;

const CORPUS: &[u8; 8] = b"corpus  ";
/// The version that is written. Version 1 has no actions, splits and fields, and its times are in the log's unit.
pub(crate) const VERSION: u32 = 2;

/// A prepared data set, opened. Cheap to share between threads.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// use seminar_dataset::{Corpus, Numbered};
/// let data = Numbered::from_sequences([vec!["pen", "ink", "pen"], vec!["paper", "ink"]]);
/// Corpus::write(&data, folder.path())?;
/// let corpus = Corpus::open(folder.path())?;
/// assert_eq!(corpus.history(1).items, [3, 2]);
/// assert_eq!(corpus.item_name(3), "paper");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Corpus {
    file: Container,
    user_numbers: Column<u32>,
    user_offsets: Column<u64>,
    event_items: Column<u32>,
    event_times: Column<i64>,
    event_kinds: Column<u8>,
    event_queries: Column<u32>,
    event_actions: Column<u8>,
    splits: Column<[u32; 2]>,
    has_times: bool,
    fields: Fields,
    queries: RaggedColumn<u32>,
    item_queries: Column<u32>,
    attribute_items: Column<u32>,
    item_attributes: RaggedColumn<u32>,
    attribute_rows: Column<u32>,
    sampled: RaggedColumn<u32>,
    sampled_queries: Column<u32>,
    words: usize,
    attributes: usize,
    /// Largest ids that occur, found once when the file is checked.
    largest: Largest,
    texts: TextFile,
}

/// One user's events, oldest first: four slices of equal length.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// Item ids.
    pub items: &'a [u32],
    /// Rows of the query table; see [`Corpus::query`].
    pub queries: &'a [u32],
    /// Times; see [`Corpus::has_times`].
    pub times: &'a [i64],
    kinds: &'a [u8],
    actions: &'a [u8],
}

impl History<'_> {
    /// How event `index` came about.
    ///
    /// # Panics
    /// If there is no such event.
    pub fn kind(&self, index: usize) -> EventKind {
        if self.kinds[index] == EventKind::Search as u8 {
            EventKind::Search
        } else {
            EventKind::Recommendation
        }
    }

    /// What the user did in event `index`: the number of a [name](Corpus::action), 0 where the log does not tell.
    ///
    /// # Panics
    /// If there is no such event.
    pub fn action(&self, index: usize) -> u8 {
        assert!(index < self.items.len(), "event {index} of {}", self.items.len());
        self.actions.get(index).copied().unwrap_or(0)
    }
}

impl Corpus {
    /// Writes `corpus.bin` and `texts.bin` into a folder, each atomically.
    ///
    /// # Errors
    /// If something is missing in the data or points at nothing, see [`Numbered::check`], or the file system refuses.
    pub fn write(data: &Numbered, folder: &Path) -> Result<()> {
        Self::with_file(data, |file| file.write(&folder.join("corpus.bin")))??;
        texts::with_file(data, |file| file.write(&folder.join("texts.bin")))
    }

    /// A corpus in memory, without files.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use seminar_dataset::{Corpus, Numbered};
    /// let corpus = Corpus::in_memory(&Numbered::from_sequences([["pen", "ink", "paper"]]))?;
    /// assert_eq!(corpus.history(0).items, [1, 2, 3]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Corpus::write`], but for the file system.
    pub fn in_memory(data: &Numbered) -> Result<Self> {
        let file = Self::with_file(data, |file| file.in_memory())?;
        Self::of(file, TextFile::of(texts::with_file(data, |file| file.in_memory()))?)
    }

    /// Hands over the sections of `corpus.bin`.
    fn with_file<T>(data: &Numbered, take: impl FnOnce(ContainerWriter<'_>) -> T) -> Result<T> {
        data.check()?;
        let mut rows = vec![0u32; data.item_count() + 1];
        for (slot, &item) in data.attribute_items.iter().enumerate() {
            rows[item as usize] = slot as u32 + 1;
        }
        let none = Sampled::default();
        let sampled = data.sampled.as_ref().unwrap_or(&none);
        let names = [data.texts.words.len() as u64, data.texts.attributes.len() as u64];
        let flags = [u64::from(data.has_times)];
        let fields = FlatFields::of(&data.fields);
        let file = ContainerWriter::new(CORPUS)
            .version(VERSION)
            .section("user_numbers", &data.user_numbers)
            .section("user_offsets", &data.user_offsets)
            .section("event_items", &data.event_items)
            .section("event_times", &data.event_times)
            .section("event_kinds", &data.event_kinds)
            .section("event_queries", &data.event_queries)
            .section("query_offsets", &data.queries.offsets)
            .section("query_words", &data.queries.values)
            .section("item_queries", &data.item_queries)
            .section("attribute_items", &data.attribute_items)
            .section("attr_offsets", &data.item_attributes.offsets)
            .section("attr_values", &data.item_attributes.values)
            .section("attribute_rows", &rows)
            .section("sampled_offsets", &sampled.items.offsets)
            .section("sampled_items", &sampled.items.values)
            .section("sampled_queries", &sampled.queries)
            .section("names", &names)
            .section("flags", &flags)
            .section("event_actions", &data.event_actions)
            .section("splits", &data.splits)
            .section("field_sizes", &fields.sizes)
            .section("field_offsets", &fields.items.offsets)
            .section("field_items", &fields.items.values);
        Ok(take(file))
    }

    /// Opens the corpus in a folder.
    ///
    /// # Errors
    /// If a file is missing, damaged in any way, or the two do not belong together.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let file = Container::open_until(&folder.join("corpus.bin"), CORPUS, VERSION)?;
        Self::of(file, TextFile::open(&folder.join("texts.bin"))?)
    }

    /// The corpus of two files, which are checked.
    fn of(file: Container, texts: TextFile) -> Result<Self> {
        let flags = file.column_since::<u64>(2, "flags")?;
        let has_times = file.get(&flags).first().is_some_and(|&times| times == 1);
        let names = file.column::<u64>("names")?;
        let [words, attributes] = *file.get(&names) else {
            return Err(file.damaged("section `names` does not hold two numbers"));
        };
        let mut corpus = Self {
            user_numbers: file.column("user_numbers")?,
            user_offsets: file.column("user_offsets")?,
            event_items: file.column("event_items")?,
            event_times: file.column("event_times")?,
            event_kinds: file.column("event_kinds")?,
            event_queries: file.column("event_queries")?,
            event_actions: file.column_since(2, "event_actions")?,
            splits: file.column_since(2, "splits")?,
            has_times,
            fields: Fields::open(&file, &texts)?,
            queries: RaggedColumn::open(&file, "query_offsets", "query_words")?,
            item_queries: file.column("item_queries")?,
            attribute_items: file.column("attribute_items")?,
            item_attributes: RaggedColumn::open(&file, "attr_offsets", "attr_values")?,
            attribute_rows: file.column("attribute_rows")?,
            sampled: RaggedColumn::open(&file, "sampled_offsets", "sampled_items")?,
            sampled_queries: file.column("sampled_queries")?,
            words: words as usize,
            attributes: attributes as usize,
            largest: Largest::default(),
            texts,
            file,
        };
        let largest = |column: &RaggedColumn<u32>| {
            column.values(&corpus.file).iter().max().map_or(0, |&id| id as usize)
        };
        corpus.largest =
            Largest { word: largest(&corpus.queries), attribute: largest(&corpus.item_attributes) };
        corpus.verify()?;
        Ok(corpus)
    }

    /// Number of users; users count from 0.
    pub fn user_count(&self) -> usize {
        self.file.get(&self.user_numbers).len()
    }

    /// Largest item id; ids count from 1.
    pub fn item_count(&self) -> usize {
        self.file.get(&self.item_queries).len().saturating_sub(1)
    }

    /// Number of events of all users.
    pub fn event_count(&self) -> usize {
        self.file.get(&self.event_items).len()
    }

    /// Largest keyword id that occurs, or the number of known words if that is larger.
    pub fn word_count(&self) -> usize {
        self.largest.word.max(self.words)
    }

    /// Largest attribute id that occurs, or the number of known attributes if that is larger.
    pub fn attribute_count(&self) -> usize {
        self.largest.attribute.max(self.attributes)
    }

    /// Number of rows of the query table, the empty query 0 included.
    pub fn query_count(&self) -> usize {
        self.queries.rows(&self.file)
    }

    /// A number that differs, but for accidents, between corpora whose sizes or events differ: a run on one of them is
    /// not resumed on the other.
    ///
    /// Names do not matter, and one more event gives another number. Whether the items, words and attributes are the same
    /// says [`Corpus::items_fingerprint`].
    pub fn fingerprint(&self) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        for count in [self.user_count(), self.item_count(), self.word_count(), self.attribute_count()] {
            hash.update(&(count as u64).to_le_bytes());
        }
        hash.update(bytemuck::cast_slice(self.event_items()));
        hash.digest()
    }

    /// A user's events, oldest first, without a copy.
    ///
    /// # Panics
    /// If there is no such user.
    pub fn history(&self, user: usize) -> History<'_> {
        let offsets = self.file.get(&self.user_offsets);
        let range = offsets[user] as usize..offsets[user + 1] as usize;
        History {
            items: &self.file.get(&self.event_items)[range.clone()],
            queries: &self.file.get(&self.event_queries)[range.clone()],
            times: &self.file.get(&self.event_times)[range.clone()],
            kinds: &self.file.get(&self.event_kinds)[range.clone()],
            actions: self.file.get(&self.event_actions).get(range).unwrap_or_default(),
        }
    }

    /// Whether times are seconds since 1970. Otherwise they are positions, or in a corpus of version 1 of the log's own unit.
    pub fn has_times(&self) -> bool {
        self.has_times
    }

    /// As [`has_times`](Self::has_times); `None` where a file of version 1 does not say.
    pub(crate) fn knows_times(&self) -> Option<bool> {
        (self.file.version() > 1).then_some(self.has_times)
    }

    /// How many of a user's events are there to train on, and how many to train or validate on; `None` where each user's last two
    /// events are held back instead.
    ///
    /// # Panics
    /// If there is no such user.
    pub fn split(&self, user: usize) -> Option<[usize; 2]> {
        let splits = self.file.get(&self.splits);
        (!splits.is_empty()).then(|| splits[user].map(|end| end as usize))
    }

    /// Names of what users do, by number from 1.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        let texts = &self.texts;
        (0..texts.actions.rows(&texts.file)).map(|row| texts.actions.get(&texts.file, row))
    }

    /// What users do under a number; `None` for 0 and numbers without a name.
    pub fn action(&self, number: u8) -> Option<&str> {
        self.actions().nth((number as usize).checked_sub(1)?)
    }

    /// The named fields of items.
    pub fn fields(&self) -> impl Iterator<Item = ItemFieldColumn<'_>> {
        (0..self.fields.len(&self.file)).map(|index| ItemFieldColumn { corpus: self, index })
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<ItemFieldColumn<'_>> {
        self.fields().find(|field| field.name() == name)
    }

    /// The items of all events, user after user.
    pub fn event_items(&self) -> &[u32] {
        self.file.get(&self.event_items)
    }

    /// The number that text files write for a user.
    ///
    /// # Panics
    /// If there is no such user.
    pub fn user_number(&self, user: usize) -> u32 {
        self.file.get(&self.user_numbers)[user]
    }

    /// The keywords of a row of the query table.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn query(&self, query: u32) -> &[u32] {
        self.queries.row(&self.file, query as usize)
    }

    /// The query that belongs to an item itself (row of the query table), 0 for none.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn item_query(&self, item: u32) -> u32 {
        self.file.get(&self.item_queries)[item as usize]
    }

    /// The attributes of an item; `None` where the item file did not know it.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn attributes(&self, item: u32) -> Option<&[u32]> {
        let slot = self.file.get(&self.attribute_rows)[item as usize];
        (slot > 0).then(|| self.item_attributes.row(&self.file, slot as usize - 1))
    }

    /// Items that have an attribute list, in the order of the item file.
    pub fn attribute_items(&self) -> &[u32] {
        self.file.get(&self.attribute_items)
    }

    /// Evaluation negatives that came with the data: items, and their queries where there are any.
    ///
    /// # Panics
    /// If there is no such user.
    pub fn sampled(&self, user: usize) -> Option<(&[u32], Option<&[u32]>)> {
        let offsets = self.sampled.offsets(&self.file);
        if offsets.len() < 2 {
            return None;
        }
        let queries = self.file.get(&self.sampled_queries);
        let items = self.sampled.row(&self.file, user);
        Some((items, (!queries.is_empty()).then(|| row(offsets, queries, user))))
    }

    /// How many events each item has, by id; entry 0 is 0.
    pub fn item_events(&self) -> Vec<u32> {
        let mut counts = vec![0; self.item_count() + 1];
        self.event_items().iter().for_each(|&item| counts[item as usize] += 1);
        counts
    }

    /// The log's name of a user.
    ///
    /// # Panics
    /// If there is no such user; likewise below.
    pub fn user_name(&self, user: usize) -> &str {
        self.texts.users.get(&self.texts.file, user)
    }

    /// The log's name of an item.
    pub fn item_name(&self, item: u32) -> &str {
        self.texts.items.get(&self.texts.file, item as usize - 1)
    }

    /// A query word; `None` where the words are numbers of the log, or there is no such word.
    pub fn word(&self, word: u32) -> Option<&str> {
        let row = (word as usize).checked_sub(1)?;
        (row < self.words).then(|| self.texts.words.get(&self.texts.file, row))
    }

    /// An attribute's name; `None` where the data only numbers them, or there is no such attribute.
    pub fn attribute_name(&self, attribute: u32) -> Option<&str> {
        let row = (attribute as usize).checked_sub(1)?;
        (row < self.attributes).then(|| self.texts.attributes.get(&self.texts.file, row))
    }

    /// An item's title, if it has one.
    pub fn title(&self, item: u32) -> Option<&str> {
        Some(self.texts.titles.get(&self.texts.file, item as usize - 1)).filter(|t| !t.is_empty())
    }

    /// Addresses of pictures of an item, best first.
    pub fn image_urls(&self, item: u32) -> impl Iterator<Item = &str> {
        self.texts.image_urls.get(&self.texts.file, item as usize - 1).lines()
    }

    /// Names and texts, for the catalogue.
    pub(crate) fn texts(&self) -> &TextFile {
        &self.texts
    }
}

/// Largest ids that occur.
#[derive(Debug, Default)]
struct Largest {
    word: usize,
    attribute: usize,
}
