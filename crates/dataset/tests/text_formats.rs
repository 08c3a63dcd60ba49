//! The S3-Rec text files: write after read is the identity, and what does not fit is an error with its line.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use seminar_dataset::{Corpus, NegativeSampler, Queries, Sampling, s3rec};

const TOY: [(&str, &str); 6] = [
    (".txt", "1 1 2 3 2 4\n2 2 5 1 3 4\n"),
    ("_queries.txt", "1 7,8,2 3 1,2,2,4,5 3 0\n2 3 6,7 7,8,2,9,9,9,9 1,2,2,4,5 3\n"),
    ("_item2attributes.json", r#"{"1": [1, 2], "3": [3], "5": []}"#),
    ("_id2dummy_query.json", r#"{"1": "7,8,2", "2": "3", "3": "1,2,2,4,5", "4": "3", "5": "6,7"}"#),
    ("_sample.txt", "1 5 5\n2 2 4 4\n"),
    ("_sample_queries.txt", "1 6,7 0\n2 3 3 8,8\n"),
];

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (ending, text) in files {
        std::fs::write(folder.join(format!("toy{ending}")), text).unwrap();
    }
}

fn read_all(folder: &Path, name: &str) -> BTreeMap<String, String> {
    TOY.iter()
        .filter_map(|(ending, _)| {
            let text = std::fs::read_to_string(folder.join(format!("{name}{ending}"))).ok()?;
            Some((ending.to_string(), text))
        })
        .collect()
}

#[test]
fn every_file_of_the_toy_comes_back_unchanged() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(from.path(), &TOY);
    let imported = s3rec::import(from.path(), "toy", Queries::Logged).unwrap();
    assert_eq!(imported.report.notes["sampled negatives that repeat"], 2);
    assert_eq!(imported.report.notes["sampled negatives in the user's history"], 3);
    Corpus::write(&imported.data, to.path()).unwrap();
    s3rec::export(&Corpus::open(to.path()).unwrap(), to.path(), "toy", None).unwrap();
    assert_eq!(read_all(to.path(), "toy"), read_all(from.path(), "toy"));
}

#[test]
fn exported_samples_come_back_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let sequences: Vec<Vec<u32>> =
        (0..30).map(|u| (0..6).map(|i| 1 + (u * 7 + i * 13) % 130).collect()).collect();
    let corpus = support::corpus_of(&sequences, folder.path());
    let sampler = NegativeSampler::new(&corpus, Sampling::Uniform, 5);
    s3rec::export(&corpus, folder.path(), "one", Some(&sampler)).unwrap();
    let again = s3rec::import(folder.path(), "one", Queries::Logged).unwrap();
    assert!(again.report.notes.is_empty(), "{:?}", again.report.notes);
    Corpus::write(&again.data, folder.path()).unwrap();
    s3rec::export(&Corpus::open(folder.path()).unwrap(), folder.path(), "two", None).unwrap();
    assert_eq!(read_all(folder.path(), "one"), read_all(folder.path(), "two"));
}

#[test]
fn what_does_not_fit_is_an_error_with_its_line() {
    let cases: [(&[(&str, &str)], &str); 12] = [
        (&[(".txt", "1 1 2\n2\n")], "line 2"),
        (&[(".txt", "1 1 0\n")], "`0`"),
        (&[(".txt", "1 1 x\n")], "`x`"),
        (&[(".txt", "1 4294967295\n")], "4294967295"),
        (&[(".txt", "")], "no line"),
        (&[TOY[0], ("_queries.txt", "1 1 1 1 1 1\n")], "1 lines for 2 users"),
        (&[TOY[0], ("_queries.txt", "1 1 1\n2 1 1 1 1 1\n")], "2 queries for 5 items"),
        (&[TOY[0], ("_queries.txt", "1 1 1 1 1 1\n3 1 1 1 1 1\n")], "user 3"),
        (&[TOY[0], ("_item2attributes.json", r#"{"9": [1]}"#)], "item 9"),
        (&[TOY[0], ("_item2attributes.json", r#"{"1": [1]"#)], "EOF"),
        (&[TOY[0], ("_sample.txt", "1 9\n2 1\n")], "item 9"),
        (&[TOY[0], TOY[4], ("_sample_queries.txt", "1 1\n2 1 1 1\n")], "1 queries for 2 sampled"),
    ];
    for (files, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), files);
        let error = s3rec::import(folder.path(), "toy", Queries::Logged).unwrap_err().to_string();
        assert!(error.contains(expected), "`{error}` does not name `{expected}`");
    }
}

#[test]
fn a_number_alone_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[(".txt", "1 1 1429494 3 2\n7 2 3 1 5 4 2\n")]);
    let error = s3rec::import(folder.path(), "toy", Queries::None).err().unwrap().to_string();
    assert!(error.contains("item 1429494 in 10 events"), "{error}");
}
