//! Mutated inputs for every loader: none may panic, hang, or allocate much more than its file is long.
//!
//! A [`Target`] is a loader with a few sound inputs. [`mutate`] damages them: cuts, flips, splices, repeats, huge numbers. The
//! same targets run as an ordinary test for a bounded time, by millions in the binary `campaign`, and under
//! coverage guidance in the `fuzz` folder.
//!
//! ```
//! use seminar_hostile::{campaign, targets};
//!
//! let loader = targets::all().into_iter().find(|target| target.name == "index").ok_or("no such loader")?;
//! let outcome = campaign::run(&loader, 100, 1)?;
//! assert_eq!((outcome.inputs, outcome.panics.len()), (100, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod campaign;
pub mod memory;
pub mod mutate;
pub mod sample;
pub mod targets;

pub use targets::Target;

/// Counts what every loader allocates.
#[global_allocator]
static MEMORY: memory::Counting = memory::Counting;
