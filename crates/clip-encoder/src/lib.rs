//! Item texts to vectors.
//!
//! [`ItemEncoder`] is what an encoder does; [`HashedText`] is the one that needs no download.
//!
//! ```
//! use seminar_clip_encoder::{HashedText, ItemEncoder};
//!
//! let titles = ["Xbox gift card", "Xbox card, digital", "Steak dinner for two"];
//! let encoder = HashedText::fit(titles, 512, 7);
//! let vectors = encoder.encode_texts(&titles)?;
//! let dot = |a: usize, b: usize| -> f32 { (0..512).map(|d| vectors[a * 512 + d] * vectors[b * 512 + d]).sum() };
//! assert!(dot(0, 1) > dot(0, 2));
//! # Ok::<(), seminar_clip_encoder::Error>(())
//! ```

mod encoder;
mod error;
mod hashed_text;

pub use encoder::ItemEncoder;
pub use error::{Error, Result};
pub use hashed_text::HashedText;
