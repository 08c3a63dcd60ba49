//! Corpus files of each version, kept in `data/formats`: they open for ever.

use std::path::{Path, PathBuf};

use seminar_dataset::{Corpus, CorpusBuilder, Numbered, PrepareConfig, Split, SplitAt};

fn formats(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/formats").join(name)
}

#[test]
fn version_1_has_events_and_no_fields() {
    let corpus = Corpus::open(formats("v0.1/corpus")).unwrap();
    assert_eq!((corpus.user_count(), corpus.item_count(), corpus.event_count()), (120, 60, 1_680));
    let weighed = (1..).zip(corpus.event_items()).map(|(place, &item)| place * u64::from(item));
    assert_eq!(weighed.sum::<u64>(), 43854020);
    assert!(!corpus.has_times(), "which unit its times have is not known");
    assert_eq!((corpus.fields().count(), corpus.actions().count(), corpus.split(0)), (0, 0, None));
    assert_eq!(corpus.history(0).action(0), 0);
}

/// What the kept corpus of version 2 holds.
fn of_version_2() -> Numbered {
    let mut log = CorpusBuilder::new();
    for (user, item, time) in [
        ("ann", "pen", 100),
        ("bob", "ink", 110),
        ("ann", "ink", 120),
        ("ann", "glue", 250),
        ("bob", "pen", 300),
        ("ann", "pen", 310),
    ] {
        let event = log.event(user, item).time(time);
        match time {
            120 => drop(event.query("black ink")),
            250 => drop(event.action("like")),
            _ => drop(event.action("click")),
        }
    }
    log.item("pen").title("A pen").value("colour", "red").value("colour", "blue");
    log.item("glue").image("http://a").value("brand", "Größe");
    let config = PrepareConfig { split: Some(SplitAt { valid: 200, test: 300 }), ..PrepareConfig::all() };
    config.prepare(&log).unwrap().data
}

#[test]
fn version_2_has_times_actions_splits_and_fields() {
    let corpus = Corpus::open(formats("corpus_v2")).unwrap();
    assert!(corpus.has_times());
    assert_eq!(corpus.history(0).times, [100, 120, 250, 310]);
    let actions = (0..4).map(|at| corpus.action(corpus.history(0).action(at)));
    assert_eq!(actions.collect::<Vec<_>>(), [Some("click"), None, Some("like"), Some("click")]);
    assert_eq!((corpus.split(0), corpus.split(1)), (Some([2, 3]), Some([1, 1])));
    assert_eq!(
        [Split::Train, Split::Valid, Split::Test].map(|split| split.target_of(&corpus, 0)),
        [Some(1), Some(2), Some(3)]
    );
    let colour = corpus.field("colour").unwrap();
    assert_eq!(
        colour.of(1).iter().map(|&value| colour.value(value).unwrap()).collect::<Vec<_>>(),
        ["red", "blue"]
    );
    assert_eq!(corpus.field("brand").unwrap().value(1), Some("Größe"));
    assert_eq!(corpus.fingerprint(), Corpus::in_memory(&of_version_2()).unwrap().fingerprint());
}

/// How `data/formats/corpus_v2` was made. It is not to be made again.
#[test]
#[ignore = "writes the kept file of version 2; cargo test -p seminar-dataset --test formats -- --ignored"]
fn write_version_2() {
    std::fs::create_dir_all(formats("corpus_v2")).unwrap();
    Corpus::write(&of_version_2(), &formats("corpus_v2")).unwrap();
}
