//! What the example binaries share: raw data to a corpus folder, embedding files, training runs, tables, progress.

pub mod device;
pub mod embed;
pub mod machine;
pub mod prepare;
pub mod progress;
pub mod results;
pub mod run;
