//! The K best of a stream of scores.

use crate::index::Neighbor;

/// Keeps the K highest scores seen; equal scores are ordered by id, smaller first.
#[derive(Clone, Debug)]
pub struct TopK {
    k: usize,
    /// A heap whose root is the worst kept.
    heap: std::collections::BinaryHeap<Worst>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Worst(Neighbor);

impl Eq for Worst {}

impl Ord for Worst {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.score.total_cmp(&self.0.score).then(self.0.id.cmp(&other.0.id))
    }
}

impl PartialOrd for Worst {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl TopK {
    /// An empty selection of at most `k`.
    pub fn new(k: usize) -> Self {
        // A caller's large k is no reason to allocate before anything was found.
        Self { k, heap: std::collections::BinaryHeap::with_capacity(k.min(1023) + 1) }
    }

    /// Offers a scored id.
    pub fn push(&mut self, id: u64, score: f32) {
        let new = Worst(Neighbor { id, score });
        if self.heap.len() < self.k {
            self.heap.push(new);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && new < *worst
        {
            *worst = new;
        }
    }

    /// What a score must reach to be kept: the worst kept one, or nothing as long as there is room.
    pub fn threshold(&self) -> f32 {
        match self.heap.peek() {
            Some(worst) if self.heap.len() >= self.k => worst.0.score,
            _ if self.k == 0 => f32::INFINITY,
            _ => f32::NEG_INFINITY,
        }
    }

    /// The selection, best first.
    pub fn into_sorted(self) -> Vec<Neighbor> {
        self.heap.into_sorted_vec().into_iter().map(|worst| worst.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn equals_sorting(scores in proptest::collection::vec(0u8..6, 0..50), k in 0usize..12) {
            let mut top = TopK::new(k);
            scores.iter().enumerate().for_each(|(id, &s)| top.push(id as u64, s.into()));
            let mut sorted: Vec<(u8, usize)> = scores.iter().copied().zip(0..).collect();
            sorted.sort_by_key(|&(score, id)| (std::cmp::Reverse(score), id));
            let expected: Vec<u64> = sorted.iter().take(k).map(|&(_, id)| id as u64).collect();
            let reached = sorted.iter().filter(|&&(score, _)| f32::from(score) >= top.threshold()).count();
            proptest::prop_assert!(reached >= k.min(scores.len()));
            let found: Vec<u64> = top.into_sorted().iter().map(|n| n.id).collect();
            proptest::prop_assert_eq!(found, expected);
        }
    }
}
