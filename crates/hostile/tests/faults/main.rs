//! Every writer with every single write, sync and rename refused: afterwards the old or the new state is there, whole.
#![cfg(target_os = "linux")]

mod calls;
mod writers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use calls::{Lasting, Refusal, watched};
use writers::{ALL, Writer};

/// Names below a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            names.extend(self::names(&entry.path()).into_iter().map(|inner| format!("{name}/{inner}")));
        }
        names.insert(name);
    }
    names
}

/// Whether a file or folder was meant to be renamed.
fn temporary(name: &str) -> bool {
    name.contains(".tmp") || name.contains(".staging") || name.contains(".old")
}

/// A folder in state 0.
fn begun(writer: &Writer) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    (writer.write)(folder.path(), 0).unwrap();
    assert_eq!((writer.read)(folder.path()).unwrap(), 0, "{}", writer.name);
    folder
}

/// Refuses each call on the way from state 0 to state 1 in turn; how many calls of each kind there are.
fn refuse_each(writer: &Writer, lasting: Lasting) -> BTreeMap<&'static str, usize> {
    let folder = begun(writer);
    let (done, calls) = watched(folder.path(), None, || (writer.write)(folder.path(), 1));
    done.unwrap();
    assert_eq!((writer.read)(folder.path()).unwrap(), 1, "{}", writer.name);
    let finished = names(folder.path());
    for (call, kind) in calls.iter().enumerate() {
        let place = format!("{}, {kind} {call} of {} refused {lasting:?}", writer.name, calls.len());
        let folder = begun(writer);
        let refusal = Some(Refusal { call, lasting });
        let (done, _) = watched(folder.path(), refusal, || (writer.write)(folder.path(), 1));
        assert!(done.is_err(), "{place}: nobody was told");
        let state = (writer.read)(folder.path()).unwrap_or_else(|e| panic!("{place}: {e:#}"));
        assert!(
            !names(folder.path()).iter().any(|name| temporary(name)),
            "{place}: {:?}",
            names(folder.path())
        );
        // Whatever is there, the next attempt ends where an undisturbed one does.
        (writer.write)(folder.path(), 1)
            .unwrap_or_else(|e| panic!("{place}, then again from state {state}: {e:#}"));
        assert_eq!((writer.read)(folder.path()).unwrap(), 1, "{place}");
        assert_eq!(names(folder.path()), finished, "{place}");
    }
    calls.iter().fold(BTreeMap::new(), |mut counts, kind| {
        *counts.entry(*kind).or_default() += 1;
        counts
    })
}

#[test]
fn a_refused_call_leaves_the_old_or_the_new_state() {
    for writer in &ALL {
        for lasting in [Lasting::Once, Lasting::FromThenOn] {
            let counts = refuse_each(writer, lasting);
            println!("{}: {counts:?}, {lasting:?}", writer.name);
            // Without calls of a kind nothing was tried: then it is this test that fails.
            for kind in ["write", "sync"] {
                assert!(counts.contains_key(kind), "{} makes no {kind}", writer.name);
            }
            let appends = writer.name == "journal";
            assert!(appends || counts.contains_key("rename"), "{} renames nothing", writer.name);
        }
    }
}

#[test]
fn a_first_write_that_fails_leaves_nothing() {
    for writer in
        ALL.iter().filter(|writer| !["journal", "finished journal", "checkpoint"].contains(&writer.name))
    {
        let folder = tempfile::tempdir().unwrap();
        let (done, calls) = watched(folder.path(), None, || (writer.write)(folder.path(), 0));
        done.unwrap();
        for call in 0..calls.len() {
            let folder = tempfile::tempdir().unwrap();
            let refusal = Some(Refusal { call, lasting: Lasting::FromThenOn });
            let (done, _) = watched(folder.path(), refusal, || (writer.write)(folder.path(), 0));
            assert!(done.is_err(), "{}, call {call}: nobody was told", writer.name);
            assert!(!names(folder.path()).iter().any(|name| temporary(name)), "{}, call {call}", writer.name);
        }
    }
}

#[test]
fn a_journal_goes_on_after_a_refused_write() {
    for call in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let open = || seminar_dataset::EmbeddingJournal::open(&path, 9, 3, 77).unwrap();
        let mut journal = open();
        journal.append(&[1], &[0.5; 3], &[]).unwrap();
        let refusal = Some(Refusal { call, lasting: Lasting::Once });
        let (done, _) = watched(folder.path(), refusal, || journal.append(&[2, 3], &[0.5; 6], &[]));
        assert!(done.is_err());
        journal.append(&[4], &[0.25; 3], &[]).unwrap();
        journal.append(&[5], &[0.25; 3], &[]).unwrap();
        drop(journal);
        assert_eq!(open().chunks(), 3, "what follows the refused chunk is kept");
    }
}

#[test]
fn a_corpus_over_another_one_is_never_half_of_each() {
    let [old, new] = [false, true].map(|more| seminar_hostile::sample::toy(more).unwrap());
    let write = |data, folder: &Path| seminar_dataset::Corpus::write(data, folder);
    let folder = tempfile::tempdir().unwrap();
    write(&old, folder.path()).unwrap();
    let (_, calls) = watched(folder.path(), None, || write(&new, folder.path()));
    for call in 0..calls.len() {
        write(&old, folder.path()).unwrap();
        let refusal = Some(Refusal { call, lasting: Lasting::FromThenOn });
        let (done, _) = watched(folder.path(), refusal, || write(&new, folder.path()));
        assert!(done.is_err());
        // Two files, two renames: a corpus that does not belong to its texts is refused, never read.
        if let Ok(corpus) = seminar_dataset::Corpus::open(folder.path()) {
            let names = (0..corpus.user_count()).filter(|&user| !corpus.user_name(user).is_empty()).count();
            assert!(matches!(corpus.user_count(), 3 | 4) && names == corpus.user_count());
        }
    }
}
