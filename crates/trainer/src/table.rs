//! Embedding tables outside the autodiff graph, with an exact sparse Adam.
//!
//! A row that a batch does not touch still moves under dense Adam: its moments decay and push it on. Here those
//! steps are replayed when the row is next read, so the result is dense Adam's, at a cost per step that depends
//! on the batch alone.

use rayon::prelude::*;
use seminar_dataset::rng::Stream;
use serde::{Deserialize, Serialize};

/// Adam's constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdamConfig {
    /// Step size.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Replay untouched steps (exact), or forget them (as common sparse Adams do).
    pub exact: bool,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, exact: true }
    }
}

/// Rows handled by one task; fixed, so that nothing depends on the number of threads.
const ROWS_PER_TASK: usize = 256;

/// Trained rows with their moments. Memory is taken only for rows that were touched.
#[derive(Clone, Debug)]
pub struct Table {
    width: usize,
    weights: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    /// 0 for a row that still has its initial value; else 1 + the step up to which it is current.
    current: Vec<u32>,
    initial: Initial,
    adam: AdamConfig,
}

/// Where a row's first value comes from: a stream of its own.
#[derive(Clone, Debug)]
struct Initial {
    key: [u64; 2],
    deviation: f32,
    padding_is_zero: bool,
}

impl Initial {
    fn fill(&self, row: u32, out: &mut [f32]) {
        if row == 0 && self.padding_is_zero {
            return out.fill(0.0);
        }
        let mut stream = Stream::new(&[self.key[0], self.key[1], u64::from(row)]);
        out.iter_mut().for_each(|x| *x = self.deviation * stream.normal() as f32);
    }
}

/// The values of a table, to go back to.
#[derive(Clone, Debug)]
pub struct Snapshot {
    rows: Vec<u32>,
    weights: Vec<f32>,
}

/// One row and its state, while it is worked on.
struct Row<'a> {
    id: u32,
    weight: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    current: &'a mut u32,
}

impl Table {
    /// A table of `rows` rows, normal with the given deviation; `name` keeps the tables of one seed apart.
    pub fn new(
        rows: usize,
        width: usize,
        seed: u64,
        name: u64,
        deviation: f32,
        padding_is_zero: bool,
        adam: AdamConfig,
    ) -> Self {
        // Zeroed memory comes from the system untouched: pages of unused rows are never made.
        let zeros = || vec![0.0f32; rows * width];
        let initial = Initial { key: [seed, name], deviation, padding_is_zero };
        Self {
            width,
            weights: zeros(),
            first: zeros(),
            second: zeros(),
            current: vec![0; rows],
            initial,
            adam,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.current.len()
    }

    /// Whether the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.current.is_empty()
    }

    /// Width of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Brings rows up to date with `step` steps taken, and copies them: `[ids, width]`.
    ///
    /// # Panics
    /// If `ids` is not strictly ascending or holds a row that is not there; likewise below.
    pub fn gather(&mut self, ids: &[u32], step: u64) -> Vec<f32> {
        let (width, adam, initial) = (self.width, self.adam.clone(), self.initial.clone());
        let mut out = vec![0.0; ids.len() * width];
        let copies = out.par_chunks_mut(width * ROWS_PER_TASK);
        self.tasks(ids).into_par_iter().zip(copies).for_each(|(rows, copies)| {
            for (row, copy) in rows.into_iter().zip(copies.chunks_exact_mut(width)) {
                let row = row.caught_up(&adam, &initial, step);
                copy.copy_from_slice(row.weight);
            }
        });
        out
    }

    /// Takes one step with these gradients, `[ids, width]`; `step` counts from 1. Padding row 0 never moves.
    pub fn update(&mut self, ids: &[u32], gradients: &[f32], step: u64) {
        let (width, adam, initial) = (self.width, self.adam.clone(), self.initial.clone());
        let rates = Rates::at(&adam, step);
        let gradients = gradients.par_chunks(width * ROWS_PER_TASK);
        self.tasks(ids).into_par_iter().zip(gradients).for_each(|(rows, gradients)| {
            for (row, gradient) in rows.into_iter().zip(gradients.chunks_exact(width)) {
                if row.id != 0 {
                    row.caught_up(&adam, &initial, step - 1).take_step(&adam, rates, gradient, step);
                }
            }
        });
    }

    /// Brings every row up to date: before evaluating or saving.
    pub fn catch_up(&mut self, step: u64) {
        let stale =
            |&id: &u32| self.current[id as usize] != 0 && u64::from(self.current[id as usize]) <= step;
        let ids: Vec<u32> = (0..self.len() as u32).filter(stale).collect();
        let (adam, initial) = (self.adam.clone(), self.initial.clone());
        self.tasks(&ids).into_par_iter().for_each(|rows| {
            for row in rows {
                row.caught_up(&adam, &initial, step);
            }
        });
    }

