//! Many mutants through one loader, with everything watched that must not happen.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use seminar_dataset::rng::Stream;

use crate::memory;
use crate::mutate::mutate;
use crate::targets::Target;

/// What a loader may allocate beyond the length of its file.
pub const ALLOWANCE: usize = 64 << 20;
/// How long it may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What came of a campaign.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Inputs tried; where a file holds many records, the damaged records.
    pub inputs: u64,
    /// Files tried.
    pub files: u64,
    /// Files that the loader took.
    pub accepted: u64,
    /// Seconds.
    pub seconds: f64,
    /// Most bytes allocated beyond the file's length.
    pub largest: usize,
    /// Longest time of one file.
    pub slowest: Duration,
    /// Inputs at which the loader panicked.
    pub panics: Vec<Vec<u8>>,
    /// Inputs at which it allocated too much.
    pub hoards: Vec<Vec<u8>>,
    /// Inputs at which it took too long.
    pub hangs: Vec<Vec<u8>>,
}

impl Outcome {
    /// Whether nothing happened that must not.
    pub fn sound(&self) -> bool {
        self.panics.is_empty() && self.hoards.is_empty() && self.hangs.is_empty()
    }
}

/// Runs mutants until `inputs` were tried.
///
/// # Errors
/// If the scratch folder cannot be made or written.
pub fn run(target: &Target, inputs: u64, seed: u64) -> anyhow::Result<Outcome> {
    let folder = scratch()?;
    let seeds = (target.seeds)()?;
    let mut load = (target.loader)(folder.path())?;
    let mut stream = Stream::new(&[seed, 0x686f_7374]);
    let mut outcome = Outcome::default();
    let watched = Watchdog::new(target.name);
    let begin = Instant::now();
    while outcome.inputs < inputs {
        let mut mutant = Vec::new();
        let mut records = 0;
        // A file of records is damaged in every record: each is an input of its own.
        while records < target.records {
            mutant.extend(mutate(&seeds, &mut stream));
            if target.records > 1 {
                mutant.push(b'\n');
            }
            records += 1;
        }
        watched.begin(&mutant);
        let (start, before) = (memory::mark(), Instant::now());
        let loaded = catch_unwind(AssertUnwindSafe(|| load(&mutant)));
        let (taken, bytes) = (before.elapsed(), memory::peak_since(start).saturating_sub(mutant.len()));
        outcome.inputs += records;
        outcome.files += 1;
        outcome.slowest = outcome.slowest.max(taken);
        outcome.largest = outcome.largest.max(bytes);
        match loaded {
            Ok(accepted) => outcome.accepted += u64::from(accepted?),
            Err(_) => {
                outcome.panics.push(mutant);
                // Whatever the panic left behind must not spoil the next one.
                load = (target.loader)(folder.path())?;
                continue;
            }
        }
        if bytes > ALLOWANCE {
            outcome.hoards.push(mutant);
        } else if taken > PATIENCE {
            outcome.hangs.push(mutant);
        }
    }
    outcome.seconds = begin.elapsed().as_secs_f64();
    Ok(outcome)
}

/// Files are written and read millions of times: in memory, where the system offers that.
fn scratch() -> std::io::Result<tempfile::TempDir> {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir())
    } else {
        tempfile::tempdir()
    }
}

/// Ends the process with the input if a loader never returns: nothing else can.
struct Watchdog {
    current: Arc<(Mutex<Vec<u8>>, AtomicU64)>,
}

impl Watchdog {
    fn new(name: &'static str) -> Self {
        let current = Arc::new((Mutex::new(Vec::new()), AtomicU64::new(0)));
        let seen = Arc::downgrade(&current);
        std::thread::spawn(move || {
            let (mut last, mut since) = (0, Instant::now());
            loop {
                std::thread::sleep(Duration::from_secs(1));
                let Some(current) = seen.upgrade() else { return };
                let number = current.1.load(Relaxed);
                if number != last {
                    (last, since) = (number, Instant::now());
                } else if since.elapsed() > 6 * PATIENCE {
                    let input = current.0.lock().map(|bytes| bytes.clone()).unwrap_or_default();
                    let path = std::env::temp_dir().join(format!("hang-{name}"));
                    let _ = std::fs::write(&path, input);
                    // The one way to tell: the thread that hangs cannot be stopped.
                    eprintln!("{name}: no answer for a minute; the input is in {}", path.display());
                    std::process::abort();
                }
            }
        });
        Self { current }
    }

    fn begin(&self, input: &[u8]) {
        if let Ok(mut bytes) = self.current.0.lock() {
            bytes.clear();
            bytes.extend_from_slice(input);
        }
        self.current.1.fetch_add(1, Relaxed);
    }
}
