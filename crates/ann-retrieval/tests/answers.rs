//! Every index against a naive oracle: exact where it promises to be, near where it approximates.

mod support;

use seminar_ann_retrieval::*;
use support::clustered;

const METRICS: [Metric; 3] = [Metric::InnerProduct, Metric::Cosine, Metric::L2];

fn similarity(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    match metric {
        Metric::InnerProduct => dot(a, b),
        Metric::Cosine => dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
        Metric::L2 => -a.iter().zip(b).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>(),
    }
}

/// The best `k` by a score for each id, ties by id.
fn sorted(scores: impl Iterator<Item = (u64, f32)>, k: usize) -> Vec<Neighbor> {
    let mut all: Vec<Neighbor> = scores.map(|(id, score)| Neighbor { id, score }).collect();
    all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    all.truncate(k);
    all
}

fn oracle(metric: Metric, rows: &Vectors, query: &[f32], k: usize) -> Vec<Neighbor> {
    sorted((0..rows.len()).map(|row| (row as u64, similarity(metric, query, rows.row(row)) as f32)), k)
}

#[test]
fn flat_is_exact_under_every_metric_and_filter() {
    let rows = clustered(3000, 19, 1);
    let even = |id: u64| id.is_multiple_of(2);
    for metric in METRICS {
        let flat = Flat::build(&rows, metric).unwrap();
        for query in (0..20).map(|q| rows.row(q * 7)) {
            let found = flat.search(query, 10).unwrap();
            for (found, exact) in found.iter().zip(oracle(metric, &rows, query, 10)) {
                assert!((found.score - exact.score).abs() < 1e-4, "{metric:?} {found:?} {exact:?}");
            }
            assert_eq!(recall_at(10, &found, &oracle(metric, &rows, query, 10)), 1.0);
            let filtered = flat.search_filtered(query, 10, &even).unwrap();
            let all = flat.search(query, rows.len()).unwrap();
            assert_eq!(filtered, all.into_iter().filter(|n| even(n.id)).take(10).collect::<Vec<_>>());
        }
    }
}

/// A scan over rounded tables gives exactly the top of the exact tables.
fn equals_all_scores<C: Codec>(index: &Coded<C>, query: &[f32], k: usize) {
    let prepared = index.prepare(query).unwrap();
    let all = (0..index.len() as u64).map(|id| (id, index.score(&prepared, id).unwrap()));
    assert_eq!(index.search(query, k).unwrap(), sorted(all, k));
}

#[test]
fn scans_give_the_top_of_their_scores() {
    let rows = clustered(5000, 32, 2);
    for metric in METRICS {
        let pq = PqConfig { sub_vectors: 8, centroids: 64, iterations: 4, ..Default::default() };
        let residual = ResidualConfig { stages: 3, centroids: 64, iterations: 3, ..Default::default() };
        let pq8 = pq.build(&rows, metric).unwrap();
        let pq4 = pq.build_fast_scan(&rows, metric).unwrap();
        let residual = residual.build(&rows, metric).unwrap();
        let lsh = LshConfig { bits: 192, seed: 1 }.build(&rows).unwrap();
        let flat = Flat::build(&rows, metric).unwrap();
        for (query, k) in
            (0..12).map(|q| rows.row(q * 31)).zip([1, 10, 100, 4999, 5000, 9000].into_iter().cycle())
        {
            equals_all_scores(&pq8, query, k);
            equals_all_scores(&pq4, query, k);
            equals_all_scores(&residual, query, k);
            equals_all_scores(&lsh, query, k);
            equals_all_scores(&flat, query, k);
        }
    }
}

