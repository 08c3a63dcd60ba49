//! Whole models in and out under the published tensor names, tables included.

use std::path::Path;

use seminar_dataset::Catalogue;
use seminar_models::SequenceModel;
use seminar_models::weights::{
    Array, Misfits, Misshapen, StateDict, Unwrapped, load_matching, names, read, state_dict, unwrap,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::{CATALOGUE, Hash, check_weights};
use crate::error::{Error, Result};
use crate::scoring;
use crate::table::{Table, TableRows};
use crate::taken::{RowMatching, WeightsTaken};
use crate::trainer::Trainer;
use crate::vocabulary::{Counts, Ids, RowMap, Vocabulary};

/// Published names of the tables of items, keywords and attributes.
pub(crate) const TABLE_NAMES: [&str; 3] =
    ["item_embeddings.weight", "query_keywords_embeddings.weight", "attribute_embeddings.weight"];

/// Which of the tables have a row for EOS after the last id.
pub(crate) const HAS_EOS: [bool; 3] = [true, true, false];

/// What an exported file says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Origin {
    /// Fingerprint of items, words and attributes.
    fingerprint: Hash,
    /// The largest ids.
    counts: Counts,
    /// The settings that the weights have to be used with.
    settings: Value,
}

/// Reads a weight file; one that does not name its items, such as that of a saved model, is completed from the catalogue beside it.
///
/// # Errors
/// If a file cannot be read or is damaged.
pub fn read_weights(path: &Path) -> Result<StateDict> {
    let mut state = read(path)?;
    let catalogue = path.with_file_name(CATALOGUE);
    if state.row_names.is_empty() && state.about.is_some() && catalogue.is_file() {
        let names = Vocabulary::of_catalogue(&Catalogue::open(&catalogue)?);
        set_names(&mut state, names);
    }
    Ok(state)
}

fn set_names(state: &mut StateDict, names: Vocabulary) {
    let Vocabulary { items, words, attributes } = names;
    for (table, ids) in TABLE_NAMES.into_iter().zip([items, words, attributes]) {
        if state.contains_key(table) {
            state.row_names.insert(table.to_owned(), ids.names);
        }
    }
}

impl<M: SequenceModel> Trainer<M> {
    /// All weights, dense ones and tables, with every row up to date, the names of items, words and attributes, and the settings
    /// that they belong to.
    pub fn export(&mut self) -> StateDict {
        let mut state = self.export_unnamed();
        set_names(&mut state, Vocabulary::of(&self.corpus));
        state
    }

    /// The same without names: for a file that has a catalogue beside it.
    pub(crate) fn export_unnamed(&mut self) -> StateDict {
        self.tables.catch_up(self.progress.step);
        let mut state = state_dict(&self.model);
        for (name, (_, table)) in TABLE_NAMES.into_iter().zip(self.tables.shared()) {
            let rows: Vec<u32> = (0..table.len() as u32).collect();
            let array = Array { shape: vec![table.len(), table.width()], values: table.read(&rows) };
            state.insert(name.to_owned(), array);
        }
        let origin = Origin {
            fingerprint: self.corpus.items_fingerprint().into(),
            counts: Counts::of(&self.corpus),
            settings: scoring::settings(&self.model, &self.config),
        };
        state.about = serde_json::to_string(&origin).ok();
        state
    }

    /// Takes weights from elsewhere, such as [`Trainer::export`] or a published state dict. Rows of tables find their items by name
    /// where `state` has names; new items get the initial values of a new table.
    ///
    /// Prefixes and wrappers such as `module.` and `{"state_dict": …}` are taken off.
    ///
    /// # Errors
    /// If tensors are missing (the tables included), unknown, misshapen or not finite: all of them are named. If the weights were
    /// made with other settings, or for other items without naming them. `file` names the source. Nothing is changed then.
    pub fn import(&mut self, state: &StateDict, file: &str) -> Result<WeightsTaken> {
        self.take(state, file, false)
    }

