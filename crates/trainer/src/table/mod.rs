//! Embedding tables outside the autodiff graph, with an exact sparse Adam.
//!
//! A row that a batch does not touch still moves under dense Adam: its moments decay and push it on. Here those
//! steps are replayed when the row is next read, so the result is dense Adam's, at a cost per step that depends
//! on the batch alone.

mod adam;
mod storage;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::PathBuf;

use rayon::prelude::*;
use seminar_dataset::rng::Stream;

pub use adam::AdamConfig;
use adam::{Adam, Row};
use storage::Storage;

use crate::error::Result;

/// Rows handled by one task; fixed, so that nothing depends on the number of threads.
const ROWS_PER_TASK: usize = 256;

/// What a table is made of.
#[derive(Clone, Debug)]
pub struct TableConfig {
    /// Number of rows.
    pub rows: usize,
    /// Width of a row.
    pub width: usize,
    /// Seed of the initial values, and a number that keeps the tables of one seed apart.
    pub key: [u64; 2],
    /// Standard deviation of the initial values, which are normal.
    pub standard_deviation: f32,
    /// Whether padding row 0 is zero; it never moves in any case.
    pub padding_is_zero: bool,
    /// The optimiser.
    pub adam: AdamConfig,
    /// Tables of more bytes lie in a nameless file in [`TableConfig::folder`].
    pub map_above_bytes: usize,
    /// Where such a file is made.
    pub folder: PathBuf,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self {
            rows: 0,
            width: 64,
            key: [42, 0],
            standard_deviation: 0.1,
            padding_is_zero: true,
            adam: AdamConfig::default(),
            map_above_bytes: 8 << 30,
            folder: std::env::temp_dir(),
        }
    }
}

impl TableConfig {
    /// The initial value of a row: a stream of its own.
    pub(crate) fn fill(&self, id: u32, out: &mut [f32]) {
        if id == 0 && self.padding_is_zero {
            return out.fill(0.0);
        }
        let mut stream = Stream::new(&[self.key[0], self.key[1], u64::from(id)]);
        out.iter_mut().for_each(|x| *x = self.standard_deviation * stream.normal() as f32);
    }

    /// Whether rows of both have the same initial values.
    pub(crate) fn starts_like(&self, other: &Self) -> bool {
        let of = |config: &Self| (config.key, config.standard_deviation.to_bits(), config.padding_is_zero);
        of(self) == of(other)
    }
}

/// Trained rows with their moments. Memory is taken only for rows that were touched.
#[derive(Debug)]
pub struct Table {
    config: TableConfig,
    adam: Adam,
    /// Weights, first and second moments of each row, `[rows, 3, width]`: one stretch of memory a row.
    blocks: Storage,
    /// 0 for a row that still has its initial value; else 1 + the step up to which it is current.
    current: Vec<u32>,
}

/// The touched rows of a table, with or without their moments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableRows {
    /// Which rows, ascending.
    pub ids: Vec<u32>,
    /// 1 + the step up to which each is current.
    pub current: Vec<u32>,
    /// `[ids, width]`, or `[ids, 3, width]` with moments.
    pub values: Vec<f32>,
}

impl Table {
    /// A table with initial values.
    ///
    /// # Errors
    /// If a file for it cannot be made.
    pub fn new(config: TableConfig) -> Result<Self> {
        let blocks = Storage::new(config.rows * 3 * config.width, config.map_above_bytes, &config.folder)?;
        let (adam, current) = (Adam::new(config.adam.clone()), vec![0; config.rows]);
        Ok(Self { config, adam, blocks, current })
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
        self.config.width
    }

    pub(crate) fn config(&self) -> &TableConfig {
        &self.config
    }

    /// Brings rows up to date with `step` steps taken, and copies them: `[ids, width]`.
    ///
    /// # Panics
    /// If `ids` is not strictly ascending or holds a row that is not there; likewise below.
    pub fn gather(&mut self, ids: &[u32], step: u64) -> Vec<f32> {
        let width = self.config.width;
        let mut out = vec![0.0; ids.len() * width];
        let copies = out.par_chunks_mut(width * ROWS_PER_TASK);
        self.tasks(ids, step).into_par_iter().zip(copies).for_each(|(mut task, copies)| {
            task.each(|table, row, current, id, at| {
                table.catch_up(row, current, id, step);
                copies[at * width..][..width].copy_from_slice(row.weight);
            });
        });
        out
    }

    /// Takes one step with these gradients, `[ids, width]`; `step` counts from 1. Padding row 0 never moves.
    pub fn update(&mut self, ids: &[u32], gradients: &[f32], step: u64) {
        let width = self.config.width;
        let gradients = gradients.par_chunks(width * ROWS_PER_TASK);
        self.tasks(ids, step).into_par_iter().zip(gradients).for_each(|(mut task, gradients)| {
            task.each(|table, row, current, id, at| {
                if id == 0 {
                    return;
                }
                table.catch_up(row, current, id, step - 1);
                row.step(table.adam, &gradients[at * width..][..width], step);
                *current = step as u32 + 1;
            });
        });
    }

    /// Multiplies the learning rate of steps to come by `scale`. Rows must be up to date or come from a run with this scale: the steps
    /// that a row is behind take this scale as well.
    pub(crate) fn scale_rate(&mut self, scale: f64) {
        self.adam.scale = scale;
    }

    /// Brings every row up to date: before evaluating.
    pub fn catch_up(&mut self, step: u64) {
        // Where weights decay, rows move that no batch has touched.
        let all = self.config.adam.weight_decay > 0.0 && self.config.adam.exact && step > 0;
        let stale = |&id: &u32| {
            let current = self.current[id as usize];
            (current != 0 || all) && u64::from(current) <= step
        };
        let ids: Vec<u32> = (0..self.len() as u32).filter(stale).collect();
        self.tasks(&ids, step).into_par_iter().for_each(|mut task| {
            task.each(|table, row, current, id, _| table.catch_up(row, current, id, step));
        });
    }

