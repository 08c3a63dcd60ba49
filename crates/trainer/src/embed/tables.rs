//! What item, keyword and attribute numbers are turned into: trained tables and frozen embeddings.

use burn::tensor::Device;
use seminar_dataset::{Batch, Corpus, Embeddings};

use super::batch::{EmbeddedBatch, Leaf, Leaves, Needs, RowGradients, Unique, assemble};
use super::known::{Eos, Known};
use super::sources::{AttributeLists, FrozenRows, ReadRows, Sources};
use crate::config::TrainConfig;
use crate::error::{Error, Result};
use crate::table::{Table, TableConfig, TableRows};

/// Short names of the tables, in their order.
pub(crate) const TABLES: [&str; 3] = ["item", "word", "attr"];

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
    known: Known,
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

impl ReadRows for Table {
    fn width(&self) -> usize {
        self.width()
    }

    fn read(&self, ids: &[u32]) -> Vec<f32> {
        self.read(ids)
    }
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
        let table = |at: usize, rows: usize| Table::new(Self::config_of(config, at, rows));
        Ok(Self {
            items: table(0, corpus.item_count() + 2)?,
            keywords: table(1, keyword_rows)?,
            attributes: match modalities.attributes {
                true => Some(table(2, corpus.attribute_count() + 1)?),
                false => None,
            },
            known: Known::of(config, corpus),
            attribute_lists: modalities.attributes.then(|| AttributeLists::of_corpus(corpus)),
            text: modalities.text,
            image: modalities.image,
            over_padding: config.published_tables,
        })
    }

    /// The configuration of one of the tables, by its place among them.
    pub(crate) fn config_of(config: &TrainConfig, at: usize, rows: usize) -> TableConfig {
        TableConfig {
            rows,
            width: config.width,
            key: [config.batches.seed, at as u64 + 1],
            standard_deviation: config.initial_deviation,
            padding_is_zero: !config.published_tables,
            adam: config.adam.clone(),
            map_above_bytes: config.map_above_bytes,
            folder: config.table_folder.clone().unwrap_or_else(std::env::temp_dir),
        }
    }

    /// Embeds a batch: rows are brought up to date with `step` steps taken.
    ///
    /// # Errors
    /// If the batch holds an item or a keyword that the corpus of these tables does not have (the end of pretrained histories,
    /// EOS, is none), or its blocks are not of the sizes that they say.
    pub fn embed(&mut self, batch: &Batch, step: u64, device: &Device) -> Result<EmbeddedBatch> {
        self.embed_with(batch, Eos::Nowhere, step, device)
    }

    /// [`Tables::embed`] of a batch that may hold EOS.
    pub(crate) fn embed_with(
        &mut self,
        batch: &Batch,
        eos: Eos,
        step: u64,
        device: &Device,
    ) -> Result<EmbeddedBatch> {
        self.known.check(batch, eos)?;
        let unique = Unique::of_batch(batch);
        let needs = Needs::of(unique.each_ref(), &self.sources());
        let leaves = Leaves {
            items: Leaf::new(needs.items, device, |ids| self.items.gather(ids, step)),
            keywords: Leaf::new(needs.keywords, device, |ids| self.keywords.gather(ids, step)),
            attributes: match &mut self.attributes {
                Some(table) => Leaf::new(needs.attributes, device, |ids| table.gather(ids, step)),
                None => None,
            },
        };
        Ok(assemble(&self.sources(), batch, unique, leaves, device))
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

    /// Frozen text and image embeddings.
    pub(crate) fn frozen(&self) -> [Option<&Embeddings>; 2] {
        [self.text.as_ref(), self.image.as_ref()]
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

    /// Multiplies the learning rate of steps to come by `scale`. Rows must be up to date or come from a run with this scale: the steps
    /// that a row is behind take this scale as well.
    pub(crate) fn scale_rate(&mut self, scale: f64) {
        self.each().into_iter().for_each(|(_, table)| table.scale_rate(scale));
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
        TABLES.into_iter().zip(all).filter_map(|(name, table)| Some((name, table?))).collect()
    }

    pub(crate) fn shared(&self) -> Vec<(&'static str, &Table)> {
        let all = [Some(&self.items), Some(&self.keywords), self.attributes.as_ref()];
        TABLES.into_iter().zip(all).filter_map(|(name, table)| Some((name, table?))).collect()
    }
}
