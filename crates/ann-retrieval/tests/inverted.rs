//! Inverted files whose nearest lists hold too few.

use seminar_ann_retrieval::{AnnIndex, Flat, IvfConfig, Metric, Vectors, Whole};

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
