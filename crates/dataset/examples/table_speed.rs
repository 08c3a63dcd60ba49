//! How fast a csv file of events is read and numbered, beside the `csv` crate that only splits it into cells.
//!
//! ```text
//! table_speed write FILE.csv ROWS      writes events of a user, an item and a time
//! table_speed csv FILE.csv OUT.json    splits the file into cells with the `csv` crate
//! table_speed read FILE.csv OUT.json   reads it as events
//! table_speed prepare FILE.csv OUT.json  numbers, sorts and groups them
//! ```
//! Each step is a process of its own, so that its peak of memory is its own.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use seminar_dataset::{EventSource, EventTable, Interactions, PrepareConfig, TableSchema};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [step, file, last] = args[..] else {
        return Err("expected: write FILE ROWS, or csv, read or prepare FILE OUT.json".into());
    };
    let path = Path::new(file);
    if step == "write" {
        return write(path, last.parse()?);
    }
    let start = Instant::now();
    let rows = match step {
        "csv" => cells(path)?,
        "read" => {
            let mut events = 0u64;
            source(path)?.for_each_event(&mut |_| {
                events += 1;
                Ok(())
            })?;
            events
        }
        "prepare" => PrepareConfig::all().prepare(&source(path)?)?.data.event_items.len() as u64,
        _ => return Err(format!("no step `{step}`: write, csv, read, prepare").into()),
    };
    let seconds = start.elapsed().as_secs_f64();
    let peak = peak_bytes();
    let json = format!(
        "{{\"rows\": {rows}, \"seconds\": {seconds:.3}, \"rows_per_second\": {:.0}, \"peak_bytes\": {peak}, \
         \"peak_bytes_per_row\": {:.1}}}",
        rows as f64 / seconds,
        peak as f64 / rows as f64
    );
    println!("{json}");
    std::fs::write(last, json + "\n")?;
    Ok(())
}

/// A walk of a congruential generator, so that no generator is measured.
fn write(path: &Path, rows: u64) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(b"user,item,time\n")?;
    let mut state = 42u64;
    for row in 0..rows {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (user, item) = ((state >> 33) % (rows / 50 + 1), (state >> 20) % (rows / 500 + 1));
        writeln!(out, "{user},{item},{}", 1_500_000_000 + row / 10)?;
    }
    Ok(out.flush()?)
}

fn cells(path: &Path) -> Result<u64, Box<dyn Error>> {
    let mut reader = csv::Reader::from_path(path)?;
    let mut record = csv::StringRecord::new();
    let mut rows = 0;
    while reader.read_record(&mut record)? {
        std::hint::black_box(&record);
        rows += 1;
    }
    Ok(rows)
}

fn source(path: &Path) -> Result<Interactions, Box<dyn Error>> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or("no name of a file")?.to_string_lossy().into_owned();
    let table = EventTable { files: vec![name], ..EventTable::default() };
    Ok(Interactions::open(folder, "events", TableSchema { events: vec![table], items: Vec::new() })?)
}

/// The peak of the process's memory; 0 where the system does not say.
fn peak_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    found.and_then(|kib| kib.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}
