//! Figures that no ranking can have: found by arithmetic alone.
//!
//! A user at place r between two cut-offs a and b adds 1 to HIT@b and not to HIT@a, between 1/log₂(b + 1) and
//! 1/log₂(a + 2) to NDCG@b, and between 1/b and 1/(a + 1) to MRR. So the differences of the figures bound each other.

use super::Metrics;

/// What printing four decimals may add.
const SLACK: f64 = 2e-4;

/// Checks one row of `HIT@k`, `NDCG@k` and `MRR` over `candidates` candidates a user; missing figures are passed over.
/// Expected values over the orders of ties keep the same bounds.
///
/// # Errors
/// Says which figure lies outside which bounds.
pub fn check(row: &Metrics, candidates: usize) -> std::result::Result<(), String> {
    let mut cutoffs: Vec<usize> =
        row.keys().filter_map(|name| name.strip_prefix("HIT@")?.parse().ok()).collect();
    cutoffs.sort_unstable();
    let within = |name: &str, value: f64, [low, high]: [f64; 2]| {
        if value.is_finite() && value >= low - SLACK && value <= high + SLACK {
            Ok(())
        } else {
            Err(format!("{name} is {value:.4}, but lies between {low:.4} and {high:.4} by the other figures"))
        }
    };
    let (mut reciprocal, mut last_hit, mut last_gain, mut last) = ([0.0; 2], 0.0, Some(0.0), 0);
    for &k in &cutoffs {
        let hit = row[&format!("HIT@{k}")];
        within(&format!("HIT@{k}"), hit, [last_hit, 1.0])?;
        let share = hit - last_hit;
        // The last place that is counted.
        let worst = k as f64 - 1.0;
        let gain = row.get(&format!("NDCG@{k}")).copied().or((k == 1).then_some(hit));
        if let (Some(before), Some(gain)) = (last_gain, gain) {
            let bounds = [before + share / (worst + 2.0).log2(), before + share / (last as f64 + 2.0).log2()];
            within(&format!("NDCG@{k}"), gain, bounds)?;
        }
        reciprocal[0] += share / (worst + 1.0);
        reciprocal[1] += share / (last as f64 + 1.0);
        (last_hit, last_gain, last) = (hit, gain, k);
    }
    reciprocal[0] += (1.0 - last_hit) / candidates as f64;
    reciprocal[1] += (1.0 - last_hit) / (last as f64 + 1.0);
    match row.get("MRR") {
        Some(&mrr) => within("MRR", mrr, reciprocal),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figures: [f64; 8]) -> Metrics {
        let names = ["HIT@1", "HIT@5", "NDCG@5", "HIT@10", "NDCG@10", "HIT@50", "NDCG@50", "MRR"];
        names.iter().map(|n| (*n).to_owned()).zip(figures).collect()
    }

    #[test]
    fn published_rows_of_amazon_pass_and_those_of_kuaisar_do_not() {
        let amazon = [
            [0.2203, 0.4815, 0.3573, 0.6011, 0.3959, 0.8778, 0.4577, 0.3473],
            [0.2233, 0.4898, 0.3626, 0.6076, 0.4008, 0.8771, 0.4607, 0.3511],
            [0.2200, 0.4964, 0.3650, 0.6146, 0.4038, 0.8786, 0.4630, 0.3521],
            [0.2223, 0.4915, 0.3627, 0.6116, 0.4017, 0.8766, 0.4605, 0.3508],
            [0.2261, 0.4933, 0.3661, 0.6107, 0.4041, 0.8785, 0.4636, 0.3543],
        ];
        for figures in amazon {
            assert_eq!(check(&row(figures), 100), Ok(()));
        }
        let kuaisar = [
            [0.2129, 0.2638, 0.2523, 0.3082, 0.2661, 0.6259, 0.3293, 0.2330],
            [0.2191, 0.2839, 0.2642, 0.3270, 0.2756, 0.6107, 0.3313, 0.2476],
            [0.2139, 0.3272, 0.2535, 0.3636, 0.2672, 0.6219, 0.3312, 0.2782],
            [0.2185, 0.2427, 0.2558, 0.2846, 0.2709, 0.6117, 0.3294, 0.2110],
            [0.2248, 0.3520, 0.2816, 0.3886, 0.2969, 0.6782, 0.3457, 0.2687],
        ];
        for figures in kuaisar {
            assert!(check(&row(figures), 100).is_err(), "{figures:?}");
        }
        let error = check(&row(kuaisar[3]), 100).unwrap_err();
        assert!(error.starts_with("NDCG@5"), "{error}");
    }

    #[test]
    fn hit_1_is_ndcg_1() {
        let figures = |gain| Metrics::from([("HIT@1".into(), 0.2), ("NDCG@1".into(), gain)]);
        assert!(check(&figures(0.2), 100).is_ok());
        assert!(check(&figures(0.19), 100).is_err());
    }
}
