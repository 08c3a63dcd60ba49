//! A catalogue says of items, words and attributes what its corpus says, and a damaged one is an error.

mod support;

use std::path::Path;

use seminar_dataset::{
    AmazonReviews, Catalogue, Corpus, Numbered, PrepareConfig, Queries, Ragged, Texts, keywords, s3rec,
};
use xxhash_rust::xxh3::Xxh3;

/// Three items, two of them of one name, with everything that a catalogue can hold.
fn small() -> Numbered {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.bytes()).collect::<Ragged<u8>>();
    Numbered {
        user_numbers: vec![1],
        user_offsets: vec![0, 3],
        event_items: vec![1, 2, 3],
        event_times: vec![0, 1, 2],
        event_kinds: vec![0; 3],
        event_queries: vec![1, 0, 2],
        queries: [&[][..], &[2, 1], &[3]].iter().map(|row| row.iter().copied()).collect(),
        item_queries: vec![0, 1, 0, 2],
        attribute_items: vec![3, 1],
        item_attributes: [&[2, 1][..], &[]].iter().map(|row| row.iter().copied()).collect(),
        sampled: None,
        texts: Texts {
            users: texts(&["ann"]),
            items: texts(&["pen", "Äpfel", "pen"]),
            words: texts(&["red", "", "blue"]),
            attributes: texts(&["brand", "größe"]),
            titles: texts(&["A pen", "", "Stift"]),
            image_urls: texts(&["http://a\nhttp://b", "", ""]),
            ..Texts::default()
        },
        ..Numbered::default()
    }
}

fn written(data: &Numbered, folder: &Path) -> (Corpus, Catalogue) {
    Corpus::write(data, folder).unwrap();
    let corpus = Corpus::open(folder).unwrap();
    let path = folder.join("catalogue.bin");
    Catalogue::write(&corpus, &path).unwrap();
    (corpus, Catalogue::open(&path).unwrap())
}

fn says_the_same(corpus: &Corpus, catalogue: &Catalogue) {
    assert_eq!(catalogue.item_count(), corpus.item_count());
    assert_eq!(catalogue.word_count(), corpus.word_count());
    assert_eq!(catalogue.attribute_count(), corpus.attribute_count());
    assert_eq!(catalogue.fingerprint(), corpus.items_fingerprint());
    for item in 1..=corpus.item_count() as u32 {
        let name = corpus.item_name(item);
        assert_eq!(catalogue.item_name(item), name);
        assert_eq!(catalogue.item(name).map(|found| corpus.item_name(found)), Some(name));
        assert_eq!(catalogue.title(item), corpus.title(item));
        assert!(catalogue.image_urls(item).eq(corpus.image_urls(item)));
        assert_eq!(catalogue.attributes(item), corpus.attributes(item));
        assert_eq!(catalogue.item_query(item), corpus.query(corpus.item_query(item)));
    }
    for word in 0..=corpus.word_count() as u32 + 1 {
        assert_eq!(catalogue.word(word), corpus.word(word));
        if let Some(text) = corpus.word(word) {
            assert_eq!(catalogue.word_number(text), Some(word));
        }
    }
    for attribute in 0..=corpus.attribute_count() as u32 + 1 {
        assert_eq!(catalogue.attribute_name(attribute), corpus.attribute_name(attribute));
    }
    assert_eq!((catalogue.item("no such item"), catalogue.word_number("no such word")), (None, None));
}

#[test]
fn amazon_with_queries_of_words() {
    let folder = tempfile::tempdir().unwrap();
    let source = AmazonReviews::locate(&support::data("gift_cards"), "Gift_Cards").unwrap();
    let config = PrepareConfig::amazon();
    let (corpus, catalogue) = written(&config.prepare(&source).unwrap().data, folder.path());
    says_the_same(&corpus, &catalogue);
    assert!((1..=corpus.item_count() as u32).any(|item| catalogue.title(item).is_some()));
    // The words of an item's query, put together as in its description, lead back to the query.
    for item in 1..=corpus.item_count() as u32 {
        let query = catalogue.item_query(item);
        let text: Vec<&str> = query.iter().map(|&word| catalogue.word(word).unwrap()).collect();
        let again: Vec<u32> =
            keywords(&text.join(" ")).filter_map(|word| catalogue.word_number(word)).collect();
        assert_eq!(again, query);
    }
}

#[test]
fn s3rec_with_attributes_and_words_that_are_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let imported = s3rec::import(&support::data("s3rec"), "Beauty", Queries::Attributes).unwrap();
    let (corpus, catalogue) = written(&imported.data, folder.path());
    says_the_same(&corpus, &catalogue);
    let last = corpus.word_count();
    assert!(last > 1 && catalogue.word(1).is_none());
    assert_eq!(catalogue.word_number(&last.to_string()), Some(last as u32));
    for unknown in ["0", "-1", "1.0", "", "99999999999", &(last + 1).to_string()] {
        assert_eq!(catalogue.word_number(unknown), None, "{unknown}");
    }
}

