//! From the log to a segment, and from many segments to one.

use std::sync::{Arc, MutexGuard, PoisonError, RwLock};

use super::log::Log;
use super::manifest::Manifest;
use super::merge::{merge, write_tail};
use super::segment::Segment;
use super::tail::{MOST_CHANGES, Tail};
use super::writer::SegmentWriter;
use super::{HistoryStore, Writing};
use crate::coded::Codec;
use crate::error::{Error, Result};

impl<C: Codec> HistoryStore<C> {
    /// Merges everything into one segment without what was deleted or erased, so that each user's behaviours lie
    /// together. Readers go on, and so do writers, except while the log becomes a segment. After a crash the store is as
    /// it was before or after.
    ///
    /// # Errors
    /// If a file is damaged, or the file system refuses. What the store holds is unchanged then, though the log may have become a
    /// segment. [`HistoryStore::erase`] of the user that the message names lets the next call pass.
    pub fn compact(&self) -> Result<()> {
        let _one = self.merging.lock().unwrap_or_else(PoisonError::into_inner);
        self.flush(&mut self.writing())?;
        let segments = self.state().segments;
        let done = segments.len() < 2 && segments.iter().all(|segment| segment.gone == 0);
        if done { Ok(()) } else { self.merge(0, &segments) }
    }

    /// Takes the writer's place, with room in the log: a full one becomes a segment first. That comes before a call
    /// writes anything, so that a call whose changes are on the disk does not fail.
    pub(super) fn room_for(&self, changes: usize) -> Result<MutexGuard<'_, Writing>> {
        if changes > MOST_CHANGES {
            let message = format!("{changes} at once, where at most {MOST_CHANGES} go");
            return Err(Error::Config { field: "behaviours", message });
        }
        loop {
            let mut writing = self.writing();
            let held = self.state().tail.read().unwrap_or_else(PoisonError::into_inner).len();
            let full = held > 0 && writing.log.bytes() >= self.limits.log_bytes;
            if !full && held <= MOST_CHANGES - changes {
                return Ok(writing);
            }
            self.flush(&mut writing)?;
            drop(writing);
            match self.merge_some() {
                // Damage at one user must not stop the others' writing; reading that user and `compact` name it.
                Err(Error::Damaged { .. }) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes a segment of what the log holds, and begins a new log.
    fn flush(&self, writing: &mut Writing) -> Result<()> {
        let state = self.state();
        let tail = state.tail.read().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == 0 {
            return Ok(());
        }
        let fingerprint = self.layout.fingerprint;
        let (number, next) = (writing.free, writing.free + 1);
        // Numbers are not used twice, even if what follows fails.
        writing.free += 2;
        let mut out = SegmentWriter::create(&self.folder, fingerprint, number)?;
        write_tail(&self.layout, &tail, state.segments.is_empty(), &mut out)?;
        let mut segments = state.segments.clone();
        if out.finish()? {
            segments.push(Arc::new(Segment::open(&self.folder, &self.layout, number)?));
        }
        let log = Log::create(&self.folder, fingerprint, next)?;
        // If this fails, the manifest on the disk may name the new log already.
        self.install(next, segments, Some(Arc::default())).inspect_err(|_| writing.log.give_up())?;
        let old = std::mem::replace(&mut writing.log, log);
        // If the file stays, opening removes it.
        let _ = std::fs::remove_file(old.path());
        Ok(())
    }

    /// Replaces the files that count, on the disk and then for readers.
    fn install(&self, log: u64, segments: Vec<Arc<Segment>>, tail: Option<Arc<RwLock<Tail>>>) -> Result<()> {
        let numbers = segments.iter().map(|segment| segment.number).collect();
        Manifest { log, segments: numbers }.save(&self.folder, self.layout.fingerprint)?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.segments = segments;
        if let Some(tail) = tail {
            state.tail = tail;
        }
        Ok(())
    }

    /// Merges the newest segments while there are more than the limit: those of which each is at most twice as long as
    /// all newer ones together. Sizes then grow from new to old, and a behaviour is merged a few times in all.
    fn merge_some(&self) -> Result<()> {
        if self.state().segments.len() <= self.limits.segments {
            return Ok(());
        }
        let _one = self.merging.lock().unwrap_or_else(PoisonError::into_inner);
        let segments = self.state().segments;
        let (mut start, mut newer) = (segments.len(), 0);
        while start > 0 && (newer == 0 || segments[start - 1].bytes() <= 2 * newer) {
            start -= 1;
            newer += segments[start].bytes();
        }
        if segments.len() <= self.limits.segments || start + 1 >= segments.len() {
            return Ok(());
        }
        self.merge(start, &segments[start..])
    }

    /// Merges segments of which the oldest is the `start`-th. Only merges, of which there is one at a time, change what
    /// lies before them; meanwhile newer ones may come.
    fn merge(&self, start: usize, merged: &[Arc<Segment>]) -> Result<()> {
        let number = {
            let mut writing = self.writing();
            writing.free += 1;
            writing.free - 1
        };
        let mut out = SegmentWriter::create(&self.folder, self.layout.fingerprint, number)?;
        merge(&self.layout, merged, start == 0, &mut out)?;
        let one = match out.finish()? {
            true => Some(Arc::new(Segment::open(&self.folder, &self.layout, number)?)),
            false => None,
        };
        let writing = self.writing();
        let mut segments = self.state().segments;
        segments.splice(start..start + merged.len(), one);
        self.install(writing.log.number, segments, None)?;
        drop(writing);
        // Readers keep their mappings. If a file stays, opening removes it.
        merged.iter().for_each(|segment| drop(std::fs::remove_file(segment.path())));
        Ok(())
    }
}
