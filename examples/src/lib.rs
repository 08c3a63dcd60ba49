//! Code that the example binaries share: corpus folders, embedding files, training runs, tables, progress bars.

pub mod args;
pub mod board;
pub mod clip;
pub mod device;
#[cfg(feature = "download")]
pub mod download;
pub mod embed;
pub mod encode;
pub mod experiment;
pub mod machine;
pub mod parts;
pub mod people;
pub mod prepare;
pub mod program;
pub mod progress;
pub mod results;
pub mod retrieval;
pub mod run;
pub mod settings;
pub mod stop;
pub mod tables;
pub mod tune;
pub mod vectors;

/// Every operation allocates and frees tensors of several megabytes. The system's allocator maps and unmaps each of them, and
/// the page faults cost as much as the arithmetic.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tests the code in the README and in the documents.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/python.md")]
    struct Python;
    #[doc = include_str!("../../docs/recommend.md")]
    struct Recommend;
}
