//! Errors of settings name the field that is wrong.

mod support;

use std::sync::Arc;

use seminar_ann_retrieval::*;
use support::clustered;

/// The field that a failed call names.
fn field<T>(result: Result<T>) -> &'static str {
    match result.err().expect("the setting cannot work") {
        Error::Config { field, .. } => field,
        other => panic!("not an error of settings: {other}"),
    }
}

#[test]
fn an_inverted_file_tells_lists_from_probes() {
    let rows = clustered(20, 8, 1);
    let build = |lists, probes, rows: &Vectors| {
        let config = IvfConfig { lists, probes, ..Default::default() };
        field(config.build(rows, Whole::new(8), Metric::L2))
    };
    assert_eq!(build(0, 1, &rows), "lists");
    assert_eq!(build((1 << 24) + 1, 1, &rows), "lists");
    assert_eq!(build(4, 0, &rows), "probes");
    assert_eq!(build(4, 1, &Vectors::new(8, Vec::new()).unwrap()), "rows");
}

#[test]
fn a_graph_tells_rows_from_candidates() {
    let rows = clustered(20, 8, 1);
    let build = |links, ef_construction, rows: &Vectors| {
        field(
            HnswConfig { links, ef_construction, ef_search: 10, ..Default::default() }
                .build(rows, Metric::L2),
        )
    };
    assert_eq!(build(1, 10, &rows), "links");
    assert_eq!(build(4, 0, &rows), "ef_construction");
    assert_eq!(build(4, 10, &Vectors::new(8, Vec::new()).unwrap()), "rows");
}

#[test]
fn k_means_tells_rows_from_clusters() {
    let none = Vectors::new(8, Vec::new()).unwrap();
    assert_eq!(
        field(KMeansConfig { clusters: 0, ..Default::default() }.fit(&clustered(20, 8, 1))),
        "clusters"
    );
    assert_eq!(field(KMeansConfig::default().fit(&none)), "rows");
    assert_eq!(field(PqConfig { sub_vectors: 4, ..Default::default() }.build(&none, Metric::L2)), "rows");
    assert_eq!(field(ResidualConfig::default().build(&none, Metric::L2)), "rows");
}

#[test]
fn rescoring_tells_the_vectors_from_the_factor() {
    let flat = |rows| Flat::build(&clustered(rows, 8, 1), Metric::L2).unwrap();
    assert_eq!(field(Refined::new(flat(20), flat(20), 0)), "factor");
    assert_eq!(field(Refined::new(flat(20), flat(19), 2)), "exact");
}

#[test]
fn a_history_tells_its_settings_apart() {
    assert_eq!(field(ExactHistory::exact(0, 4)), "modalities");
    assert_eq!(field(ExactHistory::exact(2, 0)), "dim");
    assert_eq!(field(RescoredHistory::new(Arc::new(Whole::new(8)), 2, 0)), "factor");
    assert_eq!(field(RescoredHistory::new(Arc::new(Whole::new(8)), 3, 2)), "modalities");
    assert_eq!(field(<TwoStage>::new(Vec::new(), ExactHistory::exact(2, 4).unwrap(), 5)), "indexes");
    assert_eq!(field(<TwoStage>::new(Vec::new(), ExactHistory::exact(2, 4).unwrap(), 0)), "list");
}

#[test]
fn ids_beyond_the_largest_are_refused_and_nothing_is_added() {
    let rows = clustered(5, 8, 1);
    let mut index = Flat::empty(Whole::new(8), Metric::L2);
    for first in [u64::MAX - 3, u64::MAX - 2, u64::MAX] {
        assert_eq!(field(index.extend(first, &rows)), "first");
        assert!(index.is_empty());
    }
    // The last five ids there are, and no row at all.
    index.extend(u64::MAX - 4, &rows).unwrap();
    index.extend(u64::MAX, &Vectors::new(8, Vec::new()).unwrap()).unwrap();
    let found = index.search(rows.row(4), 1).unwrap();
    assert_eq!((index.len(), found[0].id), (5, u64::MAX));
    assert!(matches!(index.extend(u64::MAX - 5, &rows), Err(Error::Duplicate(id)) if id == u64::MAX - 4));
    assert_eq!(index.len(), 5);
}

#[test]
fn vectors_of_no_numbers_are_refused_everywhere() {
    let mut index = Flat::empty(Whole::new(0), Metric::L2);
    assert_eq!(field(index.search_many(&[], 1)), "dim");
    assert_eq!(field(index.search(&[], 1)), "dim");
    assert_eq!(field(index.prepare(&[])), "dim");
    assert_eq!(field(index.add(0, &[])), "dim");
    assert!(matches!(index.extend(0, &clustered(2, 8, 1)), Err(Error::Dimension { expected: 0, .. })));
    let codec = Arc::new(Whole::new(0));
    assert_eq!(field(ExactHistory::new(codec.clone(), 1)), "dim");
    assert_eq!(field(RescoredHistory::new(codec, 1, 2)), "dim");
    assert_eq!(field(Vectors::new(0, Vec::new())), "dim");
}

