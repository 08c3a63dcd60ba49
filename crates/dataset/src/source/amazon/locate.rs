//! The names that Amazon's files have.

use std::path::Path;

use super::super::find::{expect, find};
use super::AmazonReviews;
use crate::error::{Error, Result};
use crate::output::check_name;

/// Endings of files of one object a line.
const ENDINGS: [&str; 4] = ["json.gz", "json", "jsonl.gz", "jsonl"];

impl AmazonReviews {
    /// Finds the reviews and the metadata of a category in a folder.
    ///
    /// Reviews are `NAME_5`, `reviews_NAME_5`, `NAME` or `reviews_NAME`, metadata is `meta_NAME`; each with the ending
    /// `.json.gz`, `.json`, `.jsonl.gz` or `.jsonl`. Of several, the first in this order is taken.
    ///
    /// # Errors
    /// If there is no such folder, or no review file of that name in it; the message lists the names that were tried and
    /// what is there.
    pub fn locate(folder: &Path, name: &str) -> Result<Self> {
        check_name(name)?;
        let all = |stem: String| ENDINGS.map(|ending| format!("{stem}.{ending}"));
        let stems =
            [format!("{name}_5"), format!("reviews_{name}_5"), name.to_owned(), format!("reviews_{name}")];
        let reviews = match expect(folder, &stems.map(all).concat(), "review file", name) {
            Err(missing @ Error::Missing { .. }) => {
                return Err(ratings_only(folder, name)?.unwrap_or(missing));
            }
            found => found?,
        };
        Ok(Self::new(reviews, find(folder, &all(format!("meta_{name}")))?))
    }
}

/// The error for a csv file of ratings where reviews should be.
fn ratings_only(folder: &Path, name: &str) -> Result<Option<Error>> {
    let names = [format!("{name}.csv"), format!("{name}.csv.gz"), format!("ratings_{name}.csv")];
    Ok(find(folder, &names)?.map(|file| Error::Form {
        file,
        found: "a table of ratings without reviews",
        within: "",
        expected: "one review a line, as JSON",
        remedy: "fetch the reviews of the same category",
    }))
}
