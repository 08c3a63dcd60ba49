//! General search units (GSU): which K events of a long history each candidate keeps.
//!
//! One file per search. Each holds the three forms of the same rule, side by side:
//!
//! | form | where | does |
//! |---|---|---|
//! | with a tape | [`Gsu::select`] | relevance `[B, C, H or 1, L]` and the selection as tensors |
//! | host form | [`Gsu::host`] | the numbers of the batch as plain vectors |
//! | scan step | [`HostGsu::keep`] | the kept positions of one candidate, in one pass over a user's events |
//!
//! [`TargetAttention::attend_top_k`](crate::parts::TargetAttention::attend_top_k) drives them: tensors where gradients are
//! recorded, the scan (`gsu/scan`) elsewhere. A new search is one new file with these two traits.

mod bits;
mod heads;
mod product;
mod query_then_item;
mod recent;
pub(crate) mod scan;
mod unit;

pub use bits::Bits;
pub use heads::Heads;
pub use product::Product;
pub use query_then_item::QueryThenItem;
pub use recent::Recent;
pub use unit::{Candidate, Gsu, HostGsu, Scene, Seen};
