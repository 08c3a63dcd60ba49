//! A damaged corpus or embedding file is an error, whatever the damage.

mod support;

use seminar_dataset::{Corpus, EmbeddingTable, Embeddings, Error, Numbered, Precision, Ragged, Sampled};

#[test]
fn corpus_and_texts() {
    let folder = tempfile::tempdir().unwrap();
    support::corpus_of(&[vec![1, 2, 3, 2], vec![3, 1, 4]], folder.path());
    for file in ["corpus.bin", "texts.bin"] {
        support::every_damage_is_an_error(&folder.path().join(file), || Corpus::open(folder.path()).is_ok());
    }
}

#[test]
fn files_of_two_corpora_do_not_mix() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    support::corpus_of(&[vec![1, 2, 3, 2]], one.path());
    support::corpus_of(&[vec![1, 2, 3, 2], vec![1, 2, 3]], two.path());
    std::fs::copy(two.path().join("texts.bin"), one.path().join("texts.bin")).unwrap();
    let error = Corpus::open(one.path()).unwrap_err().to_string();
    assert!(error.contains("does not belong"), "{error}");
}

#[test]
fn embeddings_in_both_precisions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.emb");
    let mut table = EmbeddingTable::new(9, 3).unwrap();
    table.set(2, &[1.0, -2.5, 0.0]).unwrap();
    table.set(9, &[0.5, 0.25, 8.0]).unwrap();
    table.set(4, &[f32::NAN, 0.0, 0.0]).unwrap();
    assert!(table.set(10, &[0.0; 3]).is_err() && table.set(1, &[0.0; 2]).is_err());
    assert_eq!(table.refused, 1);
    for precision in [Precision::F32, Precision::F16] {
        table.write(&path, precision).unwrap();
        let file = Embeddings::open(&path).unwrap();
        assert_eq!((file.item_count(), file.dim(), file.ids()), (9, 3, &[2, 9][..]));
        let mut row = [7.0; 3];
        assert!(file.read(9, &mut row) && row == [0.5, 0.25, 8.0]);
        assert!(!file.read(4, &mut row) && row == [0.5, 0.25, 8.0]);
        assert!(file.is_present(2) && !file.is_present(4) && !file.is_present(1000));
        support::every_damage_is_an_error(&path, || Embeddings::open(&path).is_ok());
    }
}

#[test]
fn a_file_of_every_item_reads_as_one_with_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let file = |items: usize| {
        let mut table = EmbeddingTable::new(items, 2).unwrap();
        (1..=9).for_each(|item| table.set(item, &[item as f32, 0.5]).unwrap());
        let path = folder.path().join(format!("{items}.emb"));
        table.write(&path, Precision::F32).unwrap();
        Embeddings::open(&path).unwrap()
    };
    // Nine of nine items are found by their place, nine of ten by a search.
    let (whole, gap) = (file(9), file(10));
    for item in 0..=11 {
        let (mut one, mut other) = ([7.0; 2], [7.0; 2]);
        assert_eq!(whole.read(item, &mut one), gap.read(item, &mut other), "item {item}");
        assert_eq!(one, other, "item {item}");
        assert_eq!(one[0], if (1..=9).contains(&item) { item as f32 } else { 7.0 });
    }
}

