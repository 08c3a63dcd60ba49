//! Item texts and images to vectors.
//!
//! ```toml
//! [dependencies]
//! seminar-clip-encoder = { version = "0.1", features = ["flex"] }
//! burn = { version = "0.22", default-features = false }    # devices, for CLIP
//! ```
//! A backend for CLIP is a feature: `flex` (plain Rust on the processor, `Device::flex()`), `tch` (LibTorch), `wgpu`, `cuda`. None is on by default; the other encoders need none.
//!
//! [`ItemEncoder`] is the trait of encoders. [`Clip`] runs a published CLIP checkpoint; [`HashedText`] and
//! [`ColourAndEdges`] need no download.
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
//!
//! With a checkpoint, such as OpenAI's `ViT-B-32.pt`, which the user downloads:
//!
//! ```no_run
//! use burn::tensor::Device;
//! use seminar_clip_encoder::{Clip, ItemEncoder, Weights, open_image};
//!
//! let clip = Clip::new(&Weights::read("ViT-B-32.pt".as_ref())?, &Device::default())?;
//! let texts = clip.encode_texts(&["a birthday card", "a steak"])?;
//! let images = clip.encode_images(&[open_image("card.jpg".as_ref())?])?;
//! # Ok::<(), seminar_clip_encoder::Error>(())
//! ```
//!
//! Models that are not OpenAI's may need [`ClipSettings`], or their configuration beside the file. Texts are cleaned by
//! [`clean_text`]; [`open_image`] says which colours a picture has.

mod bpe;
mod checkpoint;
mod clean;
mod clip;
mod descriptor;
mod encoder;
mod error;
mod hashed_text;
mod picture;
mod preprocess;

pub use bpe::Tokenizer;
pub use checkpoint::{Array, Weights};
pub use clean::clean_text;
pub use clip::{Activation, Clip, ClipConfig, ClipSettings, VisionConfig};
pub use descriptor::ColourAndEdges;
pub use encoder::ItemEncoder;
pub use error::{Error, Result};
pub use hashed_text::HashedText;
pub use picture::open_image;
pub use preprocess::preprocess;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
