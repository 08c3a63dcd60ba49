//! What is known of a corpus's items, words and attributes, in one file apart from its events.
//!
//! A trained model needs numbers for the names and words that a request holds, and names for the numbers that it answers.
//! Both lie here, so that it can be served without the corpus. The file opens without parsing and without a hash table:
//! names are found by binary search over the order that [`Catalogue::write`] stored.

use std::path::Path;

use rayon::slice::ParallelSliceMut;
use xxhash_rust::xxh3::Xxh3;

use crate::container::{Column, Container, ContainerWriter, RaggedColumn, TextColumn};
use crate::corpus::Corpus;
use crate::error::Result;
use crate::ragged::Ragged;

const CATALOGUE: &[u8; 8] = b"catalog ";

/// The items, words and attributes of a corpus, opened. Ids are those of the corpus.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// use seminar_dataset::{Catalogue, Corpus, Numbered};
/// let data = Numbered::from_sequences([vec!["pen", "ink", "pen"], vec!["paper", "ink"]]);
/// Corpus::write(&data, folder.path())?;
/// let corpus = Corpus::open(folder.path())?;
///
/// let path = folder.path().join("catalogue.bin");
/// Catalogue::write(&corpus, &path)?;
/// let catalogue = Catalogue::open(&path)?;
/// assert_eq!(catalogue.item("paper"), Some(3));
/// assert_eq!(catalogue.item("glue"), None);
/// assert_eq!(catalogue.item_name(3), "paper");
/// assert_eq!(catalogue.fingerprint(), corpus.items_fingerprint());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Catalogue {
    file: Container,
    columns: Columns,
}

#[derive(Debug)]
struct Columns {
    counts: Counts,
    items: NamedColumn,
    words: NamedColumn,
    attributes: TextColumn,
    titles: TextColumn,
    image_urls: TextColumn,
    /// Keywords of each item's own query.
    item_queries: RaggedColumn<u32>,
    /// By item id, from 1: the row of its attribute list plus 1, or 0 where there is none.
    attribute_rows: Column<u32>,
    attribute_lists: RaggedColumn<u32>,
    fingerprint: u64,
}

