//! What a model sees: embedded events, each distinct one once.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::parts::{NOT_SELECTED, Selection};

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
    /// Of candidates for several targets of a user: how many positions of the history each one sees, `[B, C]`. None: all of them.
    pub sees: Option<Tensor<2, Int>>,
    /// Of histories with times: when each event and each request was. None: nobody knows.
    pub times: Option<Arc<Times>>,
}

/// When the events of histories were, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    /// `[B, L]`; `i64::MIN` where it is not known.
    pub events: Vec<i64>,
    /// When the candidates of each user are asked for, `[B]`. A candidate that sees a part of the history is asked for when the first
    /// event that it does not see was.
    pub requests: Vec<i64>,
}

impl Times {
    /// Of a candidate that sees `sees` of the L positions of user `user`, the seconds from position `l` to the request; None where one
    /// of the times is not known.
    pub(crate) fn age(&self, user: usize, length: usize, sees: usize, l: usize) -> Option<u64> {
        let own = &self.events[user * length..][..length];
        let request = own.get(sees).unwrap_or(&self.requests[user]);
        let known = [*request, own[l]].iter().all(|&time| time != i64::MIN);
        known.then(|| request.saturating_sub(own[l]).max(0).unsigned_abs())
    }
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
    /// How many vectors a row is the mean of, `[U, 1]`; None: one.
    pub count: Option<Tensor<2>>,
}

impl Events {
    /// Puts a value of each unique event onto the positions: `[U, X]` to `[B, L, X]`.
    pub fn place(&self, values: Tensor<2>) -> Tensor<3> {
        let [batch, length] = self.inverse.dims();
        let width = values.dims()[1];
        values.select(0, self.inverse.clone().flatten(0, 1)).reshape([batch, length, width])
    }

    /// Those of some users.
    pub(crate) fn of_users(&self, users: Range<usize>) -> Self {
        let (first, count) = (users.start, users.len());
        Self {
            unique: self.unique.clone(),
            inverse: self.inverse.clone().narrow(0, first, count),
            mask: self.mask.clone().narrow(0, first, count),
            sees: self.sees.clone().map(|sees| sees.narrow(0, first, count)),
            times: self.times.as_ref().map(|times| {
                let [_, length] = self.dims();
                let events = times.events[first * length..][..count * length].to_vec();
                Arc::new(Times { events, requests: times.requests[users].to_vec() })
            }),
        }
    }

    /// B and L.
    pub fn dims(&self) -> [usize; 2] {
        self.inverse.dims()
    }

    /// The events of a history that candidates see, where that differs from candidate to candidate.
    pub(crate) fn seen_by(&self, candidates: &Self) -> Option<Selection> {
        let sees: Vec<u32> = host_integers(candidates.sees.as_ref()?);
        let ([batch, length], [_, count]) = (self.dims(), candidates.dims());
        let mask = host_bools(&self.mask);
        let mut bias = vec![NOT_SELECTED; batch * count * length];
        for (at, row) in bias.chunks_exact_mut(length).enumerate() {
            let (mask, sees) = (&mask[at / count * length..][..length], length.min(sees[at] as usize));
            row[..sees].iter_mut().zip(mask).filter(|(_, event)| **event).for_each(|(bias, _)| *bias = 0.0);
        }
        let data = TensorData::new(bias, [batch, count, 1, length]);
        Some(Selection { bias: Tensor::from_data(data, &self.inverse.device()) })
    }

    /// The padding mask as numbers: 1 at events, 0 at padding, `[B, L]`.
    pub fn float_mask(&self) -> Tensor<2> {
        self.mask.clone().float()
    }
}

impl Modality {
    /// Embeddings as they come.
    pub fn new(rows: Tensor<2>, present: Tensor<2>) -> Self {
        Self { rows, projected: false, present, count: None }
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

/// Row numbers on the host.
pub(crate) fn host_integers<const D: usize>(tensor: &Tensor<D, Int>) -> Vec<u32> {
    let values = tensor.to_data_as::<i64>().try_into_vec::<i64>().expect("the data was converted to i64");
    values.into_iter().map(|value| value as u32).collect()
}

/// A mask on the host.
pub(crate) fn host_bools(tensor: &Tensor<2, Bool>) -> Vec<bool> {
    tensor.to_data_as::<bool>().try_into_vec().expect("the data was converted to bool")
}
