//! What was taken of a file of weights.

use std::fmt;

use seminar_models::weights::Misfits;

use crate::vocabulary::RowsTaken;

/// How rows of a file found theirs here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowMatching {
    /// The file is for the same items, words and attributes in the same order.
    #[default]
    SameItems,
    /// By the names that the file carries.
    Names,
    /// By number: the file does not say what its rows stand for. It has to be made from the same corpus.
    Numbers,
    /// Not at all: a lenient import left the tables as they were.
    None,
}

/// What [`Trainer::import`](crate::Trainer::import) or [`Trainer::load_weights`](crate::Trainer::load_weights) took, and what not.
/// Shown, it is a sentence for a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightsTaken {
    /// How rows found their place.
    pub matching: RowMatching,
    /// Rows of the item table.
    pub items: RowsTaken,
    /// Rows of the keyword table.
    pub words: RowsTaken,
    /// Rows of the attribute table.
    pub attributes: RowsTaken,
    /// Tensors that a lenient import passed over: they keep the values they had. Of tables, single rows that are not finite. Empty
    /// for a strict import.
    pub skipped: Misfits,
    /// A setting that differs from the one the weights were made with, where a lenient import went on nevertheless.
    pub other_setting: Option<String>,
    /// Tensors of the file that are no weights, such as an optimiser's.
    pub set_aside: Vec<String>,
    /// What stood before every name, such as `module.`.
    pub prefix: String,
}

impl WeightsTaken {
    /// The counts of the three tables.
    pub(crate) fn rows(&mut self) -> [&mut RowsTaken; 3] {
        [&mut self.items, &mut self.words, &mut self.attributes]
    }
}

impl fmt::Display for WeightsTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.matching {
            RowMatching::SameItems => f.write_str("made for the same items")?,
            RowMatching::Names => write!(f, "items by name: {}; words: {}", self.items, self.words)?,
            RowMatching::Numbers => f.write_str(
                "the file does not name its items: row n was taken for item n, as if made from this very corpus",
            )?,
            RowMatching::None => f.write_str("the tables were not taken and are untrained")?,
        }
        if !self.prefix.is_empty() {
            write!(f, "; names were taken without `{}`", self.prefix)?;
        }
        if !self.set_aside.is_empty() {
            write!(f, "; {} tensors that are no weights were passed over", self.set_aside.len())?;
        }
        if let Some(setting) = &self.other_setting {
            write!(f, "; other settings: {setting}")?;
        }
        match self.skipped.is_empty() {
            true => Ok(()),
            false => write!(f, "; skipped: {}", self.skipped),
        }
    }
}
