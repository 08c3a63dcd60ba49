//! Scans of codes against a naive oracle over the exact scores: seeded thresholds, rounded tables and kernels must not
//! show in the result.

use std::sync::Arc;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::*;

fn draw(rng: &mut ChaCha8Rng, rows: usize, dim: usize, levels: u32) -> Vectors {
    let numbers = (0..rows * dim).map(|_| rng.random_range(0..levels) as f32 / levels as f32 - 0.5);
    Vectors::new(dim, numbers.collect()).unwrap()
}

/// Codebooks of few distinct numbers, so that there are ties.
fn books(rng: &mut ChaCha8Rng, subs: usize, levels: u32) -> ProductQuantizer {
    ProductQuantizer::new((0..subs).map(|_| draw(rng, 16, 2, levels)).collect()).unwrap()
}

fn sorted(all: impl Iterator<Item = (u64, f32)>, k: usize) -> Vec<(u64, u32)> {
    let mut all: Vec<(u64, f32)> = all.collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.iter().take(k).map(|&(id, score)| (id, score.to_bits())).collect()
}

fn bits(found: &[Neighbor]) -> Vec<(u64, u32)> {
    found.iter().map(|n| (n.id, n.score.to_bits())).collect()
}

fn check<C: Codec>(
    index: &Coded<C>,
    queries: &[C::Query],
    k: usize,
    modulus: u64,
) -> std::result::Result<(), TestCaseError> {
    let filter = |id: u64| !id.is_multiple_of(modulus);
    let refs: Vec<&C::Query> = queries.iter().collect();
    for filter in [None, Some(&filter as &dyn Filter)] {
        let many = index.top_k(&refs, k, filter);
        for (query, many) in queries.iter().zip(&many) {
            let ids = (0..index.len() as u64).filter(|&id| filter.is_none_or(|filter| filter.accepts(id)));
            let expected = sorted(ids.map(|id| (id, index.score(query, id).unwrap())), k);
            prop_assert_eq!(&bits(many), &expected, "many, k {}", k);
            prop_assert_eq!(&bits(&index.top_k(&[query], k, filter)[0]), &expected, "one, k {}", k);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn results_are_the_top_of_the_exact_scores(
        seed in any::<u64>(), rows in prop_oneof![1usize..400, 8000usize..12_000], subs in prop_oneof![Just(2usize), Just(8), Just(32), Just(34), Just(72)],
        k in prop_oneof![1usize..4, 90usize..110, 1usize..12_000], levels in prop_oneof![Just(3u32), Just(1 << 20)],
        ordered in any::<bool>(), modulus in prop_oneof![Just(1u64), Just(2), Just(1000)], metric in 0usize..3,
    ) {
        let metric = [Metric::InnerProduct, Metric::Cosine, Metric::L2][metric];
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut vectors = draw(&mut rng, rows, 2 * subs, levels);
        if ordered {
            // The best rows lie together, so a sample tells little about them.
            let mut all: Vec<&[f32]> = vectors.as_slice().chunks_exact(2 * subs).collect();
            all.sort_by(|a, b| a.iter().sum::<f32>().total_cmp(&b.iter().sum::<f32>()));
            vectors = Vectors::new(2 * subs, all.concat()).unwrap();
        }
        let codec = NibbleCodes::new(books(&mut rng, subs, levels)).unwrap();
        let index = Coded::from_rows(codec.clone(), metric, &vectors).unwrap();
        let queries: Vec<_> = (0..5).map(|_| {
            let query = if ordered { vec![1.0; 2 * subs] } else { draw(&mut rng, 1, 2 * subs, levels).as_slice().to_vec() };
            index.prepare(&query).unwrap()
        }).collect();
        check(&index, &queries, k, modulus)?;
        // A history gives the newest of equal scores first.
        let mut history = History::new(Arc::new(codec), 1).unwrap();
        history.extend(vectors.as_slice()).unwrap();
        let target = history.prepare(draw(&mut rng, 1, 2 * subs, levels).as_slice(), &[1.0]).unwrap();
        let all = (0..rows as u64).map(|id| (!id, history.score(&target, id).unwrap().unwrap()));
        let expected: Vec<(u64, u32)> = sorted(all, k).into_iter().map(|(id, score)| (!id, score)).collect();
        prop_assert_eq!(bits(&history.top_k(&target, k).unwrap()), expected);
    }

    #[test]
    fn one_bit_scans_too(
        seed in any::<u64>(), rows in prop_oneof![1usize..400, 8000usize..10_000], dim in prop_oneof![Just(3usize), Just(64), Just(70)],
        k in prop_oneof![1usize..4, 90usize..110, 1usize..10_000], levels in prop_oneof![Just(3u32), Just(1 << 20)],
        modulus in prop_oneof![Just(1u64), Just(2)], metric in 0usize..3,
    ) {
        let metric = [Metric::InnerProduct, Metric::Cosine, Metric::L2][metric];
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let index = RaBitQConfig { seed }.build(&draw(&mut rng, rows, dim, levels), metric).unwrap();
        let queries: Vec<_> = (0..4).map(|_| index.prepare(draw(&mut rng, 1, dim, levels).as_slice()).unwrap()).collect();
        check(&index, &queries, k, modulus)?;
    }
}

#[test]
fn numbers_beyond_sums_in_f32_are_no_reason_to_miss_a_row() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let book = |scale: f32| {
        let own = draw(&mut ChaCha8Rng::seed_from_u64(2), 16, 2, 1 << 20);
        Vectors::new(2, own.as_slice().iter().map(|x| x * scale).collect()).unwrap()
    };
    for scale in [1e-44, 1e-30, 1e20, 1e38, 3e38] {
        let codec = NibbleCodes::new(ProductQuantizer::new(vec![book(scale); 4]).unwrap()).unwrap();
        // Longer rows are refused; codebooks may hold such numbers.
        let short = f32::min(scale, 1e18);
        let rows =
            Vectors::new(8, draw(&mut rng, 300, 8, 1 << 20).as_slice().iter().map(|x| x * short).collect())
                .unwrap();
        let index = Coded::from_rows(codec, Metric::InnerProduct, &rows).unwrap();
        for size in [1e-20, 1.0, 1e10] {
            let query: Vec<f32> = rows.row(0).iter().map(|x| x / short * size).collect();
            let prepared = index.prepare(&query).unwrap();
            let expected = sorted((0..300).map(|id| (id, index.score(&prepared, id).unwrap())), 20);
            assert_eq!(bits(&index.search(&query, 20).unwrap()), expected, "{scale} {size}");
        }
    }
}
