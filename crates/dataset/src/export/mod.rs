//! A corpus as files that other programs read, and that read back as the same corpus.
//!
//! | form | files |
//! |---|---|
//! | csv | `events.csv` (`events.train.csv`, `events.valid.csv` and `events.test.csv` where the corpus has a split of its own), `items.csv`, `sequences.csv`, `splits.csv`, `negatives.csv` |
//! | parquet | the same with the ending `.parquet` (feature `parquet`) |
//! | recbole | `NAME.inter`, `NAME.item` |
//! | s3rec | the text files of [`s3rec`](crate::s3rec), and `NAME_items.jsonl` |
//!
//! Beside them lie `vocabulary.tsv`, which says which number stands for which name, and, but for s3rec, `preset.toml`: with both,
//! the same numbers come back.

mod cells;
mod delimited;
#[cfg(feature = "parquet")]
mod parquet;
mod preset;

#[cfg(feature = "parquet")]
pub(crate) use parquet::write_rows;

use std::path::Path;

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::atomic::{StagedFolder, write_text};
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::negatives::{NegativeSampler, Sampling};
use crate::output::{WholeFolder, check_name};
use crate::prepare::{NEGATIVES_SEED, VOCABULARY, write_vocabulary};
use crate::s3rec;

/// What a corpus is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ExportForm {
    /// Comma-separated tables.
    Csv,
    /// Parquet; needs the crate's feature `parquet`.
    Parquet,
    /// Atomic files of RecBole.
    Recbole,
    /// Text files of S3-Rec.
    S3rec,
}

/// Writes a corpus as a folder, which appears whole or not at all.
///
/// - `name`: of the data set; part of the names of files.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = tempfile::tempdir()?;
/// use seminar_dataset::{Corpus, ExportForm, Interactions, Numbered, Numbers, Preset, WholeFolder, export};
/// let corpus = Corpus::in_memory(&Numbered::from_sequences([vec!["pen", "ink"], vec!["ink", "paper"]]))?;
/// let out = root.path().join("tables");
/// export(&corpus, &WholeFolder::new(&out, "export"), "toys", ExportForm::Csv)?;
///
/// let preset = Preset::read(&out.join("preset.toml"))?;
/// let numbers = Numbers::read(&out.join("vocabulary.tsv"))?;
/// let source = Interactions::open(&out, "toys", preset.schema())?;
/// let again = Corpus::in_memory(&preset.config().prepare_from(&source, &numbers)?.data)?;
/// assert_eq!(again.fingerprint(), corpus.fingerprint());
/// # Ok(()) }
/// ```
///
/// # Errors
/// If the folder holds something that must not be replaced, the name is a path, a name cannot be written in this form (a tab in
/// RecBole's), or the file system refuses.
pub fn export(corpus: &Corpus, out: &WholeFolder<'_>, name: &str, form: ExportForm) -> Result<()> {
    check_name(name)?;
    let staged = StagedFolder::new(out.path, &out.replaceable()?)?;
    let folder = staged.path();
    match form {
        ExportForm::Csv => delimited::csv(corpus, folder)?,
        ExportForm::Parquet => parquet_files(corpus, folder)?,
        ExportForm::Recbole => delimited::recbole(corpus, folder, name)?,
        ExportForm::S3rec => {
            let sampler = NegativeSampler::new(corpus, Sampling::Uniform, NEGATIVES_SEED);
            s3rec::export(corpus, folder, name, Some(&sampler))?;
            delimited::item_lines(corpus, &folder.join(format!("{name}_items.jsonl")))?;
        }
    }
    write_vocabulary(corpus, &folder.join(VOCABULARY))?;
    if form != ExportForm::S3rec {
        let text = preset::text(corpus, name, form)?;
        write_text(&folder.join("preset.toml"), &text)?;
    }
    out.list(folder)?;
    staged.commit()
}

#[cfg(feature = "parquet")]
fn parquet_files(corpus: &Corpus, folder: &Path) -> Result<()> {
    parquet::write(corpus, folder)
}

#[cfg(not(feature = "parquet"))]
fn parquet_files(_: &Corpus, _: &Path) -> Result<()> {
    let message = "parquet needs a build with the feature `parquet`; csv does without".to_owned();
    Err(Error::Config { field: "form", message })
}

/// An error about a name that this form cannot hold.
fn unwritable(what: &str, name: &str) -> Error {
    let message = format!(
        "{what} `{}` holds a tab or line end, which this form cannot write: take csv",
        name.escape_debug()
    );
    Error::Config { field: "form", message }
}
