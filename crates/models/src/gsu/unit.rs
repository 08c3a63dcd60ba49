//! What a general search unit is: its form with a tape, its host form, and its step in the scan.

use burn::tensor::Tensor;
use pulp::Simd;

use crate::events::Events;
use crate::parts::{Projected, Selection};

/// A general search unit over the unique events and targets of a batch.
pub trait Gsu {
    /// The relevance is the attention's own scores: they need not be computed again.
    const BY_ATTENTION: bool = false;
    /// As published: padding that is selected enters the attention as a zero row. Without a search it does not.
    const PADDING_IS_ZERO: bool = true;
    /// The host form.
    type Host: HostGsu;

    /// With a tape: relevance `[B, C, H or 1, L]`, and the `k` events that each row of it keeps.
    fn select(&self, scene: &Scene<'_>, k: usize) -> (Tensor<4>, Selection);

    /// Without a tape: the same numbers on the host.
    fn host(&self) -> Self::Host;
}

/// What a search with a tape looks at.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Histories `[B, L]`.
    pub history: &'a Events,
    /// Candidates `[B, C]`.
    pub candidates: &'a Events,
    /// Targets and events as the exact search unit compares them.
    pub projected: &'a Projected,
    /// Padding is never selected.
    pub mask_padding: bool,
    /// The events that each candidate sees, where that differs from candidate to candidate; others are never selected.
    pub seen: Option<&'a Selection>,
}

/// The host form of a [`Gsu`], for one pass over each user's events.
pub trait HostGsu: std::fmt::Debug + Send + Sync + 'static {
    /// Each head keeps events of its own: [`HostGsu::keep`] is called once per head, else once per candidate.
    const PER_HEAD: bool = false;
    /// Working memory of a thread.
    type Scratch: Default + Send;

    /// Prepares for the events of one user, such as by packing their keys.
    fn enter(&self, seen: &Seen<'_>, scratch: &mut Self::Scratch);

    /// Writes which of the user's events are kept for a candidate: places in [`Seen`], ascending, at most K; and returns how many.
    fn keep<S: Simd>(
        &self,
        simd: S,
        candidate: &Candidate<'_>,
        scratch: &mut Self::Scratch,
        kept: &mut [u32],
    ) -> usize;
}

/// The events of one user that a scan looks at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Their positions in the history, ascending.
    pub positions: &'a [u32],
    /// Their rows among the unique events.
    pub rows: &'a [u32],
    /// The user's padding mask, `[L]`.
    pub mask: &'a [bool],
    /// L.
    pub length: usize,
}

impl Seen<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }
}

/// A candidate of one user in the scan.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The user's events.
    pub seen: &'a Seen<'a>,
    /// The candidate's row among the targets.
    pub target: u32,
    /// The attention's own scores of the events, of the first head or of the one in question.
    pub scores: &'a [f32],
    /// K.
    pub k: usize,
}
