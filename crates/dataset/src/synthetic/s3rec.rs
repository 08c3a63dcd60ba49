//! Synthetic text files in S3-Rec's form.

use std::io::Write as _;
use std::path::Path;

use super::{SyntheticConfig, begin};
use crate::atomic;
use crate::error::{Error, Result};

/// The names of the files that [`write_s3rec`] writes.
pub fn s3rec_files(name: &str) -> [String; 2] {
    [format!("{name}.txt"), format!("{name}_item2attributes.json")]
}

/// Writes `NAME.txt`, one user a line, and `NAME_item2attributes.json`, each item's interest and series, into a folder.
///
/// # Errors
/// Settings that cannot work, or the file system's refusal.
pub fn write_s3rec(
    config: &SyntheticConfig,
    folder: &Path,
    name: &str,
    progress: &dyn Fn(u64),
) -> Result<()> {
    let world = begin(config, folder, Some(name))?;
    let [users, attributes] = s3rec_files(name).map(|file| folder.join(file));
    // Items that occur: text files number them without gaps from 1.
    let mut numbers = vec![0u64; config.items as usize];
    let mut count = 0;
    atomic::write_file(&users, |out| {
        let mut write = || {
            for (user, length) in world.lengths().enumerate() {
                write!(out, "{}", user + 1)?;
                for event in world.events(user as u64, length) {
                    let number = &mut numbers[event.item as usize];
                    if *number == 0 {
                        count += 1;
                        *number = count;
                    }
                    write!(out, " {number}")?;
                }
                writeln!(out)?;
                progress(length);
            }
            Ok(())
        };
        write().map_err(Error::io(&users, "cannot write"))
    })?;
    let mut entries: Vec<(u64, [u64; 2])> = Vec::new();
    for (item, &number) in (0..).zip(&numbers).filter(|(_, number)| **number != 0) {
        // Series are numbered behind the interests.
        entries.push((number, [1 + world.topic(item), 1 + world.topics() + world.series(item).0]));
    }
    entries.sort_unstable();
    let entries: Vec<String> = entries
        .iter()
        .map(|(number, [topic, series])| format!("\"{number}\": [{topic}, {series}]"))
        .collect();
    atomic::write_text(&attributes, &format!("{{{}}}\n", entries.join(", ")))
}
