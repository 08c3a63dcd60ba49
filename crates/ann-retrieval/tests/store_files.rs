//! A store's files cut off, altered, or left by a crash: an error that names the file, or the same answers.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use seminar_ann_retrieval::*;
use support::clustered;

const M: usize = 2;
const D: usize = 4;

fn codec() -> Arc<ByteCodes> {
    let rows = clustered(60, M * D, 7);
    let modality = |m: usize| {
        let own = (0..rows.len()).flat_map(|row| rows.row(row)[m * D..][..D].to_vec()).collect();
        let config = PqConfig { sub_vectors: 2, centroids: 4, iterations: 3, ..Default::default() };
        config.train(&Vectors::new(D, own).unwrap()).unwrap()
    };
    PqHistory::codec(&[&modality(0), &modality(1)]).unwrap()
}

/// Two segments, the newer with a deletion and an erasure, and a log with one frame of each kind. One user has more
/// behaviours than a block holds.
fn filled(folder: &Path, kept: Kept) {
    let store = HistoryStore::create(folder, codec(), M, kept).unwrap();
    let rows = clustered(140, M * D, 3);
    let names: Vec<(u64, u64)> =
        (0..140).map(|event| (if event < 130 { 1 } else { event % 3 }, event)).collect();
    store.append_many(&names, rows.as_slice()).unwrap();
    // The log of the next opening becomes a segment at once, and no segments are merged.
    let store = store.with_limits(StoreLimits { log_bytes: 100, segments: 9 });
    store.append(4, 1000, rows.row(1)).unwrap();
    let store = store.with_limits(StoreLimits { log_bytes: 1 << 20, segments: 9 });
    store.delete(1, 7).unwrap();
    store.erase(2).unwrap();
    let store = store.with_limits(StoreLimits { log_bytes: 100, segments: 9 });
    store.append(2, 5, rows.row(9)).unwrap();
    let store = store.with_limits(StoreLimits { log_bytes: 1 << 20, segments: 9 });
    store.delete(0, 132).unwrap();
    store.erase(4).unwrap();
    store.append_many(&[(1, 7), (6, 6)], &rows.as_slice()[..2 * M * D]).unwrap();
    assert_eq!(store.sizes().segments, 2);
}

type Answers = Vec<(Vec<u64>, Vec<Neighbor>)>;

/// What the store says of every user, or the first error on the way.
fn answers(folder: &Path) -> Result<(Answers, u64)> {
    let store = HistoryStore::<ByteCodes>::open(folder)?;
    let target = store.prepare(&[0.5, 0.1, -0.4, 0.3, 0.2, 0.2, 0.6, -0.1], &[0.5, 0.5])?;
    let mut all = Vec::new();
    for user in 0..8 {
        let history = store.get(user)?;
        all.push((history.events(), history.top_k(&target, 200)?));
    }
    Ok((all, store.cut_off()))
}

fn copied(from: &Path, to: &Path) -> Vec<PathBuf> {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        files.push(entry.path());
    }
    files.sort();
    files
}

/// Every cut and every altered byte of every file.
fn damaged_files(kept: Kept, every: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (whole, work) = (folder.path().join("whole"), folder.path().join("work"));
    filled(&whole, kept);
    let files = copied(&whole, &work);
    let (expected, cut_off) = answers(&work).unwrap();
    assert_eq!((cut_off, files.len()), (0, 6));
    assert!(expected[1].0.len() > 128 && expected[2].0 == [5] && expected[4].0.is_empty());
    let copy = |file: &Path| work.join(file.file_name().unwrap());
    for file in &files {
        let (bytes, is_log) =
            (std::fs::read(file).unwrap(), file.extension().is_some_and(|kind| kind == "log"));
        let write = |bytes: &[u8]| {
            // A log is cut by opening, and a mapped file must not be written in place.
            let _ = std::fs::remove_file(copy(file));
            std::fs::write(copy(file), bytes).unwrap();
        };
        for at in (0..bytes.len()).step_by(every) {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << (at % 8);
            write(&altered);
            match answers(&work) {
                Ok(found) => assert!(found == (expected.clone(), 0), "{}: byte {at}", file.display()),
                Err(error) => {
                    let (message, name) = (error.to_string(), file.file_name().unwrap().to_string_lossy());
                    let named = message.contains(&*name) || message.contains("manifest");
                    assert!(named, "{message} of byte {at} of {name}");
                }
            }
            write(&bytes[..at]);
            match answers(&work) {
                // The log's frames before the cut are there, and the rest is counted.
                Ok((found, cut_off)) if is_log => {
                    let left = std::fs::metadata(copy(file)).unwrap().len();
                    assert_eq!(left + cut_off, at as u64, "cut at {at}");
                    assert!(found != expected);
                }
                Ok(found) => assert!(found == (expected.clone(), 0), "{}: cut at {at}", file.display()),
                Err(_) => {}
            }
        }
        write(&bytes);
    }
    assert!(answers(&work).unwrap() == (expected, 0));
}

