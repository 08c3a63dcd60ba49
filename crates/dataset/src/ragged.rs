//! Rows of different lengths in two flat arrays.

/// Row `i` is `values[offsets[i]..offsets[i + 1]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ragged<T> {
    /// One more than there are rows, from 0, never falling.
    pub offsets: Vec<u64>,
    /// All rows, back to back.
    pub values: Vec<T>,
}

impl<T> Default for Ragged<T> {
    fn default() -> Self {
        Self { offsets: vec![0], values: Vec::new() }
    }
}

impl<T: Copy> Ragged<T> {
    /// Appends a row.
    pub fn push(&mut self, row: impl IntoIterator<Item = T>) {
        self.values.extend(row);
        self.offsets.push(self.values.len() as u64);
    }

    /// Row `index`, from 0.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, index: usize) -> &[T] {
        row(&self.offsets, &self.values, index)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All rows in order.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = &[T]> + ExactSizeIterator {
        (0..self.len()).map(|index| self.row(index))
    }
}

impl<T: Copy, R: IntoIterator<Item = T>> FromIterator<R> for Ragged<T> {
    fn from_iter<I: IntoIterator<Item = R>>(rows: I) -> Self {
        let mut ragged = Self::default();
        rows.into_iter().for_each(|row| ragged.push(row));
        ragged
    }
}

/// A row of two borrowed arrays in the same form.
pub(crate) fn row<'a, T>(offsets: &[u64], values: &'a [T], index: usize) -> &'a [T] {
    &values[offsets[index] as usize..offsets[index + 1] as usize]
}
