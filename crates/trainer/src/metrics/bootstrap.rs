//! Intervals by resampling users.

use rayon::prelude::*;
use seminar_dataset::rng::Stream;

/// The middle 95 % of the means of `resamples` draws of users with replacement, for each of `metrics` columns.
pub fn bootstrap(
    rows: &[impl AsRef<[f64]> + Sync],
    metrics: usize,
    resamples: usize,
    seed: u64,
) -> Vec<[f64; 2]> {
    if rows.is_empty() {
        return vec![[0.0; 2]; metrics];
    }
    let means: Vec<Vec<f64>> = (0..resamples as u64)
        .into_par_iter()
        .map(|resample| {
            let mut stream = Stream::new(&[seed, 0x626f_6f74, resample]);
            let mut sums = vec![0.0; metrics];
            for _ in 0..rows.len() {
                let row = &rows[stream.below(rows.len() as u64) as usize];
                sums.iter_mut().zip(row.as_ref()).for_each(|(sum, value)| *sum += value);
            }
            sums.iter().map(|sum| sum / rows.len() as f64).collect()
        })
        .collect();
    let interval = |metric: usize| {
        let mut own: Vec<f64> = means.iter().map(|row| row[metric]).collect();
        own.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| own[((own.len() - 1) as f64 * share).round() as usize];
        [at(0.025), at(0.975)]
    };
    (0..metrics).map(interval).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_is_that_of_the_normal_approximation() {
        let rows: Vec<Vec<f64>> = (0..1000).map(|i| vec![f64::from(i % 2)]).collect();
        let [low, high] = bootstrap(&rows, 1, 2000, 1)[0];
        // Standard error 0.0158, times 1.96.
        assert!((high - low - 0.062).abs() < 0.006 && (low + high - 1.0).abs() < 0.01, "{low} {high}");
    }
}
