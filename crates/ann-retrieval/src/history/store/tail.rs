//! The newest changes, in memory: what the log holds, found by user.

use std::collections::HashMap;

use super::layout::Layout;
use crate::coded::Codec;

/// A change of one user's history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change<'a> {
    Append { user: u64, event: u64, code: &'a [u8], row: &'a [u8] },
    Delete { user: u64, event: u64 },
    Erase { user: u64 },
}

/// No earlier change of the user.
const NONE: u32 = u32::MAX;
/// In place of a code: the change is a deletion, or the end of all older behaviours.
const DELETE: u32 = u32::MAX;
const ERASE: u32 = u32::MAX - 1;

/// Most changes that 32-bit numbers tell apart.
pub(super) const MOST_CHANGES: usize = (u32::MAX - 2) as usize;

#[derive(Clone, Copy, Debug)]
struct Entry {
    event: u64,
    /// The user's change before this one.
    before: u32,
    /// The place of the code, or what else the change is.
    slot: u32,
}

/// What the changes say of a behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is here.
    Here,
    /// It was deleted or erased: what is older does not count.
    Gone,
    Nothing,
}

/// Changes in the order of arrival. Entries are only ever added, so a number taken out once stays valid.
#[derive(Debug, Default)]
pub(super) struct Tail {
    entries: Vec<Entry>,
    codes: Vec<u8>,
    rows: Vec<u8>,
    slots: u32,
    /// The newest change of each user.
    heads: HashMap<u64, u32>,
    /// The newest change of each behaviour.
    latest: HashMap<(u64, u64), u32>,
    erased: HashMap<u64, u32>,
}

/// What the changes leave of a user: the behaviours that are here, oldest first, and what is gone from older files.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Event and place of its code.
    pub events: Vec<(u64, u32)>,
    pub deleted: Vec<u64>,
    pub erased: bool,
}

impl Tail {
    pub fn push<C: Codec>(&mut self, layout: &Layout<C>, change: Change) {
        let number = self.entries.len() as u32;
        let (user, event, slot) = match change {
            Change::Append { user, event, code, row } => {
                debug_assert_eq!((code.len(), row.len()), (layout.code, layout.row));
                self.codes.extend_from_slice(code);
                self.rows.extend_from_slice(row);
                self.slots += 1;
                (user, event, self.slots - 1)
            }
            Change::Delete { user, event } => (user, event, DELETE),
            Change::Erase { user } => (user, 0, ERASE),
        };
        match change {
            Change::Erase { user } => drop(self.erased.insert(user, number)),
            _ => drop(self.latest.insert((user, event), number)),
        }
        let before = self.heads.insert(user, number).unwrap_or(NONE);
        self.entries.push(Entry { event, before, slot });
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn says(&self, user: u64, event: u64) -> Said {
        let erased = self.erased.get(&user);
        match self.latest.get(&(user, event)) {
            Some(number) if erased.is_none_or(|erased| number > erased) => {
                if self.entries[*number as usize].slot == DELETE { Said::Gone } else { Said::Here }
            }
            _ if erased.is_some() => Said::Gone,
            _ => Said::Nothing,
        }
    }

    /// All users with changes, ascending.
    pub fn users(&self) -> Vec<u64> {
        let mut users: Vec<u64> = self.heads.keys().copied().collect();
        users.sort_unstable();
        users
    }

    pub fn left(&self, user: u64) -> Left {
        let mut left = Left::default();
        let mut next = self.heads.get(&user).copied().unwrap_or(NONE);
        while let Some(&Entry { event, before, slot }) = self.entries.get(next as usize) {
            match slot {
                ERASE => {
                    left.erased = true;
                    break;
                }
                DELETE => left.deleted.push(event),
                // An append whose behaviour was deleted later is not its newest change.
                _ if self.latest.get(&(user, event)) == Some(&next) => left.events.push((event, slot)),
                _ => {}
            }
            next = before;
        }
        left.events.reverse();
        left.deleted.sort_unstable();
        left.deleted.dedup();
        left
    }

    pub fn code<C: Codec>(&self, layout: &Layout<C>, slot: u32) -> &[u8] {
        &self.codes[slot as usize * layout.code..][..layout.code]
    }

    pub fn row<C: Codec>(&self, layout: &Layout<C>, slot: u32) -> &[u8] {
        &self.rows[slot as usize * layout.row..][..layout.row]
    }

    /// Bytes of memory, by capacity.
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.codes.capacity()
            + self.rows.capacity()
            + (self.heads.capacity() + self.erased.capacity()) * (size_of::<(u64, u32)>() + 1)
            + self.latest.capacity() * (size_of::<((u64, u64), u32)>() + 1)
    }
}
