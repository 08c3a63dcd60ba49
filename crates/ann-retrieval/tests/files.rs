//! Saved indexes: opened again they answer the same; cut off or altered they give an error.

mod support;

use seminar_ann_retrieval::*;
use support::clustered;

/// Saves, opens and compares; then damages the file in every place.
fn round_trip<I: Persist>(index: &I, answers: impl Fn(&I) -> Vec<Vec<Neighbor>>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    index.save(&path).unwrap();
    let expected = answers(index);
    assert!(answers(&I::open(&path).unwrap()) == expected);
    let whole = std::fs::read(&path).unwrap();
    assert!(whole.len() < 40_000, "{} bytes: keep the file small", whole.len());
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(I::open(&path).is_err(), "cut off at {length}");
    }
    let mut longer = whole.clone();
    longer.push(0);
    std::fs::write(&path, &longer).unwrap();
    assert!(I::open(&path).is_err(), "one byte more");
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1 << (at % 8);
        std::fs::write(&path, &altered).unwrap();
        assert!(I::open(&path).is_err(), "byte {at} altered");
    }
    // A file of which the checksum was made to fit: an error, or answers from what it holds; never a panic.
    for at in (64..whole.len()).step_by(3) {
        let mut forged = whole.clone();
        forged[at] = forged[at].wrapping_add(129);
        seal(&mut forged);
        std::fs::write(&path, &forged).unwrap();
        if let Ok(index) = I::open(&path) {
            answers(&index);
        }
    }
}

/// Writes the right checksum: of every byte but its own eight.
fn seal(file: &mut [u8]) {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    hash.update(&file[..32]);
    hash.update(&file[40..]);
    let digest = hash.digest();
    file[32..40].copy_from_slice(&digest.to_le_bytes());
}

fn searches<I: AnnIndex>(index: &I) -> Vec<Vec<Neighbor>> {
    let queries = clustered(4, 8, 9);
    // A forged file may hold another width: then an error is the right answer.
    (0..4).map(|q| index.search(queries.row(q), 7).unwrap_or_default()).collect()
}

#[test]
fn every_kind_of_index() {
    let rows = clustered(60, 8, 1);
    let metric = Metric::L2;
    let pq = PqConfig { sub_vectors: 4, centroids: 16, iterations: 2, ..Default::default() };
    let mut flat = Flat::build(&rows, metric).unwrap();
    flat.remove(3);
    flat.add(1 << 50, rows.row(0)).unwrap();
    round_trip(&flat, searches);
    round_trip(&pq.build(&rows, metric).unwrap(), searches);
    round_trip(&pq.build_fast_scan(&rows, metric).unwrap(), searches);
    round_trip(&LshConfig { bits: 64, seed: 0 }.build(&rows).unwrap(), searches);
    round_trip(&RaBitQConfig { seed: 1 }.build(&rows, metric).unwrap(), searches);
    let residual = ResidualConfig { stages: 2, centroids: 8, iterations: 2, ..Default::default() };
    round_trip(&residual.build(&rows, metric).unwrap(), searches);
    let mut hnsw = HnswConfig { links: 4, ef_construction: 20, ef_search: 10, ..Default::default() }
        .build(&rows, metric)
        .unwrap();
    hnsw.remove(9);
    hnsw.add(9, rows.row(2)).unwrap();
    round_trip(&hnsw, searches);
    let ivf = IvfConfig { lists: 5, probes: 2, ..Default::default() };
    round_trip(&ivf.build(&rows, Whole::new(8), metric).unwrap(), searches);
    round_trip(
        &Refined::new(pq.build(&rows, metric).unwrap(), Flat::build(&rows, metric).unwrap(), 3).unwrap(),
        searches,
    );
    round_trip(&Rotated::build_pq(&rows, &pq, metric, 1).unwrap(), searches);
}

#[test]
fn a_history() {
    let rows = clustered(100, 8, 2);
    let part = |m: usize| {
        let own = (0..100).flat_map(|row| rows.row(row)[m * 4..][..4].to_vec()).collect();
        let config = PqConfig { sub_vectors: 2, centroids: 8, iterations: 2, ..Default::default() };
        config.train(&Vectors::new(4, own).unwrap()).unwrap()
    };
    let codec = PqHistory::codec(&[&part(0), &part(1)]).unwrap();
    let mut history = PqHistory::new(codec, 2).unwrap();
    history.extend(rows.as_slice()).unwrap();
    history.delete(17).unwrap();
    round_trip(&history, |history: &PqHistory| {
        let target = vec![0.5; history.modalities() * history.dim()];
        let target = history.prepare(&target, &vec![0.5; history.modalities()]).unwrap();
        vec![history.top_k(&target, 9)]
    });
}

#[test]
fn a_changed_copy_leaves_the_file_alone_and_kinds_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flat");
    let rows = clustered(50, 8, 3);
    Flat::build(&rows, Metric::L2).unwrap().save(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut opened = Flat::open(&path).unwrap();
    opened.add(50, rows.row(0)).unwrap();
    assert!(opened.remove(0) && opened.len() == 50);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let error = Pq::open(&path).unwrap_err().to_string();
    assert!(error.contains("flat") && error.contains("pq8"), "{error}");
}

#[test]
fn errors_of_the_file_system_keep_their_source() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere").join("index");
    let flat = Flat::build(&clustered(5, 8, 3), Metric::L2).unwrap();
    for error in [Flat::open(&missing).unwrap_err(), flat.save(&missing).unwrap_err()] {
        let source = std::error::Error::source(&error).unwrap().downcast_ref::<std::io::Error>().unwrap();
        assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
        let message = error.to_string();
        assert!(message.contains("nowhere") && !message.contains(&source.to_string()), "{message}");
    }
}

/// A graph as version 0.1 wrote it, with one row removed and one added.
#[test]
fn a_graph_of_version_0_1_still_opens() {
    let path = format!("{}/tests/data/hnsw_v1.index", env!("CARGO_MANIFEST_DIR"));
    let index = Hnsw::open(path.as_ref()).unwrap();
    let found = index.search(&[0.1, 0.2, 0.3, 0.4], 5).unwrap();
    let expected = [(8, 0.62035155), (41, 0.5924198), (13, 0.56046677), (33, 0.5411907), (46, 0.52822757)];
    assert_eq!(found.iter().map(|n| (n.id, n.score)).collect::<Vec<_>>(), expected);
    assert_eq!(index.len(), 60);
}