#[test]
fn numbers_that_overflow_when_rotated_are_errors() {
    let config = PqConfig { sub_vectors: 2, ..Default::default() };
    for (count, value) in [(8, f32::MAX), (8, f32::MIN), (200, f32::MAX / 1.2)] {
        let rows = Vectors::new(2, vec![value; count]).unwrap();
        let error = Rotated::build_pq(&rows, &config, Metric::L2, 1).expect_err("a rotated row overflows");
        assert!(!error.to_string().is_empty());
    }
    // A rotation of small rows does not rotate large ones.
    let small = clustered(50, 8, 1);
    let rotation = Rotation::random(8, 3).unwrap();
    rotation.apply_all(&small).unwrap();
    let large = Vectors::new(8, vec![f32::MAX; 16]).unwrap();
    assert!(matches!(rotation.apply_all(&large), Err(Error::NotFiniteRow { .. })));
}

/// Scores are at most the product of two lengths. Whatever could make it infinite is refused.
#[test]
fn scores_that_cannot_be_finite_are_errors() {
    let mut history = ExactHistory::exact(2, 2).unwrap();
    history.append(&[1.0, 0.0, 0.0, 1.0]).unwrap();
    assert_eq!(field(history.prepare(&[1.0; 4], &[1e30, 1e30])), "weights");
    assert_eq!(field(history.prepare(&[1e30; 4], &[1.0, 1.0])), "weights");
    assert_eq!(field(history.prepare(&[f32::MAX; 4], &[1.0, 1.0])), "weights");
    assert!(matches!(history.append(&[1e20; 4]), Err(Error::TooLarge { row: 0 })));
    assert!(matches!(
        history.extend(&[0.0, 0.0, 0.0, 1.0, 2e19, 0.0, 0.0, 0.0]),
        Err(Error::TooLarge { row: 1 })
    ));
    assert_eq!(history.len(), 1);
    let mut fused = FusedHistory::exact(&[1e30, 1e30], 2).unwrap();
    assert!(matches!(fused.append(&[1.0; 4]), Err(Error::TooLarge { .. })));
    assert_eq!(field(fused.prepare(&[1.0; 4], &[1e30, 1e30])), "weights");
    // The longest rows and targets that are taken have finite scores.
    let longest = [1.8e19, 0.0, 0.0, 0.0];
    history.append(&longest).unwrap();
    let target = history.prepare(&longest, &[1.0, 0.0]).unwrap();
    assert_eq!(history.top_k(&target, 1).unwrap()[0].score, 1.8e19 * 1.8e19);
    // Codebooks of a caller's own may hold any finite number: then the score is looked at.
    let book = |x: f32| ProductQuantizer::new(vec![Vectors::new(1, vec![x, -x]).unwrap(); 2]).unwrap();
    let mut coded = PqHistory::new(PqHistory::codec(&[&book(f32::MAX)]).unwrap(), 1).unwrap();
    coded.append(&[1.0, 1.0]).unwrap();
    let target = coded.prepare(&[1e3, 1e3], &[1.0]).unwrap();
    assert!(matches!(coded.top_k(&target, 1), Err(Error::NotFinite { .. })));
    assert!(matches!(coded.score(&target, 0), Err(Error::NotFinite { .. })));
}

#[test]
fn a_target_of_other_histories_is_an_error() {
    let exact = |m: usize, dim: usize| {
        let mut history = ExactHistory::exact(m, dim).unwrap();
        history.append(&vec![0.5; m * dim]).unwrap();
        history
    };
    let (narrow, wide) = (exact(2, 16), exact(2, 64));
    let target = narrow.prepare(&[0.1; 32], &[0.5, 0.5]).unwrap();
    assert_eq!(field(wide.top_k(&target, 1)), "target");
    assert_eq!(field(wide.score(&target, 0)), "target");
    assert_eq!(field(exact(1, 32).top_k(&target, 1)), "target");
    assert_eq!(field(wide.top_k_many(&[target], 1)), "target");
    // Another user's history of the same shape and codes takes it.
    let target = exact(2, 16).prepare(&[0.1; 32], &[0.5, 0.5]).unwrap();
    assert_eq!(narrow.top_k(&target, 1).unwrap().len(), 1);
    let book = |seed| {
        let config = PqConfig { sub_vectors: 2, centroids: 4, iterations: 1, ..Default::default() };
        PqHistory::codec(&[&config.train(&clustered(50, 8, seed)).unwrap(); 2]).unwrap()
    };
    let coded = |codec| {
        let mut history = RescoredHistory::new(codec, 2, 2).unwrap();
        history.append(&[0.5; 16]).unwrap();
        history
    };
    let target = coded(book(1)).prepare(&[0.1; 16], &[0.5, 0.5]).unwrap();
    assert_eq!(coded(book(1)).top_k(&target, 1).unwrap().len(), 1);
    assert_eq!(field(coded(book(2)).top_k(&target, 1)), "target");
    let fused = |weights| FusedHistory::exact(weights, 8).unwrap();
    let target = fused(&[0.5, 0.5]).prepare(&[0.1; 16], &[0.5, 0.5]).unwrap();
    assert_eq!(fused(&[0.5, 0.5]).top_k(&target, 1).unwrap().len(), 0);
    assert_eq!(field(fused(&[0.4, 0.6]).top_k(&target, 1)), "target");
}

