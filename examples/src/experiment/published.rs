//! Metrics from the authors' logs, unchanged.

use seminar_trainer::Metrics;

/// Names of the columns below.
const METRICS: [&str; 8] = ["HIT@1", "HIT@5", "NDCG@5", "HIT@10", "NDCG@10", "HIT@50", "NDCG@50", "MRR"];

/// A model's name and its metrics.
pub type Row = (&'static str, [f64; 8]);

/// Amazon Movies and TV, recommendation, one seed. These metrics agree with each other.
pub const AMAZON: [Row; 5] = [
    ("sim", [0.2203, 0.4815, 0.3573, 0.6011, 0.3959, 0.8778, 0.4577, 0.3473]),
    ("eta", [0.2233, 0.4898, 0.3626, 0.6076, 0.4008, 0.8771, 0.4607, 0.3511]),
    ("qin", [0.2200, 0.4964, 0.3650, 0.6146, 0.4038, 0.8786, 0.4630, 0.3521]),
    ("twin", [0.2223, 0.4915, 0.3627, 0.6116, 0.4017, 0.8766, 0.4605, 0.3508]),
    ("seminar", [0.2261, 0.4933, 0.3661, 0.6107, 0.4041, 0.8785, 0.4636, 0.3543]),
];

/// KuaiSAR, one seed. Some metrics contradict each other, which no ranking can cause. The report names them.
pub const KUAISAR: [Row; 5] = [
    ("sim", [0.2129, 0.2638, 0.2523, 0.3082, 0.2661, 0.6259, 0.3293, 0.2330]),
    ("eta", [0.2191, 0.2839, 0.2642, 0.3270, 0.2756, 0.6107, 0.3313, 0.2476]),
    ("qin", [0.2139, 0.3272, 0.2535, 0.3636, 0.2672, 0.6219, 0.3312, 0.2782]),
    ("twin", [0.2185, 0.2427, 0.2558, 0.2846, 0.2709, 0.6117, 0.3294, 0.2110]),
    ("seminar", [0.2248, 0.3520, 0.2816, 0.3886, 0.2969, 0.6782, 0.3457, 0.2687]),
];

/// Rows in the form that a report takes.
pub fn metrics(rows: &[Row]) -> Vec<(String, Metrics)> {
    let named = |metrics: &[f64; 8]| METRICS.iter().map(|name| (*name).to_owned()).zip(*metrics).collect();
    rows.iter().map(|(model, metrics)| ((*model).to_owned(), named(metrics))).collect()
}
