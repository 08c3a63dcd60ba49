//! The text files of S3-Rec and SEMINAR.

use std::path::Path;

use seminar_dataset::{Corpus, s3rec};

use super::{Loader, Target, choice, chosen};

pub(super) const TARGETS: &[Target] = &[Target { name: "s3rec", records: 1, seeds: files, loader: import }];

/// The files of a small data set by their endings.
const FILES: [(&str, &str); 6] = [
    (".txt", "1 1 2 3 4 5\n2 5 4 3 2\n7 2 3 1 5 4 2\n"),
    ("_queries.txt", "1 1,2 3 0 4,5,6 1\n2 1 2 3 4,4\n7 0 0 0 1,2 3 4\n"),
    ("_item2attributes.json", "{\"1\": [1, 2], \"2\": [3], \"3\": [1], \"5\": [2, 3, 1]}"),
    ("_id2dummy_query.json", "{\"1\": \"1,2,3\", \"2\": \"3\", \"3\": \"\", \"4\": \"5,6\", \"5\": \"1\"}"),
    ("_sample.txt", "1 2 3 4\n2 1 1 1\n7 3 4 5\n"),
    (
        "_items.jsonl",
        "{\"item\": 1, \"asin\": \"B1\", \"title\": \"Nail, red\", \"categories\": [\"Beauty\", \"Nails\"], \"brand\": \"OPI\", \"price\": 12.0}\n{\"item\": 2, \"asin\": \"B2\", \"title\": null, \"imUrl\": \"http://a/b.jpg\"}\n",
    ),
];

fn files() -> anyhow::Result<Vec<Vec<u8>>> {
    Ok(FILES.iter().enumerate().map(|(n, (_, text))| chosen(n as u8, text.as_bytes())).collect())
}

fn import(folder: &Path) -> anyhow::Result<Loader> {
    let folder = folder.to_owned();
    for (ending, text) in FILES {
        std::fs::write(folder.join(format!("toy{ending}")), text)?;
    }
    Ok(Box::new(move |input| {
        let (which, bytes) = choice(input);
        let (ending, sound) = FILES[which as usize % FILES.len()];
        let path = folder.join(format!("toy{ending}"));
        std::fs::write(&path, bytes)?;
        let imported = s3rec::import(&folder, "toy", s3rec::QuerySource::Logged);
        std::fs::write(&path, sound)?;
        Ok(imported.is_ok_and(|imported| {
            Corpus::write(&imported.data, &folder).is_ok() && Corpus::open(&folder).is_ok()
        }))
    }))
}
