//! Shared by the tests of this crate.

use std::path::{Path, PathBuf};

use seminar_dataset::Corpus;
use seminar_dataset::s3rec::{self, QuerySource};

#[allow(dead_code, reason = "each test file compiles its own copy of this module")]
/// The sample data that lies in the repository.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data").join(name)
}

/// A corpus of these sequences, written into `folder`.
#[allow(dead_code, reason = "each test file compiles its own copy of this module")]
pub fn corpus_of(sequences: &[Vec<u32>], folder: &Path) -> Corpus {
    let line = |(user, items): (usize, &Vec<u32>)| {
        let items: Vec<String> = items.iter().map(u32::to_string).collect();
        format!("{} {}\n", user + 1, items.join(" "))
    };
    let text: String = sequences.iter().enumerate().map(line).collect();
    std::fs::write(folder.join("toy.txt"), text).unwrap();
    let imported = s3rec::import(folder, "toy", QuerySource::None).unwrap();
    Corpus::write(&imported.data, folder).unwrap();
    Corpus::open(folder).unwrap()
}