#[test]
fn damaged_files_give_errors_or_the_same_answers() {
    damaged_files(Kept::Codes, 1);
}

#[test]
fn damaged_files_with_rows_give_errors_or_the_same_answers() {
    damaged_files(Kept::CodesAndRows { factor: 50 }, 3);
}

#[test]
fn damage_at_one_user_stops_no_other_and_ends_with_erasing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, rows) = (folder.path().join("users"), clustered(40, M * D, 3));
    let store = HistoryStore::create(&path, codec(), M, Kept::Codes).unwrap();
    let names: Vec<(u64, u64)> = (0..40).map(|event| (event % 4, event)).collect();
    store.append_many(&names, rows.as_slice()).unwrap();
    store.compact().unwrap();
    drop(store);
    let segment = path.join("00000002.segment");
    let mut bytes = std::fs::read(&segment).unwrap();
    // The runs follow the header of 64 bytes, each with its user first.
    let run = (64..bytes.len()).step_by(8).find(|&at| bytes[at..at + 8] == 2u64.to_le_bytes()).unwrap();
    bytes[run + 40] ^= 1;
    std::fs::remove_file(&segment).unwrap();
    std::fs::write(&segment, bytes).unwrap();

    let limits = StoreLimits { log_bytes: 100, segments: 1 };
    let store = HistoryStore::<ByteCodes>::open(&path).unwrap().with_limits(limits);
    for event in 100..110 {
        store.append(event % 2, event, rows.row(0)).unwrap();
    }
    assert!(store.sizes().segments > 1, "merges cannot end");
    for error in [store.get(2).map(drop).unwrap_err(), store.compact().unwrap_err()] {
        assert!(error.to_string().contains("user 2: ") && error.to_string().contains("erase"), "{error}");
    }
    assert_eq!(store.get(1).unwrap().len(), 15);
    store.erase(2).unwrap();
    assert!(store.get(2).unwrap().is_empty());
    store.compact().unwrap();
    assert_eq!(store.sizes().segments, 1);
    assert_eq!([0, 1, 2, 3].map(|user| store.get(user).unwrap().len()), [15, 15, 0, 10]);
}

#[test]
fn an_unfinished_frame_is_cut_off_and_damage_before_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let store = HistoryStore::create(&path, codec(), M, Kept::Codes).unwrap();
    let log = path.join("00000001.log");
    let mut ends = vec![std::fs::metadata(&log).unwrap().len()];
    let rows = clustered(100, M * D, 3);
    for event in 0..30 {
        let names: Vec<(u64, u64)> = (0..30).map(|i| (i, event)).collect();
        store.append_many(&names, &rows.as_slice()[..30 * M * D]).unwrap();
        ends.push(std::fs::metadata(&log).unwrap().len());
    }
    drop(store);
    let bytes = std::fs::read(&log).unwrap();
    let opened = |bytes: &[u8]| {
        std::fs::write(&log, bytes).unwrap();
        let store = HistoryStore::<ByteCodes>::open(&path)?;
        Ok::<_, Error>((store.get(3)?.len(), store.cut_off()))
    };
    let (last, before) = (ends[30] as usize, ends[29] as usize);
    let sector = before.next_multiple_of(512);
    assert_eq!(opened(&bytes).unwrap(), (30, 0));
    // Pages of the last frame that never reached the disk, from some sector on or in between.
    for (from, to) in [(before, last), (sector, last), (sector, sector + 512)] {
        let mut torn = bytes.clone();
        torn[from..to].fill(0);
        assert_eq!(opened(&torn).unwrap(), (29, (last - before) as u64), "{from} to {to}");
        assert_eq!(std::fs::metadata(&log).unwrap().len(), before as u64);
    }
    // The same in the middle is damage, and nothing is cut.
    let mut torn = bytes.clone();
    torn[ends[10] as usize..ends[11] as usize].fill(0);
    let error = opened(&torn).unwrap_err().to_string();
    assert!(error.contains("00000001.log") && error.contains(&format!("byte {}", ends[10])), "{error}");
    assert_eq!(std::fs::read(&log).unwrap(), torn);
    // After a cut, writing goes on where the last whole frame ends.
    opened(&bytes[..last - 5]).unwrap();
    let store = HistoryStore::open_with(&path, codec()).unwrap();
    assert_eq!(store.cut_off(), 0);
    store.append(3, 29, rows.row(0)).unwrap();
    drop(store);
    let store = HistoryStore::<ByteCodes>::open(&path).unwrap();
    assert_eq!((store.get(3).unwrap().len(), store.get(4).unwrap().len()), (30, 29));
}

