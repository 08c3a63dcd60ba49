//! The k-core: every user keeps at least so many events, every item too, until both hold at once.

/// Which events survive. Counts are with multiplicity: a repeated event counts each time.
///
/// `users` and `items` hold the numbers of each event's user and item, from 1. A user or item that falls
/// below its bound goes into a queue and takes its events along, each at most once: O(events).
pub fn core_filter(users: &[u32], items: &[u32], min_user: u32, min_item: u32) -> Vec<bool> {
    let mut sides = [Side::new(users, min_user), Side::new(items, min_item)];
    let mut kept = vec![true; users.len()];
    let mut fallen: Vec<(usize, u32)> = Vec::new();
    for (side, s) in sides.iter().enumerate() {
        fallen.extend((1..s.count.len()).filter(|&n| s.falls(n)).map(|n| (side, n as u32)));
    }
    while let Some((side, number)) = fallen.pop() {
        let other = 1 - side;
        let partners = if other == 0 { users } else { items };
        for index in sides[side].range(number) {
            let event = sides[side].events[index] as usize;
            if !std::mem::replace(&mut kept[event], false) {
                continue;
            }
            let partner = partners[event] as usize;
            let stood = !sides[other].falls(partner);
            sides[other].count[partner] -= 1;
            if stood && sides[other].falls(partner) {
                fallen.push((other, partner as u32));
            }
        }
    }
    kept
}

/// The events of each user, or of each item.
struct Side {
    minimum: u32,
    count: Vec<u32>,
    offsets: Vec<u32>,
    events: Vec<u32>,
}

impl Side {
    fn new(numbers: &[u32], minimum: u32) -> Self {
        let mut count = vec![0u32; numbers.iter().max().map_or(0, |&n| n as usize) + 1];
        numbers.iter().for_each(|&n| count[n as usize] += 1);
        let (offsets, events) = group(numbers, &count);
        Self { minimum, count, offsets, events }
    }

    fn falls(&self, number: usize) -> bool {
        self.count[number] < self.minimum
    }

    fn range(&self, number: u32) -> std::ops::Range<usize> {
        self.offsets[number as usize] as usize..self.offsets[number as usize + 1] as usize
    }
}

/// Event indices grouped by number, in order within each group (a counting sort).
pub(super) fn group(numbers: &[u32], count: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut offsets = Vec::with_capacity(count.len() + 1);
    offsets.push(0);
    offsets.extend(count.iter().scan(0u32, |sum, &n| {
        *sum += n;
        Some(*sum)
    }));
    let mut next = offsets.clone();
    let mut events = vec![0; numbers.len()];
    for (event, &number) in numbers.iter().enumerate() {
        let slot = &mut next[number as usize];
        events[*slot as usize] = event as u32;
        *slot += 1;
    }
    (offsets, events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Repeated passes until nothing changes.
    fn naive(users: &[u32], items: &[u32], min_user: u32, min_item: u32) -> Vec<bool> {
        let mut kept = vec![true; users.len()];
        loop {
            let count = |numbers: &[u32], n: u32| {
                numbers.iter().zip(&kept).filter(|&(&m, &k)| m == n && k).count() as u32
            };
            let next: Vec<bool> = (0..users.len())
                .map(|e| kept[e] && count(users, users[e]) >= min_user && count(items, items[e]) >= min_item)
                .collect();
            if next == kept {
                return kept;
            }
            kept = next;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn equals_the_naive_fixed_point(
            events in prop::collection::vec((1u32..8, 1u32..8), 0..60), min_user in 0u32..6, min_item in 0u32..6,
        ) {
            let (users, items): (Vec<_>, Vec<_>) = events.into_iter().unzip();
            prop_assert_eq!(core_filter(&users, &items, min_user, min_item), naive(&users, &items, min_user, min_item));
        }
    }
}
