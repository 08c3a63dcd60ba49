//! The files of a store of histories: what behaviours are like, the manifest, the log, a segment. Half of the mutants carry
//! checksums that fit.

use std::path::{Path, PathBuf};

use seminar_ann_retrieval::*;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::{Loader, SEALED, Target, choice, chosen};
use crate::mutate::seal;

pub(super) const TARGETS: &[Target] = &[Target { name: "store", records: 1, seeds: files, loader: open }];

const M: usize = 2;
const DIM: usize = 4;
const WIDTH: usize = M * DIM;
const USERS: u64 = 3;

fn row(number: usize) -> impl Iterator<Item = f32> {
    (0..WIDTH).map(move |i| ((number * WIDTH + i) * 7919 % 1000) as f32 / 500.0 - 1.0)
}

/// Fills a folder with a store of which a part is a segment and a part is in the log.
fn fill(folder: &Path) -> Result<()> {
    let half = |which: usize| {
        let own = (0..40).flat_map(|number| row(number).skip(which * DIM).take(DIM)).collect();
        PqConfig { sub_vectors: 2, centroids: 8, iterations: 2, ..Default::default() }
            .train(&Vectors::new(DIM, own)?)
    };
    let codec = PqHistory::codec(&[&half(0)?, &half(1)?])?;
    let store = HistoryStore::create(folder, codec, M, Kept::CodesAndRows { factor: 2 })?;
    let append = |range: std::ops::Range<usize>| {
        let names: Vec<(u64, u64)> = range.clone().map(|i| (i as u64 % USERS, i as u64)).collect();
        store.append_many(&names, &range.flat_map(row).collect::<Vec<f32>>())
    };
    append(0..70)?;
    store.compact()?;
    append(70..80)?;
    store.delete(1, 4)?;
    store.erase(2)?;
    append(80..84)
}

/// Files by name, in the order of names; the lock says nothing.
fn sound(folder: &Path) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.ends_with("lock") {
            files.push((path.clone(), std::fs::read(path)?));
        }
    }
    files.sort();
    Ok(files)
}

fn files() -> anyhow::Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    fill(folder.path())?;
    let each = sound(folder.path())?.into_iter().zip(0u8..);
    Ok(each.flat_map(|((_, file), which)| [chosen(which, &file), chosen(which | SEALED, &file)]).collect())
}

fn open(folder: &Path) -> anyhow::Result<Loader> {
    let folder = folder.join("store");
    fill(&folder)?;
    let sound = sound(&folder)?;
    Ok(Box::new(move |input| {
        let (which, file) = choice(input);
        let (path, _) = &sound[usize::from(which & !SEALED) % sound.len()];
        let mut file = file.to_vec();
        if which & SEALED != 0 {
            reseal(&mut file);
        }
        // A new file: the old one may be mapped still.
        std::fs::remove_file(path)?;
        std::fs::write(path, file)?;
        let taken = HistoryStore::<ByteCodes>::open(&folder).is_ok_and(|store| ask(&store));
        for (path, bytes) in &sound {
            let _ = std::fs::remove_file(path);
            std::fs::write(path, bytes)?;
        }
        Ok(taken)
    }))
}

/// Asks for everything that the store has. A damaged user is an error, which is a right answer.
fn ask(store: &HistoryStore<ByteCodes>) -> bool {
    let (modalities, width) = (store.modalities(), store.modalities() * store.dim());
    let target = match width {
        0..=0xffff => store.prepare(&vec![0.5; width], &vec![0.5; modalities]).ok(),
        _ => None,
    };
    let mut all = true;
    for user in 0..USERS {
        let held = store.get(user);
        all &= held.is_ok() && store.contains(user, user).is_ok();
        if let (Ok(history), Some(target)) = (held, &target) {
            std::hint::black_box(history.top_k(target, 7).is_ok());
        }
    }
    all
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn put(bytes: &mut [u8], at: usize, value: u64) {
    if let Some(place) = bytes.get_mut(at..at + 8) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

/// Makes the checksums of a file fit what it holds, so that the code behind them is reached.
fn reseal(file: &mut [u8]) {
    match file.get(..8) {
        Some(b"SEMI-LOG") => drop(reseal_log(file)),
        Some(b"SEMI-SEG") => drop(reseal_segment(file)),
        _ => seal(file),
    }
}

/// The header, and each frame: what it holds, and its own head.
fn reseal_log(file: &mut [u8]) -> Option<()> {
    let own = xxh3_64_with_seed(file.get(..56)?, 0);
    put(file, 56, own);
    let mut at = 64;
    loop {
        let length = usize::try_from(word(file, at + 8)?).ok()?;
        let payload =
            xxh3_64_with_seed(file.get(at + 32..at.checked_add(length)?.checked_add(32)?)?, at as u64);
        put(file, at + 16, payload);
        let own = xxh3_64_with_seed(file.get(at..at + 24)?, at as u64);
        put(file, at + 24, own);
        at += 32 + length;
    }
}

/// Each run's names and codes as far as the index leads to them, then header and index.
fn reseal_segment(file: &mut [u8]) -> Option<()> {
    let [users, index] = [24, 32].map(|at| word(file, at).and_then(|n| usize::try_from(n).ok()));
    let (users, index) = (users?.min(100), index?);
    for user in 0..users {
        let offset = usize::try_from(word(file, index.checked_add(8 * (users + user))?)?).ok()?;
        let _ = reseal_run(file, offset);
    }
    let mut hash = Xxh3::new();
    hash.update(file.get(..56)?);
    hash.update(file.get(index..)?);
    put(file, 56, hash.digest());
    Some(())
}

fn reseal_run(file: &mut [u8], offset: usize) -> Option<()> {
    let counts = word(file, offset.checked_add(8)?)?;
    let (events, deleted) = ((counts & 0xffff_ffff) as usize, (counts >> 32) as usize);
    let names = offset + 40 + 8 * (events + deleted);
    let mut hash = Xxh3::with_seed(offset as u64);
    hash.update(file.get(offset..offset + 24)?);
    hash.update(file.get(offset + 40..names)?);
    put(file, offset + 24, hash.digest());
    // Codes of four bytes, padded, then a checksum for each row.
    let codes = file.get(names..names + (4 * events).next_multiple_of(8) + 8 * events)?;
    let codes = xxh3_64_with_seed(codes, offset as u64);
    put(file, offset + 32, codes);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_files_have_these_checksums() {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path()).unwrap();
        let files = sound(folder.path()).unwrap();
        assert_eq!(files.len(), 4);
        for (path, bytes) in files {
            let mut sealed = bytes.clone();
            reseal(&mut sealed);
            assert!(sealed == bytes, "{}", path.display());
        }
    }
}
