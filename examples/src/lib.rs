//! What the example binaries share: raw data to a corpus folder, embedding files, training runs, tables, progress.

pub mod args;
pub mod device;
#[cfg(feature = "download")]
pub mod download;
pub mod embed;
pub mod encode;
pub mod experiment;
pub mod machine;
pub mod people;
pub mod prepare;
pub mod progress;
pub mod retrieval;
pub mod run;
pub mod settings;

/// Tensors of several megabytes come and go at every operation: the system's allocator maps and unmaps each of
/// them, and the page faults cost as much as the arithmetic.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The code in the README and in the documents is tested.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/python.md")]
    struct Python;
    #[doc = include_str!("../../docs/recommend.md")]
    struct Recommend;
}
