//! The short-term tower: a causal transformer over the newest events, whose state at an event says what comes next.
//!
//! In formulas:
//!
//! ```text
//! x         = norm(the vectors of a user's newest S events)
//! n         = norm(x)
//! a_hij     = Q_h(n_i) · K_h(n_j) / √(D/H) + distance[h, i − j], j ≤ i
//! y_i       = x_i + output([Σ_j softmax_j(a_1ij) V_1(n_j); …; Σ_j softmax_j(a_Hij) V_H(n_j)])
//! next x_i  = y_i + contract(relu(expand(norm(y_i))))
//! state_i   = norm(x_i after the last layer)
//! ```
//!
//! It follows SASRec ([arXiv 1808.09781](https://arxiv.org/abs/1808.09781)), with one departure: order enters as a bias by distance
//! in place of a vector by position. A state then depends on the events before it and not on where a window ends, so that one pass over
//! a history gives the states that a pass over each of its beginnings would give.

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, Linear};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::events::{Events, UniqueEvents, host_bools, host_integers, integers};
use crate::fused;
use crate::init::Init;
use crate::losses::sampled_softmax;
use crate::model::Successors;
use crate::parts::{Dropout, NOT_SELECTED, Pairs, Selection};

/// A product of fewer rows adds in another order; with so many the bits of a state do not depend on the other users of a batch.
const LEAST_ROWS: usize = 288;

/// The settings of a [`ShortTerm`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShortTermConfig {
    /// S: newest events that the tower reads; 50.
    pub events: usize,
    /// Layers; 2.
    pub layers: usize,
    /// Heads, which divide the width; 2.
    pub heads: usize,
    /// Share of components that training drops; 0.3.
    pub dropout: f64,
}

impl Default for ShortTermConfig {
    fn default() -> Self {
        Self { events: 50, layers: 2, heads: 2, dropout: 0.3 }
    }
}

impl ShortTermConfig {
    /// Checks the settings for a model of width `dim`.
    ///
    /// # Errors
    /// If one cannot work.
    pub(crate) fn validate(&self, dim: usize) -> Result<()> {
        let fail = |message| Err(Error::Config { field: "short_term", message });
        for (what, value, most) in
            [("events", self.events, 1 << 12), ("layers", self.layers, 64), ("heads", self.heads, 1 << 8)]
        {
            if value == 0 || value > most {
                return fail(format!("{value} {what}, which are from 1 to {most}"));
            }
        }
        if !dim.is_multiple_of(self.heads) {
            return fail(format!("{} heads do not divide the width {dim}", self.heads));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return fail(format!("dropout {} is not between 0 and 1", self.dropout));
        }
        Ok(())
    }

    /// A tower of width `dim` with initial weights on `device`.
    ///
    /// # Panics
    /// If the heads do not divide the width.
    pub fn init(&self, dim: usize, seed: u64, device: &Device) -> ShortTerm {
        assert!(dim.is_multiple_of(self.heads), "{} heads do not divide the width {dim}", self.heads);
        self.draw(dim, &mut Init::of_part("short_term", seed, device))
    }

    pub(crate) fn draw(&self, dim: usize, init: &mut Init) -> ShortTerm {
        let layer = |init: &mut Init| Layer {
            before_attention: init.norm(dim),
            query: init.uniform(dim, dim, true),
            key: init.uniform(dim, dim, true),
            value: init.uniform(dim, dim, true),
            distance: init.constant(0.0, [self.heads, self.events]),
            output: init.uniform(dim, dim, true),
            before_expansion: init.norm(dim),
            expand: init.uniform(dim, 4 * dim, true),
            contract: init.uniform(4 * dim, dim, true),
        };
        ShortTerm {
            before: init.norm(dim),
            layers: (0..self.layers).map(|_| layer(init)).collect(),
            norm: init.norm(dim),
            dropout: Dropout::new(self.dropout),
            events: self.events,
        }
    }
}

/// One layer: causal attention, then two dense layers, each added to what comes in.
#[derive(Module, Debug)]
pub struct Layer {
    /// On the way into the attention.
    pub before_attention: LayerNorm,
    /// Q of all heads.
    pub query: Linear,
    /// K.
    pub key: Linear,
    /// V.
    pub value: Linear,
    /// What a distance adds to a head's score, `[H, S]`.
    pub distance: Param<Tensor<2>>,
    /// From the heads to D.
    pub output: Linear,
    /// On the way into the dense layers.
    pub before_expansion: LayerNorm,
    /// D to 4 D.
    pub expand: Linear,
    /// 4 D to D.
    pub contract: Linear,
}

