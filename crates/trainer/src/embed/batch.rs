//! A batch as tensors: each unique event is embedded once; the rows that a batch needs are gathered into leaf tensors, whose
//! gradients come back already summed per row.

use std::sync::Arc;

use burn::tensor::{Bool, Device, Gradients, Tensor, TensorData};
use hashbrown::HashMap;
use seminar_dataset::{Batch, IdBlock, PAD};
use seminar_models::{Events, Modality, Times, UniqueEvents, integers};

use super::frozen;
use super::sources::{AttributeLists, ReadRows, Sources};
use crate::host::host;

/// A batch as tensors.
#[derive(Debug)]
pub struct EmbeddedBatch {
    /// Histories, `[B, L]`.
    pub history: Events,
    /// Candidates, `[B, C]`, the positive first.
    pub candidates: Events,
    /// 1 at targets, which are in column 0, or in one pass at the first candidate of each group; else 0, `[B, C]`.
    pub labels: Tensor<2>,
    /// The negatives that all targets share, if there are any.
    pub shared: Option<Shared>,
    leaves: Leaves,
}

/// Negatives that all targets of a batch share.
#[derive(Debug)]
pub struct Shared {
    /// The items.
    pub items: UniqueEvents,
    /// For each unique event of histories and of candidates the negative that is the same item.
    pub same: [Vec<Option<u32>>; 2],
}

/// The rows of each trained table that the batch uses, as leaf tensors.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    pub items: Option<Leaf>,
    pub keywords: Option<Leaf>,
    pub attributes: Option<Leaf>,
}

#[derive(Debug)]
pub(super) struct Leaf {
    ids: Vec<u32>,
    rows: Tensor<2>,
}

/// Gradients of a batch's rows, a list per table.
#[derive(Debug, Default)]
pub struct RowGradients(pub(super) [Option<Vec<f32>>; 3]);

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

    /// The ids of the rows that the batch uses, per table.
    pub(super) fn rows(&self) -> [Option<&[u32]>; 3] {
        self.leaves.each().map(|leaf| leaf.map(|leaf| leaf.ids.as_slice()))
    }
}

impl Leaves {
    fn each(&self) -> [Option<&Leaf>; 3] {
        [self.items.as_ref(), self.keywords.as_ref(), self.attributes.as_ref()]
    }
}

impl Leaves {
    /// Leaves of rows that are up to date.
    fn read(needs: Needs, sources: &Sources<'_>, device: &Device) -> Self {
        let leaf = |ids, table: &dyn ReadRows| Leaf::new(ids, device, |ids| table.read(ids));
        Self {
            items: leaf(needs.items, sources.items),
            keywords: leaf(needs.keywords, sources.keywords),
            attributes: sources.attributes.and_then(|(table, _)| leaf(needs.attributes, table)),
        }
    }
}

impl Leaf {
    pub fn new(mut ids: Vec<u32>, device: &Device, read: impl FnOnce(&[u32]) -> Vec<f32>) -> Option<Self> {
        ids.sort_unstable();
        ids.dedup();
        let values = read(&ids);
        let shape = [ids.len(), values.len().checked_div(ids.len())?];
        let rows = Tensor::from_data(TensorData::new(values, shape), device);
        let rows = if device.is_autodiff() { rows.require_grad() } else { rows };
        Some(Self { ids, rows })
    }

    /// Row of `id` in the gathered matrix; 0 (a zero-weight row) if the batch does not contain it.
    fn row(&self, id: u32) -> u32 {
        self.ids.binary_search(&id).unwrap_or(0) as u32
    }
}

/// The unique events of a block, and the inverse index: the number of the one at each position.
pub(super) struct Unique<'a> {
    items: Vec<u32>,
    queries: Vec<&'a [u32]>,
    inverse: Vec<u32>,
}

impl<'a> Unique<'a> {
    pub fn new(block: &'a IdBlock) -> Self {
        let mut numbers: HashMap<(u32, &[u32]), u32> = HashMap::with_capacity(block.items.len() / 4);
        let mut unique =
            Self { items: Vec::new(), queries: Vec::new(), inverse: Vec::with_capacity(block.items.len()) };
        for (&item, query) in block.items.iter().zip(block.queries.chunks_exact(block.query_length)) {
            let number = *numbers.entry((item, query)).or_insert_with(|| {
                unique.items.push(item);
                unique.queries.push(query);
                unique.items.len() as u32 - 1
            });
            unique.inverse.push(number);
        }
        unique
    }

