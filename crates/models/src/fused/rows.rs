//! Sums of rows that belong to the same unique event.

use rayon::prelude::*;

/// Adds up the rows of `rows` `[n, width]` that have the same id: `[count, width]`. `ids[i]` is that of row `i`.
///
/// Rows of an id are added in their order, so that the bits of a sum do not depend on the number of threads.
pub(super) fn sums(rows: &[f32], width: usize, ids: &[u32], count: usize) -> Vec<f32> {
    // The rows of each id side by side, in order: where they begin, then their numbers.
    let mut ends = vec![0u32; count + 1];
    ids.iter().for_each(|&id| ends[id as usize + 1] += 1);
    (1..=count).for_each(|id| ends[id] += ends[id - 1]);
    let mut next = ends.clone();
    let mut members = vec![0u32; ids.len()];
    for (row, &id) in ids.iter().enumerate() {
        members[next[id as usize] as usize] = row as u32;
        next[id as usize] += 1;
    }
    let mut sums = vec![0.0; count * width];
    sums.par_chunks_exact_mut(width).enumerate().with_min_len(64).for_each(|(id, sum)| {
        for &row in &members[ends[id] as usize..ends[id + 1] as usize] {
            let row = &rows[row as usize * width..][..width];
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    });
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::sums;

    proptest! {
        #[test]
        fn sums_are_those_of_adding_one_after_another(ids in prop::collection::vec(0u32..9, 0..60), width in 1usize..4) {
            let rows: Vec<f32> = (0..ids.len() * width).map(|at| (at * 37 % 11) as f32 / 7.0).collect();
            let mut naive = vec![0.0f32; 9 * width];
            for (row, &id) in ids.iter().enumerate() {
                for column in 0..width {
                    naive[id as usize * width + column] += rows[row * width + column];
                }
            }
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                prop_assert_eq!(pool.install(|| sums(&rows, width, &ids, 9)), naive.clone());
            }
        }
    }
}
