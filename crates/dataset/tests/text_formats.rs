//! The S3-Rec text files: write after read is the identity, and what does not fit is an error with its line.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use seminar_dataset::s3rec::{self, Imported};
use seminar_dataset::{Corpus, Example, NegativeSampler, Queries, Sampling, Split};

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
        (&[(".txt", "1\n2 \n")], "no user has an item"),
        (&[(".txt", "1 1 0\n")], "`0`"),
        (&[(".txt", "1 1 x\n")], "`x`"),
        (&[(".txt", "1 4294967295\n")], "4294967295"),
        (&[(".txt", "")], "no line"),
        (&[TOY[0], ("_queries.txt", "1 1 1 1 1 1\n")], "1 lines for 2 users"),
        (&[TOY[0], ("_queries.txt", "1 1 1\n2 1 1 1 1 1\n")], "2 queries for 5 items"),
        (&[TOY[0], ("_queries.txt", "1 1 1 1 1 1\n3 1 1 1 1 1\n")], "user 3"),
        (&[TOY[0], ("_id2dummy_query.json", r#"{"9": "1"}"#)], "item 9"),
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

/// What each user of an imported data set did, in the files' item numbers.
fn by_number(Imported { data, item_numbers, .. }: &Imported) -> Vec<Vec<u32>> {
    let number = |&id: &u32| item_numbers[id as usize - 1];
    data.user_offsets
        .windows(2)
        .map(|range| data.event_items[range[0] as usize..range[1] as usize].iter().map(number).collect())
        .collect()
}

#[test]
fn a_number_alone_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[(".txt", "1 1 1429494 3 2\n7 2 3 1 5 4 2147483648\n")]);
    let imported = s3rec::import(folder.path(), "toy", Queries::None).unwrap();
    let data = &imported.data;
    assert_eq!(
        (data.item_count(), &imported.item_numbers[..]),
        (7, &[1, 1_429_494, 3, 2, 5, 4, 1 << 31][..])
    );
    assert_eq!(by_number(&imported), [vec![1, 1_429_494, 3, 2], vec![2, 3, 1, 5, 4, 1 << 31]]);
    assert_eq!(data.texts.items.row(1), b"1429494", "the number is the name");
}

#[test]
fn every_file_of_sparse_numbers_is_renumbered_alike() {
    let (dense, sparse) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(dense.path(), &TOY);
    let renamed = [
        (".txt", "1 70 7 900 7 31\n2 7 1000 70 900 31\n"),
        TOY[1],
        ("_item2attributes.json", r#"{"70": [1, 2], "900": [3], "1000": []}"#),
        (
            "_id2dummy_query.json",
            r#"{"70": "7,8,2", "7": "3", "900": "1,2,2,4,5", "31": "3", "1000": "6,7"}"#,
        ),
        ("_sample.txt", "1 1000 1000\n2 7 31 31\n"),
        TOY[5],
    ];
    write(sparse.path(), &renamed);
    let import = |folder: &Path| s3rec::import(folder, "toy", Queries::Logged).unwrap();
    let (dense, sparse) = (import(dense.path()), import(sparse.path()));
    assert_eq!((dense.item_numbers, sparse.item_numbers), (vec![1, 2, 3, 4, 5], vec![70, 7, 900, 31, 1000]));
    let (dense, mut sparse) = (dense.data, sparse.data);
    assert_eq!(sparse.texts.items.values, b"707900311000");
    sparse.texts.items = dense.texts.items.clone();
    assert_eq!(sparse, dense);
}

#[test]
fn items_that_a_file_lists_belong_to_the_catalogue() {
    let folder = tempfile::tempdir().unwrap();
    let items = "{\"item\":8,\"title\":\"Ink\"}\n{\"item\":3,\"asin\":\"B3\"}\n";
    // 3 fills the gap of the events; 8 lies behind another.
    let files = [(".txt", "1 1 2 4\n2 4 5 6\n"), ("_items.jsonl", items), ("_sample.txt", "1 8 5\n2 3\n")];
    write(folder.path(), &files);
    let Imported { data, item_numbers, report } = s3rec::import(folder.path(), "toy", Queries::None).unwrap();
    assert_eq!(report.notes["listed items that no event has"], 2);
    assert_eq!(item_numbers, [1, 2, 3, 4, 5, 6, 8]);
    assert_eq!((data.texts.items.row(2), data.texts.titles.row(6)), (&b"B3"[..], &b"Ink"[..]));
    assert_eq!(data.sampled.unwrap().items.values, [7, 5, 3]);
}

/// Users who know everything, whose negatives are none; and users without events.
#[test]
fn rows_without_items_come_back_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let sequences = [vec![1, 2, 3, 4, 5], vec![], vec![5, 4, 3, 2, 1], vec![1, 2]];
    let corpus = support::corpus_of(&sequences, folder.path());
    let sampler = NegativeSampler::new(&corpus, Sampling::Uniform, 5);
    s3rec::export(&corpus, folder.path(), "one", Some(&sampler)).unwrap();
    let again = s3rec::import(folder.path(), "one", Queries::Logged).unwrap();
    assert_eq!(again.report.notes["users without any item"], 1);
    assert_eq!(again.data.sampled.as_ref().unwrap().items.offsets, [0, 0, 5, 5, 8]);
    Corpus::write(&again.data, folder.path()).unwrap();
    s3rec::export(&Corpus::open(folder.path()).unwrap(), folder.path(), "two", None).unwrap();
    assert_eq!(read_all(folder.path(), "one"), read_all(folder.path(), "two"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Corpora whose item numbers have gaps: the catalogue, the order of ids and the negatives against a naive oracle.
    #[test]
    fn gaps_in_the_numbers_are_no_items(
        sequences in prop::collection::vec(prop::collection::vec(prop::sample::select(SPARSE.to_vec()), 1..9), 1..9),
        listed in prop::collection::vec(prop::sample::select(SPARSE.to_vec()), 0..6),
        (seed, popular, count) in (any::<u64>(), any::<bool>(), 0usize..20),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let lines: String = sequences.iter().enumerate().map(|(user, items)| {
            let items: Vec<String> = items.iter().map(u32::to_string).collect();
            format!("{} {}\n", user + 1, items.join(" "))
        }).collect();
        let items: String = listed.iter().map(|item| format!("{{\"item\":{item}}}\n")).collect();
        let files = [(".txt", lines.as_str()), ("_items.jsonl", &items)];
        write(folder.path(), &files[..if listed.is_empty() { 1 } else { 2 }]);
        let imported = s3rec::import(folder.path(), "toy", Queries::Logged).unwrap();
        let Imported { data, item_numbers, .. } = &imported;

        let used: BTreeSet<u32> = sequences.iter().flatten().copied().collect();
        let all: BTreeSet<u32> = used.iter().chain(&listed).copied().collect();
        prop_assert_eq!(data.item_count(), all.len());
        prop_assert_eq!(by_number(&imported), &sequences[..]);
        let number = |id: u32| item_numbers[id as usize - 1];
        if all.iter().copied().eq(1..=all.len() as u32) {
            prop_assert!(item_numbers.is_sorted(), "without gaps, numbers stay");
        } else if used.last() > (1..).take_while(|n| all.contains(n)).last().as_ref() {
            let mut order: Vec<u32> = Vec::new();
            for &item in sequences.iter().flatten().chain(&listed) {
                if !order.contains(&item) { order.push(item) }
            }
            prop_assert_eq!(item_numbers, &order);
        }

        Corpus::write(data, folder.path()).unwrap();
        let corpus = Corpus::open(folder.path()).unwrap();
        let sampling = if popular { Sampling::Popularity } else { Sampling::Uniform };
        let sampler = NegativeSampler::new(&corpus, sampling, seed);
        let mut scratch = NegativeSampler::scratch(&corpus);
        for (user, own) in sequences.iter().enumerate() {
            let pool: BTreeSet<u32> =
                if popular { &used } else { &all }.iter().copied().filter(|item| !own.contains(item)).collect();
            let example = Example { user: user as u32, target: 0 };
            let (mut test, mut train) = (Vec::new(), Vec::new());
            sampler.evaluation(user, Split::Test, count, &mut scratch, &mut test);
            sampler.training(example, 3, count, false, &mut scratch, &mut train);
            for drawn in [test, train] {
                let numbers: BTreeSet<u32> = drawn.iter().map(|&id| number(id)).collect();
                prop_assert_eq!(numbers.len(), count.min(pool.len()));
                prop_assert!(drawn.len() == numbers.len() && numbers.is_subset(&pool), "{:?} of {:?}", numbers, pool);
            }
        }
    }

    /// The same log under other numbers is the same data.
    #[test]
    fn numbers_are_only_names(
        sequences in prop::collection::vec(prop::collection::vec(0usize..12, 1..9), 1..9), shift in 2u32..1000,
    ) {
        let import = |number: &dyn Fn(usize) -> u32| {
            let folder = tempfile::tempdir().unwrap();
            let lines: String = sequences.iter().enumerate().map(|(user, items)| {
                let items: Vec<String> = items.iter().map(|&item| number(item).to_string()).collect();
                format!("{} {}\n", user + 1, items.join(" "))
            }).collect();
            write(folder.path(), &[(".txt", lines.as_str())]);
            s3rec::import(folder.path(), "toy", Queries::Logged).unwrap().data
        };
        let up = import(&|item| 450 * item as u32 + shift);
        let down = import(&|item| 1_000_000 - 7 * item as u32 - shift);
        prop_assert_eq!(up.event_items, down.event_items);
    }
}

/// Numbers with and without gaps, in no order.
const SPARSE: [u32; 14] = [1, 2, 3, 4, 5, 6, 90_007, 7, 457, 13, 1 << 31, 99, 8, 60_000];
