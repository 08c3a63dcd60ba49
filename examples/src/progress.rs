//! Progress on the terminal.

use indicatif::{ProgressBar, ProgressStyle};
use seminar_trainer::{EpochInfo, Observer, StepInfo};

/// A bar that counts events.
pub fn events_bar(events: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} events, {per_sec}, {eta} left");
    ProgressBar::new(events).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A bar an epoch, with loss and speed.
#[derive(Debug)]
pub struct TrainingBar {
    bar: ProgressBar,
    label: String,
}

impl TrainingBar {
    /// A bar for a model of this name.
    pub fn new(label: &str) -> Self {
        let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} steps, {per_sec}, {eta} left");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, label: label.to_owned() }
    }
}

impl Observer for TrainingBar {
    fn step(&mut self, info: &StepInfo) {
        self.bar.set_length(info.steps);
        self.bar.set_position(info.step + 1);
        self.bar.set_message(format!("{} epoch {} loss {:.4}", self.label, info.epoch + 1, info.loss));
    }

    fn epoch(&mut self, info: &EpochInfo) {
        self.bar.reset();
        let valid = info.valid.map_or_else(String::new, |figure| format!(", validation {figure:.4}"));
        tracing::info!("{} epoch {}: loss {:.4}{valid}", self.label, info.epoch + 1, info.loss);
    }
}

impl Drop for TrainingBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
