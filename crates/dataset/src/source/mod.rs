//! Where raw events come from: one reader per log, all behind [`EventSource`].

mod amazon;
mod csv_table;
mod kuaisar;
pub(crate) mod lines;
pub(crate) mod loose;
mod python_literal;

pub use amazon::AmazonReviews;
pub use kuaisar::KuaiSar;
pub use lines::{FileReport, Line, LineReader, ReadOptions};

use crate::error::Result;
use crate::event::{RawEvent, RawItem};

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
}
