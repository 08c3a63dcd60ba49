//! The store of many histories: it answers as histories of the same behaviours do, whatever was deleted, merged or
//! reopened in between.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::*;
use support::clustered;

const M: usize = 2;
const D: usize = 4;
const WEIGHTS: [f32; M] = [0.3, 0.9];

fn books(centroids: usize) -> Vec<ProductQuantizer> {
    let rows = clustered(300, M * D, 7);
    let modality = |m: usize| {
        let own = (0..rows.len()).flat_map(|row| rows.row(row)[m * D..][..D].to_vec()).collect();
        let config = PqConfig { sub_vectors: 2, centroids, iterations: 3, ..Default::default() };
        config.train(&Vectors::new(D, own).unwrap()).unwrap()
    };
    (0..M).map(modality).collect()
}

fn bytes() -> Arc<ByteCodes> {
    PqHistory::codec(&books(40).iter().collect::<Vec<_>>()).unwrap()
}

fn nibbles() -> Arc<NibbleCodes> {
    NibbleHistory::codec(&books(16).iter().collect::<Vec<_>>()).unwrap()
}

/// Behaviours by user, oldest first: event id and row.
type Held = BTreeMap<u64, Vec<(u64, Vec<f32>)>>;

/// What a history of one user says of the best 12: with the caller's ids in place of its own.
fn expected<H: HistoryIndex>(mut history: H, held: &[(u64, Vec<f32>)], target: &[f32]) -> Vec<Neighbor> {
    held.iter().for_each(|(_, row)| assert!(history.append(row).is_ok()));
    let found = history.top_k(&history.prepare(target, &WEIGHTS).unwrap(), 12).unwrap();
    found.into_iter().map(|n| Neighbor { id: held[n.id as usize].0, score: n.score }).collect()
}

/// `Σ_i Σ_j w_i w_j ⟨q_i, k_j⟩`, pair by pair.
fn pair_sum(target: &[f32], row: &[f32]) -> f64 {
    let mut sum = 0.0;
    for (q, wq) in target.chunks_exact(D).zip(WEIGHTS) {
        for (key, wk) in row.chunks_exact(D).zip(WEIGHTS) {
            let dot: f64 = q.iter().zip(key).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            sum += f64::from(wq) * f64::from(wk) * dot;
        }
    }
    sum
}

/// Compares every user's answers with those of a history that only ever held what is left.
fn compare<C: StoredCodec>(store: &HistoryStore<C>, kept: Kept, held: &Held, rng: &mut ChaCha8Rng) {
    let rows = clustered(300, M * D, 7);
    let targets: Vec<&[f32]> = (0..2).map(|_| rows.row(rng.random_range(0..300))).collect();
    let prepared: Vec<StoreTarget<C>> = targets.iter().map(|t| store.prepare(t, &WEIGHTS).unwrap()).collect();
    for (&user, held) in held {
        let history = store.get(user).unwrap();
        assert_eq!(history.events(), held.iter().map(|(event, _)| *event).collect::<Vec<_>>(), "user {user}");
        assert_eq!((history.len(), history.is_empty()), (held.len(), held.is_empty()));
        let many = history.top_k_many(&prepared, 12).unwrap();
        for ((target, prepared), found) in targets.iter().zip(&prepared).zip(&many) {
            let codec = store.shared().clone();
            let expected = match kept {
                Kept::Codes => expected(History::new(codec, M).unwrap(), held, target),
                Kept::CodesAndRows { factor } => {
                    expected(RescoredHistory::new(codec, M, factor).unwrap(), held, target)
                }
            };
            assert_eq!(*found, expected, "user {user} of {}", held.len());
            assert_eq!(history.top_k(prepared, 12).unwrap(), expected);
            for found in found {
                assert_eq!(history.score(prepared, found.id).unwrap(), Some(found.score));
                if let Kept::CodesAndRows { .. } = kept {
                    let (_, row) = held.iter().find(|(event, _)| *event == found.id).unwrap();
                    assert!((f64::from(found.score) - pair_sum(target, row)).abs() < 1e-4);
                }
            }
            assert_eq!(history.score(prepared, 1 << 60).unwrap(), None);
        }
    }
}

