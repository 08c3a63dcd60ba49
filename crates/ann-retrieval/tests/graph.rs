//! Graphs over vectors as people have them: of different lengths, group after group, equal, alone.

mod support;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::{
    AnnIndex, Error, Filter, Flat, Hnsw, HnswBuilder, HnswConfig, IdList, Metric, Vectors, recall_at,
};
use support::normal;

const BUILDERS: [HnswBuilder; 2] = [HnswBuilder::Rounds, HnswBuilder::HnswRs];

fn graph(builder: HnswBuilder) -> HnswConfig {
    HnswConfig { builder, ..HnswConfig::default() }
}

/// Little-endian numbers of a file in `tests/data`.
fn numbers(name: &str) -> Vec<f32> {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// Random directions whose lengths are exp(N(0, spread)).
fn scaled(count: usize, dim: usize, spread: f32, seed: u64) -> Vectors {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = Vec::with_capacity(count * dim);
    for _ in 0..count {
        let row: Vec<f32> = (0..dim).map(|_| normal(&mut rng)).collect();
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        let scale = (spread * normal(&mut rng)).exp() / length;
        rows.extend(row.iter().map(|x| x * scale));
    }
    Vectors::new(dim, rows).unwrap()
}

/// Mean recall@10 of a graph over some queries.
fn recall(index: &Hnsw, exact: &Flat, queries: &[f32]) -> f64 {
    let queries: Vec<&[f32]> = queries.chunks_exact(index.dim()).collect();
    let one =
        |query: &&[f32]| recall_at(10, &index.search(query, 10).unwrap(), &exact.search(query, 10).unwrap());
    queries.iter().map(one).sum::<f64>() / queries.len() as f64
}

#[test]
fn rows_of_different_lengths_under_the_inner_product() {
    let (rows, queries) =
        (Vectors::new(16, numbers("rows_500x16.f32")).unwrap(), numbers("queries_100x16.f32"));
    let exact = Flat::build(&rows, Metric::InnerProduct).unwrap();
    for builder in BUILDERS {
        let index = graph(builder).build(&rows, Metric::InnerProduct).unwrap();
        let found = recall(&index, &exact, &queries);
        assert!(found >= 0.99, "{builder:?}: {found}");
        assert_eq!(index.search(&queries[..16], 500).unwrap().len(), 500);
    }
    for (count, dim, spread) in [(2000, 16, 0.5), (8000, 32, 0.2), (8000, 32, 1.0)] {
        let rows = scaled(count, dim, spread, 1);
        let queries = scaled(100, dim, 0.0, 2);
        let exact = Flat::build(&rows, Metric::InnerProduct).unwrap();
        for builder in BUILDERS {
            let index = graph(builder).build(&rows, Metric::InnerProduct).unwrap();
            let found = recall(&index, &exact, queries.as_slice());
            assert!(found >= 0.95, "{builder:?}, {count} x {dim}, lengths exp(N(0, {spread})): {found}");
        }
    }
}

/// How many rows are not found by their own vector.
fn lost(index: &Hnsw, rows: &Vectors) -> usize {
    let own = |row: &usize| index.search(rows.row(*row), 1).unwrap()[0].id != *row as u64;
    (0..rows.len()).filter(own).count()
}

#[test]
fn rows_that_come_group_after_group() {
    let rows = Vectors::new(2, numbers("rows_3000x2.f32")).unwrap();
    for builder in BUILDERS {
        let index = graph(builder).build(&rows, Metric::L2).unwrap();
        assert_eq!(lost(&index, &rows), 0, "{builder:?}");
        assert_eq!(index.search(rows.row(0), 3000).unwrap().len(), 3000, "{builder:?}");
    }
    // 200 groups of 100, and 200 rows alone.
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut all = Vec::new();
    for group in 0..400 {
        let centre: Vec<f32> = (0..16).map(|_| 10.0 * normal(&mut rng)).collect();
        for _ in 0..if group < 200 { 100 } else { 1 } {
            all.extend(centre.iter().map(|x| x + 0.1 * normal(&mut rng)));
        }
    }
    let rows = Vectors::new(16, all).unwrap();
    for builder in BUILDERS {
        let index = graph(builder).build(&rows, Metric::L2).unwrap();
        let lost = lost(&index, &rows);
        assert!(lost <= 40, "{builder:?}: {lost} of {} are lost", rows.len());
    }
}

#[test]
fn a_point_far_from_all_others_is_found() {
    for dim in [1, 2, 8] {
        for near in [32, 33, 100, 5000] {
            let mut rows: Vec<f32> = (0..near).flat_map(|i| vec![i as f32 / 1000.0; dim]).collect();
            rows.extend(vec![100.0; dim]);
            let rows = Vectors::new(dim, rows).unwrap();
            for builder in BUILDERS {
                let index = graph(builder).build(&rows, Metric::L2).unwrap();
                let best = index.search(&vec![100.0; dim], 1).unwrap();
                assert_eq!((best[0].id, best[0].score), (near as u64, 0.0), "{builder:?}, {dim}, {near}");
                assert_eq!(index.search(&vec![100.0; dim], near + 1).unwrap().len(), near + 1);
            }
        }
    }
}

#[test]
fn k_are_found_while_there_are_k() {
    for builder in BUILDERS {
        for metric in [Metric::InnerProduct, Metric::Cosine, Metric::L2] {
            for (count, k) in [(50, 50), (2000, 2000), (2000, 100)] {
                let rows = Vectors::new(8, vec![0.5; 8 * count]).unwrap();
                let index = graph(builder).build(&rows, metric).unwrap();
                let mut ids: Vec<u64> = index.search(&[0.5; 8], k).unwrap().iter().map(|n| n.id).collect();
                ids.sort_unstable();
                ids.dedup();
                assert_eq!(ids.len(), k, "{builder:?}, {metric:?}, {count} equal rows");
            }
        }
        for links in [4, 16] {
            let rows = scaled(5000, 16, 0.3, 7);
            let index =
                HnswConfig { links, builder, ..HnswConfig::default() }.build(&rows, Metric::L2).unwrap();
            for k in [1000, 4999, 5000, 6000] {
                assert_eq!(
                    index.search(rows.row(1), k).unwrap().len(),
                    k.min(5000),
                    "{builder:?}, {links}, {k}"
                );
            }
        }
    }
}

#[test]
fn rows_whose_squares_are_not_finite_are_an_error() {
    for builder in BUILDERS {
        for metric in [Metric::InnerProduct, Metric::L2] {
            let rows = Vectors::new(1, vec![1.0, 1e20, 2.0]).unwrap();
            let error = graph(builder).build(&rows, metric).unwrap_err();
            assert!(matches!(error, Error::TooLarge { row: 1 }), "{error}");
            let rows = Vectors::new(1, vec![1.0, 1e18, -1e18]).unwrap();
            assert_eq!(graph(builder).build(&rows, metric).unwrap().search(&[1.0], 3).unwrap().len(), 3);
        }
        let rows = Vectors::new(1, vec![1.0, 1e20, 2.0]).unwrap();
        assert!(graph(builder).build(&rows, Metric::Cosine).is_ok(), "scaled rows are short");
    }
}

#[test]
fn the_same_graph_for_any_number_of_threads() {
    let rows = scaled(3000, 16, 0.5, 9);
    let built = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let index = pool.install(|| HnswConfig::default().build(&rows, Metric::InnerProduct).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph");
        seminar_ann_retrieval::Persist::save(&index, &path).unwrap();
        std::fs::read(path).unwrap()
    };
    let one = built(1);
    assert!(one == built(2) && one == built(7));
}

#[test]
fn filters_cost_no_recall() {
    let rows = scaled(12_000, 24, 0.3, 11);
    let queries = scaled(60, 24, 0.0, 12);
    for metric in [Metric::InnerProduct, Metric::Cosine, Metric::L2] {
        let exact = Flat::build(&rows, metric).unwrap();
        for builder in BUILDERS {
            let index = graph(builder).build(&rows, metric).unwrap();
            let open = recall(&index, &exact, queries.as_slice());
            for one_in in [2, 5, 20, 200, 5000] {
                let filter = |id: u64| ((id * 7919) % 12_000).is_multiple_of(one_in);
                let found: f64 = queries
                    .as_slice()
                    .chunks_exact(24)
                    .map(|query| {
                        let best = index.search_filtered(query, 10, &filter).unwrap();
                        assert!(best.iter().all(|n| filter(n.id)));
                        recall_at(10, &best, &exact.search_filtered(query, 10, &filter).unwrap())
                    })
                    .sum();
                let found = found / 60.0;
                assert!(found >= 0.95 * open, "{builder:?}, {metric:?}, 1 in {one_in}: {found} of {open}");
            }
        }
    }
}

/// The filter hides what a walk under the inner product comes across first: the longest rows.
#[test]
fn filters_that_hide_the_longest_rows_or_whole_clusters() {
    let (count, dim) = (6000, 32);
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let length = |row: usize| 50.0 * ((row + 1) as f32).powf(-0.6);
    let numbers = (0..count * dim).map(|i| length(i / dim) * normal(&mut rng)).collect();
    let popular = Vectors::new(dim, numbers).unwrap();
    let queries = scaled(50, dim, 0.0, 5);
    let groups = support::clustered(count, dim, 4);
    for builder in BUILDERS {
        for (rows, metric) in
            [(&popular, Metric::InnerProduct), (&groups, Metric::L2), (&groups, Metric::Cosine)]
        {
            let index = graph(builder).build(rows, metric).unwrap();
            let exact = Flat::build(rows, metric).unwrap();
            let mean = |one: &dyn Fn(&[f32]) -> f64| {
                queries.as_slice().chunks_exact(dim).map(one).sum::<f64>() / queries.len() as f64
            };
            let open = mean(&|query| {
                recall_at(10, &index.search(query, 10).unwrap(), &exact.search(query, 10).unwrap())
            });
            for hidden in [count / 10, count / 2, count * 3 / 4] {
                let seen = |id: u64| id >= hidden as u64;
                let list = IdList::new((hidden as u64..count as u64).collect());
                for filter in [&seen as &dyn Filter, &list] {
                    let found = mean(&|query| {
                        let found = index.search_filtered(query, 10, filter).unwrap();
                        recall_at(10, &found, &exact.search_filtered(query, 10, filter).unwrap())
                    });
                    assert!(found >= 0.95 * open, "{builder:?} {metric:?}, {hidden} hidden: {found}, {open}");
                }
            }
        }
    }
}