    /// Those of histories, of candidates and of shared negatives.
    pub fn of_batch(batch: &'a Batch) -> [Self; 3] {
        [Self::new(&batch.history), Self::new(&batch.candidates), Self::of_items(&batch.shared)]
    }

    /// Every position an event of its own: the numbers of rows, and so the bits of their products, depend on the block's size
    /// alone.
    fn as_they_are(block: &'a IdBlock) -> Self {
        Self {
            items: block.items.clone(),
            queries: block.queries.chunks_exact(block.query_length).collect(),
            inverse: (0..block.items.len() as u32).collect(),
        }
    }

    fn events(&self, block: &IdBlock, embedded: UniqueEvents, device: &Device) -> Events {
        let shape = [block.rows, block.width];
        let mask: Vec<bool> = block.items.iter().map(|&item| item != PAD).collect();
        Events {
            unique: embedded,
            inverse: integers(shape, &self.inverse, device),
            mask: Tensor::<2, Bool>::from_data(TensorData::new(mask, shape), device),
            sees: None,
            times: block.times.as_ref().map(|times| {
                Arc::new(Times { events: times.events.clone(), requests: times.requests.clone() })
            }),
        }
    }

    /// Items alone, without queries.
    pub fn of_items(items: &'a [u32]) -> Self {
        Self {
            items: items.to_vec(),
            queries: vec![&[PAD]; items.len()],
            inverse: (0..items.len() as u32).collect(),
        }
    }

    /// For each event the place of its item among `ascending` ones.
    fn among(&self, ascending: &[u32]) -> Vec<Option<u32>> {
        self.items.iter().map(|item| ascending.binary_search(item).ok().map(|at| at as u32)).collect()
    }
}

/// Embeds a batch whose rows are all up to date: for scoring several batches side by side.
pub(crate) fn embed(sources: &Sources<'_>, batch: &Batch, device: &Device) -> EmbeddedBatch {
    let unique = Unique::of_batch(batch);
    let leaves = Leaves::read(Needs::of(unique.each_ref(), sources), sources, device);
    assemble(sources, batch, unique, leaves, device)
}

/// Embeds a block alone, each position as an event of its own: U = B·L.
pub(crate) fn unique_events(sources: &Sources<'_>, block: &IdBlock, device: &Device) -> Events {
    let unique = Unique::as_they_are(block);
    let leaves = Leaves::read(Needs::of([&unique], sources), sources, device);
    unique.events(block, embed_unique(sources, &unique, &leaves, device), device)
}

pub(super) fn assemble(
    sources: &Sources<'_>,
    batch: &Batch,
    [history, candidates, shared]: [Unique<'_>; 3],
    leaves: Leaves,
    device: &Device,
) -> EmbeddedBatch {
    let events = |block: &IdBlock, unique: Unique<'_>| {
        unique.events(block, embed_unique(sources, &unique, &leaves, device), device)
    };
    let (rows, width) = (batch.candidates.rows, batch.candidates.width);
    let group = if batch.sees.is_empty() { width } else { group(batch) };
    let labels: Vec<f32> =
        (0..rows * width).map(|at| if (at % width).is_multiple_of(group) { 1.0 } else { 0.0 }).collect();
    let shared = (!batch.shared.is_empty()).then(|| Shared {
        items: embed_unique(sources, &shared, &leaves, device),
        same: [history.among(&batch.shared), candidates.among(&batch.shared)],
    });
    let sees = (!batch.sees.is_empty()).then(|| integers([rows, width], &batch.sees, device));
    EmbeddedBatch {
        shared,
        history: events(&batch.history, history),
        candidates: Events { sees, ..events(&batch.candidates, candidates) },
        labels: Tensor::from_data(TensorData::new(labels, [rows, width]), device),
        leaves,
    }
}

/// Candidates of each target in one pass: those that see as much as the first one. All users have groups of one size.
fn group(batch: &Batch) -> usize {
    let first = &batch.sees[..batch.candidates.width];
    first.iter().take_while(|&&sees| sees == first[0]).count()
}

