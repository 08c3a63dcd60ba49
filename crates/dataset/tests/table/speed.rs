//! How fast a csv file is read and numbered, beside the `csv` crate that only looks at it.

use std::io::{BufWriter, Write};
use std::time::Instant;

use seminar_dataset::{EventTable, Interactions, PrepareConfig, TableSchema};

/// Writes rows of user, item and time; a deterministic walk, so that no generator is measured.
fn write(path: &std::path::Path, rows: u64) {
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(path).unwrap());
    out.write_all(b"user,item,time\n").unwrap();
    let mut state = 42u64;
    for row in 0..rows {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (user, item) = ((state >> 33) % (rows / 50 + 1), (state >> 20) % (rows / 500 + 1));
        writeln!(out, "{user},{item},{}", 1_500_000_000 + row / 10).unwrap();
    }
    out.flush().unwrap();
}

#[test]
#[ignore = "measures; SEMINAR_ROWS=100000000 cargo test --release -p seminar-dataset --test table speed -- --ignored --nocapture"]
fn csv_beside_the_csv_crate() {
    let rows: u64 =
        std::env::var("SEMINAR_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(10_000_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.csv");
    write(&path, rows);

    let start = Instant::now();
    let mut reader = csv::Reader::from_path(&path).unwrap();
    let mut record = csv::StringRecord::new();
    let mut bytes = 0;
    while reader.read_record(&mut record).unwrap() {
        bytes += record.get(0).map_or(0, str::len);
    }
    let alone = start.elapsed().as_secs_f64();

    let table = EventTable { files: vec!["events.csv".into()], ..EventTable::default() };
    let schema = TableSchema { events: vec![table], items: Vec::new() };
    let source = Interactions::open(folder.path(), "x", schema).unwrap();
    let start = Instant::now();
    let mut events = 0u64;
    seminar_dataset::EventSource::for_each_event(&source, &mut |_| {
        events += 1;
        Ok(())
    })
    .unwrap();
    let read = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let data = PrepareConfig::all().prepare(&source).unwrap().data;
    let prepared = start.elapsed().as_secs_f64();
    assert_eq!((events, data.event_items.len() as u64), (rows, rows));
    let rate = |seconds: f64| rows as f64 / seconds / 1e6;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!(
        "{rows} rows ({bytes}): csv crate {alone:.2} s ({:.2} M rows/s); read {read:.2} s ({:.2}); prepared {prepared:.2} s ({:.2}); {peak}",
        rate(alone),
        rate(read),
        rate(prepared)
    );
}
