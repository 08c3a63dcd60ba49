//! Opening an index whatever its kind.

use std::path::Path;

use crate::coded::{Coded, StoredCodec};
use crate::error::{Error, Result};
use crate::flat::Whole;
use crate::hnsw::Hnsw;
use crate::index::{AnnIndex, Persist};
use crate::ivf::Ivf;
use crate::lsh::Signs;
use crate::persist::{Reader, name};
use crate::pq::{ByteCodes, NibbleCodes};
use crate::rabitq::OneBitCodes;
use crate::refine::Refined;
use crate::residual::ResidualCodes;
use crate::rotation::Rotated;

/// A kind of file, and what reads it.
type Kind = ([u8; 8], fn(&Reader) -> Result<Box<dyn AnnIndex>>);

fn kind<I: Persist + AnnIndex + 'static>() -> Kind {
    (I::KIND, |from| Ok(Box::new(I::read(from)?)))
}

/// The indexes over one kind of codes.
fn kinds_of<C: StoredCodec + 'static>() -> [Kind; 6] {
    [
        kind::<Coded<C>>(),
        kind::<Ivf<C>>(),
        kind::<Rotated<Coded<C>>>(),
        kind::<Refined<Coded<C>>>(),
        kind::<Refined<Ivf<C>>>(),
        kind::<Refined<Rotated<Coded<C>>>>(),
    ]
}

/// Every index of this crate that can be saved.
fn kinds() -> Vec<Kind> {
    let codes = [
        kinds_of::<Whole>(),
        kinds_of::<ByteCodes>(),
        kinds_of::<NibbleCodes>(),
        kinds_of::<ResidualCodes>(),
        kinds_of::<Signs>(),
        kinds_of::<OneBitCodes>(),
    ];
    [kind::<Hnsw>(), kind::<Refined<Hnsw>>()].into_iter().chain(codes.into_iter().flatten()).collect()
}

/// Maps the file of any index, whatever its kind, to search in it. To change it, to rebuild it or to save it again, open it by its
/// own type, such as `Hnsw::open`.
///
/// ```
/// use seminar_ann_retrieval::{AnnIndex, HnswConfig, Metric, Persist, Vectors, open_any};
/// # let folder = std::env::temp_dir().join(format!("open-any-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// let path = folder.join("items.index");
/// let rows = Vectors::new(2, vec![1.0, 0.0, 0.0, 1.0])?;
/// HnswConfig::default().build(&rows, Metric::Cosine)?.save(&path)?;
/// let index: Box<dyn AnnIndex> = open_any(&path)?;
/// assert_eq!(index.search(&[0.2, 0.9], 1)?[0].id, 1);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), seminar_ann_retrieval::Error>(())
/// ```
///
/// # Errors
/// If the file is missing, no index of this crate, of another version, cut off or altered.
pub fn open_any(path: &Path) -> Result<Box<dyn AnnIndex>> {
    let (found, reader) = Reader::open_kind(path, None)?;
    match kinds().into_iter().find(|(kind, _)| *kind == found) {
        Some((_, read)) => read(&reader),
        None => {
            let message =
                format!("holds a `{}`, which is no index of vectors; open it by its own type", name(found));
            Err(Error::Damaged { path: path.into(), message })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let mut names: Vec<[u8; 8]> = kinds().iter().map(|(kind, _)| *kind).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