    /// Copies rows that are up to date, `[ids, width]`, in any order.
    pub fn read(&self, ids: &[u32]) -> Vec<f32> {
        let mut out = vec![0.0; ids.len() * self.width];
        out.par_chunks_mut(self.width).zip(ids).for_each(|(copy, &id)| match self.current[id as usize] {
            0 => self.initial.fill(id, copy),
            _ => copy.copy_from_slice(&self.weights[id as usize * self.width..][..self.width]),
        });
        out
    }

    /// The values of all touched rows, which must be up to date.
    pub fn snapshot(&self) -> Snapshot {
        let rows: Vec<u32> = (0..self.len() as u32).filter(|&id| self.current[id as usize] != 0).collect();
        Snapshot { weights: self.read(&rows), rows }
    }

    /// Goes back to a snapshot of this table, with moments at zero. Rows touched since then get their initial
    /// value again.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        self.current.fill(0);
        for (&id, weights) in snapshot.rows.iter().zip(snapshot.weights.chunks_exact(self.width)) {
            let range = id as usize * self.width..(id as usize + 1) * self.width;
            self.current[id as usize] = 1;
            self.first[range.clone()].fill(0.0);
            self.second[range.clone()].fill(0.0);
            self.weights[range].copy_from_slice(weights);
        }
    }

    /// Mutable views of strictly ascending rows, in groups of `ROWS_PER_TASK`.
    fn tasks(&mut self, ids: &[u32]) -> Vec<Vec<Row<'_>>> {
        let width = self.width;
        let mut rest =
            (&mut self.weights[..], &mut self.first[..], &mut self.second[..], &mut self.current[..]);
        let mut start = 0;
        let mut rows = Vec::with_capacity(ids.len());
        for &id in ids {
            let skip = id as usize - start;
            let weight = cut(&mut rest.0, skip * width, width);
            let first = cut(&mut rest.1, skip * width, width);
            let second = cut(&mut rest.2, skip * width, width);
            let current = &mut cut(&mut rest.3, skip, 1)[0];
            rows.push(Row { id, weight, first, second, current });
            start = id as usize + 1;
        }
        let mut tasks = Vec::with_capacity(rows.len().div_ceil(ROWS_PER_TASK));
        let mut rows = rows.into_iter();
        loop {
            let task: Vec<Row<'_>> = rows.by_ref().take(ROWS_PER_TASK).collect();
            if task.is_empty() {
                return tasks;
            }
            tasks.push(task);
        }
    }
}

/// Splits `len` values off a slice, after skipping some.
fn cut<'a, T>(slice: &mut &'a mut [T], skip: usize, len: usize) -> &'a mut [T] {
    let (own, tail) = std::mem::take(slice)[skip..].split_at_mut(len);
    *slice = tail;
    own
}

/// Step size and bias correction of one step.
#[derive(Clone, Copy)]
struct Rates {
    /// `lr / (1 − β₁ᵗ)`.
    first: f32,
    /// `1 / √(1 − β₂ᵗ)`.
    second: f32,
}

impl Rates {
    fn at(adam: &AdamConfig, step: u64) -> Self {
        let power = |beta: f32| f64::from(beta).powf(step as f64);
        let first = adam.learning_rate / (1.0 - power(adam.beta_1));
        Self { first: first as f32, second: (1.0 / (1.0 - power(adam.beta_2)).sqrt()) as f32 }
    }
}

