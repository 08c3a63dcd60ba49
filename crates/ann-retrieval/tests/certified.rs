//! Bounds and proofs against all exact scores, on random and on hostile rows and queries.
//!
//! Ten million queries: `cargo test --release -p seminar-ann-retrieval --test certified -- --ignored`.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::*;

const METRICS: [Metric; 3] = [Metric::InnerProduct, Metric::Cosine, Metric::L2];

/// A row of one of the kinds that bounds could fail on. `before` holds the rows made so far, `columns` a rotation: that
/// of the codes where 64 divides the width.
fn row(rng: &mut ChaCha8Rng, dim: usize, before: &[f32], columns: &[Vec<f32>]) -> Vec<f32> {
    let earlier = |rng: &mut ChaCha8Rng| match before.len() / dim {
        0 => vec![1.0; dim],
        rows => before[rng.random_range(0..rows) * dim..][..dim].to_vec(),
    };
    let noise = |rng: &mut ChaCha8Rng| rng.random::<f32>() + rng.random::<f32>() - 1.0;
    match rng.random_range(0..10) {
        0 => earlier(rng),
        1 => earlier(rng).iter().map(|x| -x).collect(),
        2 => {
            let scale = 10f32.powi(rng.random_range(-40..19));
            (0..dim).map(|_| scale * noise(rng)).collect()
        }
        3 => {
            let (hot, size) = (rng.random_range(0..dim), 10f32.powi(rng.random_range(-44..19)));
            (0..dim).map(|place| if place == hot { size } else { 0.0 }).collect()
        }
        // Along an axis of the rotation, and along the diagonals between its axes.
        4 => {
            let axis = rng.random_range(0..dim);
            columns.iter().map(|column| column[axis]).collect()
        }
        5 => columns
            .iter()
            .map(|column| {
                column.iter().step_by(2).sum::<f32>() - column.iter().skip(1).step_by(2).sum::<f32>()
            })
            .collect(),
        6 => vec![[0.0, 1e-45, 1e18, -3.0][rng.random_range(0..4)]; dim],
        7 => {
            let (near, by) = (earlier(rng), 10f32.powi(rng.random_range(-8..0)));
            near.iter().map(|x| x + by * noise(rng)).collect()
        }
        // Sums that overflow: the bounds must know.
        8 if rng.random_range(0..4) == 0 => (0..dim).map(|_| f32::MAX * noise(rng) / 2.0).collect(),
        _ => (0..dim).map(|_| noise(rng)).collect(),
    }
}

/// Checks bounds, results and proofs of so many queries on one drawn index. Returns the exact scores looked at.
fn check(seed: u64, queries: usize) -> usize {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let dim = [1, 2, 3, 8, 17, 64, 70, 128][rng.random_range(0..8)];
    let metric = METRICS[rng.random_range(0..3)];
    let rows = rng.random_range(1..60);
    let rotation = Rotation::random(dim, seed).unwrap();
    let unit = |at: usize| (0..dim).map(|place| if place == at { 1.0 } else { 0.0 }).collect::<Vec<_>>();
    let columns: Vec<Vec<f32>> = (0..dim).map(|place| rotation.apply(&unit(place))).collect();
    let mut numbers = Vec::new();
    let plain = rng.random_range(0..2) == 0;
    for _ in 0..rows {
        let new = if plain {
            (0..dim).map(|_| rng.random::<f32>() - 0.4).collect()
        } else {
            row(&mut rng, dim, &numbers, &columns)
        };
        numbers.extend(new);
    }
    let table = Vectors::new(dim, numbers.clone()).unwrap();
    let Ok(codes) = (RaBitQConfig { seed }).build(&table, metric) else { return 0 };
    let index = Certified::new(codes, Flat::build(&table, metric).unwrap()).unwrap();
    for _ in 0..queries {
        let query = row(&mut rng, dim, &numbers, &columns);
        let flat = match index.exact().search(&query, rows) {
            Err(Error::TooLong { .. }) => {
                assert!(matches!(index.search(&query, 1), Err(Error::TooLong { .. })));
                continue;
            }
            flat => flat.unwrap(),
        };
        let prepared = index.exact().prepare(&query).unwrap();
        let mut finite = true;
        for (id, Interval { low, high }) in index.bounds(&query).unwrap() {
            let score = f64::from(index.exact().score(&prepared, id).unwrap());
            finite &= score.is_finite();
            assert!(
                score.is_nan() || (low <= score && score <= high),
                "{seed} {metric:?} {dim}: {low} {score} {high}"
            );
        }
        if !finite {
            continue;
        }
        let k = rng.random_range(0..rows + 2);
        let proof = index.search(&query, k).unwrap();
        let bits = |list: &[Neighbor]| list.iter().map(|n| (n.id, n.score.to_bits())).collect::<Vec<_>>();
        assert_eq!(bits(&proof.found), bits(&flat[..k.min(rows)]), "{seed} {metric:?} {dim}");
        let wanted = [0.0, 0.5, 0.9, 0.99, 1.0][rng.random_range(0..5)];
        let grown = index.search_share(&query, wanted).unwrap();
        assert_eq!(bits(&grown.found), bits(&flat[..grown.found.len()]), "{seed} {metric:?} {dim}");
        let scores: Vec<f64> = flat.iter().map(|n| n.score.into()).collect();
        let weight = |score: &f64| ((score - scores[0]) / (dim as f64).sqrt()).exp();
        let all: f64 = scores.iter().map(weight).sum();
        for proof in [&proof, &grown] {
            let share = scores[..proof.found.len()].iter().map(weight).sum::<f64>() / all;
            assert!(share >= proof.share - 1e-12, "{seed} {metric:?} {dim}: {share} {}", proof.share);
        }
        assert!(grown.share >= wanted || grown.found.len() == rows, "{seed}: {} {wanted}", grown.share);
    }
    queries * rows
}

