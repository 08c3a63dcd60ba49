//! Named fields of items in a corpus: lists of values per item, all fields in one column.

use super::Corpus;
use super::texts::TextFile;
use crate::container::{Column, Container, RaggedColumn};
use crate::error::Result;
use crate::numbered::Field;
use crate::ragged::Ragged;

/// The lists of all fields as they are stored: those of the first field for all items, then those of the second, and so on.
pub(super) struct FlatFields {
    /// Of each field, its largest value.
    pub sizes: Vec<u64>,
    pub items: Ragged<u32>,
}

impl FlatFields {
    pub fn of(fields: &[Field]) -> Self {
        let largest = |field: &Field| field.items.values.iter().max().map_or(0, |&value| u64::from(value));
        Self {
            sizes: fields.iter().map(|field| largest(field).max(field.values.len() as u64)).collect(),
            items: fields
                .iter()
                .flat_map(|field| field.items.rows())
                .map(|row| row.iter().copied())
                .collect(),
        }
    }
}

/// Where the fields of an opened corpus lie.
#[derive(Debug)]
pub(super) struct Fields {
    sizes: Column<u64>,
    /// `None` in a file of version 1.
    items: Option<RaggedColumn<u32>>,
}

impl Fields {
    pub fn open(file: &Container, texts: &TextFile) -> Result<Self> {
        let sizes = file.column_since::<u64>(2, "field_sizes")?;
        let items = match file.version() {
            1 => None,
            _ => Some(RaggedColumn::open(file, "field_offsets", "field_items")?),
        };
        let names = texts.field_names.rows(&texts.file);
        let (starts, values) = (texts.file.get(&texts.value_starts), texts.field_values.rows(&texts.file));
        let count = file.get(&sizes).len();
        let starts_fit = match starts {
            [] => count == 0 && values == 0,
            _ => crate::container::offsets_fit(starts, count, values),
        };
        if names != count || !starts_fit {
            return Err(texts.file.damaged("its fields do not belong to the corpus.bin beside it"));
        }
        Ok(Self { sizes, items })
    }

    pub fn len(&self, file: &Container) -> usize {
        file.get(&self.sizes).len()
    }

    /// Whether each field has a row for each item, and values within its size.
    pub fn fit(&self, file: &Container, texts: &TextFile, items: usize) -> bool {
        let Some(lists) = &self.items else { return true };
        let sizes = file.get(&self.sizes);
        if Some(lists.rows(file)) != sizes.len().checked_mul(items) {
            return false;
        }
        let starts = texts.file.get(&texts.value_starts);
        sizes.iter().enumerate().all(|(field, &size)| {
            let named = starts[field + 1] - starts[field];
            let offsets = lists.offsets(file);
            let range = offsets[field * items] as usize..offsets[(field + 1) * items] as usize;
            let own = &lists.values(file)[range];
            (named == 0 || named == size) && own.iter().all(|&value| value != 0 && u64::from(value) <= size)
        })
    }
}

/// A named field of the items of a corpus.
#[derive(Clone, Copy, Debug)]
pub struct ItemFieldColumn<'a> {
    pub(super) corpus: &'a Corpus,
    pub(super) index: usize,
}

impl<'a> ItemFieldColumn<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        let texts = self.corpus.texts();
        texts.field_names.get(&texts.file, self.index)
    }

    /// Its largest value; values count from 1.
    pub fn size(&self) -> usize {
        self.corpus.file.get(&self.corpus.fields.sizes)[self.index] as usize
    }

    /// The values of an item.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn of(&self, item: u32) -> &'a [u32] {
        let items = self.corpus.item_count();
        assert!((1..=items).contains(&(item as usize)), "item {item} of {items}");
        let row = self.index * items + item as usize - 1;
        self.corpus.fields.items.as_ref().map_or(&[], |lists| lists.row(&self.corpus.file, row))
    }

    /// What a value is called; `None` where the data only numbers them, or there is no such value.
    pub fn value(&self, value: u32) -> Option<&'a str> {
        let texts = self.corpus.texts();
        let starts = texts.file.get(&texts.value_starts);
        let row = starts[self.index].checked_add(u64::from(value.checked_sub(1)?))?;
        (row < starts[self.index + 1]).then(|| texts.field_values.get(&texts.file, row as usize))
    }

    /// The names of all values, in order; none where the data only numbers them.
    pub fn values(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let field = *self;
        (1..).map_while(move |value| field.value(value))
    }
}
