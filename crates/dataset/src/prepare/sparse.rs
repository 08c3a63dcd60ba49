//! Columns of which most sources leave every entry at its default: they take memory only where they hold something.

/// A column that is empty as long as every entry is the default.
#[derive(Debug, Default)]
pub(super) struct Sparse<T>(Vec<T>);

impl<T: Copy + Default + PartialEq> Sparse<T> {
    /// Sets entry `index`, behind all entries that were set before.
    pub fn push(&mut self, index: usize, value: T) {
        if value != T::default() || !self.0.is_empty() {
            self.0.resize(index, T::default());
            self.0.push(value);
        }
    }

    /// Entry `index`.
    pub fn get(&self, index: usize) -> T {
        self.0.get(index).copied().unwrap_or_default()
    }

    /// Whether every entry is the default.
    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps some entries.
    pub fn retain(&mut self, keep: &[bool]) {
        let mut flags = keep.iter();
        self.0.retain(|_| flags.next().is_some_and(|&kept| kept));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn equals_a_full_column(entries in proptest::collection::vec((0u8..3, proptest::bool::ANY), 0..20)) {
            let (mut values, keep): (Vec<u8>, Vec<bool>) = entries.into_iter().unzip();
            let mut sparse = Sparse::default();
            values.iter().enumerate().for_each(|(index, &value)| sparse.push(index, value));
            assert_eq!(sparse.is_default(), values.iter().all(|&value| value == 0));
            sparse.retain(&keep);
            let mut flags = keep.iter();
            values.retain(|_| *flags.next().unwrap());
            assert_eq!((0..values.len()).map(|index| sparse.get(index)).collect::<Vec<_>>(), values);
        }
    }
}
