//! Round trips: what is exported reads back as the same corpus; and logs that grow keep their numbers.

use std::path::Path;

use proptest::prelude::*;
use seminar_dataset::s3rec::TextFiles;
use seminar_dataset::{
    AmazonReviews, Corpus, CorpusBuilder, ExportForm, Interactions, Numbered, Numbers, PrepareConfig, Preset,
    Queries, SplitAt, WholeFolder, export, s3rec,
};

fn data(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data").join(name)
}

/// Everything that a corpus says, as text.
fn all_of(corpus: &Corpus) -> String {
    use std::fmt::Write;
    let mut all = String::new();
    let words = |query: u32| {
        let word = |&word: &u32| corpus.word(word).map_or_else(|| word.to_string(), str::to_owned);
        corpus.query(query).iter().map(word).collect::<Vec<_>>()
    };
    for user in 0..corpus.user_count() {
        let own = corpus.history(user);
        write!(
            all,
            "\nuser {} {} {:?}:",
            corpus.user_name(user),
            corpus.user_number(user),
            corpus.split(user)
        )
        .unwrap();
        for at in 0..own.items.len() {
            let time = if corpus.has_times() { own.times[at] } else { at as i64 };
            write!(
                all,
                " {}@{time}{:?}{:?}{}",
                own.items[at],
                words(own.queries[at]),
                own.kind(at),
                own.action(at)
            )
            .unwrap();
        }
    }
    for item in 1..=corpus.item_count() as u32 {
        let images: Vec<&str> = corpus.image_urls(item).collect();
        let fields: Vec<_> =
            corpus.fields().map(|field| (field.name(), field.of(item), field.size())).collect();
        write!(
            all,
            "\nitem {item} {} {:?} {images:?} {fields:?}",
            corpus.item_name(item),
            corpus.title(item)
        )
        .unwrap();
        let attributes = corpus.attributes(item).unwrap_or_default();
        write!(all, " {attributes:?} {:?}", words(corpus.item_query(item))).unwrap();
    }
    let actions: Vec<&str> = corpus.actions().collect();
    write!(all, "\n{} {} {actions:?}", corpus.word_count(), corpus.attribute_count()).unwrap();
    all
}

fn read_back(corpus: &Corpus, form: ExportForm) -> Corpus {
    Corpus::in_memory(&data_read_back(corpus, form)).unwrap()
}

fn data_read_back(corpus: &Corpus, form: ExportForm) -> Numbered {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    export(corpus, &WholeFolder::new(&out, "export"), "toy", form).unwrap();
    if form == ExportForm::S3rec {
        return TextFiles::new(&out, "toy").import().unwrap().data;
    }
    let preset = Preset::read(&out.join("preset.toml")).unwrap();
    let numbers = Numbers::read(&out.join(preset.numbers.as_ref().unwrap())).unwrap();
    let source = Interactions::open(&out, "toy", preset.schema()).unwrap();
    preset.config().prepare_from(&source, &numbers).unwrap().data
}

/// The forms that keep everything.
fn whole_forms() -> Vec<ExportForm> {
    let mut forms = vec![ExportForm::Csv, ExportForm::Recbole];
    if cfg!(feature = "parquet") {
        forms.push(ExportForm::Parquet);
    }
    forms
}

/// Compares line by line, so that a difference can be read.
fn same(again: &Corpus, corpus: &Corpus, form: ExportForm) {
    let (again, before) = (all_of(again), all_of(corpus));
    for (line, expected) in again.lines().zip(before.lines()) {
        assert_eq!(line, expected, "{form:?}");
    }
    assert_eq!(again.len(), before.len());
}

/// The bytes of the two files of a corpus.
fn files(data: &Numbered) -> [Vec<u8>; 2] {
    let folder = tempfile::tempdir().unwrap();
    Corpus::write(data, folder.path()).unwrap();
    ["corpus.bin", "texts.bin"].map(|name| std::fs::read(folder.path().join(name)).unwrap())
}

fn comes_back(corpus: &Corpus) {
    for form in whole_forms() {
        let again = read_back(corpus, form);
        assert_eq!(again.fingerprint(), corpus.fingerprint(), "{form:?}");
        same(&again, corpus, form);
    }
    assert_eq!(read_back(corpus, ExportForm::S3rec).fingerprint(), corpus.fingerprint());
}

