//! Every loader of the workspace, with sound inputs to damage.

mod bundle;
mod index;
mod picture;
mod raw;
mod store;
mod stored;
mod table;
mod text;
mod weights;

use std::path::{Path, PathBuf};

use crate::mutate::seal;

/// Takes the bytes of a file; says whether they were accepted. Its own errors are those of the scratch folder.
pub type Loader = Box<dyn FnMut(&[u8]) -> anyhow::Result<bool>>;

/// A loader under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, as the fuzz target's.
    pub name: &'static str,
    /// Damaged records of one file; 1 where the file is damaged as a whole.
    pub records: u64,
    /// Sound files, or sound records of a file.
    pub seeds: fn() -> anyhow::Result<Vec<Vec<u8>>>,
    /// The loader, with a scratch folder of its own.
    pub loader: fn(&Path) -> anyhow::Result<Loader>,
}

/// All of them.
pub fn all() -> Vec<Target> {
    [
        raw::TARGETS,
        text::TARGETS,
        table::TARGETS,
        stored::TARGETS,
        bundle::TARGETS,
        weights::TARGETS,
        index::TARGETS,
        store::TARGETS,
        picture::TARGETS,
    ]
    .concat()
}

/// Sample data that lies in the repository.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data").join(name)
}

/// A file of the repository's sample data.
fn read(name: &str) -> anyhow::Result<Vec<u8>> {
    use anyhow::Context;
    std::fs::read(data(name)).with_context(|| format!("cannot read {}", data(name).display()))
}

/// The first byte of an input chooses, the rest is the file.
fn choice(input: &[u8]) -> (u8, &[u8]) {
    input.split_first().map_or((0, input), |(&first, rest)| (first, rest))
}

/// A file behind its choice.
fn chosen(choice: u8, file: &[u8]) -> Vec<u8> {
    [&[choice], file].concat()
}

/// Asks for a checksum that fits.
const SEALED: u8 = 0x80;

/// The choice, and the file with the checksum that it asks for.
fn unpack(input: &[u8]) -> (u8, Vec<u8>) {
    let (which, bytes) = choice(input);
    let mut file = bytes.to_vec();
    if which & SEALED != 0 {
        seal(&mut file);
    }
    (which & !SEALED, file)
}

/// A file twice: with the checksum as it becomes, and made to fit.
fn both(which: u8, file: &[u8]) -> [Vec<u8>; 2] {
    [chosen(which, file), chosen(which | SEALED, file)]
}

/// Gives one input to a loader: for coverage-guided fuzzing, which repeats this millions of times in one process.
///
/// # Panics
/// If the loader does, there is no such loader, or the scratch folder cannot be used.
pub fn fuzz(name: &str, input: &[u8]) {
    thread_local! {
        static OPEN: std::cell::RefCell<Option<(tempfile::TempDir, Loader)>> = const { std::cell::RefCell::new(None) };
    }
    OPEN.with_borrow_mut(|open| {
        let (_, load) = open.get_or_insert_with(|| {
            let target = all().into_iter().find(|target| target.name == name).expect("a loader of this name");
            let folder = tempfile::tempdir().expect("a scratch folder");
            let loader = (target.loader)(folder.path()).expect("a loader over the scratch folder");
            (folder, loader)
        });
        load(input).expect("the scratch folder can be written");
    });
}