impl Catalogue {
    /// Writes the file atomically.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write(corpus: &Corpus, path: &Path) -> Result<()> {
        let ids = || 1..=corpus.item_count() as u32;
        let Counts { items, words, attributes } = Counts::of(corpus);
        let texts = corpus.texts();
        let [item_names, word_names, attribute_names, titles, image_urls] =
            [&texts.items, &texts.words, &texts.attributes, &texts.titles, &texts.image_urls]
                .map(|column| column.parts(&texts.file));
        let item_order = name_order(item_names.0.len() - 1, |row| texts.items.get(&texts.file, row));
        let word_order = name_order(word_names.0.len() - 1, |row| texts.words.get(&texts.file, row));
        let queries: Ragged<u32> =
            ids().map(|item| corpus.query(corpus.item_query(item)).iter().copied()).collect();
        let mut lists = Ragged::default();
        let rows: Vec<u32> = ids()
            .map(|item| {
                let Some(list) = corpus.attributes(item) else { return 0 };
                lists.push(list.iter().copied());
                lists.len() as u32
            })
            .collect();
        ContainerWriter::new(CATALOGUE)
            .section("counts", &[items as u64, words as u64, attributes as u64])
            .section("item_offsets", item_names.0)
            .section("item_names", item_names.1)
            .section("item_order", &item_order)
            .section("word_offsets", word_names.0)
            .section("words", word_names.1)
            .section("word_order", &word_order)
            .section("attr_offsets", attribute_names.0)
            .section("attr_names", attribute_names.1)
            .section("title_offsets", titles.0)
            .section("titles", titles.1)
            .section("image_offsets", image_urls.0)
            .section("image_urls", image_urls.1)
            .section("query_offsets", &queries.offsets)
            .section("query_words", &queries.values)
            .section("attribute_rows", &rows)
            .section("list_offsets", &lists.offsets)
            .section("list_values", &lists.values)
            .write(path)
    }

    /// Opens a file written by [`Catalogue::write`], without reading the corpus.
    ///
    /// # Errors
    /// If it is missing or damaged in any way.
    pub fn open(path: &Path) -> Result<Self> {
        let (file, columns) = Container::open_and(path, CATALOGUE, Columns::open)?;
        Ok(Self { file, columns })
    }

    /// Largest item id; ids count from 1. See [`Corpus::item_count`].
    pub fn item_count(&self) -> usize {
        self.columns.counts.items
    }

    /// Largest keyword id of the corpus. See [`Corpus::word_count`].
    pub fn word_count(&self) -> usize {
        self.columns.counts.words
    }

    /// Largest attribute id of the corpus. See [`Corpus::attribute_count`].
    pub fn attribute_count(&self) -> usize {
        self.columns.counts.attributes
    }

    /// The item of this name in the log; of several, the one with the smallest id.
    pub fn item(&self, name: &str) -> Option<u32> {
        self.columns.items.find(&self.file, name)
    }

    /// The log's name of an item.
    ///
    /// # Panics
    /// If there is no such item: `item` is not in `1..=item_count()`. Likewise below.
    pub fn item_name(&self, item: u32) -> &str {
        self.columns.items.texts.get(&self.file, item as usize - 1)
    }

    /// An item's title, if it has one.
    pub fn title(&self, item: u32) -> Option<&str> {
        Some(self.columns.titles.get(&self.file, item as usize - 1)).filter(|title| !title.is_empty())
    }

    /// Addresses of pictures of an item, best first.
    pub fn image_urls(&self, item: u32) -> impl Iterator<Item = &str> {
        self.columns.image_urls.get(&self.file, item as usize - 1).lines()
    }

    /// The attributes of an item; `None` where the item file did not know it.
    pub fn attributes(&self, item: u32) -> Option<&[u32]> {
        let row = self.file.get(&self.columns.attribute_rows)[item as usize - 1];
        (row > 0).then(|| self.columns.attribute_lists.row(&self.file, row as usize - 1))
    }

    /// The keywords of an item's own query; empty where it has none.
    pub fn item_query(&self, item: u32) -> &[u32] {
        self.columns.item_queries.row(&self.file, item as usize - 1)
    }

    /// An attribute's name; `None` where the data only numbers them, or there is no such attribute.
    pub fn attribute_name(&self, attribute: u32) -> Option<&str> {
        let row = (attribute as usize).checked_sub(1)?;
        (row < self.columns.attributes.rows(&self.file)).then(|| self.columns.attributes.get(&self.file, row))
    }

    /// The keyword id of a word as [`keywords`](crate::keywords) splits it from a text.
    ///
    /// Where the corpus keeps the log's own numbers instead of words, the text is read as such a number.
    pub fn word_number(&self, word: &str) -> Option<u32> {
        if self.columns.words.texts.rows(&self.file) > 0 {
            return self.columns.words.find(&self.file, word);
        }
        word.parse().ok().filter(|&id| (1..=self.columns.counts.words).contains(&(id as usize)))
    }

    /// A query word; `None` where the words are numbers of the log, or there is no such word.
    pub fn word(&self, word: u32) -> Option<&str> {
        let row = (word as usize).checked_sub(1)?;
        (row < self.columns.words.texts.rows(&self.file))
            .then(|| self.columns.words.texts.get(&self.file, row))
    }

    /// A number that differs, but for accidents, between catalogues whose items, words or attributes differ in name, number or
    /// order. Equal to [`Corpus::items_fingerprint`] of the corpus that the catalogue was written from.
    pub fn fingerprint(&self) -> u64 {
        self.columns.fingerprint
    }

    /// The file's checksum: it differs, but for accidents, between files that differ in anything, titles included.
    pub fn checksum(&self) -> u64 {
        self.file.checksum()
    }
}

impl Columns {
    /// Finds the columns and checks that every number points at something.
    fn open(file: &Container) -> Result<Self> {
        let counts = file.column::<u64>("counts")?;
        let [items, words, attributes] = *file.get(&counts) else {
            return Err(file.damaged("section `counts` does not hold three numbers"));
        };
        let mut columns = Self {
            counts: Counts { items: items as usize, words: words as usize, attributes: attributes as usize },
            items: NamedColumn::open(file, ["item_offsets", "item_names", "item_order"])?,
            words: NamedColumn::open(file, ["word_offsets", "words", "word_order"])?,
            attributes: TextColumn::open(file, "attr_offsets", "attr_names")?,
            titles: TextColumn::open(file, "title_offsets", "titles")?,
            image_urls: TextColumn::open(file, "image_offsets", "image_urls")?,
            item_queries: RaggedColumn::open(file, "query_offsets", "query_words")?,
            attribute_rows: file.column("attribute_rows")?,
            attribute_lists: RaggedColumn::open(file, "list_offsets", "list_values")?,
            fingerprint: 0,
        };
        if !columns.fit(file) {
            return Err(file.damaged("its sections do not fit each other"));
        }
        let names = [&columns.items.texts, &columns.words.texts, &columns.attributes];
        columns.fingerprint = fingerprint(&columns.counts, names.map(|column| column.parts(file)));
        Ok(columns)
    }

