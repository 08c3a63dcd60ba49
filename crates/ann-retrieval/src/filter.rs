//! Which ids a search may return.

use crate::error::{Error, Result};

/// A condition on ids: any closure `Fn(u64) -> bool`, a [`Bitmap`] or an [`IdList`].
///
/// ```
/// use seminar_ann_retrieval::{AnnIndex, Flat, IdList, Metric, Vectors};
/// let rows = Vectors::new(1, vec![3.0, 2.0, 1.0])?;
/// let index = Flat::build(&rows, Metric::InnerProduct)?;
/// let unseen = |id: u64| id != 0;
/// assert_eq!(index.search_filtered(&[1.0], 1, &unseen)?[0].id, 1);
/// assert_eq!(index.search_filtered(&[1.0], 1, &IdList::new(vec![2, 7]))?[0].id, 2);
/// # Ok::<(), seminar_ann_retrieval::Error>(())
/// ```
pub trait Filter: Sync {
    /// Whether the id may be returned.
    fn accepts(&self, id: u64) -> bool;

    /// The most ids that may be accepted, where the filter knows it. An index chooses by it between walking and comparing.
    fn count(&self) -> Option<u64> {
        None
    }

    /// All ids that are accepted, where the filter holds them as a list: where they are few, only they are compared.
    fn listed(&self) -> Option<&[u64]> {
        None
    }
}

impl<F: Fn(u64) -> bool + Sync> Filter for F {
    fn accepts(&self, id: u64) -> bool {
        self(id)
    }
}

/// Accepts the ids of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdList {
    /// Ascending, each once.
    ids: Vec<u64>,
}

impl IdList {
    /// Takes ids in any order; repeated ones count once.
    pub fn new(mut ids: Vec<u64>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self { ids }
    }

    /// The ids, ascending.
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }
}

impl Filter for IdList {
    fn accepts(&self, id: u64) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    fn count(&self) -> Option<u64> {
        Some(self.ids.len() as u64)
    }

    fn listed(&self) -> Option<&[u64]> {
        Some(&self.ids)
    }
}

/// Accepts the ids whose bit is set: one bit for every id up to the largest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    count: u64,
}

impl Bitmap {
    /// Ids are below this number: a bitmap takes at most 512 MiB.
    pub const BOUND: u64 = 1 << 32;

    /// Sets the bits of some ids.
    ///
    /// # Errors
    /// If an id is not below [`Bitmap::BOUND`]: an [`IdList`] takes any id.
    pub fn new(ids: impl IntoIterator<Item = u64>) -> Result<Self> {
        let mut bitmap = Self::default();
        ids.into_iter().try_for_each(|id| bitmap.insert(id).map(drop))?;
        Ok(bitmap)
    }

    /// Sets the bit of an id. Returns whether it was not set.
    ///
    /// # Errors
    /// As [`Bitmap::new`].
    pub fn insert(&mut self, id: u64) -> Result<bool> {
        if id >= Self::BOUND {
            let message = format!("a bitmap takes ids below {}, not {id}; take an IdList", Self::BOUND);
            return Err(Error::Config { field: "id", message });
        }
        let (word, bit) = (id as usize / 64, 1 << (id % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let fresh = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += u64::from(fresh);
        Ok(fresh)
    }

    /// Clears the bit of an id. Returns whether it was set.
    pub fn remove(&mut self, id: u64) -> bool {
        let set = self.accepts(id);
        if set {
            self.words[id as usize / 64] &= !(1 << (id % 64));
            self.count -= 1;
        }
        set
    }
}

impl Filter for Bitmap {
    #[inline]
    fn accepts(&self, id: u64) -> bool {
        let word = usize::try_from(id / 64).ok().and_then(|word| self.words.get(word));
        word.is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    fn count(&self) -> Option<u64> {
        Some(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn all_forms_accept_the_same(changes in proptest::collection::vec((0u64..300, proptest::bool::ANY), 0..60)) {
            let (mut bitmap, mut set) = (Bitmap::default(), std::collections::BTreeSet::new());
            for &(id, insert) in &changes {
                if insert {
                    proptest::prop_assert_eq!(bitmap.insert(id).unwrap(), set.insert(id));
                } else {
                    proptest::prop_assert_eq!(bitmap.remove(id), set.remove(&id));
                }
            }
            let list = IdList::new(set.iter().rev().chain(set.iter().take(3)).copied().collect());
            proptest::prop_assert_eq!(bitmap.count(), list.count());
            for id in (0..300).chain([1 << 40, u64::MAX]) {
                proptest::prop_assert_eq!(bitmap.accepts(id), set.contains(&id));
                proptest::prop_assert_eq!(list.accepts(id), set.contains(&id));
            }
        }
    }

    #[test]
    fn an_id_beyond_the_bound_is_refused() {
        assert!(Bitmap::new([Bitmap::BOUND - 1]).is_ok());
        assert!(Bitmap::new([u64::MAX]).unwrap_err().to_string().contains("IdList"));
    }
}
