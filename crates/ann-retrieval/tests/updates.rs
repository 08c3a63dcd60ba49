//! Adding and removing: afterwards an index answers as one that was built from what is left.

mod support;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::*;
use support::clustered;

/// Random adds and removes, compared now and then with an index that only ever saw what is left.
fn random_changes<I: Update>(mut index: I, fresh: impl Fn() -> I, rows: &Vectors, steps: usize, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut held: Vec<(u64, usize)> = Vec::new();
    for step in 0..steps {
        if held.is_empty() || rng.random_range(0..100) < 55 {
            let (id, row) = (rng.random_range(0..1 << 40), rng.random_range(0..rows.len()));
            let there = held.iter().any(|&(own, _)| own == id);
            assert_eq!(index.add(id, rows.row(row)).is_err(), there);
            if !there {
                held.push((id, row));
            }
        } else {
            let (id, _) = held.swap_remove(rng.random_range(0..held.len()));
            assert!(index.remove(id) && !index.remove(id));
        }
        assert_eq!(index.len(), held.len());
        if step % 97 == 0 || step + 1 == steps {
            let mut rebuilt = fresh();
            held.iter().for_each(|&(id, row)| rebuilt.add(id, rows.row(row)).unwrap());
            let query = rows.row(rng.random_range(0..rows.len()));
            assert_eq!(index.search(query, 20).unwrap(), rebuilt.search(query, 20).unwrap());
        }
    }
}

#[test]
fn every_updatable_index_equals_a_rebuild() {
    let rows = clustered(400, 16, 1);
    let empty = Vectors::new(16, Vec::new()).unwrap();
    let metric = Metric::InnerProduct;
    let pq =
        PqConfig { sub_vectors: 4, centroids: 16, iterations: 3, ..Default::default() }.train(&rows).unwrap();
    let flat = || Flat::build(&empty, metric).unwrap();
    random_changes(flat(), flat, &rows, 900, 1);
    let bytes = || Pq::empty(ByteCodes::new(pq.clone()).unwrap(), metric);
    random_changes(bytes(), bytes, &rows, 900, 2);
    let nibbles = || FastScan::empty(NibbleCodes::new(pq.clone()).unwrap(), metric);
    random_changes(nibbles(), nibbles, &rows, 900, 3);
    let lsh = || LshConfig { bits: 128, seed: 2 }.build(&empty).unwrap();
    random_changes(lsh(), lsh, &rows, 900, 4);
    for metric in [Metric::InnerProduct, Metric::L2] {
        let signs = RaBitQConfig { seed: 3 }.train(&rows).unwrap();
        let signs = || RaBitQ::empty(signs.clone(), metric);
        random_changes(signs(), signs, &rows, 600, 8);
    }
    let refined = || Refined::new(bytes(), flat(), 4).unwrap();
    random_changes(refined(), refined, &rows, 600, 5);
    let config = ResidualConfig { stages: 2, centroids: 16, iterations: 3, ..Default::default() };
    let residual = config.train(&rows, Metric::L2).unwrap();
    let residual = || Residual::empty(residual.clone(), Metric::L2);
    random_changes(residual(), residual, &rows, 900, 6);
    let ivf =
        IvfConfig { lists: 6, probes: 3, ..Default::default() }.build(&rows, Whole::new(16), metric).unwrap();
    let ivf = || {
        let mut emptied = ivf.clone();
        (0..400).for_each(|id| assert!(emptied.remove(id)));
        emptied
    };
    random_changes(ivf(), ivf, &rows, 600, 7);
}

#[test]
fn a_graph_takes_and_gives_up_vectors() {
    let rows = clustered(600, 8, 2);
    let mut index = HnswConfig { links: 8, ..Default::default() }.build(&rows, Metric::L2).unwrap();
    assert!(index.add(5, rows.row(0)).is_err());
    let query = rows.row(5).to_vec();
    assert!(index.remove(5) && !index.remove(5));
    assert!(index.search(&query, 30).unwrap().iter().all(|n| n.id != 5));
    index.add(5, &query).unwrap();
    index.add(7000, &query).unwrap();
    let best: Vec<u64> = index.search(&query, 2).unwrap().iter().map(|n| n.id).collect();
    assert_eq!((best, index.len()), (vec![5, 7000], 601));
    for id in 0..590 {
        index.remove(id);
    }
    assert_eq!(index.search(&query, 20).unwrap().len(), 11, "when little is left, all of it is found");
}

