//! Where the vectors of a batch are read: rows by number, whatever holds them.

use seminar_dataset::{Catalogue, Corpus, PAD, Ragged};

/// Attributes of an item that are used at most.
const MAX_ATTRIBUTES: usize = 32;

/// Where the vectors of a batch are read: tables in training, or a saved model.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub items: &'a dyn ReadRows,
    pub keywords: &'a dyn ReadRows,
    pub attributes: Option<(&'a dyn ReadRows, &'a AttributeLists)>,
    pub text: Option<&'a dyn FrozenRows>,
    pub image: Option<&'a dyn FrozenRows>,
    /// Published: the mean of a query's words counts padding.
    pub over_padding: bool,
}

/// Rows of a trained table, up to date.
pub(crate) trait ReadRows: Send + Sync {
    /// Width of a row.
    fn width(&self) -> usize;
    /// Copies rows in any order, `[ids, width]`.
    fn read(&self, ids: &[u32]) -> Vec<f32>;
}

/// Rows of one frozen modality.
pub(crate) trait FrozenRows: Send + Sync {
    /// Width of a row.
    fn width(&self) -> usize;
    /// Whether the rows went through [`SequenceModel::project`] already.
    fn projected(&self) -> bool;
    /// Copies the row of an item; of an item without an embedding, what the model makes of a zero row. Says whether the item
    /// has one.
    fn read(&self, item: u32, out: &mut [f32]) -> bool;
}

/// The attributes of each item, the first 32 of them.
#[derive(Clone, Debug)]
pub struct AttributeLists(Ragged<u32>);

impl AttributeLists {
    /// The lists of a corpus.
    pub fn of_corpus(corpus: &Corpus) -> Self {
        Self::collect(corpus.item_count(), |item| corpus.attributes(item))
    }

    /// The lists of a catalogue.
    pub fn of_catalogue(catalogue: &Catalogue) -> Self {
        Self::collect(catalogue.item_count(), |item| catalogue.attributes(item))
    }

    fn collect<'a>(items: usize, list: impl Fn(u32) -> Option<&'a [u32]>) -> Self {
        let lists = (1..=items as u32).map(|item| list(item).unwrap_or_default());
        Self(lists.map(|list| list.iter().copied().take(MAX_ATTRIBUTES)).collect())
    }

    /// The attributes of an item; none for padding and EOS.
    pub fn of(&self, item: u32) -> &[u32] {
        match item {
            PAD => &[],
            item if item as usize > self.0.len() => &[],
            item => self.0.row(item as usize - 1),
        }
    }
}