/// The tower.
#[derive(Module, Debug)]
pub struct ShortTerm {
    /// On the way in: the tower sees vectors of one length, whatever the tables' deviation.
    pub before: LayerNorm,
    /// Its layers.
    pub layers: Vec<Layer>,
    /// On the way out.
    pub norm: LayerNorm,
    /// In training only: on the events, and on what each layer adds.
    pub dropout: Dropout,
    events: usize,
}

/// The states of all events that a tower reads. Only events have rows, padding has none.
#[derive(Clone, Debug)]
pub struct States {
    /// `[T, D]`, T events; rows behind them fill up to a least number and mean nothing.
    pub rows: Tensor<2>,
    /// T.
    pub count: usize,
    /// The position in the history of each event, `b · L + l`, ascending.
    pub positions: Vec<u32>,
    /// L.
    length: usize,
}

impl States {
    /// The row of a user's newest event before position `l`; none if there is none.
    fn before(&self, user: usize, l: usize) -> Option<u32> {
        let first = user * self.length;
        let end = self.positions.partition_point(|&position| (position as usize) < first + l);
        end.checked_sub(1).filter(|&row| self.positions[row] as usize >= first).map(|row| row as u32)
    }

    /// The user as each candidate sees it, `[B, C, D]`: the state at the newest event, zero without events.
    pub fn users(&self, candidates: &Events) -> Tensor<3> {
        let ([_, count], users) = (candidates.dims(), self.each(self.rows.clone(), candidates));
        if users.dims()[1] == count { users } else { users.repeat_dim(1, count) }
    }

    /// `states` `[T, X]` as each candidate sees them, `[B, C, X]`, or `[B, 1, X]` where all candidates of a user see the same.
    pub(crate) fn each(&self, states: Tensor<2>, candidates: &Events) -> Tensor<3> {
        let ([batch, count], [_, width]) = (candidates.dims(), states.dims());
        let rows: Vec<Option<u32>> = match &candidates.sees {
            None => (0..batch).map(|user| self.before(user, self.length)).collect(),
            Some(sees) => {
                let sees = host_integers(sees).into_iter().enumerate();
                sees.map(|(at, l)| self.before(at / count, l as usize)).collect()
            }
        };
        let each = rows.len() / batch;
        let device = self.rows.device();
        let there: Vec<f32> = rows.iter().map(|row| f32::from(u8::from(row.is_some()))).collect();
        let there = Tensor::<2>::from_data(TensorData::new(there, [batch * each, 1]), &device);
        let numbers: Vec<u32> = rows.into_iter().map(Option::unwrap_or_default).collect();
        let users = states.select(0, integers([batch * each], &numbers, &device)) * there;
        users.reshape([batch, each, width])
    }
}

impl States {
    /// The mean loss of the events' successors: each state against the vector of what follows, among negatives that all share. `vectors`
    /// makes candidates of items.
    pub(crate) fn successor_loss(
        &self,
        batch: &Successors<'_>,
        vectors: impl Fn(&UniqueEvents) -> Tensor<2>,
    ) -> Tensor<1> {
        let Successors { history, candidates, negatives, same, newest } = batch;
        let (history_rows, candidate_rows) =
            (host_integers(&history.inverse), host_integers(&candidates.inverse));
        let [_, count] = candidates.dims();
        let unique = same[0].len();
        let (mut rows, mut followers, mut twins) = (Vec::new(), Vec::new(), Vec::new());
        for (row, &position) in self.positions.iter().enumerate() {
            let (user, l) = (position as usize / self.length, position as usize % self.length);
            if l + newest < self.length {
                continue;
            }
            let next = self.positions.get(row + 1).filter(|&&next| next as usize / self.length == user);
            let (follower, twin) = match next {
                Some(&next) => {
                    let event = history_rows[next as usize];
                    (event, same[0][event as usize])
                }
                None => {
                    let target = candidate_rows[user * count];
                    (unique as u32 + target, same[1][target as usize])
                }
            };
            rows.push(row as u32);
            followers.push(follower);
            twins.push(twin);
        }
        let device = self.rows.device();
        let targets = Tensor::cat(vec![vectors(&history.unique), vectors(&candidates.unique)], 0);
        sampled_softmax(
            self.rows.clone().select(0, integers([rows.len()], &rows, &device)),
            targets.select(0, integers([rows.len()], &followers, &device)),
            vectors(negatives),
            &twins,
        )
    }
}

impl ShortTerm {
    /// The states of the tower that a model may have.
    pub(crate) fn read(tower: &Option<Self>, pairs: &Pairs<'_>) -> Option<States> {
        tower.as_ref().map(|tower| tower.forward(pairs.history, pairs.plain.clone()))
    }