/// The history as a plain list: number and row.
fn oracle(
    held: &[(u64, Vec<f32>)],
    target: &[f32],
    weights: &[f32],
    dim: usize,
    k: usize,
) -> Vec<(u64, f64)> {
    let mut scored: Vec<(u64, f64)> = Vec::new();
    for (id, event) in held {
        let mut sum = 0.0;
        for (q, wq) in target.chunks_exact(dim).zip(weights) {
            for (key, wk) in event.chunks_exact(dim).zip(weights) {
                let dot: f64 = q.iter().zip(key).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
                sum += f64::from(*wq) * f64::from(*wk) * dot;
            }
        }
        scored.push((*id, sum));
    }
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.0.cmp(&a.0)));
    scored.truncate(k);
    scored
}

const M: usize = 3;
const D: usize = 8;

/// Random appends and deletes. The scores are those of the oracle over `seen(row)`, what the history knows of a row.
fn random_history<H: HistoryIndex>(
    fresh: impl Fn() -> H,
    seen: impl Fn(&[f32]) -> Vec<f32>,
    weights: &[f32],
    steps: usize,
    seed: u64,
) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rows = clustered(300, M * D, 7);
    let mut history = fresh();
    let mut held: Vec<(u64, usize)> = Vec::new();
    for step in 0..steps {
        if held.is_empty() || rng.random_range(0..100) < 52 {
            let row = rng.random_range(0..rows.len());
            held.push((history.append(rows.row(row)).unwrap(), row));
        } else {
            let (id, _) = held.remove(rng.random_range(0..held.len()));
            history.delete(id).unwrap();
            assert!(matches!(history.delete(id), Err(Error::Unknown(missing)) if missing == id));
        }
        assert_eq!(history.len(), held.len());
        if step % (steps / 60) != 0 && step + 1 != steps {
            continue;
        }
        // A history that only ever held what is left, in the same order.
        let mut rebuilt = fresh();
        held.iter().for_each(|&(_, row)| assert!(rebuilt.append(rows.row(row)).is_ok()));
        let targets: Vec<&[f32]> = (0..3).map(|_| rows.row(rng.random_range(0..rows.len()))).collect();
        let prepare = |h: &H| targets.iter().map(|t| h.prepare(t, weights).unwrap()).collect::<Vec<_>>();
        let (found, again) = (
            history.top_k_many(&prepare(&history), 15).unwrap(),
            rebuilt.top_k_many(&prepare(&rebuilt), 15).unwrap(),
        );
        for ((found, again), target) in found.iter().zip(&again).zip(&targets) {
            let place = |n: &Neighbor| held.iter().position(|&(id, _)| id == n.id).unwrap() as u64;
            let renumbered: Vec<Neighbor> =
                found.iter().map(|n| Neighbor { id: place(n), score: n.score }).collect();
            assert_eq!(&renumbered, again);
            let known: Vec<(u64, Vec<f32>)> =
                held.iter().map(|&(id, row)| (id, seen(rows.row(row)))).collect();
            let prepared = history.prepare(target, weights).unwrap();
            assert_eq!(&history.top_k(&prepared, 15).unwrap(), found);
            for (found, (_, score)) in found.iter().zip(oracle(&known, target, weights, D, 15)) {
                assert!((f64::from(found.score) - score).abs() < 1e-4, "{found:?} {score}");
                assert_eq!(history.score(&prepared, found.id).unwrap(), Some(found.score));
            }
        }
    }
}

fn quantizers(centroids: usize) -> Vec<ProductQuantizer> {
    let rows = clustered(300, M * D, 7);
    let modality = |m: usize| {
        let own = (0..rows.len()).flat_map(|row| rows.row(row)[m * D..][..D].to_vec()).collect();
        let config = PqConfig { sub_vectors: 4, centroids, iterations: 5, ..Default::default() };
        config.train(&Vectors::new(D, own).unwrap()).unwrap()
    };
    (0..M).map(modality).collect()
}

fn decoded(quantizers: &[ProductQuantizer], event: &[f32]) -> Vec<f32> {
    let parts = quantizers.iter().zip(event.chunks_exact(D));
    let decode = |(quantizer, part): (&ProductQuantizer, &[f32])| {
        quantizer.decode(&quantizer.encode(&Vectors::new(D, part.to_vec()).unwrap()).unwrap())
    };
    parts.flat_map(decode).collect()
}

