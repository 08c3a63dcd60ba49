//! Progress bars on the terminal.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use seminar_trainer::{EpochInfo, Observer, Phase, StepInfo};

/// A bar that counts events.
pub fn events_bar(events: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} events, {per_sec}, {eta} left");
    ProgressBar::new(events).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A bar that counts users.
pub fn users_bar(users: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} users, {per_sec}, {eta} left");
    ProgressBar::new(users).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A bar per epoch, with loss, examples per second and time left.
#[derive(Debug)]
pub struct TrainingBar {
    bar: ProgressBar,
    label: String,
    /// Examples of this epoch that this process trained on.
    seen: u64,
    /// Time of the first of them.
    since: Instant,
}

impl TrainingBar {
    /// A bar for a model of this name.
    pub fn new(label: &str) -> Self {
        let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} steps, {eta} left");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, label: label.to_owned(), seen: 0, since: Instant::now() }
    }

    fn name(&self, phase: Phase) -> String {
        match phase {
            Phase::Pretrain => format!("{} pretraining", self.label),
            Phase::Fit | Phase::Done => self.label.clone(),
        }
    }
}

impl Observer for TrainingBar {
    fn step(&mut self, info: &StepInfo) {
        if self.seen == 0 {
            self.since = Instant::now();
        }
        self.seen += info.examples;
        let speed = self.seen as f64 / self.since.elapsed().as_secs_f64().max(1e-9);
        let (name, epoch, loss) = (self.name(info.phase), info.epoch + 1, info.loss);
        self.bar.set_length(info.steps);
        self.bar.set_position(info.step + 1);
        self.bar.set_message(format!("{name} epoch {epoch} loss {loss:.4}, {speed:.0} examples/s"));
    }

    fn epoch(&mut self, info: &EpochInfo) {
        self.bar.reset();
        self.seen = 0;
        let valid = info.valid.map_or_else(String::new, |metric| format!(", validation {metric:.4}"));
        tracing::info!("{} epoch {}: loss {:.4}{valid}", self.name(info.phase), info.epoch + 1, info.loss);
    }
}

impl Drop for TrainingBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
