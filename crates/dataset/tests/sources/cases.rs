//! Inputs that people met, each with the right outcome. They lie in `data/cases`.

use std::path::{Path, PathBuf};

use seminar_dataset::s3rec::{self, TextFiles};
use seminar_dataset::{
    AmazonReviews, Corpus, Error, KuaiSar, NegativeSampler, Numbered, PrepareConfig, PrepareReport, Prepared,
    Queries, Sampling, Statistics,
};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/cases").join(name)
}

fn amazon(case_name: &str, name: &str) -> seminar_dataset::Result<Prepared> {
    PrepareConfig::amazon().prepare(&AmazonReviews::locate(&case(case_name), name)?)
}

fn statistics(data: &Numbered) -> Statistics {
    let folder = tempfile::tempdir().unwrap();
    Corpus::write(data, folder.path()).unwrap();
    Statistics::of(&Corpus::open(folder.path()).unwrap())
}

fn size(data: &Numbered) -> (u64, u64, u64) {
    let statistics = statistics(data);
    (statistics.users, statistics.items, statistics.events)
}

fn warns(report: &PrepareReport, data: &Numbered, words: &str) -> bool {
    report.warnings(&statistics(data)).iter().any(|warning| warning.contains(words))
}

#[test]
fn sasrec_pairs() {
    let imported = s3rec::import(&case("sasrec_pairs"), "D", Queries::Logged).unwrap();
    let text = std::fs::read_to_string(case("sasrec_pairs").join("D.txt")).unwrap();
    let users: std::collections::BTreeSet<&str> =
        text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let (found, _, events) = size(&imported.data);
    assert_eq!((found, events), (users.len() as u64, 48));
    assert!(imported.report.files[0].notes.contains_key("read as SASRec's form, one `user item` a line"));
}

#[test]
fn skipped_lines() {
    let Prepared { data, report } = amazon("skipped_lines", "X").unwrap();
    assert_eq!(size(&data), (8, 8, 48));
    let cause = "`unixReviewTime` is no whole number from 0 to 2^53";
    let seen = &report.files[0].skipped[cause];
    assert_eq!((seen.count, seen.first_line, seen.first_value.as_str()), (10, 49, "\"2014-05-01\""));
    assert!(report.table().contains("10 (17.2 %): `unixReviewTime`"), "{}", report.table());
    assert!(warns(&report, &data, "10 of 58 rows (17.2 %) lost"));
    assert!(warns(&report, &data, "no metadata file"));
}

#[test]
fn nan_in_first_line() {
    let Prepared { data, report } = amazon("nan_in_first_line", "X").unwrap();
    assert_eq!((report.files[0].bad(), report.before.events, data.texts.titles.len()), (0, 36, 6));
}

#[test]
fn metadata_image_field() {
    let Prepared { data, .. } = amazon("metadata_image_field", "X").unwrap();
    let statistics = statistics(&data);
    assert_eq!(
        (statistics.items_with_title, statistics.items_with_image),
        (statistics.items, statistics.items)
    );
    assert!(
        std::str::from_utf8(data.texts.image_urls.row(0)).unwrap().starts_with("http://example.invalid/")
    );
}

#[test]
fn html_titles() {
    let Prepared { data, report } = amazon("html_titles", "X").unwrap();
    assert_eq!(
        (statistics(&data).items_with_title, data.item_attributes.len() as u64),
        (0, statistics(&data).items)
    );
    let seen = &report.files[1].notes["titles that are markup"];
    assert_eq!((seen.count, seen.first_line), (7, 1));
    assert!(warns(&report, &data, "7 of 7 rows (100.0 %) lost: titles that are markup"));
}

#[test]
fn amazon_2023() {
    let Prepared { data, report } = amazon("amazon_2023", "Toys").unwrap();
    assert_eq!((size(&data), report.files[0].bad()), ((8, 8, 48), 0));
    let statistics = statistics(&data);
    assert_eq!(
        (statistics.items_with_title, statistics.items_with_image, report.items_without_meta),
        (8, 8, 0)
    );
    let name = |n: usize| String::from_utf8(data.texts.attributes.row(n).to_vec()).unwrap();
    assert_eq!((0..data.texts.attributes.len()).map(name).collect::<Vec<_>>(), ["Acme", "Dolls"]);
    assert_eq!(data.texts.image_urls.row(0), b"http://x/l.jpg");
    assert!(
        data.texts.items.row(0).starts_with(b"I") && data.texts.items.row(0).len() == 2,
        "by their parents"
    );
}

#[test]
fn csv_with_bom() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["rec_inter.csv", "src_inter.csv", "item_features.csv"] {
        let bytes = std::fs::read(case("csv_with_bom").join(file)).unwrap();
        let plain = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        std::fs::write(folder.path().join(file), plain).unwrap();
    }
    let read = |folder: &Path| PrepareConfig::kuaisar().prepare(&KuaiSar::new(folder)).unwrap().data;
    assert_eq!(read(&case("csv_with_bom")), read(folder.path()));
}

#[test]
fn latin1_titles() {
    let mut files = TextFiles::new(case("latin1_titles"), "D");
    let error = files.import().unwrap_err();
    assert!(matches!(&error, Error::Utf8 { at, bad: 0xE9 } if at.line == 1), "{error}");
    files.options.lossy_utf8 = true;
    assert_eq!(files.import().unwrap().data.texts.titles.row(0), "Caf\u{fffd}".as_bytes());
}

#[test]
fn zip_named_gz() {
    let error = amazon("zip_named_gz", "X").unwrap_err().to_string();
    assert!(error.contains("X_5.json.gz: a zip archive: unpack it"), "{error}");
}

#[test]
fn integer_ids() {
    let Prepared { data, report } = amazon("integer_ids", "X").unwrap();
    assert_eq!((report.files[0].bad(), report.before.events), (0, 36));
    assert_eq!(data.texts.users.row(0), b"0");
}

#[test]
fn gzip_zero_padding() {
    let Prepared { report, .. } = amazon("gzip_zero_padding", "X").unwrap();
    assert_eq!((report.files[0].bad(), report.before.events), (0, 36));
}

#[test]
fn own_text_files_of_users_without_negatives_are_read_back() {
    let Prepared { data, .. } = amazon("seen_every_item", "X").unwrap();
    let folder = tempfile::tempdir().unwrap();
    Corpus::write(&data, folder.path()).unwrap();
    let corpus = Corpus::open(folder.path()).unwrap();
    let sampler = NegativeSampler::new(&corpus, Sampling::Uniform, 42);
    s3rec::export(&corpus, folder.path(), "X", Some(&sampler)).unwrap();
    let lone = std::fs::read_to_string(folder.path().join("X_sample.txt")).unwrap();
    assert!(lone.lines().any(|line| !line.contains(' ')), "a user who knows every item: {lone}");
    let again = s3rec::import(folder.path(), "X", Queries::Logged).unwrap().data;
    assert_eq!((size(&again), &again.event_queries.len()), (size(&data), &data.event_queries.len()));
}
