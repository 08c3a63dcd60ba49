//! Memory, threads and log of this process.

use std::io::IsTerminal;

/// Peak resident memory in bytes; 0 on systems other than Linux.
pub fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Processor time of this process so far, in seconds.
pub fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Starts the log and sets the number of threads of all parallel work; one per core by default.
///
/// # Errors
/// If `threads` is 0, or parallel work has begun already.
pub fn start(threads: Option<usize>) -> anyhow::Result<()> {
    log(tracing::Level::INFO);
    if let Some(threads) = threads {
        anyhow::ensure!((1..=1024).contains(&threads), "--threads must be from 1 to 1024, not {threads}");
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    Ok(())
}

/// Starts the log on the standard error stream, in colours on a terminal alone.
pub fn log(level: tracing::Level) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A closed stream is no reason to stop.
        .log_internal_errors(false)
        .init();
}

/// Resets [`peak_rss_bytes`], on Linux.
pub fn reset_peak() {
    // Other systems have no such file: the peak stays that of the whole process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
