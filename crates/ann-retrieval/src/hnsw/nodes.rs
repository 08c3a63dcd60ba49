//! The ids of a graph's nodes. A node keeps its slot when its vector is removed: searches still pass through it.

use std::collections::{BTreeSet, HashMap};

use crate::error::{Error, Result};
use crate::persist::{Reader, Writer};

/// Which id lies in which slot, and which slots are removed. As long as ids are 0, 1, 2 … nothing is stored for them.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    len: usize,
    own: Option<Own>,
    removed: BTreeSet<u32>,
}

/// Ids that are not their slots.
#[derive(Clone, Debug)]
struct Own {
    /// The id of each slot; that of a removed one may be given again.
    ids: Vec<u64>,
    slots: HashMap<u64, u32>,
}

impl Nodes {
    pub(super) fn new() -> Self {
        Self { len: 0, own: None, removed: BTreeSet::new() }
    }

    /// Slots, removed ones included.
    pub(super) fn slots(&self) -> usize {
        self.len
    }

    /// Vectors that are not removed.
    pub(super) fn alive(&self) -> usize {
        self.len - self.removed.len()
    }

    pub(super) fn removed(&self) -> usize {
        self.removed.len()
    }

    pub(super) fn is_removed(&self, slot: u32) -> bool {
        !self.removed.is_empty() && self.removed.contains(&slot)
    }

    #[inline(always)]
    pub(super) fn id(&self, slot: u32) -> u64 {
        self.own.as_ref().map_or(u64::from(slot), |own| own.ids[slot as usize])
    }

    pub(super) fn slot(&self, id: u64) -> Option<u32> {
        match &self.own {
            Some(own) => own.slots.get(&id).copied(),
            None => {
                u32::try_from(id).ok().filter(|&slot| (slot as usize) < self.len && !self.is_removed(slot))
            }
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let own = self.own.as_ref().map_or(0, |own| own.ids.capacity() * 8 + own.slots.capacity() * 17);
        own + self.removed.len() * 8
    }

    /// Gives the next slots to ids that are not there.
    pub(super) fn extend(&mut self, ids: &[u64]) -> Result<()> {
        if let Some(&there) = ids.iter().find(|&&id| self.slot(id).is_some()) {
            return Err(Error::Duplicate(there));
        }
        if self.len + ids.len() > u32::MAX as usize {
            return Err(Error::Config { field: "rows", message: "an index holds fewer than 2^32".into() });
        }
        let follow = self.own.is_none() && ids.iter().zip(self.len as u64..).all(|(&id, slot)| id == slot);
        if !follow {
            let start = self.len as u32;
            let own = self.listed();
            own.slots.extend(ids.iter().copied().zip(start..));
            own.ids.extend_from_slice(ids);
        }
        self.len += ids.len();
        Ok(())
    }

    /// Marks the slot of an id as removed.
    pub(super) fn remove(&mut self, id: u64) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        if let Some(own) = &mut self.own {
            own.slots.remove(&id);
        }
        self.removed.insert(slot)
    }

    /// The slots that are not removed, ascending.
    pub(super) fn kept(&self) -> Vec<u32> {
        (0..self.len as u32).filter(|&slot| !self.is_removed(slot)).collect()
    }

    /// The same with the kept slots alone, in their order.
    pub(super) fn compact(&self, kept: &[u32]) -> Self {
        let mut compact = Self::new();
        let ids: Vec<u64> = kept.iter().map(|&slot| self.id(slot)).collect();
        compact.extend(&ids).expect("the ids of kept slots are distinct");
        compact
    }

    fn listed(&mut self) -> &mut Own {
        let (len, removed) = (self.len as u64, &self.removed);
        self.own.get_or_insert_with(|| {
            let kept = (0..len as u32).filter(|slot| !removed.contains(slot));
            Own { ids: (0..len).collect(), slots: kept.map(|slot| (u64::from(slot), slot)).collect() }
        })
    }

    pub(super) fn write<'a>(&'a self, out: &mut Writer<'a>) {
        out.put_own("removed", &self.removed.iter().map(|&slot| u64::from(slot)).collect::<Vec<u64>>());
        if let Some(own) = &self.own {
            out.put("ids", &own.ids);
        }
    }

    pub(super) fn read(from: &Reader, len: usize) -> Result<Self> {
        let removed: Vec<u64> = from.numbers("removed")?;
        from.ensure(removed.iter().all(|&slot| slot < len as u64), "removed")?;
        let removed: BTreeSet<u32> = removed.into_iter().map(|slot| slot as u32).collect();
        let mut own = None;
        if from.has("ids") {
            let ids: Vec<u64> = from.numbers("ids")?;
            from.ensure(ids.len() == len, "ids")?;
            let kept = ids.iter().copied().zip(0u32..).filter(|(_, slot)| !removed.contains(slot));
            let slots: HashMap<u64, u32> = kept.collect();
            from.ensure(slots.len() == len - removed.len(), "ids")?;
            own = Some(Own { ids, slots });
        }
        Ok(Self { len, own, removed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Against a map from ids to the order in which they came.
        #[test]
        fn equals_a_map(changes in proptest::collection::vec((0u64..20, proptest::bool::ANY), 0..80), dense in 0u64..8) {
            let mut nodes = Nodes::new();
            nodes.extend(&(0..dense).collect::<Vec<_>>()).unwrap();
            let mut map: HashMap<u64, u32> = (0..dense).map(|id| (id, id as u32)).collect();
            for (step, &(id, add)) in changes.iter().enumerate() {
                if add {
                    let slot = nodes.slots() as u32;
                    let added = nodes.extend(&[id]).is_ok();
                    proptest::prop_assert_eq!(added, !map.contains_key(&id));
                    if added {
                        map.insert(id, slot);
                    }
                } else {
                    proptest::prop_assert_eq!(nodes.remove(id), map.remove(&id).is_some());
                }
                if step % 17 == 16 {
                    let kept = nodes.kept();
                    nodes = nodes.compact(&kept);
                    map.values_mut().for_each(|slot| *slot = kept.binary_search(slot).unwrap() as u32);
                }
                proptest::prop_assert_eq!(nodes.alive(), map.len());
                for id in 0..20 {
                    proptest::prop_assert_eq!(nodes.slot(id), map.get(&id).copied());
                }
                for (&id, &slot) in &map {
                    proptest::prop_assert!(nodes.id(slot) == id && !nodes.is_removed(slot));
                }
            }
        }
    }
}