    fn fit(&self, file: &Container) -> bool {
        let Counts { items, words, attributes } = self.counts;
        let rows = [
            self.items.texts.rows(file),
            self.titles.rows(file),
            self.image_urls.rows(file),
            self.item_queries.rows(file),
            file.get(&self.attribute_rows).len(),
        ];
        let largest = |values: &[u32]| values.iter().max().map_or(0, |&id| id as usize);
        rows == [items; 5]
            && largest(file.get(&self.attribute_rows)) <= self.attribute_lists.rows(file)
            && largest(self.attribute_lists.values(file)).max(self.attributes.rows(file)) == attributes
            && largest(self.item_queries.values(file)).max(self.words.texts.rows(file)) <= words
            && u32::try_from(items.max(words)).is_ok()
    }
}

impl Corpus {
    /// A number that differs, but for accidents, between corpora whose items, words or attributes differ in name, number or order.
    ///
    /// Events do not matter, so a model fits every corpus of the same number: one that has grown by some events, or the
    /// [`Catalogue`] alone. [`Corpus::fingerprint`] is the stricter one, of the events.
    pub fn items_fingerprint(&self) -> u64 {
        let texts = self.texts();
        let columns = [&texts.items, &texts.words, &texts.attributes];
        fingerprint(&Counts::of(self), columns.map(|column| column.parts(&texts.file)))
    }
}

/// The largest ids of a corpus.
#[derive(Clone, Copy, Debug)]
struct Counts {
    items: usize,
    words: usize,
    attributes: usize,
}

impl Counts {
    fn of(corpus: &Corpus) -> Self {
        Self { items: corpus.item_count(), words: corpus.word_count(), attributes: corpus.attribute_count() }
    }
}

/// Hashes the counts and the names: offsets beside the bytes, as names have no end of their own.
fn fingerprint(counts: &Counts, names: [(&[u64], &[u8]); 3]) -> u64 {
    let mut hash = Xxh3::new();
    for count in [counts.items, counts.words, counts.attributes] {
        hash.update(&(count as u64).to_le_bytes());
    }
    for (offsets, bytes) in names {
        hash.update(bytemuck::cast_slice(offsets));
        hash.update(bytes);
    }
    hash.digest()
}

/// The rows of a column in the order of their names; rows of equal names in their own order.
fn name_order<'a>(rows: usize, name: impl Fn(usize) -> &'a str + Sync) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    order.par_sort_unstable_by(|&a, &b| name(a as usize).cmp(name(b as usize)).then(a.cmp(&b)));
    order
}

/// Names by id, and the order in which to look for one.
#[derive(Debug)]
struct NamedColumn {
    texts: TextColumn,
    order: Column<u32>,
}

impl NamedColumn {
    fn open(file: &Container, [offsets, bytes, order]: [&str; 3]) -> Result<Self> {
        let column = Self { texts: TextColumn::open(file, offsets, bytes)?, order: file.column(order)? };
        let (rows, stored) = (column.texts.rows(file), file.get(&column.order));
        // That the order is right is not checked: it would cost more than all the rest. In a wrong one, which only a forged
        // file holds, names are not found.
        if stored.len() != rows || stored.iter().max().is_some_and(|&row| row as usize >= rows) {
            return Err(file.damaged(format!("section `{order}` is inconsistent")));
        }
        Ok(column)
    }

    /// The smallest id of this name.
    fn find(&self, file: &Container, name: &str) -> Option<u32> {
        let order = file.get(&self.order);
        let at = order.partition_point(|&row| self.texts.get(file, row as usize) < name);
        order.get(at).filter(|&&row| self.texts.get(file, row as usize) == name).map(|&row| row + 1)
    }
}
