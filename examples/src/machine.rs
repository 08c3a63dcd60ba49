//! What the operating system says of this process.

/// Largest resident memory so far, in bytes; 0 where the system does not say.
pub fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Starts the log, and sets the number of threads of everything that runs in parallel; all cores by default.
///
/// # Errors
/// If no thread is asked for, or parallel work has begun already.
pub fn start(threads: Option<usize>) -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::stderr).init();
    if let Some(threads) = threads {
        anyhow::ensure!(threads > 0, "--threads must be at least 1");
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    Ok(())
}

/// Starts [`peak_rss_bytes`] anew, where the system can.
pub fn reset_peak() {
    // Elsewhere than on Linux there is no such file, and the peak stays that of the whole process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