/// The folder of `filled` as the first version wrote it.
#[test]
fn a_store_of_the_first_version_still_opens() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/store_v1");
    let [old, new] = ["old", "new"].map(|name| folder.path().join(name));
    assert_eq!(copied(&kept, &old).len(), 6);
    filled(&new, Kept::CodesAndRows { factor: 50 });
    let (found, cut_off) = answers(&old).unwrap();
    assert_eq!(cut_off, 0);
    assert_eq!(found, answers(&new).unwrap().0);
}

#[test]
fn leftovers_of_a_crash_are_removed_and_an_interrupted_creation_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    filled(&path, Kept::Codes);
    let (expected, _) = answers(&path).unwrap();
    // A segment that no manifest names yet, whole and begun, and a manifest that was not renamed.
    let segment = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let segment =
        segment.filter(|path| path.extension().is_some_and(|kind| kind == "segment")).min().unwrap();
    std::fs::copy(&segment, path.join("00000077.segment")).unwrap();
    std::fs::write(path.join("00000078.segment"), "").unwrap();
    std::fs::write(path.join("manifest.new"), "half").unwrap();
    assert!(answers(&path).unwrap() == (expected, 0));
    assert!(!path.join("00000077.segment").exists() && !path.join("00000078.segment").exists());
    // A manifest that is gone is damage where there are segments or logs.
    std::fs::remove_file(path.join("manifest")).unwrap();
    let error = answers(&path).unwrap_err().to_string();
    assert!(error.contains("manifest") && segment.exists(), "{error}");
    // Creation, interrupted after each of its files.
    let new = folder.path().join("new");
    drop(HistoryStore::create(&new, codec(), M, Kept::Codes).unwrap());
    for gone in [&["manifest", "00000001.log"][..], &["store", "manifest", "00000001.log"]] {
        gone.iter().for_each(|name| std::fs::remove_file(new.join(name)).unwrap());
        std::fs::write(new.join("store.new"), "half").unwrap();
        let store = match new.join("store").exists() {
            true => HistoryStore::open(&new).unwrap(),
            false => HistoryStore::create(&new, codec(), M, Kept::Codes).unwrap(),
        };
        store.append(1, 1, &[0.5; M * D]).unwrap();
        store.erase(1).unwrap();
        drop(store);
        assert_eq!(HistoryStore::<ByteCodes>::open(&new).unwrap().get(1).unwrap().len(), 0);
    }
}

#[test]
fn what_is_erased_leaves_the_disk_when_everything_is_merged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let store = HistoryStore::create(&path, codec(), M, Kept::CodesAndRows { factor: 2 }).unwrap();
    let secret = [0.123_456_7_f32; M * D];
    let needle: &[u8] = &secret[0].to_le_bytes().repeat(M * D);
    let on_disk = || {
        std::fs::read_dir(&path).unwrap().any(|entry| {
            std::fs::read(entry.unwrap().path()).unwrap().windows(needle.len()).any(|bytes| bytes == needle)
        })
    };
    store.append(8, 1, &[0.5; M * D]).unwrap();
    store.append(7, 1, &secret).unwrap();
    assert!(on_disk());
    store.compact().unwrap();
    assert!(on_disk());
    assert_eq!(store.erase(7).unwrap(), 1);
    assert!(store.get(7).unwrap().is_empty());
    store.compact().unwrap();
    assert!(!on_disk() && store.get(8).unwrap().len() == 1);
}