#[test]
fn amazon_comes_back_with_its_queries_attributes_and_fields() {
    let source = AmazonReviews::locate(&data("gift_cards"), "Gift_Cards").unwrap();
    let corpus = Corpus::in_memory(&PrepareConfig::amazon().prepare(&source).unwrap().data).unwrap();
    assert!(corpus.fields().count() == 2 && corpus.word_count() > 0);
    comes_back(&corpus);
    // Without queries, which are numbered in the order of items there and of events here, the files are the same.
    let plain = PrepareConfig { queries: Queries::None, ..PrepareConfig::amazon() };
    let data = plain.prepare(&source).unwrap().data;
    for form in whole_forms() {
        let again = data_read_back(&Corpus::in_memory(&data).unwrap(), form);
        assert!(files(&again) == files(&data), "{form:?}: other bytes");
    }
    let split = PrepareConfig {
        split: Some(SplitAt { valid: 1_420_000_000, test: 1_470_000_000 }),
        ..PrepareConfig::amazon()
    };
    let corpus = Corpus::in_memory(&split.prepare(&source).unwrap().data).unwrap();
    for form in whole_forms() {
        let again = read_back(&corpus, form);
        same(&again, &corpus, form);
    }
}

#[test]
fn text_files_come_back_with_their_numbers() {
    for queries in [Queries::None, Queries::Attributes] {
        let imported = s3rec::import(&data("s3rec"), "Beauty", queries).unwrap();
        let corpus = Corpus::in_memory(&imported.data).unwrap();
        let again = read_back(&corpus, ExportForm::Csv);
        assert_eq!(again.fingerprint(), corpus.fingerprint());
        assert!(again.event_items() == corpus.event_items());
        let field = |corpus: &Corpus| corpus.field("attributes").unwrap().of(7).to_vec();
        assert_eq!(field(&again), field(&corpus));
    }
}

type Log = Vec<(String, String, i64, String, String)>;

fn log() -> impl Strategy<Value = Log> {
    let event = ("[a-d]", "[\"p-tü,\\\\']", 0i64..50, "[ab]{0,2}", "(click|like|)");
    prop::collection::vec(event, 1..40)
}

fn built(log: &[(String, String, i64, String, String)]) -> CorpusBuilder {
    let mut builder = CorpusBuilder::new();
    for (user, item, time, query, action) in log {
        let event = builder.event(user, item).time(1_600_000_000 + time).action(action);
        if !query.is_empty() {
            event.query(query);
        }
    }
    for item in ["p", "q", "ü"] {
        builder
            .item(item)
            .title(&format!("Title, \"{item}\""))
            .image("u1")
            .image("u2")
            .value("kind", "big one")
            .value("kind", item);
    }
    builder
}

/// What a corpus says without its numbers: by names, in the order of names.
fn by_names(corpus: &Corpus) -> Vec<String> {
    let item = |item: u32| {
        let kinds = corpus.field("kind").map(|field| {
            let mut values: Vec<_> =
                field.of(item).iter().map(|&value| field.value(value).unwrap()).collect();
            values.sort_unstable();
            values
        });
        format!("{} {:?} {kinds:?}", corpus.item_name(item), corpus.title(item))
    };
    let mut all: Vec<String> = (0..corpus.user_count())
        .filter(|&user| !corpus.history(user).items.is_empty())
        .map(|user| {
            let own = corpus.history(user);
            let words = |at: usize| {
                corpus
                    .query(own.queries[at])
                    .iter()
                    .map(|&word| corpus.word(word).unwrap())
                    .collect::<Vec<_>>()
            };
            let event = |at: usize| format!("{} {} {:?}", item(own.items[at]), own.times[at], words(at));
            format!("{}: {:?}", corpus.user_name(user), (0..own.items.len()).map(event).collect::<Vec<_>>())
        })
        .collect();
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_corpus_comes_back(log in log()) {
        let corpus = built(&log).build(&PrepareConfig::all()).unwrap();
        comes_back(&corpus);
    }

    #[test]
    fn ten_growths_equal_one_preparation_and_no_number_moves(log in log(), least in 1u32..3) {
        let config = PrepareConfig { min_user_events: least, min_item_events: least, ..PrepareConfig::table() };
        let mut corpus: Option<Corpus> = None;
        for step in 1..=10 {
            let part = &log[..(log.len() * step).div_ceil(10)];
            let numbers = corpus.as_ref().map_or_else(Numbers::default, |old| Numbers::of(old).unwrap());
            let Ok(prepared) = built(part).prepare_from(&config, &numbers) else { continue };
            let grown = Corpus::in_memory(&prepared.data).unwrap();
            if let Some(old) = &corpus {
                for user in 0..old.user_count() {
                    prop_assert_eq!((old.user_name(user), old.user_number(user)), (grown.user_name(user), grown.user_number(user)));
                }
                for item in 1..=old.item_count() as u32 {
                    prop_assert_eq!(old.item_name(item), grown.item_name(item));
                }
                for word in 1..=old.word_count() as u32 {
                    prop_assert_eq!(old.word(word), grown.word(word));
                }
                for attribute in 1..=old.attribute_count() as u32 {
                    prop_assert_eq!(old.attribute_name(attribute), grown.attribute_name(attribute));
                }
                for (field, of_old) in grown.fields().zip(old.fields()) {
                    prop_assert!(of_old.values().eq(field.values().take(of_old.size())));
                }
            }
            corpus = Some(grown);
        }
        if let Some(grown) = corpus {
            let once = built(&log).build(&config).unwrap();
            prop_assert_eq!(by_names(&grown), by_names(&once));
            prop_assert_eq!(grown.event_count(), once.event_count());
            prop_assert_eq!(grown.item_count(), once.item_count());
        }
    }
}