    /// Takes the weights of a saved model, to go on training them, on a log that may have grown: rows of tables find their items by
    /// name, and what is new gets the initial values of a new table. The optimiser starts anew.
    ///
    /// # Errors
    /// If the folder holds no whole saved model, or one of other settings.
    pub fn start_from(&mut self, folder: &Path) -> Result<WeightsTaken> {
        let path = check_weights::<M>(folder)?;
        self.import(&read_weights(&path)?, &path.display().to_string())
    }

    /// [`Trainer::import`] that goes on where a tensor, a row or a setting does not fit, and says what it skipped.
    ///
    /// # Errors
    /// If the names in the file can be understood in two ways.
    pub fn import_leniently(&mut self, state: &StateDict, file: &str) -> Result<WeightsTaken> {
        self.take(state, file, true)
    }

    fn take(&mut self, state: &StateDict, file: &str, lenient: bool) -> Result<WeightsTaken> {
        let fail = |message: String| Error::Checkpoint { file: file.to_owned(), message };
        let mut expected = names(&self.model);
        let tables = self.tables.shared();
        expected.extend(TABLE_NAMES.iter().take(tables.len()).map(|&name| name.to_owned()));
        let Unwrapped { state, prefix, set_aside } = unwrap(state, &expected, file)?;
        let origin: Option<Origin> = match &state.about {
            Some(about) => Some(
                serde_json::from_str(about)
                    .map_err(|error| fail(format!("what it says of itself cannot be understood: {error}")))?,
            ),
            None => None,
        };
        let mut taken = WeightsTaken { prefix, set_aside, ..WeightsTaken::default() };
        if let Some(origin) = &origin {
            match self.compare_origin(origin) {
                Err(message) if lenient => taken.other_setting = Some(message),
                compared => compared.map_err(fail)?,
            }
        }
        let (model, mut misfits) = load_matching(self.model.clone(), &state);
        misfits.unknown.retain(|name| !expected.contains(name));
        let same = origin.as_ref().map(|origin| origin.fingerprint == self.corpus.items_fingerprint().into());
        let from = named(&state, origin.as_ref());
        taken.matching = match (same, &from) {
            (Some(true), _) => RowMatching::SameItems,
            (_, Some(_)) => RowMatching::Names,
            (None, None) => RowMatching::Numbers,
            (Some(false), None) if lenient => RowMatching::None,
            (Some(false), None) => return Err(fail(OTHER_ITEMS.into())),
        };
        let to = Vocabulary::of(&self.corpus);
        let mut rows = Vec::new();
        for (at, (name, (_, table))) in TABLE_NAMES.into_iter().zip(&tables).enumerate() {
            let ids = from.as_ref().map(|from| from.tables()[at]);
            let wanted = Wanted {
                name,
                table,
                matching: taken.matching,
                from: ids,
                to: to.tables()[at],
                has_eos: HAS_EOS[at],
                may_have_spare_rows: name == TABLE_NAMES[1],
            };
            let map = wanted.map(&state, &mut misfits);
            if let Some(map) = &map {
                *taken.rows()[at] = map.taken;
            }
            rows.push(map.map(|map| wanted.rows(&state, &map, self.progress.step)));
        }
        if !lenient {
            if !misfits.is_empty() {
                let other = if taken.prefix.is_empty() {
                    String::new()
                } else {
                    format!(" (without `{}`)", taken.prefix)
                };
                return Err(fail(format!("{misfits}{other}")));
            }
            if taken.matching == RowMatching::Names && taken.items.kept == 0 {
                return Err(fail(no_item_in_common(from.as_ref(), &to)));
            }
        }
        taken.skipped = misfits;
        self.model = model;
        for ((_, table), rows) in self.tables.each().into_iter().zip(&rows) {
            if let Some(rows) = rows {
                table.restore(rows, self.progress.step);
            }
        }
        Ok(taken)
    }