    /// The states of the newest events of histories, whose unique events have the vectors `rows` `[U, D]`.
    pub fn forward(&self, history: &Events, rows: Tensor<2>) -> States {
        let places = Places::of(history, self.events, &rows.device());
        let inverse = history.inverse.clone().flatten::<1>(0, 1).select(0, places.positions(&rows.device()));
        let mut x = self.dropout.forward(self.before.forward(rows.select(0, inverse)));
        for layer in &self.layers {
            let normed = layer.before_attention.forward(x.clone());
            x = x + self.dropout.forward(layer.attend(normed, &places));
            let normed = layer.before_expansion.forward(x.clone());
            let dense = self.dropout.forward(relu(layer.expand.forward(normed)));
            x = x + self.dropout.forward(layer.contract.forward(dense));
        }
        let count = places.events.len();
        States { rows: self.norm.forward(x), count, positions: places.events, length: places.length }
    }
}

impl Layer {
    /// Causal attention over packed rows `[T, D]`.
    fn attend(&self, rows: Tensor<2>, places: &Places) -> Tensor<2> {
        if fused::taken(&rows) {
            let inputs = [&self.query, &self.key, &self.value].map(|layer| layer.forward(rows.clone()));
            let mixed = fused::causal(inputs, self.distance.val(), &places.events, places.length);
            return self.output.forward(mixed);
        }
        let ([_, width], [heads, _]) = (rows.dims(), self.distance.dims());
        let Places { users, span, .. } = *places;
        let split = |layer: &Linear| {
            let placed = layer.forward(rows.clone()).select(0, places.unpack.clone());
            placed.reshape([users, span, heads, width / heads]).swap_dims(1, 2)
        };
        let scores = split(&self.query).matmul(split(&self.key).swap_dims(2, 3));
        let scores = scores / ((width / heads) as f64).sqrt() + self.order(places) + places.padding.clone();
        let mixed = softmax(scores, 3).matmul(split(&self.value)).swap_dims(1, 2);
        self.output.forward(mixed.reshape([users * span, width]).select(0, places.pack.clone()))
    }

    /// What distances add to scores, and −10⁹ for what is later, `[1, H, span, span]`.
    fn order(&self, places: &Places) -> Tensor<4> {
        let ([heads, _], span) = (self.distance.dims(), places.span);
        let bias = self.distance.val().select(1, places.distances.clone());
        bias.reshape([1, heads, span, span]) + places.later.clone()
    }
}

/// Where the events of a batch lie: in packed rows, and in the newest `span` columns of each user; and what all layers add to scores.
struct Places {
    users: usize,
    /// Columns.
    span: usize,
    /// L.
    length: usize,
    /// Position in the history of each event, ascending.
    events: Vec<u32>,
    /// The column of each packed row, `b · span + s`; 0 for rows that fill up.
    pack: Tensor<1, Int>,
    /// The packed row of each column; 0 for padding.
    unpack: Tensor<1, Int>,
    /// How far column j lies before column i, `[span · span]`; 0 for later ones.
    distances: Tensor<1, Int>,
    /// −10⁹ for later columns, `[1, 1, span, span]`.
    later: Tensor<4>,
    /// −10⁹ at padding, `[B, 1, 1, span]`.
    padding: Tensor<4>,
}

impl Places {
    fn of(history: &Events, most: usize, device: &Device) -> Self {
        let [users, length] = history.dims();
        let span = most.min(length);
        let mask = host_bools(&history.mask);
        let (mut events, mut pack, mut unpack) = (Vec::new(), Vec::new(), vec![0; users * span]);
        for (user, row) in mask.chunks_exact(length).enumerate() {
            for (column, _) in row[length - span..].iter().enumerate().filter(|(_, event)| **event) {
                let at = user * span + column;
                unpack[at] = events.len() as u32;
                pack.push(at as u32);
                events.push((user * length + length - span + column) as u32);
            }
        }
        pack.resize(pack.len().max(LEAST_ROWS), 0);
        let pairs = || (0..span).flat_map(|i| (0..span).map(move |j| (i, j)));
        let distances: Vec<u32> = pairs().map(|(i, j)| i.saturating_sub(j) as u32).collect();
        let later: Vec<f32> = pairs().map(|(i, j)| if j > i { NOT_SELECTED } else { 0.0 }).collect();
        Self {
            users,
            span,
            length,
            events,
            pack: integers([pack.len()], &pack, device),
            unpack: integers([unpack.len()], &unpack, device),
            distances: integers([span * span], &distances, device),
            later: Tensor::from_data(TensorData::new(later, [1, 1, span, span]), device),
            padding: Selection::events(history).bias.narrow(3, length - span, span),
        }
    }

    /// Positions of the packed rows.
    fn positions(&self, device: &Device) -> Tensor<1, Int> {
        let mut positions = self.events.clone();
        positions.resize(positions.len().max(LEAST_ROWS), 0);
        integers([positions.len()], &positions, device)
    }
}
