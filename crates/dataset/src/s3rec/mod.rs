//! The text files of S3-Rec and SEMINAR, in and out, byte for byte.
//!
//! | file | content |
//! |---|---|
//! | `NAME.txt` | `user item item …`, oldest first |
//! | `NAME_queries.txt` | `user q q …`, q = keyword ids joined by commas, `0` for none |
//! | `NAME_item2attributes.json` | `{"item": [attribute, …]}` in the order of the item file |
//! | `NAME_id2dummy_query.json` | `{"item": "3,5,7"}`, all items |
//! | `NAME_sample.txt`, `NAME_sample_queries.txt` | `user` and 99 negatives, or their queries |
//! | `NAME_items.jsonl` | only read: `item`, `asin`, `title`, `image_url` of each item, where it is there |
//!
//! Item numbers are names: the catalogue is the items that sequences hold or that the two item files (`_item2attributes.json`,
//! `_items.jsonl`) list. Where the numbers have gaps, items are numbered anew.
//!
//! Every file may be gzip (`.gz` after its name) when read. These are strict formats: what does not fit is an
//! error with its line.

mod entries;
mod export;
mod grammar;
mod import;
mod numbers;

pub use export::export;
pub use import::{ImportReport, Imported, import};
