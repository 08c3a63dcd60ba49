//! Tensors by name, and what is written beside them.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

/// A tensor in memory, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Size of each dimension.
    pub shape: Vec<usize>,
    /// The numbers.
    pub values: Vec<f32>,
}

impl Array {
    /// The shape, if there are as many numbers as it says; else that of a list of all there are.
    pub fn true_shape(&self) -> Vec<usize> {
        let size = self.shape.iter().try_fold(1usize, |size, &dim| size.checked_mul(dim));
        if size == Some(self.values.len()) { self.shape.clone() } else { vec![self.values.len()] }
    }

    /// How many of the numbers are NaN or infinite.
    pub fn not_finite(&self) -> usize {
        self.values.iter().filter(|value| !value.is_finite()).count()
    }
}

/// Tensors by their published names: a map, with what a file says of them beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateDict {
    /// The tensors.
    pub tensors: BTreeMap<String, Array>,
    /// What the rows of a table stand for, by the table's name: the names of row 1, row 2 and so on. A file without them
    /// means whatever its reader numbers alike.
    pub row_names: BTreeMap<String, Vec<String>>,
    /// What the writer says of the tensors: the entry `seminar` in the metadata of a safetensors file.
    pub about: Option<String>,
}

impl StateDict {
    /// No tensors.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Deref for StateDict {
    type Target = BTreeMap<String, Array>;

    fn deref(&self) -> &Self::Target {
        &self.tensors
    }
}

impl DerefMut for StateDict {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.tensors
    }
}

impl FromIterator<(String, Array)> for StateDict {
    fn from_iter<I: IntoIterator<Item = (String, Array)>>(tensors: I) -> Self {
        Self { tensors: tensors.into_iter().collect(), ..Self::default() }
    }
}

impl<const N: usize> From<[(String, Array); N]> for StateDict {
    fn from(tensors: [(String, Array); N]) -> Self {
        tensors.into_iter().collect()
    }
}

impl IntoIterator for StateDict {
    type Item = (String, Array);
    type IntoIter = std::collections::btree_map::IntoIter<String, Array>;

    fn into_iter(self) -> Self::IntoIter {
        self.tensors.into_iter()
    }
}

impl<'a> IntoIterator for &'a StateDict {
    type Item = (&'a String, &'a Array);
    type IntoIter = std::collections::btree_map::Iter<'a, String, Array>;

    fn into_iter(self) -> Self::IntoIter {
        self.tensors.iter()
    }
}

impl<'a> IntoIterator for &'a mut StateDict {
    type Item = (&'a String, &'a mut Array);
    type IntoIter = std::collections::btree_map::IterMut<'a, String, Array>;

    fn into_iter(self) -> Self::IntoIter {
        self.tensors.iter_mut()
    }
}
