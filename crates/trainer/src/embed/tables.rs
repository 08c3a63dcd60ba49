//! What item, keyword and attribute numbers are turned into: trained tables and frozen embeddings.

use burn::tensor::Device;
use seminar_dataset::{Batch, Catalogue, Corpus, Embeddings, PAD, Ragged};

use super::batch::{self, EmbeddedBatch, RowGradients};
use super::frozen::FrozenRows;
use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::table::{Table, TableConfig, TableRows};

/// Short names of the tables.
const NAMES: [&str; 3] = ["item", "word", "attr"];
/// Attributes of an item that are used at most.
const MAX_ATTRIBUTES: usize = 32;

/// Everything that an item or keyword number is turned into: trained tables and frozen embeddings.
#[derive(Debug)]
pub struct Tables {
    /// Item vectors; the last row is EOS.
    pub items: Table,
    /// Keyword vectors; the last row is EOS.
    pub keywords: Table,
    /// Attribute vectors, if the model sees attributes.
    pub attributes: Option<Table>,
    /// Frozen text embeddings, if the model sees text.
    pub text: Option<Embeddings>,
    /// Frozen image embeddings, if the model sees images.
    pub image: Option<Embeddings>,
    attribute_lists: Option<AttributeLists>,
    over_padding: bool,
}

/// The values of all trained tables, to go back to.
#[derive(Clone, Debug)]
pub struct TablesSnapshot(pub(crate) Vec<TableRows>);

/// The inputs of a model beside ids and queries.
#[derive(Debug, Default)]
pub struct Modalities {
    /// Whether to train attribute vectors.
    pub attributes: bool,
    /// Text embeddings.
    pub text: Option<Embeddings>,
    /// Image embeddings.
    pub image: Option<Embeddings>,
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

/// Rows of a trained table, up to date.
pub(crate) trait ReadRows: Send + Sync {
    /// Width of a row.
    fn width(&self) -> usize;
    /// Copies rows in any order, `[ids, width]`.
    fn read(&self, ids: &[u32]) -> Vec<f32>;
}

impl ReadRows for Table {
    fn width(&self) -> usize {
        self.width()
    }

    fn read(&self, ids: &[u32]) -> Vec<f32> {
        self.read(ids)
    }
}

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

impl Tables {
    /// Tables for a corpus; `modalities` adds attribute vectors and frozen embeddings.
    ///
    /// # Errors
    /// If there are fewer keyword rows than the corpus has keywords, or embeddings of another corpus.
    pub fn new(config: &TrainConfig, corpus: &Corpus, modalities: Modalities) -> Result<Self> {
        // As published, the item id of EOS is looked up among the keywords too.
        let eos = if config.batches.published { corpus.item_count() + 2 } else { 0 };
        let needed = eos.max(corpus.word_count() + 2);
        let keyword_rows = if config.keyword_rows == 0 { needed } else { config.keyword_rows };
        if keyword_rows < needed {
            let message = format!("{keyword_rows} for keyword ids up to {}", needed - 1);
            return Err(Error::Config { field: "keyword_rows", message });
        }
        for embeddings in [&modalities.text, &modalities.image].into_iter().flatten() {
            if embeddings.item_count() != corpus.item_count() {
                let message = format!(
                    "made for {} items, the corpus has {}",
                    embeddings.item_count(),
                    corpus.item_count()
                );
                return Err(Error::Config { field: "embeddings", message });
            }
        }
        let table = |rows: usize, name: u64| {
            Table::new(TableConfig {
                rows,
                width: config.width,
                key: [config.batches.seed, name],
                standard_deviation: config.initial_deviation,
                padding_is_zero: !config.published_tables,
                adam: config.adam.clone(),
                map_above_bytes: config.map_above_bytes,
                ..TableConfig::default()
            })
        };
        Ok(Self {
            items: table(corpus.item_count() + 2, 1)?,
            keywords: table(keyword_rows, 2)?,
            attributes: match modalities.attributes {
                true => Some(table(corpus.attribute_count() + 1, 3)?),
                false => None,
            },
            attribute_lists: modalities.attributes.then(|| AttributeLists::of_corpus(corpus)),
            text: modalities.text,
            image: modalities.image,
            over_padding: config.published_tables,
        })
    }

    /// Embeds a batch: rows are brought up to date with `step` steps taken.
    pub fn embed(&mut self, batch: &Batch, step: u64, device: &Device) -> EmbeddedBatch {
        batch::embed_current(self, batch, step, device)
    }

    /// Where vectors are read, with every row up to date.
    pub(crate) fn sources(&self) -> Sources<'_> {
        fn frozen(file: &Option<Embeddings>) -> Option<&dyn FrozenRows> {
            file.as_ref().map(|file| file as &dyn FrozenRows)
        }
        Sources {
            items: &self.items,
            keywords: &self.keywords,
            attributes: self
                .attributes
                .as_ref()
                .zip(self.attribute_lists.as_ref())
                .map(|(table, lists)| (table as &dyn ReadRows, lists)),
            text: frozen(&self.text),
            image: frozen(&self.image),
            over_padding: self.over_padding,
        }
    }

    /// Takes the optimiser's step on every row of the batch, with its gradients times `scale`.
    pub fn update(&mut self, batch: &EmbeddedBatch, gradients: RowGradients, scale: f32, step: u64) {
        let tables = [Some(&mut self.items), Some(&mut self.keywords), self.attributes.as_mut()];
        for ((table, ids), gradient) in tables.into_iter().zip(batch.rows()).zip(gradients.0) {
            let (Some(table), Some(ids), Some(mut gradient)) = (table, ids, gradient) else { continue };
            if scale != 1.0 {
                gradient.iter_mut().for_each(|g| *g *= scale);
            }
            table.update(ids, &gradient, step);
        }
    }

    /// Brings every row up to date: before evaluating.
    pub fn catch_up(&mut self, step: u64) {
        self.each().into_iter().for_each(|(_, table)| table.catch_up(step));
    }

    /// The weights of all tables, which must be up to date.
    pub fn snapshot(&self) -> TablesSnapshot {
        TablesSnapshot(self.shared().into_iter().map(|(_, table)| table.snapshot()).collect())
    }

    /// The touched rows of all tables with their moments.
    pub(crate) fn state(&self) -> TablesSnapshot {
        TablesSnapshot(self.shared().into_iter().map(|(_, table)| table.state()).collect())
    }

    /// Goes back to a snapshot of these tables, with the optimiser afresh after `step` steps.
    pub fn restore(&mut self, snapshot: &TablesSnapshot, step: u64) {
        let tables = self.each().into_iter().zip(&snapshot.0);
        tables.for_each(|((_, table), rows)| table.restore(rows, step));
    }

    /// The tables with short names.
    pub(crate) fn each(&mut self) -> Vec<(&'static str, &mut Table)> {
        let all = [Some(&mut self.items), Some(&mut self.keywords), self.attributes.as_mut()];
        NAMES.into_iter().zip(all).filter_map(|(name, table)| Some((name, table?))).collect()
    }

    pub(crate) fn shared(&self) -> Vec<(&'static str, &Table)> {
        let all = [Some(&self.items), Some(&self.keywords), self.attributes.as_ref()];
        NAMES.into_iter().zip(all).filter_map(|(name, table)| Some((name, table?))).collect()
    }
}
