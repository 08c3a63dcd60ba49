//! Sizes and times of a [`HistoryStore`], written as a JSON object.
//!
//! ```text
//! history_store fill FOLDER USERS EVENTS codes|rows OUT.json   fills a new store, each user's behaviours in one go, and compacts it
//! history_store measure FOLDER USERS OUT.json                  opens it and measures appending and searching for random users
//! ```
//! M 2, d 32, codes of 16 bytes; with `rows` exact rows are kept as well, and the best codes scored again with them. Peaks of memory are those of the process: `peak_bytes` counts
//! mapped pages that the system would give away, `peak_own_bytes` does not.

use std::path::Path;
use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::{ByteCodes, HistoryStore, Kept, PqConfig, PqHistory, Result, Vectors};

const M: usize = 2;
const DIM: usize = 32;
const K: usize = 50;
const WEIGHTS: [f32; M] = [0.4, 0.6];

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (out, json) = match args[..] {
        ["fill", folder, users, events, "codes", out] => {
            (out, fill(folder.as_ref(), users.parse()?, events.parse()?, Kept::Codes)?)
        }
        ["fill", folder, users, events, "rows", out] => {
            let kept = Kept::CodesAndRows { factor: 4 };
            (out, fill(folder.as_ref(), users.parse()?, events.parse()?, kept)?)
        }
        ["measure", folder, users, out] => (out, measure(folder.as_ref(), users.parse()?)?),
        _ => {
            let expected = "fill FOLDER USERS EVENTS codes|rows OUT.json, or measure FOLDER USERS OUT.json";
            return Err(format!("expected: {expected}").into());
        }
    };
    println!("{json}");
    std::fs::write(out, json + "\n")?;
    Ok(())
}

/// Rows `[count, M · DIM]` around 500 topics.
fn draw(count: usize, stream: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let topics: Vec<f32> = (0..500 * M * DIM).map(|_| 3.4 * (rng.random::<f32>() - 0.5)).collect();
    rng.set_stream(stream);
    let mut rows = Vec::with_capacity(count * M * DIM);
    for _ in 0..count {
        let topic = &topics[rng.random_range(0..500) * M * DIM..][..M * DIM];
        rows.extend(topic.iter().map(|c| c + 2.0 * (rng.random::<f32>() - 0.5)));
    }
    rows
}

fn fill(folder: &Path, users: u64, events: u64, kept: Kept) -> Result<String> {
    let pool = draw(50_000, 1);
    let config =
        PqConfig { sub_vectors: 8, centroids: 256, iterations: 8, sample: 20_000, ..Default::default() };
    let book = |m: usize| {
        let own = pool.chunks_exact(M * DIM).flat_map(|row| &row[m * DIM..][..DIM]).copied();
        config.train(&Vectors::new(DIM, own.collect())?)
    };
    let store = HistoryStore::create(folder, PqHistory::codec(&[&book(0)?, &book(1)?])?, M, kept)?;
    let start = Instant::now();
    let mut own_peak = 0;
    let together = 16_384u64.div_ceil(events);
    let (mut names, mut rows, mut next) = (Vec::new(), Vec::new(), 0);
    for first in (0..users).step_by(together as usize) {
        names.clear();
        rows.clear();
        for user in first..users.min(first + together) {
            for event in 0..events {
                names.push((scattered(user), event));
                rows.extend_from_slice(&pool[next..next + M * DIM]);
                // A prime number of rows ahead: neighbours in the pool do not repeat from user to user.
                next = (next + 7919 * M * DIM) % pool.len();
            }
        }
        store.append_many(&names, &rows)?;
        own_peak = own_peak.max(status("RssAnon:"));
    }
    let filled = start.elapsed().as_secs_f64();
    let sizes = store.sizes();
    let start = Instant::now();
    store.compact()?;
    let all = (users * events) as f64;
    Ok(format!(
        "{{\"users\": {users}, \"events_per_user\": {events}, \"append_us\": {:.3}, \"segments_before\": {}, \
         \"compact_seconds\": {:.1}, \"bytes\": {}, \"bytes_per_event\": {:.2}, \"peak_bytes\": {}, \
         \"peak_own_bytes\": {own_peak}}}",
        filled * 1e6 / all,
        sizes.segments,
        start.elapsed().as_secs_f64(),
        store.sizes().segment_bytes,
        store.sizes().segment_bytes as f64 / all,
        status("VmHWM:"),
    ))
}

/// Users' ids that are not dense.
fn scattered(user: u64) -> u64 {
    user.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn measure(folder: &Path, users: u64) -> Result<String> {
    let start = Instant::now();
    let store = HistoryStore::<ByteCodes>::open(folder)?;
    let open_ms = start.elapsed().as_secs_f64() * 1e3;
    let own_at_rest = status("RssAnon:");
    let rows = draw(4096, 2);
    let row = |number: usize| &rows[number % 4096 * M * DIM..][..M * DIM];
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut search = |count: usize| -> Result<[[f64; 2]; 2]> {
        let (mut whole, mut prepared) = (Vec::new(), Vec::new());
        for number in 0..count {
            let user = scattered(rng.random_range(0..users));
            let start = Instant::now();
            let target = store.prepare(row(number), &WEIGHTS)?;
            let middle = Instant::now();
            std::hint::black_box(store.get(user)?.top_k(&target, K)?);
            whole.push(start.elapsed().as_secs_f64() * 1e6);
            prepared.push(middle.elapsed().as_secs_f64() * 1e6);
        }
        Ok([quantiles(whole), quantiles(prepared)])
    };
    let first = search(20_000)?;
    let compacted = search(50_000)?;
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut single = Vec::new();
    let mut fresh = 1 << 40;
    for number in 0..1000 {
        fresh += 1;
        let start = Instant::now();
        store.append(scattered(rng.random_range(0..users)), fresh, row(number))?;
        single.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let mut batches = Vec::new();
    for _ in 0..400 {
        let names: Vec<(u64, u64)> = (0..1000)
            .map(|_| {
                fresh += 1;
                (scattered(rng.random_range(0..users)), fresh)
            })
            .collect();
        let start = Instant::now();
        store.append_many(&names, &rows[..1000 * M * DIM])?;
        batches.push(start.elapsed().as_secs_f64() * 1e6 / 1000.0);
    }
    let with_tail = search(50_000)?;
    let sizes = store.sizes();
    Ok(format!(
        "{{\"users\": {users}, \"open_ms\": {open_ms:.1}, \"top_50_us_first\": {first:.1?}, \
         \"top_50_us\": {compacted:.1?}, \"top_50_us_with_400_k_in_the_log\": {with_tail:.1?}, \
         \"append_single_us\": {:.1?}, \"append_of_1000_us_each\": {:.2?}, \"log_memory_bytes\": {}, \
         \"log_bytes\": {}, \"own_bytes_at_rest\": {own_at_rest}, \"own_bytes\": {}, \"peak_bytes\": {}}}",
        quantiles(single),
        quantiles(batches),
        sizes.memory_bytes,
        sizes.log_bytes,
        status("RssAnon:"),
        status("VmHWM:"),
    ))
}

/// Median and 99th percentile.
fn quantiles(mut numbers: Vec<f64>) -> [f64; 2] {
    numbers.sort_by(f64::total_cmp);
    [0.5, 0.99].map(|part| numbers[(part * (numbers.len() - 1) as f64) as usize])
}

/// Bytes of memory by a line of the process's status; 0 where the system has none.
fn status(line: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = text.lines().find_map(|own| own.strip_prefix(line));
    found.and_then(|kib| kib.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}
