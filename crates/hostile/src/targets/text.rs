//! The text files of S3-Rec and SEMINAR.

use std::path::Path;

use seminar_dataset::{Corpus, Queries, s3rec};

use super::{Loader, Target, choice, chosen};
use crate::sample::{self, TEXT_FILES};

pub(super) const TARGETS: &[Target] = &[Target { name: "s3rec", records: 1, seeds: files, loader: import }];

fn files() -> anyhow::Result<Vec<Vec<u8>>> {
    Ok(TEXT_FILES.iter().enumerate().map(|(n, (_, text))| chosen(n as u8, text.as_bytes())).collect())
}

fn import(folder: &Path) -> anyhow::Result<Loader> {
    let folder = folder.to_owned();
    sample::write_texts(&folder)?;
    Ok(Box::new(move |input| {
        let (which, bytes) = choice(input);
        let (ending, sound) = TEXT_FILES[which as usize % TEXT_FILES.len()];
        let path = folder.join(format!("toy{ending}"));
        std::fs::write(&path, bytes)?;
        let imported = s3rec::import(&folder, "toy", Queries::Logged);
        std::fs::write(&path, sound)?;
        Ok(imported.is_ok_and(|imported| {
            Corpus::write(&imported.data, &folder).is_ok() && Corpus::open(&folder).is_ok()
        }))
    }))
}
