//! The bundled real files, counted a second time by other means.

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;

use seminar_dataset::{
    AmazonReviews, Corpus, PrepareConfig, Prepared, Queries, Statistics, published_negatives, s3rec,
};
use support::data;

fn gift_cards(config: &PrepareConfig) -> Prepared {
    let source = AmazonReviews::locate(&data("gift_cards"), "Gift_Cards").unwrap();
    config.prepare(&source).unwrap()
}

fn unpacked(name: &str) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(data(name)).unwrap();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

/// Sequences of the Gift Cards reviews by whole-file JSON and repeated passes.
fn counted_again(core: usize) -> Vec<Vec<String>> {
    let mut users: Vec<String> = Vec::new();
    let mut events: HashMap<String, Vec<(i64, String)>> = HashMap::new();
    for line in unpacked("gift_cards/Gift_Cards_5.json.gz").lines() {
        let review: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| review[field].as_str().unwrap().to_owned();
        let user = text("reviewerID");
        if !events.contains_key(&user) {
            users.push(user.clone());
        }
        events.entry(user).or_default().push((review["unixReviewTime"].as_i64().unwrap(), text("asin")));
    }
    let mut sequences: Vec<Vec<String>> = users
        .iter()
        .map(|user| {
            let mut own = events[user].clone();
            own.sort_by_key(|(time, _)| *time);
            own.into_iter().map(|(_, item)| item).collect()
        })
        .collect();
    loop {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        sequences.iter().flatten().for_each(|item| *counts.entry(item.clone()).or_default() += 1);
        let before: usize = sequences.iter().map(Vec::len).sum();
        sequences.iter_mut().for_each(|s| s.retain(|item| counts[item] >= core));
        sequences.retain(|s| s.len() >= core);
        if sequences.iter().map(Vec::len).sum::<usize>() == before {
            return sequences;
        }
    }
}

#[test]
fn gift_cards_before_the_core_filter() {
    let none = PrepareConfig { min_user_events: 0, min_item_events: 0, ..PrepareConfig::amazon() };
    let prepared = gift_cards(&none);
    let raw = counted_again(0);
    let items: BTreeSet<_> = raw.iter().flatten().collect();
    assert_eq!((raw.len(), items.len(), raw.iter().map(Vec::len).sum()), (458, 148, 2972));
    assert_eq!(
        (prepared.data.user_count(), prepared.data.item_count(), prepared.data.event_items.len()),
        (458, 148, 2972)
    );
}

#[test]
fn gift_cards_after_the_core_filter() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = gift_cards(&PrepareConfig::amazon());
    Corpus::write(&prepared.data, folder.path()).unwrap();
    let corpus = Corpus::open(folder.path()).unwrap();

    let again = counted_again(5);
    assert_eq!(corpus.user_count(), again.len());
    for (user, sequence) in again.iter().enumerate() {
        let names: Vec<&str> = corpus.history(user).items.iter().map(|&i| corpus.item_name(i)).collect();
        assert_eq!(names, *sequence, "user {user}");
    }

    let statistics = Statistics::of(&corpus);
    assert_eq!((statistics.users, statistics.items, statistics.events), (456, 147, 2960));
    assert_eq!((statistics.user_events.min, statistics.user_events.max), (5, 32));
    assert_eq!((statistics.item_events.min, statistics.item_events.max), (5, 93));
    assert_eq!(format!("{:.4} {:.2}", statistics.user_events.mean, statistics.sparsity), "6.4912 95.58");
    assert_eq!((statistics.queries, statistics.attributes), (273, 76));
    assert_eq!(format!("{:.4}", statistics.item_attributes.mean), "1.7891");
    assert_eq!(statistics.targets_in_history, 1);
    assert_eq!(statistics.items_with_image, 115);

    assert_eq!(corpus.user_name(0), "A31UBHTUUIFJUT");
    assert_eq!(corpus.history(0).items, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(corpus.history(1).items, [7, 10, 11, 12, 13]);
    assert_eq!(corpus.item_name(1), "B014S24DAI");
    let query: Vec<_> = corpus.query(corpus.item_query(1)).iter().map(|&w| corpus.word(w).unwrap()).collect();
    assert_eq!(query.join(" "), "Amazon.com Gift Cards are the");
}

#[test]
fn gift_cards_attributes_as_published() {
    let mut source = AmazonReviews::locate(&data("gift_cards"), "Gift_Cards").unwrap();
    source.published_attributes = true;
    let folder = tempfile::tempdir().unwrap();
    Corpus::write(&PrepareConfig::amazon().prepare(&source).unwrap().data, folder.path()).unwrap();
    let attributes = Statistics::of(&Corpus::open(folder.path()).unwrap());
    assert_eq!(attributes.attributes, 85);
    let range = attributes.item_attributes;
    assert_eq!((range.min, range.max, format!("{:.4}", range.mean)), (1, 19, "18.7551".into()));
}

#[test]
fn beauty_in_and_out_is_byte_identical() {
    let imported = s3rec::import(&data("s3rec"), "Beauty", Queries::Attributes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    Corpus::write(&imported.data, folder.path()).unwrap();
    let corpus = Corpus::open(folder.path()).unwrap();
    let statistics = Statistics::of(&corpus);
    assert_eq!((statistics.users, statistics.items, statistics.events), (22_363, 12_101, 198_502));
    assert_eq!(statistics.items_with_title, 12_094);

    s3rec::export(&corpus, folder.path(), "Beauty", None).unwrap();
    for ending in [".txt", "_item2attributes.json"] {
        let ours = std::fs::read_to_string(folder.path().join(format!("Beauty{ending}"))).unwrap();
        assert!(ours == unpacked(&format!("s3rec/Beauty{ending}.gz")), "Beauty{ending} differs");
    }
}

#[test]
fn published_negatives_avoid_the_history() {
    let folder = tempfile::tempdir().unwrap();
    Corpus::write(&gift_cards(&PrepareConfig::amazon()).data, folder.path()).unwrap();
    let corpus = Corpus::open(folder.path()).unwrap();
    let negatives = published_negatives(&corpus, 12345, 99);
    for user in 0..corpus.user_count() {
        assert_eq!(negatives.row(user).len(), 99);
        assert!(negatives.row(user).iter().all(|n| !corpus.history(user).items.contains(n)));
    }
}
