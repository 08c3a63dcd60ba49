//! The K best of a stream of scores.

use crate::index::Neighbor;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Keeps the K highest scores seen; equal scores are ordered by id, smaller first.
#[derive(Clone, Debug)]
pub struct TopK {
    k: usize,
    /// The root is the worst kept.
    heap: BinaryHeap<Reverse<u128>>,
}

/// Score and id as one number: a larger one comes first in the selection.
fn key(id: u64, score: f32) -> u128 {
    let bits = score.to_bits();
    // Negative numbers count down as their bits count up.
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u128::from(ordered) << 64 | u128::from(!id)
}

fn neighbor(key: u128) -> Neighbor {
    let ordered = (key >> 64) as u32;
    let bits = if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered };
    Neighbor { id: !(key as u64), score: f32::from_bits(bits) }
}

impl TopK {
    /// An empty selection of at most `k`.
    pub fn new(k: usize) -> Self {
        // A caller's large k is no reason to allocate before anything was found.
        Self { k, heap: BinaryHeap::with_capacity(k.min(1023) + 1) }
    }

    /// Most that it keeps.
    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// Whether nothing is kept yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Offers a scored id.
    pub fn push(&mut self, id: u64, score: f32) {
        let new = Reverse(key(id, score));
        if self.heap.len() < self.k {
            self.heap.push(new);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && new < *worst
        {
            *worst = new;
        }
    }

    /// The least score that can be kept: the worst kept one, or −∞ as long as there is room (+∞ for a `k` of 0).
    pub fn threshold(&self) -> f32 {
        match self.heap.peek() {
            Some(&Reverse(worst)) if self.heap.len() >= self.k => neighbor(worst).score,
            _ if self.k == 0 => f32::INFINITY,
            _ => f32::NEG_INFINITY,
        }
    }

    /// The score in a place of the order, from 1 on, if so many are kept.
    pub(crate) fn score_at(&self, place: usize) -> Option<f32> {
        let mut keys: Vec<Reverse<u128>> = self.heap.iter().copied().collect();
        let at = place.checked_sub(1).filter(|&at| at < keys.len())?;
        Some(neighbor(keys.select_nth_unstable(at).1.0).score)
    }

    /// Whether there is no more room.
    pub fn is_full(&self) -> bool {
        self.heap.len() >= self.k
    }

    /// The selection, best first.
    pub fn into_sorted(self) -> Vec<Neighbor> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(key)| neighbor(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_scores_and_come_back() {
        let scores = [f32::NEG_INFINITY, -2.5, -1e-40, -0.0, 0.0, 1e-40, 3.0, f32::INFINITY];
        assert!(scores.windows(2).all(|pair| key(9, pair[0]) < key(1, pair[1])));
        assert!(key(3, 1.0) > key(4, 1.0));
        for score in scores {
            let back = neighbor(key(77, score));
            assert_eq!((back.id, back.score.to_bits()), (77, score.to_bits()));
        }
    }

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
