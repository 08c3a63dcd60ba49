//! Inverted files whose nearest lists hold too few.

mod support;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::*;

#[test]
fn further_lists_are_visited_while_there_is_room() {
    let rows = Vectors::new(1, (0..100).map(|i| i as f32).collect()).unwrap();
    let config = IvfConfig { lists: 10, probes: 2, ..Default::default() };
    let index = config.build(&rows, Whole::new(1), Metric::L2).unwrap();
    let found = index.search_filtered(&[0.0], 1, &|id: u64| id == 99).unwrap();
    assert_eq!(found.iter().map(|n| n.id).collect::<Vec<_>>(), [99]);
    assert_eq!(index.search(&[0.0], 100).unwrap().len(), 100);
    assert_eq!(index.search_filtered(&[0.0], 5, &|_: u64| false).unwrap(), []);
}

#[test]
fn a_narrow_filter_finds_k() {
    let number = |i: usize| ((i * 7919 + 13) % 104_729) as f32 / 104_729.0;
    let rows = Vectors::new(8, (0..8 * 20_000).map(number).collect()).unwrap();
    let config = IvfConfig { lists: 256, probes: 8, ..Default::default() };
    for metric in [Metric::InnerProduct, Metric::Cosine, Metric::L2] {
        let index = config.build(&rows, Whole::new(8), metric).unwrap();
        let exact = Flat::build(&rows, metric).unwrap();
        let filter = |id: u64| id.is_multiple_of(1000);
        for query in 0..20 {
            let query = rows.row(query * 37);
            assert_eq!(index.search_filtered(query, 10, &filter).unwrap().len(), 10);
            // All that are accepted: whatever the order of the lists, the answer is exact.
            let all = index.search_filtered(query, 20, &filter).unwrap();
            assert_eq!(all, exact.search_filtered(query, 20, &filter).unwrap());
        }
    }
}

/// Rows of normal numbers, scaled.
fn normals(count: usize, dim: usize, scale: f32) -> Vectors {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    Vectors::new(dim, (0..count * dim).map(|_| scale * support::normal(&mut rng)).collect()).unwrap()
}

fn recall(index: &dyn AnnIndex, exact: &Flat, rows: &Vectors) -> f64 {
    let one = |row: usize| {
        recall_at(10, &index.search(rows.row(row), 10).unwrap(), &exact.search(rows.row(row), 10).unwrap())
    };
    (0..100).map(|query| one(query * 31)).sum::<f64>() / 100.0
}

/// A codec that was trained on rows as they are serves the cosine, whatever their length.
#[test]
fn a_codec_of_rows_of_any_length_serves_the_cosine() {
    for scale in [1e-3, 0.2, 10.0, 3e4] {
        let rows = normals(5000, 32, scale);
        let exact = Flat::build(&rows, Metric::Cosine).unwrap();
        let pq = PqConfig { sub_vectors: 16, iterations: 8, ..Default::default() };
        let own = recall(&pq.build(&rows, Metric::Cosine).unwrap(), &exact, &rows);
        let codec = ByteCodes::new(pq.train(&rows).unwrap()).unwrap();
        let config = IvfConfig { lists: 16, probes: 16, ..Default::default() };
        let ivf = recall(&config.build(&rows, codec.clone(), Metric::Cosine).unwrap(), &exact, &rows);
        let coded = recall(&Coded::from_rows(codec.clone(), Metric::Cosine, &rows).unwrap(), &exact, &rows);
        let mut grown = Pq::empty(codec, Metric::Cosine);
        (0..5000).for_each(|row| grown.add(row as u64, rows.row(row)).unwrap());
        let grown = recall(&grown, &exact, &rows);
        println!("{scale}: own {own:.3}, ivf {ivf:.3}, coded {coded:.3}, grown {grown:.3}");
        assert!(
            own > 0.84 && ivf > own - 0.02 && coded > own - 0.02 && grown > own - 0.05,
            "{scale}: {own} {ivf} {coded} {grown}"
        );
        let nibbles = PqConfig { sub_vectors: 32, centroids: 16, iterations: 8, ..Default::default() };
        let own = recall(&nibbles.build_fast_scan(&rows, Metric::Cosine).unwrap(), &exact, &rows);
        let codec = NibbleCodes::new(nibbles.train(&rows).unwrap()).unwrap();
        let coded = recall(&Coded::from_rows(codec, Metric::Cosine, &rows).unwrap(), &exact, &rows);
        let residual = ResidualConfig { iterations: 4, ..Default::default() };
        let own_stages = recall(&residual.build(&rows, Metric::Cosine).unwrap(), &exact, &rows);
        let codec = residual.train(&rows, Metric::InnerProduct).unwrap();
        let stages = recall(&Coded::from_rows(codec, Metric::Cosine, &rows).unwrap(), &exact, &rows);
        println!("{scale}: nibbles {own:.3} {coded:.3}, stages {own_stages:.3} {stages:.3}");
        let signs = RaBitQConfig::default();
        let own_signs = recall(&signs.build(&rows, Metric::Cosine).unwrap(), &exact, &rows);
        let codec = signs.train(&rows).unwrap();
        let signs = recall(&Coded::from_rows(codec, Metric::Cosine, &rows).unwrap(), &exact, &rows);
        assert!(signs > own_signs - 0.02, "{scale}: {signs} {own_signs}");
        assert!(coded > own - 0.03 && stages > own_stages - 0.03);
    }
}

#[test]
fn lists_are_learned_anew_from_the_codes() {
    let rows = normals(4000, 8, 1.0);
    let exact = Flat::build(&rows, Metric::L2).unwrap();
    let config = IvfConfig { lists: 32, probes: 4, ..Default::default() };
    // The lists were learned from rows that lie elsewhere.
    let far = Vectors::new(8, rows.as_slice().iter().map(|x| 0.1 * x + 30.0).collect()).unwrap();
    let mut index = config.build(&far, Whole::new(8), Metric::L2).unwrap();
    (0..4000).for_each(|id| assert!(index.remove(id)));
    index.extend(0, &rows).unwrap();
    let kept: Vec<Vec<f32>> = (0..4000).map(|id| index.vector(id).unwrap().into_owned()).collect();
    index.rebuild(&config).unwrap();
    assert!((0..4000).all(|id| index.vector(id).unwrap()[..] == kept[id as usize][..]));
    let built = recall(&config.build(&rows, Whole::new(8), Metric::L2).unwrap(), &exact, &rows);
    let again = recall(&index, &exact, &rows);
    assert!(again > built - 0.02, "{again} {built}");
    let signs = LshConfig { bits: 64, seed: 0 }.signs(8).unwrap();
    let mut signs = config.build(&rows, signs, Metric::Cosine).unwrap();
    assert!(signs.rebuild(&config).is_err() && signs.len() == 4000);
}
