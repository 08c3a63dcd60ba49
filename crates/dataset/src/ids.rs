//! Numbers for users, items and words: from 1, in order of first appearance; 0 is the padding.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// The number that stands for "nothing here" in every block of ids.
pub const PAD: u32 = 0;

/// Byte strings numbered from 1 in order of first appearance.
///
/// Keys lie back to back in one buffer: about 20 bytes per key beside the key itself.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    bytes: Vec<u8>,
    ends: Vec<u64>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Vocabulary {
    /// The id of `key`, a new one if the key was not seen before.
    ///
    /// # Panics
    /// If more than 2^32 − 2 keys are added; readers stop before that.
    pub fn insert(&mut self, key: impl AsRef<[u8]>) -> u32 {
        let key = key.as_ref();
        let (bytes, ends, hasher) = (&mut self.bytes, &mut self.ends, &self.hasher);
        let hash = hasher.hash_one(key);
        if let Some(&id) = self.table.find(hash, |&id| slice(bytes, ends, id) == key) {
            return id;
        }
        let id = u32::try_from(ends.len() + 1).expect("fewer than 2^32 keys");
        bytes.extend_from_slice(key);
        ends.push(bytes.len() as u64);
        self.table.insert_unique(hash, id, |&id| hasher.hash_one(slice(bytes, ends, id)));
        id
    }

    /// The id of `key`, if it was seen.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<u32> {
        let key = key.as_ref();
        let found = |&id: &u32| slice(&self.bytes, &self.ends, id) == key;
        self.table.find(self.hasher.hash_one(key), found).copied()
    }

    /// The key of an id from `1..=len`.
    ///
    /// # Panics
    /// If the id was not given out by this vocabulary.
    pub fn key(&self, id: u32) -> &[u8] {
        slice(&self.bytes, &self.ends, id)
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

fn slice<'a>(bytes: &'a [u8], ends: &[u64], id: u32) -> &'a [u8] {
    let index = id as usize - 1;
    let start = if index == 0 { 0 } else { ends[index - 1] };
    &bytes[start as usize..ends[index] as usize]
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
    }
}
