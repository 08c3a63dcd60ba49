//! Where raw events come from: one reader per log, all behind [`EventSource`].

mod amazon;
mod csv_table;
pub(crate) mod find;
pub(crate) mod input;
mod kuaisar;
pub(crate) mod loose;
mod markup;
mod python_literal;
mod record;
mod table;

pub use amazon::AmazonReviews;
pub use input::{FileReport, Line, LineReader, Occurrence, ReadOptions};
pub use kuaisar::KuaiSar;
pub use table::{
    Column, Encoding, EventTable, FieldColumn, Form, Interactions, ItemTable, KindColumn, ListForm,
    TableForm, TableSchema, TimeForm, parse_time,
};

pub(crate) use markup::words_of as title_words;

use crate::error::Result;
use crate::event::{ItemField, RawEvent, RawItem, Times};

/// Notes of files that are losses: what they count is in no corpus.
pub(crate) const LOSSES: [&str; 2] = [MARKUP_TITLES, BAD_KEYWORDS];
/// The note of a title that is no title.
pub(crate) const MARKUP_TITLES: &str = "titles that are markup";
/// The note of a part of a logged query that is no keyword.
const BAD_KEYWORDS: &str = "keyword entries that are no whole numbers";

/// Why a line cannot be used, and the value that is the reason.
type Refusal = (String, String);

/// A log of events and what is known of its items.
///
/// Both functions stream: memory does not grow with the files. Implement it to bring other data; see
/// [`PrepareConfig::prepare`](crate::PrepareConfig::prepare) for what happens next.
pub trait EventSource {
    /// Hands every usable event to `visit`, in the order in which equal times are to stay.
    ///
    /// # Errors
    /// Files that are missing, damaged, or of which too much had to be skipped.
    fn for_each_event(&self, visit: &mut dyn FnMut(RawEvent<'_>) -> Result<()>) -> Result<Vec<FileReport>>;

    /// Hands every item of the item file to `visit`, in file order; an item may come twice, the last one counts.
    ///
    /// # Errors
    /// As for events.
    fn for_each_item(&self, visit: &mut dyn FnMut(RawItem<'_>) -> Result<()>) -> Result<Vec<FileReport>>;

    /// What the times of events are.
    fn times(&self) -> Times {
        Times::Seconds
    }

    /// The named fields that items have values of.
    fn fields(&self) -> Vec<ItemField> {
        Vec::new()
    }

    /// Names of the source's own settings that decide which rows are events; for messages.
    fn settings(&self) -> &'static [&'static str] {
        &[]
    }
}
