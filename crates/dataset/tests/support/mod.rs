//! Shared by the tests of this crate.

use std::path::{Path, PathBuf};

use seminar_dataset::{Corpus, Numbered};

#[allow(dead_code, reason = "each test file compiles its own copy of this module")]
/// The sample data that lies in the repository.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data").join(name)
}

/// A corpus of these sequences, written into `folder`. Items are numbered in order of first appearance.
#[allow(dead_code, reason = "each test file compiles its own copy of this module")]
pub fn corpus_of(sequences: &[Vec<u32>], folder: &Path) -> Corpus {
    let names = sequences.iter().map(|items| items.iter().map(u32::to_string));
    Corpus::write(&Numbered::from_sequences(names), folder).unwrap();
    Corpus::open(folder).unwrap()
}

/// Every truncation and, in every byte, a flipped bit or two.
#[allow(dead_code, reason = "each test file compiles its own copy of this module")]
pub fn every_damage_is_an_error(path: &Path, open: impl Fn() -> bool) {
    let whole = std::fs::read(path).unwrap();
    assert!(open());
    for cut in 0..whole.len() {
        std::fs::write(path, &whole[..cut]).unwrap();
        assert!(!open(), "cut to {cut} bytes");
    }
    for at in 0..whole.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= change;
            std::fs::write(path, &damaged).unwrap();
            assert!(!open(), "byte {at} changed by {change:#x}");
        }
    }
    let mut longer = whole.clone();
    longer.push(0);
    std::fs::write(path, &longer).unwrap();
    assert!(!open(), "extended");
    std::fs::write(path, &whole).unwrap();
    assert!(open());
}
