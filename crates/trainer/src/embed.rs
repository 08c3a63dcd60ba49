//! From a batch of integers to the tensors that a model sees.
//!
//! Each distinct event is embedded once; the rows that a batch needs are gathered into leaf tensors, whose
//! gradients come back already summed per row.

use burn::tensor::{Bool, Device, Gradients, Tensor, TensorData};
use hashbrown::HashMap;
use rayon::prelude::*;
use seminar_dataset::{Batch, Corpus, Embeddings, IdBlock, PAD};
use seminar_models::{Events, Modality, ModalityKind, Rows, SequenceModel, bag_means, integers};

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
    over_padding: bool,
}

/// The values of all trained tables, to go back to.
#[derive(Clone, Debug)]
pub struct TablesSnapshot(pub(crate) Vec<TableRows>);

/// A batch as tensors.
#[derive(Debug)]
pub struct EmbeddedBatch {
    /// Histories, `[B, L]`.
    pub history: Events,
    /// Candidates, `[B, C]`, the positive first.
    pub candidates: Events,
    /// 1 in column 0, else 0, `[B, C]`.
    pub labels: Tensor<2>,
    leaves: Leaves,
}

/// The rows of each trained table that the batch uses, as leaf tensors.
#[derive(Debug, Default)]
struct Leaves {
    items: Option<Leaf>,
    keywords: Option<Leaf>,
    attributes: Option<Leaf>,
}

#[derive(Debug)]
struct Leaf {
    ids: Vec<u32>,
    rows: Tensor<2>,
}

/// Gradients of a batch's rows, a list a table.
#[derive(Debug, Default)]
pub struct RowGradients([Option<Vec<f32>>; 3]);

impl RowGradients {
    /// Sum of squares.
    pub fn squares(&self) -> f64 {
        self.0.iter().flatten().flatten().map(|&g| f64::from(g) * f64::from(g)).sum()
    }
}

impl EmbeddedBatch {
    /// Takes the gradients of the batch's rows.
    pub fn gradients(&self, grads: &mut Gradients) -> RowGradients {
        RowGradients(
            self.leaves.each().map(|leaf| leaf.and_then(|leaf| leaf.rows.grad_remove(grads)).map(host)),
        )
    }
}

impl Leaves {
    fn each(&self) -> [Option<&Leaf>; 3] {
        [self.items.as_ref(), self.keywords.as_ref(), self.attributes.as_ref()]
    }
}

impl Leaf {
    fn new(mut ids: Vec<u32>, device: &Device, read: impl FnOnce(&[u32]) -> Vec<f32>) -> Option<Self> {
        ids.sort_unstable();
        ids.dedup();
        let values = read(&ids);
        let shape = [ids.len(), values.len().checked_div(ids.len())?];
        let rows = Tensor::from_data(TensorData::new(values, shape), device);
        let rows = if device.is_autodiff() { rows.require_grad() } else { rows };
        Some(Self { ids, rows })
    }

    /// The leaf's row of an id; of one that it does not hold, row 0, which callers weigh with nothing.
    fn row(&self, id: u32) -> u32 {
        self.ids.binary_search(&id).unwrap_or(0) as u32
    }
}

/// The distinct events of a block, and the number of the one at each position.
struct Distinct<'a> {
    items: Vec<u32>,
    queries: Vec<&'a [u32]>,
    index: Vec<u32>,
}

