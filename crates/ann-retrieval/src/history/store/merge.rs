//! Several sources of changes, oldest first, become one segment.

use std::sync::Arc;

use super::layout::Layout;
use super::segment::{Run, Segment};
use super::tail::Tail;
use super::writer::{SegmentWriter, UserRun};
use crate::coded::Codec;
use crate::error::Result;

/// Ids that newer files say are gone; few, as a rule none.
#[derive(Debug, Default)]
pub(super) struct Gone(Vec<u64>);

impl Gone {
    /// Adds ids in ascending order.
    pub fn add(&mut self, ids: impl ExactSizeIterator<Item = u64>) {
        if ids.len() > 0 {
            self.0.extend(ids);
            self.0.sort_unstable();
            self.0.dedup();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has(&self, event: u64) -> bool {
        self.0.binary_search(&event).is_ok()
    }
}

/// The runs of one user that count, oldest first, each with the behaviours that newer segments took back.
pub(super) struct Gathered {
    pub runs: Vec<(usize, Run, Vec<u32>)>,
    pub gone: Gone,
    pub erased: bool,
}

/// Walks one user's runs from the newest to the oldest, beginning with what is gone already.
pub(super) fn gather(
    segments: &[Arc<Segment>],
    gone: Gone,
    mut run_of: impl FnMut(usize) -> Result<Option<Run>>,
) -> Result<Gathered> {
    let mut gathered = Gathered { runs: Vec::new(), gone, erased: false };
    for (number, segment) in segments.iter().enumerate().rev() {
        let Some(run) = run_of(number)? else { continue };
        let mut hidden = Vec::new();
        if !gathered.gone.is_empty() {
            let names = (0..).zip(segment.events(&run));
            hidden.extend(names.filter(|&(_, event)| gathered.gone.has(event)).map(|(i, _)| i));
        }
        gathered.gone.add(segment.deleted(&run));
        gathered.erased |= run.erased;
        let end = run.erased;
        gathered.runs.push((number, run, hidden));
        if end {
            break;
        }
    }
    gathered.runs.reverse();
    Ok(gathered)
}

/// Writes what a tail leaves of each user. Without older segments, what is gone need not be remembered.
pub(super) fn write_tail<C: Codec>(
    layout: &Layout<C>,
    tail: &Tail,
    oldest: bool,
    out: &mut SegmentWriter,
) -> Result<()> {
    let mut run = UserRun::default();
    for user in tail.users() {
        run.clear();
        let left = tail.left(user);
        for &(event, slot) in &left.events {
            run.events.push(event);
            run.codes.extend_from_slice(tail.code(layout, slot));
            run.rows.extend_from_slice(tail.row(layout, slot));
        }
        if !oldest {
            run.deleted.extend_from_slice(&left.deleted);
            run.erased = left.erased;
        }
        out.add(layout, user, &run)?;
    }
    Ok(())
}

/// Merges neighbouring segments, checking every byte on the way. Without older ones, what is gone is left out.
pub(super) fn merge<C: Codec>(
    layout: &Layout<C>,
    segments: &[Arc<Segment>],
    oldest: bool,
    out: &mut SegmentWriter,
) -> Result<()> {
    let mut next = vec![0; segments.len()];
    let mut merged = UserRun::default();
    loop {
        let heads =
            segments.iter().zip(&next).map(|(segment, &i)| (i < segment.users()).then(|| segment.user(i)));
        let heads: Vec<Option<u64>> = heads.collect();
        let Some(user) = heads.iter().flatten().min().copied() else { return Ok(()) };
        let gathered = gather(segments, Gone::default(), |number| {
            let own = heads[number] == Some(user);
            own.then(|| segments[number].run(layout, next[number])).transpose()
        })?;
        next.iter_mut().zip(&heads).for_each(|(next, &head)| *next += usize::from(head == Some(user)));
        merged.clear();
        for (number, run, hidden) in &gathered.runs {
            copy(layout, &segments[*number], run, hidden, &mut merged)?;
        }
        if !oldest {
            merged.deleted.extend_from_slice(&gathered.gone.0);
            merged.erased = gathered.erased;
        }
        out.add(layout, user, &merged)?;
    }
}

fn copy<C: Codec>(
    layout: &Layout<C>,
    segment: &Segment,
    run: &Run,
    hidden: &[u32],
    out: &mut UserRun,
) -> Result<()> {
    segment.check_codes(layout, run)?;
    segment.ends_in_zeros(layout, run)?;
    for (i, event) in segment.events(run).enumerate() {
        if hidden.binary_search(&(i as u32)).is_ok() {
            continue;
        }
        out.events.push(event);
        let start = out.codes.len();
        out.codes.resize(start + layout.code, 0);
        segment.code(layout, run, i, &mut out.codes[start..]);
        if layout.row > 0 {
            out.rows.extend_from_slice(segment.row(layout, run, i)?);
        }
    }
    Ok(())
}