impl Row<'_> {
    /// Replays the steps that passed the row by; gives it its initial value first, if it has none yet.
    fn caught_up(mut self, adam: &AdamConfig, initial: &Initial, step: u64) -> Self {
        if *self.current == 0 {
            initial.fill(self.id, self.weight);
            self.first.fill(0.0);
            self.second.fill(0.0);
        } else if adam.exact {
            self.replay(adam, u64::from(*self.current) - 1, step);
        }
        *self.current = (*self.current).max(step as u32 + 1);
        self
    }

    /// Steps `from + 1 ..= to` with a zero gradient.
    fn replay(&mut self, adam: &AdamConfig, from: u64, to: u64) {
        for step in from + 1..=to {
            let rates = Rates::at(adam, step);
            let mut moved = false;
            for ((w, m), v) in self.weight.iter_mut().zip(&mut *self.first).zip(&mut *self.second) {
                *m *= adam.beta_1;
                *v *= adam.beta_2;
                let next = *w - rates.first * *m / (v.sqrt() * rates.second + adam.epsilon);
                moved |= next != *w;
                *w = next;
            }
            if !moved {
                // m shrinks faster than the root of v: no later step moves the row either. Only decay is left.
                let rest = (to - step) as i32;
                self.first.iter_mut().for_each(|m| *m *= adam.beta_1.powi(rest));
                self.second.iter_mut().for_each(|v| *v *= adam.beta_2.powi(rest));
                return;
            }
        }
    }

    fn take_step(&mut self, adam: &AdamConfig, rates: Rates, gradient: &[f32], step: u64) {
        let state = self.weight.iter_mut().zip(&mut *self.first).zip(&mut *self.second);
        for (((w, m), v), &g) in state.zip(gradient) {
            *m = adam.beta_1 * *m + (1.0 - adam.beta_1) * g;
            *v = adam.beta_2 * *v + (1.0 - adam.beta_2) * g * g;
            *w -= rates.first * *m / (v.sqrt() * rates.second + adam.epsilon);
        }
        *self.current = step as u32 + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adam over the whole table, in f64, step by step.
    struct Dense {
        state: Vec<[f64; 3]>,
    }

    impl Dense {
        fn step(&mut self, gradients: &[f64], adam: &AdamConfig, step: i32) {
            let (b1, b2) = (f64::from(adam.beta_1), f64::from(adam.beta_2));
            for ([w, m, v], g) in self.state.iter_mut().zip(gradients) {
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                let (m, v) = (*m / (1.0 - b1.powi(step)), *v / (1.0 - b2.powi(step)));
                *w -= adam.learning_rate * m / (v.sqrt() + f64::from(adam.epsilon));
            }
        }
    }

    /// The largest difference to dense Adam after 1,000 steps that touch a tenth of the rows each.
    fn difference(exact: bool) -> f64 {
        let (rows, width, steps) = (40, 3, 1000);
        let adam = AdamConfig { exact, ..AdamConfig::default() };
        let mut table = Table::new(rows, width, 1, 2, 0.02, true, adam.clone());
        let all: Vec<u32> = (0..rows as u32).collect();
        let mut dense = Dense { state: table.read(&all).iter().map(|&w| [f64::from(w), 0.0, 0.0]).collect() };
        let mut stream = Stream::new(&[3]);
        for step in 1..=steps {
            let ids: Vec<u32> = (1..rows as u32).filter(|_| stream.unit() < 0.1).collect();
            let gradients: Vec<f32> = (0..ids.len() * width).map(|_| stream.normal() as f32).collect();
            table.gather(&ids, step - 1);
            table.update(&ids, &gradients, step);
            let mut full = vec![0.0; rows * width];
            for (id, gradient) in ids.iter().zip(gradients.chunks(width)) {
                (0..width).for_each(|d| full[*id as usize * width + d] = f64::from(gradient[d]));
            }
            dense.step(&full, &adam, step as i32);
        }
        table.catch_up(steps);
        let ours = table.read(&all);
        ours.iter().zip(&dense.state).map(|(&a, b)| (f64::from(a) - b[0]).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn exact_is_dense_adam_and_lazy_is_not() {
        let (exact, lazy) = (difference(true), difference(false));
        // A thousand roundings of numbers up to 0.2 in f32.
        assert!(exact < 1e-6, "{exact}");
        assert!(lazy > 1e-3, "{lazy}");
    }

    #[test]
    fn results_do_not_depend_on_threads_or_on_when_rows_are_read() {
        let run = |threads: usize, eager: bool| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut table = Table::new(2000, 4, 1, 2, 0.02, true, AdamConfig::default());
                let mut stream = Stream::new(&[9]);
                for step in 1..=60 {
                    let ids: Vec<u32> = (0..2000).filter(|_| stream.unit() < 0.3).collect();
                    let gradients: Vec<f32> = (0..ids.len() * 4).map(|_| stream.normal() as f32).collect();
                    table.gather(&ids, step - 1);
                    table.update(&ids, &gradients, step);
                    if eager {
                        table.catch_up(step);
                    }
                }
                table.catch_up(60);
                table.read(&(0..2000).collect::<Vec<_>>())
            })
        };
        let one = run(1, false);
        assert!(one == run(2, false) && one == run(3, true));
        assert!(one[..4] == [0.0; 4], "padding never moves");
    }

    #[test]
    fn a_snapshot_brings_the_values_back() {
        let mut table = Table::new(10, 2, 1, 2, 0.02, true, AdamConfig::default());
        table.update(&[1, 4], &[1.0; 4], 1);
        table.catch_up(1);
        let (before, snapshot) = (table.read(&[1, 4, 7]), table.snapshot());
        table.update(&[1, 7], &[1.0; 4], 2);
        table.restore(&snapshot);
        assert_eq!(table.read(&[1, 4, 7]), before);
    }
}
