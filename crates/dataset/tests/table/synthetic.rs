//! What is synthesised in the form of a preset is read by it.

use seminar_dataset::synthetic::write_tables;
use seminar_dataset::{Interactions, PrepareConfig, Preset, Reader, Repeats, SyntheticConfig};

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