/// Random appends, deletions, erasures, merges and openings.
fn random_store<C: StoredCodec>(codec: Arc<C>, kept: Kept, steps: usize, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let limits = StoreLimits { log_bytes: 12_000, segments: 3 };
    let mut store = HistoryStore::create(&path, codec.clone(), M, kept).unwrap().with_limits(limits);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rows = clustered(300, M * D, 7);
    let mut held = Held::new();
    let mut most = 0;
    for step in 0..steps {
        // Ids far apart, and few enough users that some have more behaviours than a block.
        let user = [0, 3, 1 << 40, u64::MAX, 77, 78][rng.random_range(0..100usize).isqrt() / 2 % 6];
        let own = held.entry(user).or_default();
        match rng.random_range(0..100) {
            0..45 => {
                let (event, row) = (rng.random_range(0..100_000), rows.row(rng.random_range(0..300)));
                let there = own.iter().any(|(old, _)| *old == event);
                match store.append(user, event, row) {
                    Err(Error::Duplicate(twice)) => assert!(there && twice == event),
                    done => {
                        done.unwrap();
                        assert!(!there);
                        own.push((event, row.to_vec()));
                    }
                }
            }
            45..65 => {
                let (mut names, mut batch) = (Vec::new(), Vec::new());
                for _ in 0..rng.random_range(0..40) {
                    let user = [0, 3, 9][rng.random_range(0..3)];
                    let (event, row) =
                        (rng.random_range(100_000..1 << 62), rows.row(rng.random_range(0..300)));
                    names.push((user, event));
                    batch.extend_from_slice(row);
                    held.entry(user).or_default().push((event, row.to_vec()));
                }
                store.append_many(&names, &batch).unwrap();
            }
            65..93 if !own.is_empty() => {
                let (event, row) = own.remove(rng.random_range(0..own.len()));
                store.delete(user, event).unwrap();
                assert!(matches!(store.delete(user, event), Err(Error::Unknown(gone)) if gone == event));
                assert!(!store.contains(user, event).unwrap());
                // Now and then the id comes back at once, as the newest.
                if rng.random_range(0..4) == 0 {
                    store.append(user, event, &row).unwrap();
                    own.push((event, row));
                }
            }
            93 => {
                assert_eq!(store.erase(user).unwrap(), own.len());
                own.clear();
            }
            94 => store.compact().unwrap(),
            95..97 => {
                drop(store);
                store = HistoryStore::open(&path).unwrap().with_limits(limits);
                assert_eq!(store.cut_off(), 0);
            }
            _ => {
                drop(store);
                store = HistoryStore::open_with(&path, codec.clone()).unwrap().with_limits(limits);
                assert!(Arc::ptr_eq(store.shared(), &codec));
            }
        }
        most = most.max(store.sizes().segments);
        if step % (steps / 25) == 0 || step + 1 == steps {
            compare(&store, kept, &held, &mut rng);
        }
    }
    assert!((2..=4).contains(&most), "{most} segments at most");
    store.compact().unwrap();
    compare(&store, kept, &held, &mut rng);
    assert!(store.sizes().segments <= 1);
    // What is left takes the same file as a store that only ever held it.
    let fresh = HistoryStore::create(&folder.path().join("fresh"), codec, M, kept).unwrap();
    for (&user, held) in &held {
        held.iter().for_each(|(event, row)| fresh.append(user, *event, row).unwrap());
    }
    fresh.compact().unwrap();
    assert_eq!(fresh.sizes().segment_bytes, store.sizes().segment_bytes);
}

#[test]
fn a_store_equals_histories_of_what_is_left() {
    random_store(bytes(), Kept::Codes, 900, 1);
    random_store(bytes(), Kept::CodesAndRows { factor: 3 }, 500, 2);
    random_store(nibbles(), Kept::Codes, 700, 3);
    random_store(nibbles(), Kept::CodesAndRows { factor: 1 }, 400, 4);
    random_store(Arc::new(Whole::new(M * D)), Kept::Codes, 700, 5);
    random_store(Arc::new(Whole::new(M * D)), Kept::CodesAndRows { factor: 2 }, 300, 6);
}

#[test]
fn bad_calls_are_errors_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let store = HistoryStore::create(&path, bytes(), M, Kept::Codes).unwrap();
    let row = [0.5; M * D];
    store.append(1, 10, &row).unwrap();
    assert!(matches!(store.append(1, 10, &row), Err(Error::Duplicate(10))));
    store.append(2, 10, &row).unwrap();
    let twice = store.append_many(&[(3, 5), (3, 6), (3, 5)], &[row, row, row].concat());
    assert!(matches!(twice, Err(Error::Duplicate(5))));
    assert!(matches!(store.append_many(&[(3, 5), (1, 10)], &[row, row].concat()), Err(Error::Duplicate(10))));
    assert!(matches!(store.append(1, 11, &row[1..]), Err(Error::Dimension { expected: 8, found: 7, .. })));
    assert!(matches!(store.append(1, 11, &[f32::NAN; 8]), Err(Error::NotFinite { .. })));
    assert!(matches!(store.append(1, 11, &[1e30; 8]), Err(Error::TooLarge { row: 0 })));
    assert!(matches!(store.append_many(&[(1, 11)], &[]), Err(Error::Dimension { .. })));
    assert!(matches!(store.delete(1, 11), Err(Error::Unknown(11))));
    assert_eq!((store.erase(3).unwrap(), store.get(3).unwrap().len()), (0, 0));
    assert_eq!((store.get(1).unwrap().events(), store.get(9).unwrap().events()), (vec![10], vec![]));
    store.append_many(&[], &[]).unwrap();
    // Targets of another store.
    let wide = Arc::new(Whole::new(16));
    let other = HistoryStore::create(&folder.path().join("other"), wide, M, Kept::Codes).unwrap();
    assert!(store.prepare(&row, &[1e30, 1e30]).is_err() && store.prepare(&row, &[f32::NAN, 1.0]).is_err());
    assert!(
        other.get(1).unwrap().top_k(&other.prepare(&[0.5; 16], &WEIGHTS).unwrap(), 3).unwrap().is_empty()
    );
    let books = PqHistory::codec(&books(39).iter().collect::<Vec<_>>()).unwrap();
    let coarser =
        HistoryStore::create(&folder.path().join("coarser"), books.clone(), M, Kept::Codes).unwrap();
    let error = store.get(1).unwrap().top_k(&coarser.prepare(&row, &WEIGHTS).unwrap(), 3).unwrap_err();
    assert!(matches!(error, Error::Config { field: "target", .. }), "{error}");
    let exact =
        HistoryStore::create(&folder.path().join("rows"), bytes(), M, Kept::CodesAndRows { factor: 2 })
            .unwrap();
    exact.append(1, 10, &row).unwrap();
    let error = exact.get(1).unwrap().top_k(&store.prepare(&row, &WEIGHTS).unwrap(), 3).unwrap_err();
    assert!(matches!(error, Error::Config { field: "target", .. }), "{error}");
    // A codec that was trained again does not fit, and says so.
    drop(store);
    let error = HistoryStore::open_with(&path, books).err().unwrap().to_string();
    assert!(error.contains("another codec"), "{error}");
    assert!(HistoryStore::<NibbleCodes>::open(&path).is_err());
    let wrong = HistoryStore::create(&folder.path().join("wrong"), bytes(), 3, Kept::Codes);
    assert!(matches!(wrong.err(), Some(Error::Config { field: "modalities", .. })));
    let wrong =
        HistoryStore::create(&folder.path().join("wrong"), bytes(), M, Kept::CodesAndRows { factor: 0 });
    assert!(matches!(wrong.err(), Some(Error::Config { field: "factor", .. })));
    assert!(!folder.path().join("wrong").exists());
}

