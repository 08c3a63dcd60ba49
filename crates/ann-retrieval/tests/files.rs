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

fn searches<I: AnnIndex + ?Sized>(index: &I) -> Vec<Vec<Neighbor>> {
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

/// A file of any kind of index, opened without naming its type.
#[test]
fn an_index_of_any_kind_is_opened() {
    let rows = clustered(60, 8, 1);
    let (folder, metric) = (tempfile::tempdir().unwrap(), Metric::L2);
    let path = folder.path().join("index");
    fn check<I: Persist + AnnIndex>(index: &I, path: &std::path::Path) {
        index.save(path).unwrap();
        let opened = open_any(path).unwrap();
        assert!(searches(opened.as_ref()) == searches(index) && opened.len() == index.len());
    }
    let pq = PqConfig { sub_vectors: 4, centroids: 16, iterations: 2, ..Default::default() };
    let ivf = IvfConfig { lists: 5, probes: 2, ..Default::default() };
    let flat = || Flat::build(&rows, metric).unwrap();
    check(&flat(), &path);
    check(&pq.build(&rows, metric).unwrap(), &path);
    check(&pq.build_fast_scan(&rows, metric).unwrap(), &path);
    check(&LshConfig { bits: 64, seed: 0 }.build(&rows).unwrap(), &path);
    check(
        &ResidualConfig { stages: 2, centroids: 8, ..Default::default() }.build(&rows, metric).unwrap(),
        &path,
    );
    check(&HnswConfig::default().build(&rows, metric).unwrap(), &path);
    check(&HnswConfig::default().empty(8, metric).unwrap(), &path);
    check(&ivf.build(&rows, Whole::new(8), metric).unwrap(), &path);
    let lists = || ivf.build(&rows, ByteCodes::new(pq.train(&rows).unwrap()).unwrap(), metric).unwrap();
    check(&lists(), &path);
    check(&RaBitQConfig::default().build(&rows, metric).unwrap(), &path);
    check(&Refined::new(lists(), flat(), 3).unwrap(), &path);
    check(&Refined::new(Rotated::build_pq(&rows, &pq, metric, 1).unwrap(), flat(), 3).unwrap(), &path);
    check(&Rotated::build_fast_scan(&rows, &pq, metric, 1).unwrap(), &path);
    ExactHistory::exact(1, 8).unwrap().save(&path).unwrap();
    let error = open_any(&path).err().unwrap().to_string();
    assert!(error.contains("no index of vectors"), "{error}");
}

fn shared_codec(rows: &Vectors) -> std::sync::Arc<ByteCodes> {
    let part = |m: usize| {
        let own = (0..rows.len()).flat_map(|row| rows.row(row)[m * 4..][..4].to_vec()).collect();
        let config = PqConfig { sub_vectors: 2, centroids: 8, iterations: 2, ..Default::default() };
        config.train(&Vectors::new(4, own).unwrap()).unwrap()
    };
    PqHistory::codec(&[&part(0), &part(1)]).unwrap()
}

/// The best of a history; a forged file may hold other widths, weights or codebooks: then an error is the right answer.
fn best<H: HistoryIndex>(history: &H) -> Vec<Vec<Neighbor>> {
    let target = vec![0.5; history.modalities() * history.dim()];
    let target = history.prepare(&target, &vec![0.5; history.modalities()]);
    vec![target.and_then(|target| history.top_k(&target, 9)).unwrap_or_default()]
}

#[test]
fn every_kind_of_history() {
    let rows = clustered(100, 8, 2);
    let codec = shared_codec(&rows);
    let mut history = PqHistory::new(codec.clone(), 2).unwrap();
    history.extend(rows.as_slice()).unwrap();
    history.delete(17).unwrap();
    round_trip(&history, best);
    let mut rescored = RescoredHistory::new(codec, 2, 3).unwrap();
    rescored.extend(rows.as_slice()).unwrap();
    rescored.delete(17).unwrap();
    round_trip(&rescored, best);
    let mut fused = FusedHistory::exact(&[0.5, 0.5], 4).unwrap();
    (0..60).for_each(|row| assert!(fused.append(rows.row(row)).is_ok()));
    fused.delete(17).unwrap();
    round_trip(&fused, best);
    let mut exact = ExactHistory::exact(2, 4).unwrap();
    exact.extend(rows.as_slice()).unwrap();
    let modality = |m: usize| {
        let own = (0..100).flat_map(|row| rows.row(row)[m * 4..][..4].to_vec()).collect();
        Box::new(Flat::build(&Vectors::new(4, own).unwrap(), Metric::InnerProduct).unwrap())
    };
    let two = TwoStage::new((0..2).map(modality).collect(), exact, 6).unwrap();
    round_trip(&two, |two: &TwoStage<Flat>| {
        vec![two.top_k(&[0.5; 8], &[0.5, 0.5], 9).map(|found| found.best).unwrap_or_default()]
    });
}

/// A history as version 0.1 wrote it, with one behaviour deleted.
#[test]
fn a_history_of_version_0_1_still_opens_with_and_without_a_codec() {
    let path = format!("{}/tests/data/history_v1.index", env!("CARGO_MANIFEST_DIR"));
    let own = PqHistory::open(path.as_ref()).unwrap();
    let shared = PqHistory::open_with(path.as_ref(), own.shared().clone()).unwrap();
    let expected = [(52, 1.5754603), (44, 1.4103711), (20, 1.0223825), (28, 0.91846365), (36, 0.8686817)];
    for history in [own, shared] {
        let target = history.prepare(&[0.5; 8], &[0.25, 0.75]).unwrap();
        let found = history.top_k(&target, 5).unwrap();
        assert_eq!(found.iter().map(|n| (n.id, n.score)).collect::<Vec<_>>(), expected);
        assert_eq!((history.len(), history.score(&target, 17).unwrap()), (59, None));
    }
}

#[test]
fn histories_without_codebooks_share_the_callers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("user");
    let rows = clustered(100, 8, 2);
    let codec = shared_codec(&rows);
    let other = shared_codec(&clustered(100, 8, 3));
    let mut history = PqHistory::new(codec.clone(), 2).unwrap();
    history.extend(rows.as_slice()).unwrap();
    history.save(&path).unwrap();
    let whole = std::fs::metadata(&path).unwrap().len();
    let opened = [1, 2].map(|_| PqHistory::open_with(&path, codec.clone()).unwrap());
    history.save_without_codec(&path).unwrap();
    // Codes of one block, and less than 8 parts of head and table.
    let bytes = std::fs::read(&path).unwrap();
    assert!((bytes.len() as u64) < whole && bytes.len() <= 512 + 8 * 64, "{} of {whole}", bytes.len());
    let bare = PqHistory::open_with(&path, codec.clone()).unwrap();
    for user in opened.iter().chain([&bare]) {
        assert!(std::sync::Arc::ptr_eq(user.shared(), &codec));
        assert_eq!(best(user), best(&history));
    }
    let error = PqHistory::open_with(&path, other.clone()).unwrap_err().to_string();
    assert!(error.contains("another codec") && error.contains("fingerprint"), "{error}");
    let error = PqHistory::open(&path).unwrap_err().to_string();
    assert!(error.contains("open_with"), "{error}");
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        std::fs::write(&path, &altered).unwrap();
        assert!(PqHistory::open_with(&path, codec.clone()).is_err(), "byte {at} altered");
        std::fs::write(&path, &bytes[..at]).unwrap();
        assert!(PqHistory::open_with(&path, codec.clone()).is_err(), "cut off at {at}");
    }
    // The other kinds.
    let mut rescored = RescoredHistory::new(codec.clone(), 2, 3).unwrap();
    rescored.extend(rows.as_slice()).unwrap();
    rescored.save_without_codec(&path).unwrap();
    assert_eq!(best(&RescoredHistory::open_with(&path, codec.clone()).unwrap()), best(&rescored));
    assert!(RescoredHistory::open_with(&path, other).is_err());
    assert!(RescoredHistory::<ByteCodes>::open(&path).is_err() && PqHistory::open(&path).is_err());
    let narrow = std::sync::Arc::new(Whole::new(4));
    let mut fused = FusedHistory::new(narrow.clone(), &[0.5, 0.5]).unwrap();
    (0..60).for_each(|row| assert!(fused.append(rows.row(row)).is_ok()));
    fused.save_without_codec(&path).unwrap();
    assert_eq!(best(&FusedHistory::open_with(&path, narrow).unwrap()), best(&fused));
    assert!(FusedHistory::open_with(&path, std::sync::Arc::new(Whole::new(5))).is_err());
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
