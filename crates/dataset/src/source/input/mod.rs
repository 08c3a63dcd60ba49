//! The layer under all readers: bytes of a file → its form recognised → decompressed → byte-order mark removed → text by
//! the encoding policy → lines, rows or entries with their places.
//!
//! | step | where |
//! |---|---|
//! | forms that no reader takes are named (zip, UTF-16, an HTML page …) | `form.rs` |
//! | gzip, with several members and zero padding | `gzip.rs` |
//! | zstd, with several frames | `zstd.rs` |
//! | opening, byte-order mark, limits | `open.rs` |
//! | what is not UTF-8: refused with its place, or replaced | `text.rs` |
//! | lines | `lines.rs`, [`LineReader`] |
//! | JSON as Python writes it, with `NaN` | `json.rs` |
//! | what was skipped, and why | `report.rs`, [`FileReport`] |

mod form;
mod gzip;
pub(crate) mod json;
mod lines;
mod open;
mod quotes;
mod report;
mod text;
mod zstd;

pub(crate) use form::refuse_foreign;
pub use lines::{Line, LineReader};
pub(crate) use open::{Input, Metered, Packing, TooLong, open, read_error};
pub use report::{FileReport, Occurrence, ReadOptions};
pub(crate) use text::shown;

/// Bytes read or decompressed at a time.
const BLOCK: usize = 1 << 18;