impl<'a> Distinct<'a> {
    fn new(block: &'a IdBlock) -> Self {
        let mut numbers: HashMap<(u32, &[u32]), u32> = HashMap::with_capacity(block.items.len() / 4);
        let mut distinct =
            Self { items: Vec::new(), queries: Vec::new(), index: Vec::with_capacity(block.items.len()) };
        for (&item, query) in block.items.iter().zip(block.queries.chunks_exact(block.query_length)) {
            let number = *numbers.entry((item, query)).or_insert_with(|| {
                distinct.items.push(item);
                distinct.queries.push(query);
                distinct.items.len() as u32 - 1
            });
            distinct.index.push(number);
        }
        distinct
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
        let table = |rows: usize, name: u64| {
            Table::new(TableConfig {
                rows,
                width: config.width,
                key: [config.batches.seed, name],
                deviation: config.initial_deviation,
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
            text: modalities.text,
            image: modalities.image,
            over_padding: config.published_tables,
        })
    }

    /// Embeds a batch: rows are brought up to date with `step` steps taken.
    pub fn embed(&mut self, batch: &Batch, corpus: &Corpus, step: u64, device: &Device) -> EmbeddedBatch {
        let distinct = [&batch.history, &batch.candidates].map(Distinct::new);
        let needs = self.needs(&distinct, corpus);
        let leaves = Leaves {
            items: Leaf::new(needs.items, device, |ids| self.items.gather(ids, step)),
            keywords: Leaf::new(needs.keywords, device, |ids| self.keywords.gather(ids, step)),
            attributes: match &mut self.attributes {
                Some(table) => Leaf::new(needs.attributes, device, |ids| table.gather(ids, step)),
                None => None,
            },
        };
        self.assemble(batch, corpus, distinct, leaves, device, &Catalogue::default())
    }

    /// The same where every row is up to date, with frozen embeddings that were projected before: for scoring several
    /// batches side by side.
    pub(crate) fn embed_current(
        &self,
        batch: &Batch,
        corpus: &Corpus,
        device: &Device,
        catalogue: &Catalogue,
    ) -> EmbeddedBatch {
        let distinct = [&batch.history, &batch.candidates].map(Distinct::new);
        let needs = self.needs(&distinct, corpus);
        let leaf = |ids, table: &Table| Leaf::new(ids, device, |ids| table.read(ids));
        let leaves = Leaves {
            items: leaf(needs.items, &self.items),
            keywords: leaf(needs.keywords, &self.keywords),
            attributes: self.attributes.as_ref().and_then(|table| leaf(needs.attributes, table)),
        };
        self.assemble(batch, corpus, distinct, leaves, device, catalogue)
    }

    fn needs(&self, [history, candidates]: &[Distinct<'_>; 2], corpus: &Corpus) -> Needs {
        Needs::of([history, candidates], corpus, self.attributes.is_some(), self.over_padding)
    }

    /// Takes the optimiser's step on every row of the batch, with its gradients times `scale`.
    pub fn update(&mut self, batch: &EmbeddedBatch, gradients: RowGradients, scale: f32, step: u64) {
        let leaves = batch.leaves.each();
        let tables = [Some(&mut self.items), Some(&mut self.keywords), self.attributes.as_mut()];
        for ((table, leaf), gradient) in tables.into_iter().zip(leaves).zip(gradients.0) {
            let (Some(table), Some(leaf), Some(mut gradient)) = (table, leaf, gradient) else { continue };
            if scale != 1.0 {
                gradient.iter_mut().for_each(|g| *g *= scale);
            }
            table.update(&leaf.ids, &gradient, step);
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

    fn assemble(
        &self,
        batch: &Batch,
        corpus: &Corpus,
        [history, candidates]: [Distinct<'_>; 2],
        leaves: Leaves,
        device: &Device,
        catalogue: &Catalogue,
    ) -> EmbeddedBatch {
        let events = |block: &IdBlock, distinct: Distinct<'_>| {
            let real: Vec<bool> = block.items.iter().map(|&item| item != PAD).collect();
            let shape = [block.rows, block.width];
            Events {
                rows: self.rows(&distinct, &leaves, corpus, device, catalogue),
                index: integers(shape, &distinct.index, device),
                real: Tensor::<2, Bool>::from_data(TensorData::new(real, shape), device),
            }
        };
        let (rows, width) = (batch.candidates.rows, batch.candidates.width);
        let labels: Vec<f32> = (0..rows * width).map(|at| if at % width == 0 { 1.0 } else { 0.0 }).collect();
        EmbeddedBatch {
            history: events(&batch.history, history),
            candidates: events(&batch.candidates, candidates),
            labels: Tensor::from_data(TensorData::new(labels, [rows, width]), device),
            leaves,
        }
    }

    fn rows(
        &self,
        distinct: &Distinct<'_>,
        leaves: &Leaves,
        corpus: &Corpus,
        device: &Device,
        catalogue: &Catalogue,
    ) -> Rows {
        let count = distinct.items.len();
        let items = leaves.items.as_ref().expect("a batch has items");
        let numbers: Vec<u32> = distinct.items.iter().map(|&item| items.row(item)).collect();
        let item = items.rows.clone().select(0, integers([count], &numbers, device));
        let asked: Vec<f32> =
            distinct.queries.iter().map(|q| if q.iter().any(|&w| w != PAD) { 1.0 } else { 0.0 }).collect();
        let query = match &leaves.keywords {
            Some(leaf) => {
                let slots = distinct.queries[0].len();
                let words = || distinct.queries.iter().copied().flatten();
                let bags: Vec<u32> = words().map(|&word| leaf.row(word)).collect();
                let real: Vec<bool> = words().map(|&word| word != PAD).collect();
                bag_means(leaf.rows.clone(), &bags, &real, slots, self.over_padding)
            }
            None => item.zeros_like(),
        };
        Rows {
            attribute: self
                .attributes
                .as_ref()
                .map(|table| attributes(distinct, leaves, corpus, table.width(), device)),
            text: self.text.as_ref().map(|file| frozen(file, catalogue.text.as_ref(), distinct, device)),
            image: self.image.as_ref().map(|file| frozen(file, catalogue.image.as_ref(), distinct, device)),
            asked: Tensor::from_data(TensorData::new(asked, [count, 1]), device),
            item,
            query,
        }
    }
}

/// What the models are given beside ids and queries.
#[derive(Debug, Default)]
pub struct Modalities {
    /// Whether to train attribute vectors.
    pub attributes: bool,
    /// Text embeddings.
    pub text: Option<Embeddings>,
    /// Image embeddings.
    pub image: Option<Embeddings>,
}

/// The ids that a batch needs from each table, with repeats.
struct Needs {
    items: Vec<u32>,
    keywords: Vec<u32>,
    attributes: Vec<u32>,
}

impl Needs {
    fn of(blocks: [&Distinct<'_>; 2], corpus: &Corpus, with_attributes: bool, with_padding: bool) -> Self {
        let items: Vec<u32> = blocks.iter().flat_map(|b| b.items.iter().copied()).collect();
        let words = blocks.iter().flat_map(|b| b.queries.iter().copied().flatten().copied());
        let keywords = words.filter(|&word| with_padding || word != PAD).collect();
        let attributes = match with_attributes {
            true => items.iter().flat_map(|&item| attributes_of(corpus, item)).copied().collect(),
            false => Vec::new(),
        };
        Self { items, keywords, attributes }
    }
}

fn attributes_of(corpus: &Corpus, item: u32) -> &[u32] {
    let known = item != PAD && item as usize <= corpus.item_count();
    let list = known.then(|| corpus.attributes(item)).flatten().unwrap_or_default();
    &list[..list.len().min(MAX_ATTRIBUTES)]
}

/// Mean attribute vectors of distinct events.
fn attributes(
    distinct: &Distinct<'_>,
    leaves: &Leaves,
    corpus: &Corpus,
    width: usize,
    device: &Device,
) -> Modality {
    let lists: Vec<&[u32]> = distinct.items.iter().map(|&item| attributes_of(corpus, item)).collect();
    let present: Vec<f32> = lists.iter().map(|list| if list.is_empty() { 0.0 } else { 1.0 }).collect();
    let slots = lists.iter().map(|list| list.len()).max().unwrap_or(0);
    let rows = match &leaves.attributes {
        Some(leaf) if slots > 0 => {
            let slot = |list: &&[u32], i: usize| list.get(i).map(|&a| leaf.row(a));
            let bags: Vec<Option<u32>> =
                lists.iter().flat_map(|list| (0..slots).map(move |i| slot(list, i))).collect();
            let real: Vec<bool> = bags.iter().map(Option::is_some).collect();
            let bags: Vec<u32> = bags.into_iter().map(Option::unwrap_or_default).collect();
            bag_means(leaf.rows.clone(), &bags, &real, slots, false)
        }
        _ => Tensor::zeros([lists.len(), width], device),
    };
    Modality::new(rows, Tensor::from_data(TensorData::new(present, [lists.len(), 1]), device))
}

/// Frozen embeddings of a whole catalogue, projected once: for scoring many batches with the same weights.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    text: Option<ProjectedItems>,
    image: Option<ProjectedItems>,
}

/// `[items + 1, D]`; row 0 is what an absent embedding becomes.
#[derive(Debug)]
struct ProjectedItems {
    width: usize,
    rows: Vec<f32>,
}

/// Items that are projected at once.
const CATALOGUE_CHUNK: u32 = 4096;

impl Catalogue {
    /// Projects what the model projects of these tables' frozen embeddings.
    pub fn new<M: SequenceModel>(model: &M, tables: &Tables, device: &Device) -> Self {
        let project = |kind: ModalityKind, file: &Option<Embeddings>| {
            let file = file.as_ref()?;
            let (last, dim) = (file.item_count() as u32, file.dim());
            let mut all = ProjectedItems { width: 0, rows: Vec::new() };
            for first in (0..=last).step_by(CATALOGUE_CHUNK as usize) {
                let items: Vec<u32> = (first..=last.min(first + CATALOGUE_CHUNK - 1)).collect();
                let mut rows = vec![0.0; items.len() * dim];
                for (&item, row) in items.iter().zip(rows.chunks_exact_mut(dim)) {
                    file.read(item, row);
                }
                let rows = Tensor::from_data(TensorData::new(rows, [items.len(), dim]), device);
                let projected = model.project(kind, rows)?;
                all.width = projected.dims()[1];
                all.rows.extend(host(projected));
            }
            Some(all)
        };
        Self {
            text: project(ModalityKind::Text, &tables.text),
            image: project(ModalityKind::Image, &tables.image),
        }
    }
}

/// Frozen embeddings of distinct events; zero where an item has none.
fn frozen(
    file: &Embeddings,
    projected: Option<&ProjectedItems>,
    distinct: &Distinct<'_>,
    device: &Device,
) -> Modality {
    let count = distinct.items.len();
    let width = projected.map_or(file.dim(), |all| all.width);
    let mut rows = vec![0.0; count * width];
    let copy = |(&item, row): (&u32, &mut [f32])| {
        let present = match projected {
            Some(all) => {
                let present = file.is_present(item);
                let from = if present { item as usize } else { 0 };
                row.copy_from_slice(&all.rows[from * width..][..width]);
                present
            }
            None => file.read(item, row),
        };
        if present { 1.0 } else { 0.0 }
    };
    let present: Vec<f32> =
        distinct.items.par_iter().zip(rows.par_chunks_exact_mut(width)).map(copy).collect();
    Modality {
        rows: Tensor::from_data(TensorData::new(rows, [count, width]), device),
        projected: projected.is_some(),
        present: Tensor::from_data(TensorData::new(present, [count, 1]), device),
    }
}

pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data_as::<f32>().try_into_vec().expect("the data was converted to f32")
}