#[test]
fn codes_score_as_the_decoded_vectors() {
    let rows = clustered(1500, 24, 3);
    for metric in METRICS {
        let config = PqConfig { sub_vectors: 6, centroids: 16, iterations: 5, ..Default::default() };
        let scaled: Vec<f32> = (0..rows.len())
            .flat_map(|row| {
                let row = rows.row(row);
                let norm = if metric == Metric::Cosine {
                    similarity(Metric::InnerProduct, row, row).sqrt()
                } else {
                    1.0
                };
                row.iter().map(move |&x| (f64::from(x) / norm) as f32)
            })
            .collect();
        let scaled = Vectors::new(24, scaled).unwrap();
        let (pq8, pq4) =
            (config.build(&rows, metric).unwrap(), config.build_fast_scan(&rows, metric).unwrap());
        let quantizer = pq8.codec().quantizer();
        assert_eq!(quantizer, pq4.codec().quantizer(), "16 centroids either way");
        let decoded = Vectors::new(24, quantizer.decode(&quantizer.encode(&scaled).unwrap())).unwrap();
        let query = scaled.row(5);
        let plain = if metric == Metric::Cosine { Metric::InnerProduct } else { metric };
        let exact = oracle(plain, &decoded, query, 50);
        for index in [&pq8 as &dyn AnnIndex, &pq4] {
            for (found, exact) in index.search(query, 50).unwrap().iter().zip(&exact) {
                assert!((found.score - exact.score).abs() < 1e-4, "{metric:?}: {found:?} {exact:?}");
            }
        }
    }
}

#[test]
fn approximate_indexes_find_most() {
    let rows = clustered(6000, 32, 4);
    for metric in METRICS {
        let exact = Flat::build(&rows, metric).unwrap();
        let pq = PqConfig { sub_vectors: 16, centroids: 64, iterations: 6, ..Default::default() };
        let ivf = IvfConfig { lists: 32, probes: 8, ..Default::default() };
        let indexes: Vec<(&str, f64, Box<dyn AnnIndex>)> = vec![
            ("hnsw", 0.95, Box::new(HnswConfig::default().build(&rows, metric).unwrap())),
            ("ivf", 0.95, Box::new(ivf.build(&rows, Whole::new(32), metric).unwrap())),
            ("pq", 0.4, Box::new(pq.build(&rows, metric).unwrap())),
            (
                "pq refined",
                0.95,
                Box::new(Refined::new(pq.build(&rows, metric).unwrap(), exact.clone(), 5).unwrap()),
            ),
            (
                "4 bit refined",
                0.75,
                Box::new(
                    Refined::new(pq.build_fast_scan(&rows, metric).unwrap(), exact.clone(), 10).unwrap(),
                ),
            ),
            ("rotated", 0.4, Box::new(Rotated::build_pq(&rows, &pq, metric, 3).unwrap())),
        ];
        for (name, least, index) in &indexes {
            let recall = |q: usize| {
                let found = index.search(rows.row(q), 10).unwrap();
                recall_at(10, &found, &exact.search(rows.row(q), 10).unwrap())
            };
            let mean = (0..50).map(|q| recall(q * 11)).sum::<f64>() / 50.0;
            assert!(mean >= *least, "{name} {metric:?}: recall@10 {mean}");
            let many = index.search_many(&rows.as_slice()[..32 * 20], 5).unwrap();
            assert!((0..20).all(|q| many[q] == index.search(rows.row(q), 5).unwrap()), "{name}");
            assert!(index.bytes_per_item() > 0.0 && index.search(&rows.row(0)[1..], 5).is_err(), "{name}");
            let odd = |id: u64| !id.is_multiple_of(2);
            let filtered = index.search_filtered(rows.row(3), 10, &odd).unwrap();
            assert!(filtered.len() == 10 && filtered.iter().all(|n| odd(n.id)), "{name}");
            let rare = index.search_filtered(rows.row(3), 10, &|id| id == 4321).unwrap();
            // Only an inverted file may miss it: it looks at a few lists.
            assert!(rare.iter().all(|n| n.id == 4321) && (rare.len() == 1 || *name == "ivf"), "{name}");
        }
    }
}

#[test]
fn the_same_graph_twice() {
    let rows = clustered(800, 8, 5);
    let search = |_| {
        let index = HnswConfig { links: 8, ef_construction: 40, ef_search: 16, ..Default::default() }
            .build(&rows, Metric::L2)
            .unwrap();
        (0..50).map(|q| index.search(rows.row(q), 10).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(search(1), search(2));
}
