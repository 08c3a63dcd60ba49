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
