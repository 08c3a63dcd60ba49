//! Which ids a search may return.

/// A condition on ids: any closure `Fn(u64) -> bool` is one.
///
/// ```
/// use seminar_ann_retrieval::{AnnIndex, Flat, Metric, Vectors};
/// let rows = Vectors::new(1, vec![3.0, 2.0, 1.0])?;
/// let unseen = |id: u64| id != 0;
/// let best = Flat::build(&rows, Metric::InnerProduct)?.search_filtered(&[1.0], 1, &unseen)?;
/// assert_eq!(best[0].id, 1);
/// # Ok::<(), seminar_ann_retrieval::Error>(())
/// ```
pub trait Filter: Sync {
    /// Whether the id may be returned.
    fn accepts(&self, id: u64) -> bool;
}

impl<F: Fn(u64) -> bool + Sync> Filter for F {
    fn accepts(&self, id: u64) -> bool {
        self(id)
    }
}