#[test]
fn equal_names_lead_to_the_smaller_number() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, catalogue) = written(&small(), folder.path());
    says_the_same(&corpus, &catalogue);
    assert_eq!(
        (catalogue.item("pen"), catalogue.item("Äpfel"), catalogue.item("")),
        (Some(1), Some(2), None)
    );
    assert_eq!(catalogue.word_number(""), Some(2));
    assert_eq!((catalogue.attributes(1), catalogue.attributes(2)), (Some(&[][..]), None));
}

#[test]
fn the_fingerprint_depends_on_names_and_counts_alone() {
    let written = |change: &dyn Fn(&mut Numbered)| {
        let folder = tempfile::tempdir().unwrap();
        let mut data = small();
        change(&mut data);
        let (corpus, catalogue) = written(&data, folder.path());
        assert_eq!(corpus.items_fingerprint(), catalogue.fingerprint());
        (catalogue.fingerprint(), corpus.fingerprint())
    };
    let of = |change: &dyn Fn(&mut Numbered)| written(change).0;
    let same = of(&|_| {});
    let swap_items = |data: &mut Numbered| data.event_items.swap(0, 1);
    assert_eq!(of(&swap_items), same);
    assert_ne!(written(&swap_items).1, written(&|_| {}).1, "events count for the corpus's own");
    assert_eq!(of(&|data| data.texts.titles = ["", "", "x"].iter().map(|t| t.bytes()).collect()), same);
    let others: [&dyn Fn(&mut Numbered); 5] = [
        &|data| data.texts.items = ["penÄ", "pfel", "pen"].iter().map(|t| t.bytes()).collect(),
        &|data| data.texts.words = ["blue", "", "red"].iter().map(|t| t.bytes()).collect(),
        &|data| data.texts.attributes = ["brand", "size"].iter().map(|t| t.bytes()).collect(),
        &|data| data.queries.values[0] = 7,
        &|data| data.texts.words = Ragged::default(),
    ];
    for (index, other) in others.iter().enumerate() {
        assert_ne!(of(other), same, "change {index}");
    }
}

#[test]
fn every_damage_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    written(&small(), folder.path());
    let path = folder.path().join("catalogue.bin");
    support::every_damage_is_an_error(&path, || Catalogue::open(&path).is_ok());
}

/// Asks an opened catalogue for everything it has.
fn walk(catalogue: &Catalogue) -> usize {
    let mut seen = 0;
    for item in 1..=catalogue.item_count() as u32 {
        let name = catalogue.item_name(item);
        assert!(catalogue.item(name).is_none_or(|found| catalogue.item_name(found) == name));
        seen += catalogue.item_query(item).len() + catalogue.attributes(item).map_or(0, <[u32]>::len);
        seen += catalogue.title(item).map_or(0, str::len) + catalogue.image_urls(item).count();
    }
    for id in 0..=1 + catalogue.word_count().max(catalogue.attribute_count()).min(1000) as u32 {
        seen += catalogue.word(id).and_then(|word| catalogue.word_number(word)).is_some() as usize;
        seen += catalogue.attribute_name(id).map_or(0, str::len);
    }
    seen
}

#[test]
fn sections_that_lie_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (_, sound) = written(&small(), folder.path());
    assert!(walk(&sound) > 0);
    let whole = std::fs::read(folder.path().join("catalogue.bin")).unwrap();
    let path = folder.path().join("forged.bin");
    let (mut refused, mut opened) = (0, 0);
    for at in 64..whole.len() {
        for change in [0x01, 0x02, 0x80, 0xff] {
            let mut forged = whole.clone();
            forged[at] ^= change;
            let mut hash = Xxh3::new();
            hash.update(&forged[..32]);
            hash.update(&forged[40..]);
            forged[32..40].copy_from_slice(&hash.digest().to_le_bytes());
            // A new file each time: the old one may still be mapped.
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, forged).unwrap();
            match Catalogue::open(&path) {
                Ok(catalogue) => {
                    walk(&catalogue);
                    opened += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 1000 && opened > 100, "{refused} refused, {opened} opened");
}

#[test]
fn the_file_of_another_kind_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    written(&small(), folder.path());
    let error = Catalogue::open(&folder.path().join("texts.bin")).unwrap_err().to_string();
    assert!(error.contains("`texts`") && error.contains("`catalog`"), "{error}");
}