#[test]
fn bounds_and_proofs_hold() {
    assert!((0..400).map(|seed| check(seed, 4)).sum::<usize>() > 20_000);
}

#[test]
#[ignore = "minutes; cargo test --release -p seminar-ann-retrieval --test certified -- --ignored"]
fn bounds_and_proofs_hold_for_ten_million_queries() {
    use rayon::prelude::*;
    let scores: usize = (0..40_000u64).into_par_iter().map(|seed| check(1_000_000 + seed, 250)).sum();
    println!("10,000,000 queries, {scores} intervals");
}

#[test]
fn a_proof_needs_fewer_exact_scores_where_lengths_differ_and_the_share_grows_with_k() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let numbers = (0..2000).flat_map(|row| {
        let scale = if row % 100 == 0 { 6.0 } else { 0.5 };
        (0..64).map(|_| scale * (rng.random::<f32>() - 0.5)).collect::<Vec<_>>()
    });
    let rows = Vectors::new(64, numbers.collect()).unwrap();
    let codes = RaBitQConfig::default().build(&rows, Metric::InnerProduct).unwrap();
    let index = Certified::new(codes, Flat::build(&rows, Metric::InnerProduct).unwrap()).unwrap();
    let query: Vec<f32> = rows.row(100).iter().map(|x| 3.0 * x).collect();
    let shares: Vec<Proof> = [1, 5, 20].map(|k| index.search(&query, k).unwrap()).to_vec();
    assert!(shares.windows(2).all(|pair| pair[0].share <= pair[1].share), "{shares:?}");
    assert!(shares[0].scored < 200, "{}", shares[0].scored);
    let grown = index.search_share(&query, 0.99).unwrap();
    assert!(grown.share >= 0.99 && grown.found.len() < 100 && grown.scored < 1000, "{grown:?}");
    assert!(index.search_share(&query, 1.5).is_err() && index.search(&query[1..], 1).is_err());
}

#[test]
fn parts_must_belong_together() {
    let rows = Vectors::new(2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
    let codes = |metric| RaBitQConfig::default().build(&rows, metric).unwrap();
    let flat = Flat::build(&rows, Metric::L2).unwrap();
    assert!(Certified::new(codes(Metric::InnerProduct), flat.clone()).is_err());
    let mut moved = flat.clone();
    assert!(moved.remove(0) && moved.add(9, &[1.0, 1.0]).is_ok());
    assert!(Certified::new(codes(Metric::L2), moved).is_err());
    let mut index = Certified::new(codes(Metric::L2), flat).unwrap();
    index.add(7, &[3.0, 3.0]).unwrap();
    assert!(index.add(7, &[3.0, 3.0]).is_err() && index.remove(0) && !index.remove(0));
    assert_eq!(index.search(&[3.0, 3.0], 2).unwrap().found[0].id, 7);
}

/// Whatever holds codes holds these: the best are found and files come back.
#[test]
fn every_container_takes_the_codes() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let rows = Vectors::new(64, (0..64 * 600).map(|_| rng.random::<f32>() - 0.5).collect()).unwrap();
    let (metric, query) = (Metric::InnerProduct, rows.row(9));
    let codes = RaBitQConfig::default().build(&rows, metric).unwrap();
    let flat = Flat::build(&rows, metric).unwrap();
    let exact = flat.search(query, 10).unwrap();
    let ivf = IvfConfig { lists: 4, probes: 4, ..Default::default() };
    let ivf = ivf.build(&rows, codes.codec().clone(), metric).unwrap();
    assert_eq!(ivf.search(query, 10).unwrap(), codes.search(query, 10).unwrap());
    let refined = Refined::new(codes.clone(), flat, 20).unwrap();
    assert!(recall_at(10, &refined.search(query, 10).unwrap(), &exact) >= 0.8);
    let mut history = History::new(std::sync::Arc::new(codes.codec().clone()), 2).unwrap();
    history.extend(rows.as_slice()).unwrap();
    let target = history.prepare(query, &[1.0, 0.0]).unwrap();
    assert_eq!(history.top_k(&target, 600).unwrap().len(), 600);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    ivf.save(&path).unwrap();
    assert_eq!(
        Ivf::<OneBitCodes>::open(&path).unwrap().search(query, 5).unwrap(),
        ivf.search(query, 5).unwrap()
    );
    refined.save(&path).unwrap();
    let opened = Refined::<RaBitQ>::open(&path).unwrap();
    assert_eq!(opened.search(query, 5).unwrap(), refined.search(query, 5).unwrap());
    history.save(&path).unwrap();
    let opened = History::<OneBitCodes>::open(&path).unwrap();
    assert_eq!(opened.top_k(&target, 5).unwrap(), history.top_k(&target, 5).unwrap());
}
