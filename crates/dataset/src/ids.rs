//! Numbers for users, items and words: from 1, in order of first appearance; 0 is the padding.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

/// The number that stands for "nothing here" in every block of ids.
pub const PAD: u32 = 0;

/// Byte strings numbered from 1 in order of first appearance.
///
/// Keys lie back to back in one buffer: about 20 bytes per key beside the key itself.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    bytes: Vec<u8>,
    ends: Vec<u64>,
    /// Open addressing with linear probing, a power of two of slots, at most three quarters of them taken.
    table: Vec<Slot>,
    hasher: DefaultHashBuilder,
}

/// A key in the table: most of another key's look-ups end at its hash, without a look at its bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    /// 0: the slot is free.
    id: u32,
}

/// Keys that are looked up together: while one waits for memory, the others do, too.
const TOGETHER: usize = 64;

impl Vocabulary {
    /// The id of `key`, a new one if the key was not seen before.
    ///
    /// # Panics
    /// If more than 2^32 − 2 keys are added; readers stop before that.
    pub fn insert(&mut self, key: impl AsRef<[u8]>) -> u32 {
        let key = key.as_ref();
        let hash = self.hash(key);
        self.find(hash, key).unwrap_or_else(|| self.add(hash, key))
    }

    /// [`insert`](Self::insert) for many keys: appends the id of each. Large vocabularies do not fit into the processor's caches, and
    /// this asks for many places at once.
    pub(crate) fn insert_all(&mut self, keys: &[&[u8]], ids: &mut Vec<u32>) {
        for keys in keys.chunks(TOGETHER) {
            let (mut found, mut places) = ([Slot::default(); TOGETHER], [(0, 0); TOGETHER]);
            for (found, key) in found.iter_mut().zip(keys) {
                let hash = self.hash(key);
                *found = Slot { hash, id: self.probe(hash, |_| true).unwrap_or(PAD) };
            }
            for (place, found) in places.iter_mut().zip(&found).filter(|(_, found)| found.id != PAD) {
                *place = place_of(&self.ends, found.id);
            }
            for ((found, &(start, end)), key) in found.iter_mut().zip(&places).zip(keys) {
                if self.bytes[start..end] != **key {
                    found.id = PAD;
                }
            }
            for (found, key) in found.iter().zip(keys) {
                // New, or of the same hash as another: one after another, so that ids are given in order.
                ids.push(match found.id {
                    PAD => self.insert(key),
                    id => id,
                });
            }
        }
    }

    /// The id of `key`, if it was seen.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<u32> {
        let key = key.as_ref();
        self.find(self.hash(key), key)
    }

    fn hash(&self, key: &[u8]) -> u32 {
        (self.hasher.hash_one(key) >> 32) as u32
    }

    fn find(&self, hash: u32, key: &[u8]) -> Option<u32> {
        self.probe(hash, |id| self.key(id) == key)
    }

    /// The first id of this hash that is accepted.
    #[inline]
    fn probe(&self, hash: u32, accepts: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.table.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.table[at];
            if slot.id == PAD {
                return None;
            }
            if slot.hash == hash && accepts(slot.id) {
                return Some(slot.id);
            }
            at = (at + 1) & mask;
        }
    }

    fn add(&mut self, hash: u32, key: &[u8]) -> u32 {
        let id = u32::try_from(self.ends.len() + 1).expect("fewer than 2^32 keys");
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len() as u64);
        if self.ends.len() * 4 > self.table.len() * 3 {
            let old = std::mem::take(&mut self.table);
            self.table = vec![Slot::default(); (old.len() * 2).max(16)];
            old.into_iter().filter(|slot| slot.id != PAD).for_each(|slot| self.place(slot));
        }
        self.place(Slot { hash, id });
        id
    }

    /// Puts a key into the first free slot from its own on.
    fn place(&mut self, slot: Slot) {
        let mask = self.table.len() - 1;
        let mut at = slot.hash as usize & mask;
        while self.table[at].id != PAD {
            at = (at + 1) & mask;
        }
        self.table[at] = slot;
    }

    /// The key of an id from `1..=len`.
    ///
    /// # Panics
    /// If the id was not given out by this vocabulary.
    pub fn key(&self, id: u32) -> &[u8] {
        let (start, end) = place_of(&self.ends, id);
        &self.bytes[start..end]
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no key was added.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// Where the key of an id lies.
fn place_of(ends: &[u64], id: u32) -> (usize, usize) {
    let index = id as usize - 1;
    let start = if index == 0 { 0 } else { ends[index - 1] };
    (start as usize, ends[index] as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn is_a_bijection_in_order_of_first_appearance(keys in proptest::collection::vec("[a-c]{0,3}", 0..60)) {
            let mut vocabulary = Vocabulary::default();
            let ids: Vec<u32> = keys.iter().map(|k| vocabulary.insert(k)).collect();
            let mut seen: Vec<&String> = Vec::new();
            for (key, &id) in keys.iter().zip(&ids) {
                let first = seen.iter().position(|s| *s == key).unwrap_or_else(|| { seen.push(key); seen.len() - 1 });
                assert_eq!(id as usize, first + 1);
                assert_eq!(vocabulary.key(id), key.as_bytes());
                assert_eq!(vocabulary.get(key), Some(id));
            }
            assert_eq!(vocabulary.len(), seen.len());
            assert_eq!(vocabulary.get("absent"), None);
        }

        #[test]
        fn many_at_once_are_one_after_another(keys in proptest::collection::vec("[a-c]{0,4}", 0..300), before in 0usize..20) {
            let (mut one, mut all) = (Vocabulary::default(), Vocabulary::default());
            for key in &keys[..before.min(keys.len())] {
                all.insert(key);
                one.insert(key);
            }
            let expected: Vec<u32> = keys.iter().map(|key| one.insert(key)).collect();
            let mut ids = Vec::new();
            all.insert_all(&keys.iter().map(|key| key.as_bytes()).collect::<Vec<_>>(), &mut ids);
            assert_eq!(ids, expected);
            assert!((1..=one.len() as u32).all(|id| one.key(id) == all.key(id)));
        }
    }
}
