//! Indexes that change while they are searched, with ids of their own.

mod support;

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::*;
use support::clustered;

/// All vectors, compared one by one.
struct Oracle {
    metric: Metric,
    rows: BTreeMap<u64, Vec<f32>>,
}

impl Oracle {
    /// One of the ids.
    fn some(&self, rng: &mut ChaCha8Rng) -> u64 {
        *self.rows.keys().nth(rng.random_range(0..self.rows.len())).unwrap()
    }

    fn best(&self, query: &[f32], k: usize, accepts: &dyn Fn(u64) -> bool) -> Vec<Neighbor> {
        let accepted = self.rows.iter().filter(|(id, _)| accepts(**id));
        let scored = accepted.map(|(&id, row)| Neighbor { id, score: self.metric.similarity(query, row) });
        let mut all: Vec<Neighbor> = scored.collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        all.truncate(k);
        all
    }
}

/// What an index must be able to do for the walk below.
trait Living: Update + Persist {
    fn anew(&mut self) {}
}

impl Living for Flat {}
impl Living for Hnsw {
    fn anew(&mut self) {
        self.rebuild().unwrap();
    }
}
impl Living for Ivf<Whole> {
    fn anew(&mut self) {
        if !self.is_empty() {
            self.rebuild(&IvfConfig { lists: 8, probes: 4, ..Default::default() }).unwrap();
        }
    }
}

/// Random adds, removals, searches, savings and rebuilds beside the oracle. Returns the mean recall@10 of all searches.
fn walk<I: Living>(mut index: I, metric: Metric, pool: &Vectors, steps: usize, seed: u64) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut oracle = Oracle { metric, rows: BTreeMap::new() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let (mut recall, mut searches) = (0.0, 0usize);
    let most = pool.len() / 2;
    for _ in 0..steps {
        let held = oracle.rows.len();
        match rng.random_range(0..1000) {
            // Adding is as likely as removing where the index is full.
            0..450 if held < most => {
                let (id, row) = (rng.random_range(0..1 << 12) << 20, rng.random_range(0..pool.len()));
                let there = oracle.rows.contains_key(&id);
                assert_eq!(index.contains(id), there);
                match index.add(id, pool.row(row)) {
                    Ok(()) => assert!(!there),
                    Err(Error::Duplicate(twice)) => assert!(there && twice == id),
                    Err(error) => panic!("{error}"),
                }
                oracle.rows.entry(id).or_insert_with(|| pool.row(row).to_vec());
            }
            450..460 if held + 50 < most => {
                let first = (1 << 40) + rng.random_range(0..1000u64) * 64;
                let rows: Vec<f32> =
                    (0..50).flat_map(|_| pool.row(rng.random_range(0..pool.len())).to_vec()).collect();
                let rows = Vectors::new(pool.dim(), rows).unwrap();
                let there = (first..first + 50).any(|id| oracle.rows.contains_key(&id));
                assert_eq!(index.extend(first, &rows).is_err(), there);
                if !there {
                    (0..50)
                        .for_each(|row| drop(oracle.rows.insert(first + row as u64, rows.row(row).to_vec())));
                }
            }
            0..800 if held > 0 => {
                let id = oracle.some(&mut rng);
                assert!(index.remove(id) && !index.remove(id) && !index.contains(id));
                oracle.rows.remove(&id);
            }
            800..990 if held > 0 => {
                let query = pool.row(rng.random_range(0..pool.len()));
                let k = [1, 10, 10, 10, held + 5][rng.random_range(0..5)];
                let part = rng.random_range(1..40u64);
                let accepts = |id: u64| (id >> 20).is_multiple_of(part);
                let list: Vec<u64> = oracle.rows.keys().copied().filter(|&id| accepts(id)).collect();
                let list = IdList::new(list);
                let filters: [Option<&dyn Filter>; 3] = [None, Some(&accepts), Some(&list)];
                let filter = filters[rng.random_range(0..3)];
                let mut search = Search::new(k);
                search.filter = filter;
                let hits = index.hits(query, &search).unwrap();
                let best = oracle.best(query, k, &|id| filter.is_none_or(|filter| filter.accepts(id)));
                assert_eq!(hits.len(), best.len());
                let accepted = |id: &&u64| filter.is_none_or(|filter| filter.accepts(**id));
                assert_eq!(hits.exhausted, oracle.rows.keys().filter(accepted).count() <= k);
                for found in hits.iter() {
                    assert!(filter.is_none_or(|filter| filter.accepts(found.id)));
                    let exact = metric.similarity(query, &oracle.rows[&found.id]);
                    assert!((found.score - exact).abs() < 1e-4 * (1.0 + exact.abs()));
                }
                assert!(hits.windows(2).all(|two| two[0].score >= two[1].score && two[0].id != two[1].id));
                if best.len() >= 10 {
                    recall += recall_at(10, &hits, &best);
                    searches += 1;
                }
            }
            990..997 => {
                index.save(&path).unwrap();
                index = I::open(&path).unwrap();
            }
            _ => index.anew(),
        }
        assert_eq!(index.len(), oracle.rows.len());
        if !oracle.rows.is_empty() {
            let id = oracle.some(&mut rng);
            let kept = index.vector(id).map(|row| row.into_owned());
            if metric != Metric::Cosine {
                assert_eq!(kept.as_deref(), Some(&oracle.rows[&id][..]));
            }
        }
    }
    recall / searches.max(1) as f64
}