#[test]
fn what_is_too_long_for_scores_is_refused_everywhere() {
    let rows = clustered(60, 4, 1);
    let long = Vectors::new(4, vec![3e38; 8]).unwrap();
    let pq = PqConfig { sub_vectors: 2, centroids: 8, iterations: 2, ..Default::default() };
    for metric in [Metric::InnerProduct, Metric::L2] {
        let ivf = IvfConfig { lists: 3, probes: 3, ..Default::default() };
        let built: Vec<Box<dyn AnnIndex>> = vec![
            Box::new(Flat::build(&rows, metric).unwrap()),
            Box::new(pq.build(&rows, metric).unwrap()),
            Box::new(pq.build_fast_scan(&rows, metric).unwrap()),
            Box::new(RaBitQConfig::default().build(&rows, metric).unwrap()),
            Box::new(
                ResidualConfig { stages: 2, centroids: 8, ..Default::default() }
                    .build(&rows, metric)
                    .unwrap(),
            ),
            Box::new(HnswConfig::default().build(&rows, metric).unwrap()),
            Box::new(ivf.build(&rows, Whole::new(4), metric).unwrap()),
            Box::new(Rotated::build_pq(&rows, &pq, metric, 1).unwrap()),
            Box::new(
                Refined::new(pq.build(&rows, metric).unwrap(), Flat::build(&rows, metric).unwrap(), 2)
                    .unwrap(),
            ),
        ];
        for (number, index) in built.iter().enumerate() {
            let error = index.search(&[3e38; 4], 3).unwrap_err();
            assert!(matches!(error, Error::TooLong { .. }), "{number} {metric:?}: {error}");
            assert_eq!(index.search(&[1e18; 4], 3).unwrap().len(), 3);
        }
        assert!(matches!(Flat::build(&long, metric), Err(Error::TooLarge { row: 0 })));
        let mut flat = Flat::build(&rows, metric).unwrap();
        assert!(matches!(flat.add(99, &[3e38; 4]), Err(Error::TooLong { .. })));
        assert!(matches!(RaBitQConfig::default().build(&long, metric), Err(Error::TooLarge { .. })));
    }
    // Lengths do not matter under the cosine.
    assert_eq!(Flat::build(&long, Metric::Cosine).unwrap().search(&[3e38; 4], 2).unwrap().len(), 2);
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let rows = clustered(40, 4, 1);
    let pq = PqConfig { sub_vectors: 2, centroids: 8, iterations: 2, ..Default::default() };
    let shifted = rows.clone().with_ids((1..=40).collect()).unwrap();
    let exact = Flat::build(&shifted, Metric::L2).unwrap();
    assert_eq!(field(Refined::new(pq.build(&rows, Metric::L2).unwrap(), exact, 2)), "exact");
    let mut history = ExactHistory::exact(1, 4).unwrap();
    history.extend(rows.as_slice()).unwrap();
    let index = Box::new(Flat::build(&shifted, Metric::InnerProduct).unwrap());
    assert_eq!(field(TwoStage::new(vec![index], history, 3)), "indexes");
    assert_eq!(field(PqConfig { sample: 0, ..pq }.train(&rows)), "sample");
    assert_eq!(
        field(HnswConfig { ef_search: 0, ..Default::default() }.build(&rows, Metric::L2)),
        "ef_search"
    );
}

#[test]
fn hits_say_whether_there_is_more() {
    let rows = Vectors::new(1, vec![3.0, 2.0, 1.0]).unwrap();
    let index = Flat::build(&rows, Metric::InnerProduct).unwrap();
    let two = |id: u64| id < 2;
    let exhausted = |search: Search<'_>| index.hits(&[1.0], &search).unwrap().exhausted;
    assert_eq!([1, 2, 3, 4].map(|k| exhausted(Search::new(k))), [false, false, true, true]);
    assert_eq!([1, 2, 3].map(|k| exhausted(Search::new(k).filter(&two))), [false, true, true]);
    assert_eq!([1, 2].map(|k| exhausted(Search::new(k).least_score(1.5))), [false, true]);
    assert!(exhausted(Search::new(1).least_score(2.5)) && exhausted(Search::new(usize::MAX)));
    assert!(matches!(
        index.hits(&[1.0], &Search::new(1).least_score(f32::NAN)),
        Err(Error::NotFinite { .. })
    ));
}
