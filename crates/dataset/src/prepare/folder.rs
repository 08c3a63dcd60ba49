//! A corpus folder: the corpus, its statistics and what belongs beside it, whole or not at all.

use std::path::Path;

use serde_json::{Map, Value};

use super::vocabulary::{self, VOCABULARY};
use crate::atomic::{StagedFolder, write_text};
use crate::corpus::Corpus;
use crate::error::Error;
use crate::negatives::{NegativeSampler, Sampling};
use crate::numbered::Numbered;
use crate::output::{WholeFolder, check_name};
use crate::s3rec;
use crate::statistics::Statistics;

/// Seed of the exported test negatives.
pub(crate) const NEGATIVES_SEED: u64 = 42;

/// Writes a numbered data set as a folder: `corpus.bin`, `texts.bin` and `stats.json`, which holds the corpus's [`Statistics`].
///
/// - `out`: the folder. It appears when everything is written. It may take the place of an older one of the same writer.
/// - `text_files`: the name of the data set if the text files of [`s3rec`] are wanted too, with `vocabulary.tsv`, which says which
///   number stands for which name. Test negatives that did not come with
///   the data are drawn uniformly.
/// - `beside`: writes further files into the folder that it is given, and returns fields that are added to `stats.json`. It is
///   called last.
///
/// Returns the content of `stats.json`.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = tempfile::tempdir()?;
/// # let out = root.path().join("toys");
/// use seminar_dataset::{Corpus, Error, Numbered, WholeFolder, write_folder};
/// let data = Numbered::from_sequences([["pen", "ink", "paper"], ["ink", "paper", "glue"]]);
/// let stats = write_folder(data, &WholeFolder::new(&out, "toy maker"), Some("toys"), |corpus, folder| {
///     std::fs::write(folder.join("first_item"), corpus.item_name(1))?;
///     Ok::<_, Box<dyn std::error::Error>>([("origin".to_owned(), "a drawer".into())].into_iter().collect())
/// })?;
/// assert_eq!((&stats["items"], &stats["origin"]), (&4.into(), &"a drawer".into()));
/// assert_eq!(Corpus::open(&out)?.event_count(), 6);
/// assert!(out.join("toys_sample.txt").is_file());
/// # Ok(()) }
/// ```
///
/// # Errors
/// If `out` holds something that must not be replaced, the name is a path, the file system refuses, or `beside` fails. `out` is
/// then as it was.
pub fn write_folder<E: From<Error>>(
    data: Numbered,
    out: &WholeFolder<'_>,
    text_files: Option<&str>,
    beside: impl FnOnce(&Corpus, &Path) -> Result<Map<String, Value>, E>,
) -> Result<Value, E> {
    text_files.map_or(Ok(()), check_name)?;
    let staged = StagedFolder::new(out.path, &out.replaceable()?)?;
    Corpus::write(&data, staged.path())?;
    // The corpus is mapped: from here on, the memory of the data serves what follows.
    drop(data);
    let corpus = Corpus::open(staged.path())?;
    if let Some(name) = text_files {
        let sampler = NegativeSampler::new(&corpus, Sampling::Uniform, NEGATIVES_SEED);
        s3rec::export(&corpus, staged.path(), name, Some(&sampler))?;
        vocabulary::write(&corpus, &staged.path().join(VOCABULARY))?;
    }
    let Ok(Value::Object(mut stats)) = serde_json::to_value(Statistics::of(&corpus)) else {
        unreachable!("statistics are named numbers");
    };
    stats.extend(beside(&corpus, staged.path())?);
    let stats = Value::Object(stats);
    write_text(&staged.path().join("stats.json"), &format!("{stats:#}\n"))?;
    out.list(staged.path())?;
    staged.commit()?;
    Ok(stats)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::MANIFEST;

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("corpus");
        let data = || Numbered::from_sequences([["a", "b", "c"], ["b", "c", "d"]]);
        let write = |replace, text_files, fail: bool| {
            let folder = WholeFolder { replace, ..WholeFolder::new(&out, "test") };
            write_folder(data(), &folder, text_files, |corpus, folder| match fail {
                true => Err(Error::damaged(folder, "no vectors")),
                false => Ok(Map::from_iter([("last".to_owned(), corpus.item_name(4).into())])),
            })
        };
        assert!(write(false, None, true).is_err());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "a failure leaves nothing");
        let stats = write(false, None, false).unwrap();
        assert_eq!((&stats["events"], &stats["last"]), (&6.into(), &"d".into()));
        let names = || {
            let mut names: Vec<_> =
                std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(), [MANIFEST, "corpus.bin", "stats.json", "texts.bin"]);
        let stored = std::fs::read_to_string(out.join("stats.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), stats);
        assert!(write(false, Some("toy"), false).is_err(), "an occupied folder is not replaced unasked");
        assert!(write(true, Some("toy"), true).is_err());
        assert_eq!(names().len(), 4, "a failure leaves the old folder");
        write(true, Some("toy"), false).unwrap();
        let with_text = ["corpus.bin", "stats.json", "texts.bin", "toy.txt", "toy_sample.txt", VOCABULARY];
        assert_eq!(names()[1..], with_text);
    }
}