fn everything(steps: usize) {
    let pool = clustered(4000, 12, 5);
    let empty = Vectors::new(12, Vec::new()).unwrap();
    for (seed, metric) in [Metric::InnerProduct, Metric::Cosine, Metric::L2].into_iter().enumerate() {
        let seed = seed as u64;
        let flat = walk(Flat::build(&empty, metric).unwrap(), metric, &pool, steps, seed);
        assert!(flat > 0.999, "{metric:?}: {flat}");
        let config = HnswConfig { links: 8, ef_construction: 60, ef_search: 40, ..Default::default() };
        let graph = walk(config.empty(12, metric).unwrap(), metric, &pool, steps, seed + 3);
        assert!(graph > 0.98, "{metric:?}: {graph}");
        let lists = IvfConfig { lists: 8, probes: 4, ..Default::default() };
        let mut ivf = lists.build(&pool, Whole::new(12), metric).unwrap();
        (0..4000).for_each(|id| assert!(ivf.remove(id)));
        let ivf = walk(ivf, metric, &pool, steps, seed + 6);
        assert!(ivf > 0.9, "{metric:?}: {ivf}");
        println!("{metric:?}: flat {flat:.4}, graph {graph:.4}, ivf {ivf:.4}");
    }
}

#[test]
fn random_operations_beside_an_oracle() {
    everything(3_000);
}

/// Run with `cargo test --release -p seminar-ann-retrieval --test live -- --ignored`.
#[test]
#[ignore = "1,000,000 operations take minutes"]
fn a_million_operations_beside_an_oracle() {
    everything(111_112);
}

#[test]
fn a_graph_that_grew_is_as_good_as_one_that_was_built() {
    let (rows, dim) = (clustered(6000, 16, 3), 16);
    let queries = clustered(100, dim, 4);
    for metric in [Metric::InnerProduct, Metric::Cosine, Metric::L2] {
        let exact = Flat::build(&rows, metric).unwrap();
        let recall = |index: &Hnsw| {
            let one = |q: usize| {
                recall_at(
                    10,
                    &index.search(queries.row(q), 10).unwrap(),
                    &exact.search(queries.row(q), 10).unwrap(),
                )
            };
            (0..100).map(one).sum::<f64>() / 100.0
        };
        let config = HnswConfig { links: 8, ef_construction: 60, ef_search: 40, ..Default::default() };
        let built = recall(&config.build(&rows, metric).unwrap());
        // In the order of the rows, one by one, twice as many as stay.
        let mut grown = config.empty(dim, metric).unwrap();
        for row in 0..rows.len() {
            grown.add(row as u64, rows.row(row)).unwrap();
            grown.add((row + 10_000) as u64, rows.row((row * 7 + 1) % rows.len())).unwrap();
            if row >= 500 {
                assert!(grown.remove((row - 500 + 10_000) as u64));
            }
        }
        (5500..6000).for_each(|row| assert!(grown.remove(row + 10_000)));
        assert_eq!(grown.len(), rows.len());
        let kept = recall(&grown);
        assert!(kept > built - 0.03, "{metric:?}: grown {kept}, built {built}");
        grown.rebuild().unwrap();
        let again = recall(&grown);
        assert!(again > built - 0.01, "{metric:?}: rebuilt {again}, built {built}");
    }
}