    fn compare_origin(&self, origin: &Origin) -> std::result::Result<(), String> {
        let now = scoring::settings(&self.model, &self.config);
        let [saved, now] = [&origin.settings, &now].map(scoring::of_model::<M>);
        scoring::compare(&saved, &now)
    }
}

/// What is said of a file whose items are others, where it does not name them.
pub(crate) const OTHER_ITEMS: &str = "made from a corpus of other items, and the file does not name its own: \
     use it with its own corpus, or export the weights anew, which writes the names";

/// What is said of a file that has no item in common with the corpus.
pub(crate) fn no_item_in_common(from: Option<&Vocabulary>, to: &Vocabulary) -> String {
    let example = |ids: Option<&Ids>| ids.and_then(|ids| ids.names.first()).cloned().unwrap_or_default();
    let [theirs, own] = [example(from.map(|from| &from.items)), example(Some(&to.items))];
    format!(
        "made from a corpus of other items: none of its {} is here. They are named like `{theirs}`, here like `{own}`",
        from.map_or(0, |from| from.items.count)
    )
}

/// The names that a file carries, if it names its items.
fn named(state: &StateDict, origin: Option<&Origin>) -> Option<Vocabulary> {
    state.row_names.get(TABLE_NAMES[0])?;
    let counts = origin.map(|origin| origin.counts).unwrap_or_default();
    Some(Vocabulary::new(
        counts,
        TABLE_NAMES.map(|table| state.row_names.get(table).cloned().unwrap_or_default()),
    ))
}

/// One table that rows are wanted for.
struct Wanted<'a> {
    name: &'static str,
    table: &'a Table,
    matching: RowMatching,
    /// The ids of the file, if it names them.
    from: Option<&'a Ids>,
    to: &'a Ids,
    has_eos: bool,
    /// Whether there may be rows after the last id, as in a keyword table of a set size.
    may_have_spare_rows: bool,
}

impl Wanted<'_> {
    /// Where the rows come from; `None`, with a misfit, if the file's table cannot be used.
    fn map(&self, state: &StateDict, misfits: &mut Misfits) -> Option<RowMap> {
        if self.matching == RowMatching::None {
            return None;
        }
        let Some(array) = state.get(self.name) else {
            misfits.missing.push(self.name.to_owned());
            return None;
        };
        let (len, width) = (self.table.len(), self.table.width());
        let expected = vec![len, width];
        // The keyword tables of two runs may have different numbers of rows for the same words.
        let found = array.true_shape();
        let by_name = self.matching == RowMatching::Names || found != expected;
        let map = match self.from.filter(|_| by_name) {
            Some(from) => {
                let least = from.count + 1 + usize::from(self.has_eos);
                let fits = |rows: usize| rows == least || (self.may_have_spare_rows && rows > least);
                let fits = found.len() == 2 && fits(found[0]) && found[1] == width;
                fits.then(|| RowMap::by_name(from, self.to, len, self.has_eos)).ok_or(vec![least, width])
            }
            None if found == expected => Ok(RowMap::identity(len, self.to.count)),
            None => Err(expected),
        };
        let not_finite = array.not_finite();
        if not_finite > 0 {
            misfits.not_finite.push((self.name.to_owned(), not_finite));
        }
        let misshapen = |expected| Misshapen { name: self.name.to_owned(), found, expected };
        map.map_err(|expected| misfits.misshapen.push(misshapen(expected))).ok()
    }

    /// The rows as a table takes them, without those that are not finite.
    fn rows(&self, state: &StateDict, map: &RowMap, step: u64) -> TableRows {
        let width = self.table.width();
        let mut rows = TableRows::default();
        let Some(array) = state.get(self.name) else { return rows };
        for &(row, source) in &map.pairs {
            let values = &array.values[source as usize * width..][..width];
            if values.iter().all(|value| value.is_finite()) {
                rows.ids.push(row);
                rows.current.push(step as u32 + 1);
                rows.values.extend_from_slice(values);
            }
        }
        rows
    }
}