/// 100,000 random appends and deletes in all; scores equal the sum over pairs of modalities of decoded products.
#[test]
fn histories_equal_a_rebuild_and_the_sum_over_pairs() {
    let weights = [0.1, 0.35, 0.55];
    let whole = |row: &[f32]| row.to_vec();
    random_history(|| ExactHistory::exact(M, D).unwrap(), whole, &weights, 25_000, 1);
    random_history(|| FusedHistory::exact(&weights, D).unwrap(), whole, &weights, 15_000, 2);
    let coarse = quantizers(16);
    let refs: Vec<&ProductQuantizer> = coarse.iter().collect();
    let nibbles = NibbleHistory::codec(&refs).unwrap();
    let seen = |row: &[f32]| decoded(&coarse, row);
    random_history(|| NibbleHistory::new(nibbles.clone(), M).unwrap(), seen, &weights, 25_000, 3);
    let fine = quantizers(64);
    let refs: Vec<&ProductQuantizer> = fine.iter().collect();
    let bytes = PqHistory::codec(&refs).unwrap();
    let seen = |row: &[f32]| decoded(&fine, row);
    random_history(|| PqHistory::new(bytes.clone(), M).unwrap(), seen, &weights, 25_000, 4);
    // With a factor that takes in everything, rescoring is exact.
    random_history(|| RescoredHistory::new(bytes.clone(), M, 1000).unwrap(), whole, &weights, 10_000, 5);
}

proptest::proptest! {
    /// Asymmetric scores under any weights, and the two ways to append.
    #[test]
    fn scores_are_sums_over_pairs_under_any_weights(
        weights in proptest::collection::vec(-2.0f32..2.0, M), seed in 0u64..1000, k in 1usize..40,
    ) {
        let quantizers = quantizers(16);
        let codec = PqHistory::codec(&quantizers.iter().collect::<Vec<_>>()).unwrap();
        let rows = clustered(200, M * D, seed);
        let mut history = PqHistory::new(codec.clone(), M).unwrap();
        let mut single = PqHistory::new(codec, M).unwrap();
        history.extend(rows.as_slice()).unwrap();
        (0..200).for_each(|row| assert_eq!(single.append(rows.row(row)).unwrap(), row as u64));
        let target = history.prepare(rows.row(9), &weights).unwrap();
        let known: Vec<(u64, Vec<f32>)> =
            (0..200).map(|row| (row as u64, decoded(&quantizers, rows.row(row)))).collect();
        let found = history.top_k(&target, k).unwrap();
        proptest::prop_assert_eq!(&found, &single.top_k(&target, k).unwrap());
        for (found, (_, score)) in found.iter().zip(oracle(&known, rows.row(9), &weights, D, k)) {
            proptest::prop_assert!((f64::from(found.score) - score).abs() < 1e-4 * (1.0 + score.abs()));
        }
    }
}

#[test]
fn the_newest_of_equals_comes_first() {
    let mut history = ExactHistory::exact(1, 2).unwrap();
    (0..5).for_each(|_| assert!(history.append(&[1.0, 0.0]).is_ok()));
    history.delete(3).unwrap();
    let target = history.prepare(&[1.0, 1.0], &[1.0]).unwrap();
    assert_eq!(history.top_k(&target, 3).unwrap().iter().map(|n| n.id).collect::<Vec<_>>(), [4, 2, 1]);
    assert!(history.append(&[1.0]).is_err() && history.append(&[1.0, f32::NAN]).is_err());
    assert!(history.prepare(&[1.0, 1.0], &[f32::INFINITY]).is_err());
    let fused = FusedHistory::exact(&[0.5, 0.5], 2).unwrap();
    assert!(fused.prepare(&[1.0; 4], &[0.4, 0.6]).is_err());
}

#[test]
fn two_stages_with_whole_lists_are_exact() {
    let rows = clustered(300, M * D, 3);
    let mut exact = ExactHistory::exact(M, D).unwrap();
    exact.extend(rows.as_slice()).unwrap();
    let modality = |m: usize| {
        let own = (0..rows.len()).flat_map(|row| rows.row(row)[m * D..][..D].to_vec()).collect();
        Box::new(Flat::build(&Vectors::new(D, own).unwrap(), Metric::InnerProduct).unwrap())
            as Box<dyn AnnIndex>
    };
    let weights = [0.2, 0.3, 0.5];
    let target = exact.prepare(rows.row(4), &weights).unwrap();
    let best = exact.top_k(&target, 10).unwrap();
    let two = |list| TwoStage::new((0..M).map(modality).collect(), exact.clone(), list).unwrap();
    let found = two(300).top_k(rows.row(4), &weights, 10).unwrap();
    assert_eq!((found.best, found.scored), (best.clone(), 300));
    let short = two(10).top_k(rows.row(4), &weights, 10).unwrap();
    assert!(short.scored <= M * M * 10 && recall_at(10, &short.best, &best) < 1.0);
    assert!(TwoStage::new(vec![modality(0)], exact.clone(), 5).is_err());
}
