//! Downloads the images that an item file lists: few connections, time-outs, pauses, a size limit, and a record of failures.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use seminar_dataset::atomic::write_bytes;
use seminar_dataset::{Corpus, Failure};
use ureq::Agent;

use crate::progress::Counter;

/// How images are downloaded.
#[derive(Clone, Debug)]
pub struct Download {
    /// Parallel connections.
    pub at_once: usize,
    /// Attempts per address. Only transient failures are tried again.
    pub attempts: u32,
    /// Time limit per image.
    pub timeout: Duration,
    /// Pause of a connection after each image, and before the second attempt. It doubles with each further attempt.
    pub pause: Duration,
    /// Size limit per image, in bytes.
    pub most_bytes: u64,
}

impl Default for Download {
    fn default() -> Self {
        Self {
            at_once: 4,
            attempts: 3,
            timeout: Duration::from_secs(20),
            pause: Duration::from_millis(200),
            most_bytes: 10 << 20,
        }
    }
}

impl Download {
    /// Downloads an image for each item that has none in the folder yet, so that a killed run can continue. An item's addresses
    /// are tried in order until one works. Files are named by their items. Returns the items without an image, with the reason
    /// of the last failure.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn run(&self, corpus: &Corpus, folder: &Path, bar: &Counter) -> anyhow::Result<Vec<Failure>> {
        std::fs::create_dir_all(folder)?;
        let there: std::collections::HashSet<String> = std::fs::read_dir(folder)?
            .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
            .collect();
        let wanted: Vec<u32> = (1..=corpus.item_count() as u32)
            .filter(|&item| {
                !there.contains(corpus.item_name(item)) && corpus.image_urls(item).next().is_some()
            })
            .collect();
        bar.set_total(wanted.len() as u64);
        let agent: Agent = Agent::config_builder().timeout_global(Some(self.timeout)).build().into();
        let (queue, failures) = (Mutex::new(wanted.into_iter()), Mutex::new(Vec::new()));
        let work = || {
            // A panic of another thread must not hide what was recorded.
            let next = || queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
            while let Some(item) = next() {
                if let Err(reason) = self.fetch(&agent, corpus, item, folder) {
                    failures.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((item, reason));
                }
                bar.add(1);
                std::thread::sleep(self.pause);
            }
        };
        std::thread::scope(|scope| (0..self.at_once.max(1)).for_each(|_| drop(scope.spawn(work))));
        let mut failures = failures.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        failures.sort();
        Ok(failures)
    }

    fn fetch(&self, agent: &Agent, corpus: &Corpus, item: u32, folder: &Path) -> Result<(), String> {
        let name = corpus.item_name(item);
        if name.starts_with('.') || name.contains(['/', '\\', '\0']) {
            return Err("the item's name cannot be the name of a file".into());
        }
        let mut reason = String::new();
        for url in corpus.image_urls(item) {
            match self.get(agent, url) {
                Ok(bytes) => match image::guess_format(&bytes) {
                    Ok(format) => {
                        let ending = format.extensions_str().first().copied().unwrap_or("img");
                        let path = folder.join(format!("{name}.{ending}"));
                        return write_bytes(&path, &bytes)
                            .map_err(|e| format!("{:#}", anyhow::Error::from(e)));
                    }
                    Err(_) => reason = format!("{url}: not an image"),
                },
                Err(error) => reason = format!("{url}: {error}"),
            }
        }
        Err(reason)
    }

    fn get(&self, agent: &Agent, url: &str) -> Result<Vec<u8>, String> {
        let mut pause = self.pause;
        for attempt in 1.. {
            let response = agent.get(url).call().and_then(|mut response| {
                response.body_mut().with_config().limit(self.most_bytes).read_to_vec()
            });
            let error = match response {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            let transient = match &error {
                ureq::Error::StatusCode(status) => *status == 429 || *status >= 500,
                ureq::Error::Io(_) | ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => true,
                _ => false,
            };
            if !transient || attempt >= self.attempts {
                return Err(error.to_string());
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
        Err("no attempt was allowed".into())
    }
}
