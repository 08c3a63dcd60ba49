//! What a model sees: embedded events, each distinct one once.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// The events of a batch, histories or candidates: `U` distinct ones, and where each of them stands.
///
/// Users repeat each other's items, and most positions of a short history are padding: whatever depends on the
/// event alone is computed on `U` rows and then placed on `[B, L]` positions.
#[derive(Clone, Debug)]
pub struct Events {
    /// The distinct events.
    pub rows: Rows,
    /// Which row stands at each position, `[B, L]`.
    pub index: Tensor<2, Int>,
    /// Whether the position holds an event, `[B, L]`; padding is false.
    pub real: Tensor<2, Bool>,
}

/// Distinct events, embedded.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Item vectors, `[U, D]`.
    pub item: Tensor<2>,
    /// Query vectors, `[U, D]`; zero for an empty query.
    pub query: Tensor<2>,
    /// 1 where the event has a query, else 0, `[U, 1]`.
    pub asked: Tensor<2>,
    /// Text embeddings of the items.
    pub text: Option<Modality>,
    /// Image embeddings of the items.
    pub image: Option<Modality>,
    /// Mean attribute vectors of the items, of width D.
    pub attribute: Option<Modality>,
}

/// One modality of distinct events.
#[derive(Clone, Debug)]
pub struct Modality {
    /// `[U, width]`; zero where it is missing.
    pub rows: Tensor<2>,
    /// Whether the rows went through [`SequenceModel::project`](crate::SequenceModel::project) already.
    pub projected: bool,
    /// 1 where the item has this modality, else 0, `[U, 1]`.
    pub present: Tensor<2>,
}

impl Events {
    /// Puts a value of each distinct event onto the positions: `[U, X]` to `[B, L, X]`.
    pub fn place(&self, values: Tensor<2>) -> Tensor<3> {
        let [batch, length] = self.index.dims();
        let width = values.dims()[1];
        values.select(0, self.index.clone().flatten(0, 1)).reshape([batch, length, width])
    }

    /// B and L.
    pub fn dims(&self) -> [usize; 2] {
        self.index.dims()
    }

    /// 1 at events, 0 at padding, `[B, L]`.
    pub fn mask(&self) -> Tensor<2> {
        self.real.clone().float()
    }
}

impl Modality {
    /// Embeddings as they come.
    pub fn new(rows: Tensor<2>, present: Tensor<2>) -> Self {
        Self { rows, projected: false, present }
    }
}

impl Rows {
    /// Rows of items alone: no query, no further modality.
    pub fn of_items(item: Tensor<2>) -> Self {
        let [count, _] = item.dims();
        let asked = Tensor::zeros([count, 1], &item.device());
        Self { query: item.zeros_like(), item, asked, text: None, image: None, attribute: None }
    }
}

/// The mean of some rows of a table for each of `U` bags: `[R, D]` to `[U, D]`.
///
/// `bags` holds `slots` row numbers a bag, and `real` says which of them count. With `over_padding`, the
/// published rule, all slots do, padding rows included. A bag without a real slot gives zero otherwise.
pub fn bag_means(
    table: Tensor<2>,
    bags: &[u32],
    real: &[bool],
    slots: usize,
    over_padding: bool,
) -> Tensor<2> {
    let device = table.device();
    let width = table.dims()[1];
    let count = bags.len() / slots;
    let mut weights = Vec::with_capacity(bags.len());
    for bag in real.chunks_exact(slots) {
        let filled = bag.iter().filter(|&&r| r).count().max(1) as f32;
        let weight = |&r: &bool| match (over_padding, r) {
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

/// Row numbers as a tensor.
pub fn integers<const D: usize>(shape: [usize; D], values: &[u32], device: &Device) -> Tensor<D, Int> {
    let values: Vec<i64> = values.iter().map(|&v| i64::from(v)).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}
