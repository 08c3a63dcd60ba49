//! What is synthesised in the form of a preset is read by it.

use seminar_dataset::synthetic::{AmazonRelease, write_amazon_release, write_s3rec, write_tables};
use seminar_dataset::{
    AmazonReviews, Interactions, PrepareConfig, Preset, Queries, Reader, Repeats, SyntheticConfig, s3rec,
};

#[test]
fn every_preset_reads_what_is_written_for_it() {
    let config = SyntheticConfig { users: 40, items: 60, events: 900, ..SyntheticConfig::default() };
    let mut read = 0;
    for name in Preset::names() {
        let preset = Preset::named(name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        if preset.reader != Reader::Table {
            assert!(write_tables(&config, &preset, folder.path(), "toy").is_err(), "{name}");
            continue;
        }
        let parquet = preset.events[0].files[0].ends_with(".parquet");
        if parquet && !cfg!(feature = "parquet") {
            let error = write_tables(&config, &preset, folder.path(), "toy").unwrap_err().to_string();
            assert!(error.contains("feature `parquet`"), "{name}: {error}");
            continue;
        }
        let files = write_tables(&config, &preset, folder.path(), "toy").unwrap();
        assert!(!files.is_empty(), "{name}");
        let source = Interactions::open(folder.path(), "toy", preset.schema())
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let all = PrepareConfig {
            drop_repeats: Repeats::Keep,
            min_user_events: 1,
            min_item_events: 1,
            ..preset.config()
        };
        let prepared = all.prepare(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
        let data = prepared.data;
        assert_eq!((data.user_count(), data.event_items.len()), (40, 900), "{name}");
        assert_eq!(prepared.report.files.iter().map(|file| file.bad()).sum::<u64>(), 0, "{name}");
        if !preset.items.is_empty() {
            let values: usize = data.fields.iter().map(|field| field.items.values.len()).sum();
            assert!(values > 0, "{name}: no value of any field");
        }
        read += 1;
    }
    assert!(read >= 11, "{read}");
}

#[test]
fn every_release_of_amazon_is_the_same_data() {
    let config = SyntheticConfig {
        users: 40,
        items: 60,
        events: 900,
        review_words: 5.0,
        ..SyntheticConfig::default()
    };
    let mut all = Vec::new();
    for release in [AmazonRelease::In2014, AmazonRelease::In2018, AmazonRelease::In2023] {
        let folder = tempfile::tempdir().unwrap();
        write_amazon_release(&config, release, folder.path(), "Toys", &|_| {}).unwrap();
        let source = AmazonReviews::locate(folder.path(), "Toys").unwrap();
        let prepared =
            PrepareConfig { queries: Queries::Description, ..PrepareConfig::all() }.prepare(&source).unwrap();
        assert_eq!(
            (prepared.data.event_items.len(), prepared.report.items_without_meta),
            (900, 0),
            "{release:?}"
        );
        assert_eq!(prepared.report.files.iter().map(|file| file.bad()).sum::<u64>(), 0, "{release:?}");
        all.push(prepared.data);
    }
    assert!(all[0] == all[1] && all[1] == all[2]);
}

#[test]
fn text_files_of_s3_rec() {
    let config = SyntheticConfig { users: 40, items: 60, events: 900, ..SyntheticConfig::default() };
    let folder = tempfile::tempdir().unwrap();
    write_s3rec(&config, folder.path(), "toys", &|_| {}).unwrap();
    let imported = s3rec::import(folder.path(), "toys", Queries::Attributes).unwrap();
    assert_eq!((imported.data.user_count(), imported.data.event_items.len()), (40, 900));
    assert_eq!(imported.data.attribute_items.len(), imported.data.item_count());
}