#[test]
fn one_store_at_a_time_and_never_a_strangers_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let store = HistoryStore::create(&path, bytes(), M, Kept::Codes).unwrap();
    let error = HistoryStore::<ByteCodes>::open(&path).err().unwrap();
    assert!(error.to_string().contains("open already"), "{error}");
    drop(store);
    assert!(HistoryStore::create(&path, bytes(), M, Kept::Codes).is_err(), "there is a store");
    HistoryStore::<ByteCodes>::open(&path).unwrap();
    // A folder of other things is neither taken nor changed.
    let strange = folder.path().join("strange");
    std::fs::create_dir(&strange).unwrap();
    std::fs::write(strange.join("00000001.log"), "mine").unwrap();
    let error = HistoryStore::create(&strange, bytes(), M, Kept::Codes).err().unwrap().to_string();
    assert!(error.contains("00000001.log"), "{error}");
    assert!(HistoryStore::<ByteCodes>::open(&strange).is_err());
    let listed = |path: &Path| {
        let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(listed(&strange).len(), 1);
    assert!(HistoryStore::<ByteCodes>::open(&folder.path().join("nothing")).is_err());
    assert!(!folder.path().join("nothing").exists());
    // Files in a store's folder that are not its own stay, whatever they are called.
    for name in ["00000009.segment", "00000008.log", "notes.txt"] {
        std::fs::write(path.join(name), "a stranger's").unwrap();
    }
    let store = HistoryStore::<ByteCodes>::open(&path).unwrap();
    for event in 0..20 {
        store.append(1, event, &[0.1; M * D]).unwrap();
        store.compact().unwrap();
    }
    for name in ["00000009.segment", "00000008.log", "notes.txt"] {
        assert_eq!(std::fs::read_to_string(path.join(name)).unwrap(), "a stranger's");
    }
    assert_eq!(listed(&path).len(), 8, "lock, store, manifest, log, segment and three others");
}

#[test]
fn readers_go_on_while_everything_is_merged() {
    let folder = tempfile::tempdir().unwrap();
    let limits = StoreLimits { log_bytes: 4_000, segments: 2 };
    let kept = Kept::CodesAndRows { factor: 4 };
    let store = HistoryStore::create(folder.path(), bytes(), M, kept).unwrap().with_limits(limits);
    let rows = clustered(300, M * D, 7);
    for event in 0..150 {
        store.append(5, event, rows.row(event as usize)).unwrap();
    }
    let target = store.prepare(rows.row(3), &WEIGHTS).unwrap();
    let expected = store.get(5).unwrap().top_k(&target, 10).unwrap();
    let early = store.get(5).unwrap();
    let (done, reads) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(store.get(5).unwrap().top_k(&target, 10).unwrap(), expected);
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let writer = scope.spawn(|| {
            for event in 0..200 {
                store.append(event % 4, event, rows.row(event as usize)).unwrap();
                if event % 3 == 0 {
                    store.delete(event % 4, event).unwrap();
                }
            }
        });
        while !writer.is_finished() || reads.load(Ordering::Relaxed) < 50 {
            store.compact().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(early.top_k(&target, 10).unwrap(), expected);
    let held: usize = (0..4).map(|user| store.get(user).unwrap().len()).sum();
    assert_eq!(held, 200 - 67);
}