    /// Copies rows that are up to date, `[ids, width]`, in any order.
    pub fn read(&self, ids: &[u32]) -> Vec<f32> {
        let width = self.config.width;
        let mut out = vec![0.0; ids.len() * width];
        out.par_chunks_mut(width).zip(ids).for_each(|(copy, &id)| match self.current[id as usize] {
            0 => self.config.fill(id, copy),
            _ => copy.copy_from_slice(&self.blocks[id as usize * 3 * width..][..width]),
        });
        out
    }

    /// The touched rows as they are, moments included: with them, training goes on as if never interrupted.
    pub fn state(&self) -> TableRows {
        self.rows(3 * self.config.width)
    }

    /// The weights of touched rows, which must be up to date.
    pub fn snapshot(&self) -> TableRows {
        self.rows(self.config.width)
    }

    fn rows(&self, size: usize) -> TableRows {
        let touched = |&id: &u32| self.current[id as usize] != 0;
        let ids: Vec<u32> = (0..self.len() as u32).filter(touched).collect();
        let mut values = Vec::with_capacity(ids.len() * size);
        for &id in &ids {
            values.extend_from_slice(&self.blocks[id as usize * 3 * self.config.width..][..size]);
        }
        TableRows { current: ids.iter().map(|&id| self.current[id as usize]).collect(), ids, values }
    }

    /// Goes back to a state or a snapshot of this table; all other rows get their initial values again. Without
    /// moments the optimiser starts afresh: moments are zero, and `step` steps count as taken.
    pub fn restore(&mut self, rows: &TableRows, step: u64) {
        self.current.fill(0);
        let block = 3 * self.config.width;
        let size = rows.values.len() / rows.ids.len().max(1);
        for ((&id, &current), values) in
            rows.ids.iter().zip(&rows.current).zip(rows.values.chunks_exact(size.max(1)))
        {
            let own = &mut self.blocks[id as usize * block..][..block];
            own[..size].copy_from_slice(values);
            own[size..].fill(0.0);
            self.current[id as usize] = if size == block { current } else { step as u32 + 1 };
        }
    }

    /// Sets rows from elsewhere, `[ids, width]`, for instance published weights.
    pub fn set(&mut self, ids: &[u32], weights: &[f32]) {
        let width = self.config.width;
        for (&id, weights) in ids.iter().zip(weights.chunks_exact(width)) {
            let own = &mut self.blocks[id as usize * 3 * width..][..3 * width];
            own[..width].copy_from_slice(weights);
            own[width..].fill(0.0);
            self.current[id as usize] = 1;
        }
    }

    /// Cuts the table into tasks of some strictly ascending rows each.
    fn tasks<'a>(&'a mut self, ids: &'a [u32], step: u64) -> Vec<Task<'a>> {
        self.adam.prepare(step);
        let block = 3 * self.config.width;
        let shared = Shared { config: &self.config, adam: &self.adam };
        let (mut blocks, mut current) = (&mut self.blocks[..], &mut self.current[..]);
        let mut start = 0;
        let cut = |ids: &'a [u32]| {
            let rows = ids[0] as usize..ids[ids.len() - 1] as usize + 1;
            assert!(start <= rows.start && rows.start < rows.end, "rows are strictly ascending");
            let skip = rows.start - start;
            start = rows.end;
            Task {
                shared,
                ids,
                blocks: take(&mut blocks, skip * block..(skip + rows.len()) * block),
                current: take(&mut current, skip..skip + rows.len()),
            }
        };
        ids.chunks(ROWS_PER_TASK).map(cut).collect()
    }
}

/// Takes a range off the front of a slice, with what lies before it.
fn take<'a, T>(slice: &mut &'a mut [T], range: Range<usize>) -> &'a mut [T] {
    let (own, tail) = std::mem::take(slice).split_at_mut(range.end);
    *slice = tail;
    &mut own[range.start..]
}

#[derive(Clone, Copy)]
struct Shared<'a> {
    config: &'a TableConfig,
    adam: &'a Adam,
}

impl Shared<'_> {
    /// Replays the steps that passed the row by; gives it its initial value first, if it has none yet.
    fn catch_up(&self, row: &mut Row<'_>, current: &mut u32, id: u32, step: u64) {
        if *current == 0 {
            self.config.fill(id, row.weight);
            row.first.fill(0.0);
            row.second.fill(0.0);
            // Moments are zero: the steps so far moved it only if weights decay.
            if self.config.adam.weight_decay > 0.0 && self.config.adam.exact && id != 0 {
                row.replay(self.adam, 0, step);
            }
        } else if self.config.adam.exact && id != 0 {
            row.replay(self.adam, u64::from(*current) - 1, step);
        }
        *current = (*current).max(step as u32 + 1);
    }
}

/// Some rows, and the stretch of the table that they lie in.
struct Task<'a> {
    shared: Shared<'a>,
    ids: &'a [u32],
    blocks: &'a mut [f32],
    current: &'a mut [u32],
}

impl Task<'_> {
    /// Calls `work` with each row, its step, its id and its place in the task.
    fn each(&mut self, mut work: impl FnMut(Shared<'_>, &mut Row<'_>, &mut u32, u32, usize)) {
        let block = 3 * self.shared.config.width;
        for (at, &id) in self.ids.iter().enumerate() {
            let offset = (id - self.ids[0]) as usize;
            let mut row = Row::new(&mut self.blocks[offset * block..][..block]);
            work(self.shared, &mut row, &mut self.current[offset], id, at);
        }
    }
}
