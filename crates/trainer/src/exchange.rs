//! Whole models in and out under the published tensor names, tables included.

use seminar_models::SequenceModel;
use seminar_models::weights::{Array, StateDict, load_state_dict, state_dict};

use crate::embed::Tables;
use crate::error::{Error, Result};
use crate::trainer::Trainer;

/// Published names of the tables of items, keywords and attributes.
pub(crate) const TABLE_NAMES: [&str; 3] =
    ["item_embeddings.weight", "query_keywords_embeddings.weight", "attribute_embeddings.weight"];

/// [`Tables`]'s own names beside the published ones.
const TABLES: [(&str, &str); 3] =
    [("item", TABLE_NAMES[0]), ("word", TABLE_NAMES[1]), ("attr", TABLE_NAMES[2])];

fn published(own: &str) -> &'static str {
    TABLES.iter().find(|(name, _)| *name == own).map_or("", |(_, published)| published)
}

impl<M: SequenceModel> Trainer<M> {
    /// All weights, dense ones and tables, with every row up to date.
    pub fn export(&mut self) -> StateDict {
        self.tables.catch_up(self.progress.step);
        let mut state = state_dict(&self.model);
        for (name, table) in self.tables.shared() {
            let rows: Vec<u32> = (0..table.len() as u32).collect();
            let array = Array { shape: vec![table.len(), table.width()], values: table.read(&rows) };
            state.insert(published(name).to_owned(), array);
        }
        state
    }

    /// Takes weights from elsewhere, such as a published state dict; returns the names that nothing here has.
    ///
    /// # Errors
    /// If a dense weight is missing, or a weight or table has another shape; `file` names the source.
    pub fn import(&mut self, state: &StateDict, file: &str) -> Result<Vec<String>> {
        for (name, table) in self.tables.shared() {
            let Some(array) = state.get(published(name)) else { continue };
            let shape = [table.len(), table.width()];
            if array.shape != shape {
                let message =
                    format!("`{}` has shape {:?}, the table {shape:?}", published(name), array.shape);
                return Err(Error::Checkpoint { file: file.to_owned(), message });
            }
        }
        let (model, mut unused) = load_state_dict(self.model.clone(), state, file)?;
        self.model = model;
        set_tables(&mut self.tables, state);
        unused.retain(|name| !TABLES.iter().any(|(_, published)| published == name));
        Ok(unused)
    }
}

fn set_tables(tables: &mut Tables, state: &StateDict) {
    for (name, table) in tables.each() {
        if let Some(array) = state.get(published(name)) {
            let rows: Vec<u32> = (0..table.len() as u32).collect();
            table.set(&rows, &array.values);
        }
    }
}
