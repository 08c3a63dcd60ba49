//! A damaged corpus or embedding file is an error, whatever the damage.

mod support;

use seminar_dataset::{Corpus, EmbeddingTable, Embeddings, Precision};

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