#[test]
fn one_more_event_moves_no_item() {
    let folder = data("cases/grown_log");
    let source = |file: &str| {
        let table = seminar_dataset::EventTable {
            files: vec![file.into()],
            query: "query".into(),
            ..Default::default()
        };
        let schema = seminar_dataset::TableSchema { events: vec![table], items: Vec::new() };
        Interactions::open(&folder, "x", schema).unwrap()
    };
    let before = PrepareConfig::all().prepare(&source("before.csv")).unwrap().data;
    let old = Corpus::in_memory(&before).unwrap();
    let names = |corpus: &Corpus| (1..=5).map(|item| corpus.item_name(item).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&old), ["apple", "bread", "cheese", "dates", "eggs"]);
    let grown =
        PrepareConfig::all().prepare_from(&source("after.csv"), &Numbers::of(&old).unwrap()).unwrap().data;
    let grown = Corpus::in_memory(&grown).unwrap();
    assert_eq!(names(&grown), names(&old));
    assert_eq!((grown.history(0).items, grown.history(0).times), (&[1, 2, 3, 5][..], &[1, 2, 3, 7][..]));
    assert_eq!(grown.items_fingerprint(), old.items_fingerprint());
}

#[test]
fn what_does_not_occur_any_more_keeps_its_number() {
    let mut log = CorpusBuilder::new();
    log.event("ann", "a").time(1);
    log.event("bob", "b").time(2);
    let old = log.build(&PrepareConfig::all()).unwrap();
    let mut other = CorpusBuilder::new();
    other.event("eve", "c").time(3);
    other.event("bob", "c").time(4);
    let grown = other.prepare_from(&PrepareConfig::all(), &Numbers::of(&old).unwrap()).unwrap();
    assert_eq!((grown.report.before.users, grown.report.before.items), (2, 1));
    let grown = Corpus::in_memory(&grown.data).unwrap();
    assert_eq!((grown.user_count(), grown.item_count()), (3, 3));
    assert_eq!([0, 1, 2].map(|user| grown.history(user).items.to_vec()), [vec![], vec![3], vec![3]]);
}

#[test]
fn numbers_that_do_not_fit_are_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (text, said) in [
        ("kind\tnumber\tname\nitem\t1\ta\nitem\t3\tb\n", "line 3"),
        ("item\t1\ta\nitem\t2\ta\n", "`a` is there twice"),
        ("item\t1\n", "three cells"),
        ("item\t0\ta\n", "`0` is no number"),
        ("thing\t1\ta\n", "`thing` is none of"),
        ("item\t1\ta\\x\n", "escape"),
    ] {
        std::fs::write(file.path(), text).unwrap();
        let error = Numbers::read(file.path()).unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    let twice = Numbered::from_sequences([["a"]]);
    assert!(Numbers::of(&Corpus::in_memory(&twice).unwrap()).is_ok());
}

#[test]
fn recbole_cannot_hold_a_tab() {
    let mut log = CorpusBuilder::new();
    log.event("a\tb", "x");
    let corpus = log.build(&PrepareConfig::all()).unwrap();
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    let error = export(&corpus, &WholeFolder::new(&out, "export"), "toy", ExportForm::Recbole)
        .unwrap_err()
        .to_string();
    assert!(error.contains("a\\tb") && error.contains("csv"), "{error}");
    assert!(!out.exists());
    assert_eq!(all_of(&read_back(&corpus, ExportForm::Csv)), all_of(&corpus));
}
