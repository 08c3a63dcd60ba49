//! Dicts of tensors as PyTorch saves them: `title_emb.pth` holds "1" and "3" in one f32 storage, "2" and "7" in
//! one f16 storage, `name_of_21_characters.pth` the same under a name that some zip readers stumble over; `evil.pth` names a
//! function that a real unpickler would call.

mod support;

use seminar_dataset::import_pth;
use support::data;

#[test]
fn tensors_of_both_precisions_with_offsets() {
    let item = |key: &str| key.parse().ok().filter(|&id: &u32| id <= 5);
    let (table, extra) = import_pth(&data("tiny/title_emb.pth"), 5, item).unwrap();
    assert_eq!(extra, 1, "key 7 is no item");
    assert_eq!((table.clone(), extra), import_pth(&data("tiny/name_of_21_characters.pth"), 5, item).unwrap());
    let file = tempfile::NamedTempFile::new().unwrap();
    table.write(file.path(), seminar_dataset::Precision::F32).unwrap();
    let file = seminar_dataset::Embeddings::open(file.path()).unwrap();
    let row = |id| {
        let mut row = [0.0; 3];
        file.read(id, &mut row).then_some(row)
    };
    assert_eq!(row(1), Some([1.0, 2.0, 3.0]));
    assert_eq!(row(2), Some([0.5, -1.0, 8.0]));
    assert_eq!(row(3), Some([4.0, 5.0, 6.0]));
    assert_eq!(row(4), None);
}

#[test]
fn damaged_and_foreign_files_are_errors() {
    let any = |_: &str| Some(1);
    assert!(import_pth(&data("tiny/evil.pth"), 5, any).is_err());
    assert!(import_pth(&data("tiny/title_emb.pth"), 5, |_| None).is_err());
    let whole = std::fs::read(data("tiny/title_emb.pth")).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    for cut in (0..whole.len()).step_by(7) {
        std::fs::write(file.path(), &whole[..cut]).unwrap();
        assert!(import_pth(file.path(), 5, any).is_err(), "cut to {cut} bytes");
    }
}
