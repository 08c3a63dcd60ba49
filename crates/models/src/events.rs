//! What a model sees: embedded events, each distinct one once.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// The events of a batch, histories or candidates: `U` unique ones, and which of them stands at each position.
///
/// Users repeat each other's items, and most positions of a short history are padding: whatever depends on the
/// event alone is computed on `U` rows and then placed on `[B, L]` positions.
#[derive(Clone, Debug)]
pub struct Events {
    /// The unique events.
    pub unique: UniqueEvents,
    /// Inverse index: the row of `unique` at each position, `[B, L]`.
    pub inverse: Tensor<2, Int>,
    /// Padding mask, `[B, L]`: true at events, false at padding.
    pub mask: Tensor<2, Bool>,
}

/// Unique events, embedded.
#[derive(Clone, Debug)]
pub struct UniqueEvents {
    /// Item vectors, `[U, D]`.
    pub item: Tensor<2>,
    /// Query vectors, `[U, D]`; zero for an empty query.
    pub query: Tensor<2>,
    /// 1 where the event has a query, else 0, `[U, 1]`.
    pub has_query: Tensor<2>,
    /// Text embeddings of the items.
    pub text: Option<Modality>,
    /// Image embeddings of the items.
    pub image: Option<Modality>,
    /// Mean attribute vectors of the items, of width D.
    pub attribute: Option<Modality>,
}

/// One modality of unique events.
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
    /// Puts a value of each unique event onto the positions: `[U, X]` to `[B, L, X]`.
    pub fn place(&self, values: Tensor<2>) -> Tensor<3> {
        let [batch, length] = self.inverse.dims();
        let width = values.dims()[1];
        values.select(0, self.inverse.clone().flatten(0, 1)).reshape([batch, length, width])
    }

    /// B and L.
    pub fn dims(&self) -> [usize; 2] {
        self.inverse.dims()
    }

    /// The padding mask as numbers: 1 at events, 0 at padding, `[B, L]`.
    pub fn float_mask(&self) -> Tensor<2> {
        self.mask.clone().float()
    }
}

impl Modality {
    /// Embeddings as they come.
    pub fn new(rows: Tensor<2>, present: Tensor<2>) -> Self {
        Self { rows, projected: false, present }
    }
}

impl UniqueEvents {
    /// Items alone, `[U, D]`: no query, no further modality.
    pub fn of_items(item: Tensor<2>) -> Self {
        let [count, _] = item.dims();
        let has_query = Tensor::zeros([count, 1], &item.device());
        Self { query: item.zeros_like(), item, has_query, text: None, image: None, attribute: None }
    }
}

/// Row numbers as a tensor.
pub fn integers<const D: usize>(shape: [usize; D], values: &[u32], device: &Device) -> Tensor<D, Int> {
    let values: Vec<i64> = values.iter().map(|&v| i64::from(v)).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}