#[test]
fn watching_and_stopping() {
    let rows = clustered(3000, 8, 1);
    for builder in [HnswBuilder::Rounds, HnswBuilder::HnswRs] {
        let config = HnswConfig { builder, ..Default::default() };
        let mut told = Vec::new();
        let built = config.build_watched(&rows, Metric::L2, &mut |linked, all| {
            told.push((linked, all));
            true
        });
        assert!(built.is_ok());
        assert!(told.windows(2).all(|two| two[0].0 < two[1].0));
        assert_eq!(told.last(), Some(&(3000, 3000)));
        let stopped = config.build_watched(&rows, Metric::L2, &mut |linked, _| linked < 1000);
        assert!(matches!(stopped, Err(Error::Stopped)), "{builder:?}");
        let mut index = built.unwrap();
        assert!(matches!(index.rebuild_watched(&mut |_, _| false), Err(Error::Stopped)));
        assert_eq!(index.search(rows.row(7), 1).unwrap()[0].score, 0.0);
    }
}

#[test]
fn ids_of_ones_own_everywhere() {
    let ids: Vec<u64> = (0..500).map(|row| (row * row) << 30 | 5).collect();
    let rows = clustered(500, 8, 2).with_ids(ids.clone()).unwrap();
    let metric = Metric::L2;
    let pq = PqConfig { sub_vectors: 4, centroids: 16, iterations: 4, ..Default::default() };
    let ivf = IvfConfig { lists: 5, probes: 5, ..Default::default() };
    let residual = ResidualConfig { stages: 2, centroids: 16, iterations: 3, ..Default::default() };
    let bytes = ByteCodes::new(pq.train(&rows).unwrap()).unwrap();
    let flat = Flat::build(&rows, metric).unwrap();
    let indexes: Vec<Box<dyn AnnIndex>> = vec![
        Box::new(flat.clone()),
        Box::new(HnswConfig::default().build(&rows, metric).unwrap()),
        Box::new(ivf.build(&rows, Whole::new(8), metric).unwrap()),
        Box::new(ivf.build(&rows, bytes, metric).unwrap()),
        Box::new(pq.build(&rows, metric).unwrap()),
        Box::new(pq.build_fast_scan(&rows, metric).unwrap()),
        Box::new(residual.build(&rows, metric).unwrap()),
        Box::new(LshConfig::default().build(&rows).unwrap()),
        Box::new(Rotated::build_pq(&rows, &pq, metric, 2).unwrap()),
        Box::new(Refined::new(pq.build(&rows, metric).unwrap(), flat, 4).unwrap()),
    ];
    for (number, index) in indexes.iter().enumerate() {
        let found = index.search(rows.row(77), 500).unwrap();
        let mut all: Vec<u64> = found.iter().map(|n| n.id).collect();
        all.sort_unstable();
        let mut own = ids.clone();
        own.sort_unstable();
        assert_eq!(all, own, "index {number}");
        assert!(index.contains(ids[3]) && !index.contains(1));
        assert!(index.vector(1).is_none());
        if let Some(row) = index.vector(ids[77]) {
            let far: f32 = row.iter().zip(rows.row(77)).map(|(a, b)| (a - b).powi(2)).sum();
            assert!(far < 2.0, "index {number}: {far}");
        } else {
            assert_eq!(number, 7, "only signs cannot be read back");
        }
    }
    assert!(matches!(clustered(3, 2, 1).with_ids(vec![4, 5, 4]), Err(Error::Duplicate(4))));
    assert!(clustered(3, 2, 1).with_ids(vec![4, 5]).is_err());
}

#[test]
fn least_scores_and_many_queries_with_a_filter() {
    let rows = Vectors::new(1, (0..100).map(|i| i as f32).collect()).unwrap();
    let filter = Bitmap::new((0..100).filter(|id| id % 3 == 0)).unwrap();
    let ivf = IvfConfig { lists: 10, probes: 10, ..Default::default() };
    let indexes: [Box<dyn AnnIndex>; 3] = [
        Box::new(Flat::build(&rows, Metric::L2).unwrap()),
        Box::new(HnswConfig::default().build(&rows, Metric::L2).unwrap()),
        Box::new(ivf.build(&rows, Whole::new(1), Metric::L2).unwrap()),
    ];
    for index in indexes {
        let search = Search::new(5).filter(&filter).least_score(-10.0);
        let many = index.hits_many(&[50.0, 2.0], &search).unwrap();
        let ids: Vec<Vec<u64>> = many.iter().map(|hits| hits.iter().map(|n| n.id).collect()).collect();
        assert_eq!(ids, [vec![51, 48], vec![3, 0]]);
        assert!(many.iter().all(|hits| hits.exhausted));
        let full = index.hits(&[50.0], &Search::new(5).filter(&filter)).unwrap();
        assert!(full.len() == 5 && !full.exhausted);
        assert!(index.hits_many(&[], &search).unwrap().is_empty());
    }
}