#[test]
fn what_a_hand_made_data_set_lacks_is_named_before_anything_is_written() {
    let sound = || {
        let mut data = Numbered::from_sequences([vec!["a", "b", "c"], vec!["b", "c"]])
            .with_queries([vec!["x y", "", "y"], vec!["", "x"]])
            .unwrap();
        data.attribute_items = vec![3, 1];
        data.item_attributes = [vec![1, 2], vec![2]].into_iter().collect();
        data.texts.attributes = ["red", "blue"].iter().map(|name| name.bytes()).collect();
        let items = [vec![3, 1], vec![2]].into_iter().collect();
        data.sampled = Some(Sampled { items, queries: vec![0, 1, 2] });
        data
    };
    type Change = fn(&mut Numbered);
    let cases: [(&str, Change); 33] = [
        ("attribute_items", |d| d.attribute_items = vec![9, 1]),
        ("attribute_items", |d| d.attribute_items = vec![1, u32::MAX]),
        ("attribute_items", |d| d.attribute_items = vec![0, 1]),
        ("attribute_items", |d| d.attribute_items = vec![1, 1]),
        ("item_attributes", |d| d.attribute_items = vec![1]),
        ("item_attributes", |d| d.item_attributes.values[1] = 3),
        ("item_attributes", |d| d.item_attributes.offsets = vec![0, 1]),
        ("item_attributes", |d| d.item_attributes.offsets.clear()),
        ("item_queries", |d| d.item_queries.clear()),
        ("item_queries", |d| d.item_queries[2] = 9),
        ("user_offsets", |d| d.user_offsets.clear()),
        ("user_offsets", |d| d.user_offsets[1] = 9),
        ("user_offsets", |d| d.user_numbers.push(7)),
        ("event_times", |d| d.event_times.clear()),
        ("event_kinds", |d| d.event_kinds.push(0)),
        ("event_queries", |d| {
            d.event_queries.pop();
        }),
        ("event_queries", |d| d.event_queries[0] = 4),
        ("event_items", |d| d.event_items[4] = 4),
        ("event_items", |d| d.event_items[0] = 0),
        ("event_items", |d| {
            d.item_queries.pop();
        }),
        ("queries", |d| d.queries = Ragged::default()),
        ("queries", |d| d.queries.offsets[1] = 1),
        ("queries", |d| d.queries.offsets.clear()),
        ("sampled.items", |d| d.sampled.as_mut().unwrap().items.values[0] = 4),
        ("sampled.items", |d| d.sampled.as_mut().unwrap().items.push([])),
        ("sampled.queries", |d| d.sampled.as_mut().unwrap().queries[1] = 4),
        ("sampled.queries", |d| {
            d.sampled.as_mut().unwrap().queries.pop();
        }),
        ("texts.titles", |d| d.texts.titles = Ragged::default()),
        ("texts.image_urls", |d| d.texts.image_urls = Ragged::default()),
        ("texts.users", |d| d.texts.users.push(*b"more")),
        ("texts.items", |d| d.texts.items = Ragged::default()),
        ("texts.items", |d| d.texts.items.values[0] = 0xff),
        ("texts.words", |d| d.texts.words.offsets.push(0)),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (at, (field, change)) in cases.into_iter().enumerate() {
        let mut data = sound();
        change(&mut data);
        let error = Corpus::write(&data, folder.path()).unwrap_err();
        assert!(matches!(&error, Error::Config { field: named, .. } if *named == field), "{at}: {error}");
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "{at}: something was written");
    }
    Corpus::write(&sound(), folder.path()).unwrap();
    assert_eq!(Corpus::open(folder.path()).unwrap().attributes(3), Some(&[1, 2][..]));
    // Nothing at all is no data set either; what is missing first is named.
    let error = Corpus::write(&Numbered::default(), folder.path()).unwrap_err().to_string();
    assert!(error.contains("item_queries") && error.contains("for padding"), "{error}");
}

/// Writes the checksum that fits: of every byte but its own eight at 32.
fn seal(file: &mut [u8]) {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    hash.update(&file[..32]);
    hash.update(&file[40..]);
    file[32..40].copy_from_slice(&hash.digest().to_le_bytes());
}

#[test]
fn embeddings_that_hold_no_numbers_are_refused_by_their_item() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.emb");
    for precision in [Precision::F32, Precision::F16] {
        let mut table = EmbeddingTable::new(9, 3).unwrap();
        for item in [2, 5, 9] {
            table.set(item, &[1.5, item as f32 + 100.0, 2.5]).unwrap();
        }
        table.write(&path, precision).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        // 105 becomes NaN, and the checksum fits again.
        let (number, nan) = match precision {
            Precision::F32 => (105f32.to_le_bytes().to_vec(), f32::NAN.to_le_bytes().to_vec()),
            Precision::F16 => (vec![0x90, 0x56], vec![0x00, 0x7e]),
        };
        let at = bytes.windows(number.len()).position(|own| own == number).expect("105 is there");
        bytes[at..at + nan.len()].copy_from_slice(&nan);
        seal(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let error = Embeddings::open(&path).unwrap_err().to_string();
        assert!(error.contains("the vector of item 5 holds NaN"), "{error}");
    }
    let mut large = EmbeddingTable::new(2, 1).unwrap();
    large.set(1, &[70_000.0]).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(large.write(&path, Precision::F16).unwrap_err().to_string().contains("precision"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    large.write(&path, Precision::F32).unwrap();
    assert!(Embeddings::open(&path).is_ok());
}
