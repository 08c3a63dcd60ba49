//! What does not fit between a weight file and a model.

use std::fmt;

/// The tensors that a file and a model do not share, all of them by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misfits {
    /// Tensors of the model that the file lacks.
    pub missing: Vec<String>,
    /// Tensors of the file that the model has no place for.
    pub unknown: Vec<String>,
    /// Tensors of another shape.
    pub misshapen: Vec<Misshapen>,
    /// Tensors that hold NaN or infinity, and how often.
    pub not_finite: Vec<(String, usize)>,
}

/// A tensor whose shape differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshapen {
    /// Its name.
    pub name: String,
    /// Its shape in the file.
    pub found: Vec<usize>,
    /// Its shape in the model.
    pub expected: Vec<usize>,
}

impl Misfits {
    /// Whether everything fits.
    pub fn is_empty(&self) -> bool {
        let Self { missing, unknown, misshapen, not_finite } = self;
        missing.is_empty() && unknown.is_empty() && misshapen.is_empty() && not_finite.is_empty()
    }
}

/// All of them, as a part of a sentence.
impl fmt::Display for Misfits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        };
        let misshapen = self.misshapen.iter().map(|Misshapen { name, found, expected }| {
            format!("`{name}` has shape {found:?} where {expected:?} is expected")
        });
        let not_finite = self.not_finite.iter().map(|(name, count)| {
            let numbers = if *count == 1 { "number that is" } else { "numbers that are" };
            format!("`{name}` holds {count} {numbers} NaN or infinite")
        });
        let mut parts = Vec::new();
        for (verb, names) in [("missing", &self.missing), ("unknown", &self.unknown)] {
            if !names.is_empty() {
                parts.push(format!("{verb}: {}", list(names)));
            }
        }
        parts.extend(misshapen.chain(not_finite));
        f.write_str(&parts.join("; "))
    }
}