/// Unique events from the gathered rows.
fn embed_unique(
    sources: &Sources<'_>,
    unique: &Unique<'_>,
    leaves: &Leaves,
    device: &Device,
) -> UniqueEvents {
    let count = unique.items.len();
    let items = leaves.items.as_ref().expect("a batch has items");
    let numbers: Vec<u32> = unique.items.iter().map(|&item| items.row(item)).collect();
    let item = items.rows.clone().select(0, integers([count], &numbers, device));
    let has_query: Vec<f32> =
        unique.queries.iter().map(|q| if q.iter().any(|&w| w != PAD) { 1.0 } else { 0.0 }).collect();
    let query = match &leaves.keywords {
        Some(leaf) => {
            let slots = unique.queries[0].len();
            let words = || unique.queries.iter().copied().flatten();
            let bags: Vec<u32> = words().map(|&word| leaf.row(word)).collect();
            let counts: Vec<bool> = words().map(|&word| word != PAD).collect();
            bag_means(leaf.rows.clone(), &bags, &counts, slots, sources.over_padding)
        }
        None => item.zeros_like(),
    };
    UniqueEvents {
        attribute: sources.attributes.map(|source| attributes(unique, leaves, source, device)),
        text: sources.text.map(|rows| frozen::read(rows, &unique.items, device)),
        image: sources.image.map(|rows| frozen::read(rows, &unique.items, device)),
        has_query: Tensor::from_data(TensorData::new(has_query, [count, 1]), device),
        item,
        query,
    }
}

/// The ids that a batch needs from each table, with repeats.
pub(super) struct Needs {
    pub items: Vec<u32>,
    pub keywords: Vec<u32>,
    pub attributes: Vec<u32>,
}

impl Needs {
    pub fn of<const N: usize>(blocks: [&Unique<'_>; N], sources: &Sources<'_>) -> Self {
        let items: Vec<u32> = blocks.iter().flat_map(|b| b.items.iter().copied()).collect();
        let words = blocks.iter().flat_map(|b| b.queries.iter().copied().flatten().copied());
        let keywords = words.filter(|&word| sources.over_padding || word != PAD).collect();
        let attributes = match sources.attributes {
            Some((_, lists)) => items.iter().flat_map(|&item| lists.of(item)).copied().collect(),
            None => Vec::new(),
        };
        Self { items, keywords, attributes }
    }
}

/// Mean attribute vectors of unique events.
fn attributes(
    unique: &Unique<'_>,
    leaves: &Leaves,
    (table, lists): (&dyn ReadRows, &AttributeLists),
    device: &Device,
) -> Modality {
    let lists: Vec<&[u32]> = unique.items.iter().map(|&item| lists.of(item)).collect();
    let present: Vec<f32> = lists.iter().map(|list| if list.is_empty() { 0.0 } else { 1.0 }).collect();
    let slots = lists.iter().map(|list| list.len()).max().unwrap_or(0);
    let rows = match &leaves.attributes {
        Some(leaf) if slots > 0 => {
            let slot = |list: &&[u32], i: usize| list.get(i).map(|&a| leaf.row(a));
            let bags: Vec<Option<u32>> =
                lists.iter().flat_map(|list| (0..slots).map(move |i| slot(list, i))).collect();
            let counts: Vec<bool> = bags.iter().map(Option::is_some).collect();
            let bags: Vec<u32> = bags.into_iter().map(Option::unwrap_or_default).collect();
            bag_means(leaf.rows.clone(), &bags, &counts, slots, false)
        }
        _ => Tensor::zeros([lists.len(), table.width()], device),
    };
    let column = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [lists.len(), 1]), device);
    let count = lists.iter().map(|list| list.len() as f32).collect();
    Modality { count: Some(column(count)), ..Modality::new(rows, column(present)) }
}

/// The mean of some rows of a table for each of `U` bags: `[R, D]` to `[U, D]`.
///
/// `bags` holds `slots` row numbers per bag, and `counts` says which of them count. With `over_padding`, the published rule, all
/// slots do, padding rows included. A bag without a slot that counts gives zero otherwise.
fn bag_means(table: Tensor<2>, bags: &[u32], counts: &[bool], slots: usize, over_padding: bool) -> Tensor<2> {
    let device = table.device();
    let width = table.dims()[1];
    let count = bags.len() / slots;
    let mut weights = Vec::with_capacity(bags.len());
    for bag in counts.chunks_exact(slots) {
        let filled = bag.iter().filter(|&&counts| counts).count().max(1) as f32;
        let weight = |&counts: &bool| match (over_padding, counts) {
            (true, _) => 1.0 / slots as f32,
            (false, true) => 1.0 / filled,
            (false, false) => 0.0,
        };
        weights.extend(bag.iter().map(weight));
    }
    let rows = table.select(0, integers([bags.len()], bags, &device)).reshape([count, slots, width]);
    let weights = Tensor::<3>::from_data(TensorData::new(weights, [count, slots, 1]), &device);
    (rows * weights).sum_dim(1).reshape([count, width])
}
