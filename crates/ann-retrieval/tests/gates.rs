//! Recall on fixed data against what was measured before: a fall of more than .01 fails.
//!
//! `SEMINAR_WRITE_GATES=1 cargo test -p seminar-ann-retrieval --test gates` measures `tests/data/gates.tsv` anew.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{BufRead, BufReader};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::*;
use support::normal;

const DIM: usize = 32;
const ROWS: usize = 4000;
const QUERIES: usize = 80;
/// How far below the file a value may fall.
const ALLOWED: f64 = 0.01;
const METRICS: [Metric; 3] = [Metric::InnerProduct, Metric::Cosine, Metric::L2];

/// Points around 100 centres; `spread` scales each by exp(N(0, spread)).
fn around_centres(count: usize, spread: f32, grouped: bool, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let centres: Vec<f32> = (0..100 * DIM).map(|_| normal(&mut rng)).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = Vec::with_capacity(count * DIM);
    for row in 0..count {
        let centre = if grouped { row * 100 / count } else { rng.random_range(0..100) };
        let scale = (spread * normal(&mut rng)).exp();
        rows.extend(centres[centre * DIM..][..DIM].iter().map(|c| scale * (c + 0.6 * normal(&mut rng))));
    }
    rows
}

/// Every vector one to eight times.
fn duplicated(seed: u64) -> Vec<f32> {
    let single = around_centres(ROWS, 0.0, false, seed);
    let copies =
        single.chunks(DIM).enumerate().flat_map(|(row, own)| std::iter::repeat_n(own, 1 + row * 7 % 8));
    copies.take(ROWS).flatten().copied().collect()
}

/// The titles of Amazon's Beauty items, each the sum of a random vector per word.
fn titles() -> Vec<f32> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/s3rec/Beauty_items.jsonl.gz");
    let file = flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap());
    let mut rows = Vec::new();
    for line in BufReader::new(file).lines().take(ROWS + QUERIES) {
        let line = line.unwrap();
        let title =
            line.split("\"title\":").nth(1).unwrap_or("").split("\",").next().unwrap_or("").to_lowercase();
        let mut row = vec![0.0; DIM];
        for word in title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let mut rng = ChaCha8Rng::seed_from_u64(xxhash_rust::xxh3::xxh3_64(word.as_bytes()));
            row.iter_mut().for_each(|x| *x += normal(&mut rng));
        }
        rows.extend(row);
    }
    assert_eq!(rows.len(), (ROWS + QUERIES) * DIM);
    rows
}

fn data_sets() -> Vec<(&'static str, Vec<f32>, Vec<f32>)> {
    let queries = || around_centres(QUERIES, 0.0, false, 3);
    let mut titles = titles();
    let asked = titles.split_off(ROWS * DIM);
    vec![
        ("clustered", around_centres(ROWS, 0.0, false, 1), queries()),
        ("scaled", around_centres(ROWS, 0.5, false, 1), queries()),
        ("grouped", around_centres(ROWS, 0.0, true, 1), queries()),
        ("duplicated", duplicated(1), queries()),
        ("titles", titles, asked),
    ]
}

/// Mean recall@10. Of equal scores any is right: a found vector counts if it is as near as the tenth.
fn recall(index: &dyn AnnIndex, exact: &Flat, queries: &[f32], filter: Option<&dyn Filter>) -> f64 {
    let one = |query: &[f32]| {
        let mut best = Vec::new();
        exact.search_into(query, 10, filter, &mut best).unwrap();
        let last = best.last().unwrap().score;
        let prepared = exact.prepare(query).unwrap();
        let mut found = Vec::new();
        index.search_into(query, 10, filter, &mut found).unwrap();
        let near = found.iter().filter(|n| exact.score(&prepared, n.id).unwrap() >= last - 1e-5 * last.abs());
        near.count() as f64 / best.len() as f64
    };
    queries.chunks(DIM).map(one).sum::<f64>() / QUERIES as f64
}

/// Recall of an index as it was built, with a filter, and after a quarter of it was replaced.
fn measure<I: Update>(
    mut index: I,
    data: &[f32],
    metric: Metric,
    queries: &[f32],
) -> [(&'static str, f64); 3] {
    let rows = Vectors::new(DIM, data.to_vec()).unwrap();
    let mut exact = Flat::build(&rows, metric).unwrap();
    let built = recall(&index, &exact, queries, None);
    let tenth = |id: u64| id % 10 == 3;
    let filtered = recall(&index, &exact, queries, Some(&tenth));
    for id in (0..ROWS as u64).filter(|id| id % 4 == 1) {
        assert!(index.remove(id) && exact.remove(id));
        // Another row comes back under a new id.
        let row = rows.row((id as usize + 1) % ROWS);
        index.add(id + 1_000_000, row).unwrap();
        exact.add(id + 1_000_000, row).unwrap();
    }
    let changed = recall(&index, &exact, queries, None);
    [("built", built), ("filtered", filtered), ("changed", changed)]
}

#[test]
fn recall_does_not_fall() {
    let mut measured = BTreeMap::new();
    for (data, rows, queries) in data_sets() {
        let vectors = Vectors::new(DIM, rows.clone()).unwrap();
        for metric in METRICS {
            let pq = PqConfig { sub_vectors: 16, iterations: 4, ..Default::default() };
            let lists = IvfConfig { lists: 64, probes: 12, iterations: 6, ..Default::default() };
            let graph = HnswConfig { links: 12, ef_construction: 60, ef_search: 40, ..Default::default() };
            let flat = Flat::build(&vectors, metric).unwrap();
            let nibbles = pq.build_fast_scan(&vectors, metric).unwrap();
            let nibbles = Refined::new(nibbles, flat.clone(), 4).unwrap();
            let rows = rows.as_slice();
            let figures = [
                ("flat", measure(flat, rows, metric, &queries)),
                ("hnsw", measure(graph.build(&vectors, metric).unwrap(), rows, metric, &queries)),
                (
                    "ivf",
                    measure(lists.build(&vectors, Whole::new(DIM), metric).unwrap(), rows, metric, &queries),
                ),
                ("pq", measure(pq.build(&vectors, metric).unwrap(), rows, metric, &queries)),
                ("pq 4 bit, rescored", measure(nibbles, rows, metric, &queries)),
            ];
            for (index, states) in figures {
                for (state, recall) in states {
                    measured.insert(format!("{data}\t{metric:?}\t{index}\t{state}"), recall);
                }
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/gates.tsv");
    if std::env::var_os("SEMINAR_WRITE_GATES").is_some() {
        let mut text = String::from("data\tmetric\tindex\tstate\trecall@10\n");
        measured.iter().for_each(|(key, recall)| writeln!(text, "{key}\t{recall:.4}").unwrap());
        std::fs::write(path, text).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    let mut fallen = String::new();
    let mut compared = 0;
    for line in text.lines().skip(1) {
        let (key, before) = line.rsplit_once('\t').unwrap();
        let (before, now) = (before.parse::<f64>().unwrap(), measured[key]);
        compared += 1;
        if now < before - ALLOWED {
            writeln!(fallen, "{key}: {before} before, {now:.4} now").unwrap();
        }
    }
    assert_eq!(compared, measured.len());
    assert!(fallen.is_empty(), "\n{fallen}");
}
