//! Which id lies in which slot.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::persist::{Reader, Writer};

/// Ids in the order of their slots. As long as ids are 0, 1, 2 … nothing is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ids {
    Dense(usize),
    Listed { ids: Vec<u64>, slots: HashMap<u64, u32> },
}

impl Ids {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Dense(len) => *len,
            Self::Listed { ids, .. } => ids.len(),
        }
    }

    #[inline(always)]
    pub(crate) fn id(&self, slot: usize) -> u64 {
        match self {
            Self::Dense(_) => slot as u64,
            Self::Listed { ids, .. } => ids[slot],
        }
    }

    pub(crate) fn slot(&self, id: u64) -> Option<usize> {
        match self {
            Self::Dense(len) => usize::try_from(id).ok().filter(|slot| slot < len),
            Self::Listed { slots, .. } => slots.get(&id).map(|&slot| slot as usize),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Dense(_) => 0,
            Self::Listed { ids, slots } => ids.capacity() * 8 + slots.capacity() * 17,
        }
    }

    /// Whether slots are left for so many more ids.
    pub(crate) fn ensure_room(&self, more: usize) -> Result<()> {
        match self.len().checked_add(more) {
            Some(len) if len <= u32::MAX as usize => Ok(()),
            _ => Err(Error::Config { field: "rows", message: "an index holds fewer than 2^32".into() }),
        }
    }

    /// Gives the next slot to an id.
    pub(crate) fn push(&mut self, id: u64) -> Result<()> {
        if self.slot(id).is_some() {
            return Err(Error::Duplicate(id));
        }
        self.ensure_room(1)?;
        match self {
            Self::Dense(len) if id == *len as u64 => *len += 1,
            _ => {
                let (ids, slots) = self.listed();
                slots.insert(id, ids.len() as u32);
                ids.push(id);
            }
        }
        Ok(())
    }

    /// Takes an id out; the last slot moves into its place, which is returned.
    pub(crate) fn swap_remove(&mut self, id: u64) -> Option<usize> {
        let slot = self.slot(id)?;
        match self {
            Self::Dense(len) if slot + 1 == *len => *len -= 1,
            _ => {
                let (ids, slots) = self.listed();
                slots.remove(&id);
                ids.swap_remove(slot);
                if let Some(&moved) = ids.get(slot) {
                    slots.insert(moved, slot as u32);
                }
            }
        }
        Some(slot)
    }

    fn listed(&mut self) -> (&mut Vec<u64>, &mut HashMap<u64, u32>) {
        if let Self::Dense(len) = *self {
            *self = Self::from_list((0..len as u64).collect()).expect("ascending ids are distinct");
        }
        match self {
            Self::Listed { ids, slots } => (ids, slots),
            Self::Dense(_) => unreachable!("it has just been listed"),
        }
    }

    pub(crate) fn from_list(ids: Vec<u64>) -> Option<Self> {
        let slots: HashMap<u64, u32> = ids.iter().copied().zip(0..).collect();
        (slots.len() == ids.len()).then_some(Self::Listed { ids, slots })
    }

    pub(crate) fn write<'a>(&'a self, out: &mut Writer<'a>) {
        out.put_own("rows", &[self.len() as u64]);
        if let Self::Listed { ids, .. } = self {
            out.put("ids", ids);
        }
    }

    pub(crate) fn read(from: &Reader) -> Result<Self> {
        let [rows] = from.header("rows")?;
        let rows = usize::try_from(rows).map_err(|_| from.damaged("too many rows"))?;
        from.ensure(rows < u32::MAX as usize, "rows")?;
        if !from.has("ids") {
            return Ok(Self::Dense(rows));
        }
        let ids: Vec<u64> = from.numbers("ids")?;
        from.ensure(ids.len() == rows, "ids")?;
        Self::from_list(ids).ok_or_else(|| from.damaged("an id occurs twice"))
    }
}
