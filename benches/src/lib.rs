//! Criterion benches live beside this crate, one file a bench.
