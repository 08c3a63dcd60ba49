//! Functions on the host that a tape records as one operation: what would be ten operators over `[B, C, H, L]` numbers is one pass over
//! each user's events, forward and back.
//!
//! They are taken where tensors lie in the host's memory anyway, on the device flex. On other devices, and in the published mode, the
//! operators stay. Both give the same numbers but for rounding, and [`composed`] takes the operators on flex, too, to compare them.

mod attend;
mod causal;
mod rows;
mod tape;

pub(crate) use self::attend::attend;
pub(crate) use self::causal::causal;
pub use self::tape::composed;
pub(crate) use self::tape::taken;
