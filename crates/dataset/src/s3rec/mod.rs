//! The text files of S3-Rec and SEMINAR, in and out, byte for byte.
//!
//! | file | content |
//! |---|---|
//! | `NAME.txt` | `user item item …`, oldest first; or one `user item` a line in the order of users, as SASRec's files are |
//! | `NAME_queries.txt` | `user q q …`, q = keyword ids joined by commas, `0` for none |
//! | `NAME_item2attributes.json` | `{"item": [attribute, …]}` in the order of the item file |
//! | `NAME_id2dummy_query.json` | `{"item": "3,5,7"}`, all items |
//! | `NAME_sample.txt`, `NAME_sample_queries.txt` | `user` and 99 negatives, or their queries |
//! | `NAME_items.jsonl` | only read, where it is there: `item`, `asin`, `title`, `image_url` of each item, and the fields that are asked for |
//!
//! Item numbers are names: the catalogue is the items that sequences hold or that the two item files (`_item2attributes.json`,
//! `_items.jsonl`) list. Where the numbers have gaps, items are numbered anew.
//!
//! Every file may be gzip (`.gz` after its name) when read. These are strict formats: what does not fit is an
//! error with its line.

mod described;
mod entries;
mod export;
mod forms;
mod grammar;
mod import;
mod numbers;

use std::path::{Path, PathBuf};

pub use export::export;
pub use import::Imported;

use crate::error::Result;
use crate::event::ItemField;
use crate::output::check_name;
use crate::prepare::{PrepareConfig, Queries, Repeats};
use crate::source::ReadOptions;

/// The text files of a data set in a folder, and how they are read.
#[derive(Clone, Debug)]
pub struct TextFiles {
    folder: PathBuf,
    name: String,
    /// Where the queries come from.
    pub queries: Queries,
    /// Which events are dropped as repeats. The files hold an order, no times.
    pub repeats: Repeats,
    /// Members of the lines of `NAME_items.jsonl` that become named fields of items, and attributes beside the listed ones: values of two
    /// items and more. By default none.
    pub fields: Vec<ItemField>,
    /// What is filtered out besides. The queries are those of `queries`, and repeats those of `repeats`.
    pub filters: PrepareConfig,
    /// How tolerant the reader is; no line is ever skipped.
    pub options: ReadOptions,
}

impl TextFiles {
    /// The files of data set `name` in `folder`, with the queries that they hold.
    pub fn new(folder: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        Self {
            folder: folder.into(),
            name: name.into(),
            queries: Queries::Logged,
            repeats: Repeats::Keep,
            fields: Vec::new(),
            filters: PrepareConfig::all(),
            options: ReadOptions::default(),
        }
    }

    /// Reads the files.
    ///
    /// # Errors
    /// A missing `NAME.txt`, a line that does not fit the format, files that do not fit each other, or
    /// [`Queries::Description`], which the text files cannot serve.
    pub fn import(&self) -> Result<Imported> {
        check_name(&self.name)?;
        import::import(self)
    }
}

/// Reads the files of data set `name` in `folder`; [`TextFiles`] has more settings.
///
/// # Errors
/// As [`TextFiles::import`].
pub fn import(folder: &Path, name: &str, queries: Queries) -> Result<Imported> {
    TextFiles { queries, ..TextFiles::new(folder, name) }.import()
}
