//! Progress: bars on a terminal, else a line in the log every few seconds.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use seminar_trainer::{EpochInfo, Observer, Phase, StepInfo};

/// Time between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(5);

/// Says at most every few seconds how far something is, where no bar can.
#[derive(Debug)]
struct Lines(Option<Mutex<Instant>>);

impl Lines {
    fn new() -> Self {
        Self((!std::io::stderr().is_terminal()).then(|| Mutex::new(Instant::now())))
    }

    fn say(&self, line: impl FnOnce() -> String) {
        let Some(last) = &self.0 else { return };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= PAUSE {
            *last = Instant::now();
            tracing::info!("{}", line());
        }
    }
}

/// Counts things done.
#[derive(Debug)]
pub struct Counter {
    bar: ProgressBar,
    what: &'static str,
    lines: Lines,
}

impl Counter {
    /// A counter of `what`, such as `events`, that shows itself. 0: the total is not known yet.
    pub fn new(what: &'static str, total: u64) -> Self {
        let style =
            ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {msg}, {per_sec}, {eta} left");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: ProgressBar::new(total).with_style(style).with_message(what), what, lines: Lines::new() }
    }

    /// A counter that shows nothing.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), what: "", lines: Lines(None) }
    }

    /// Sets the total.
    pub fn set_total(&self, total: u64) {
        self.bar.set_length(total);
    }

    /// So many more are done.
    pub fn add(&self, more: u64) {
        self.bar.inc(more);
        self.tell();
    }

    /// So many are done.
    pub fn set(&self, done: u64) {
        self.bar.set_position(done);
        self.tell();
    }

    fn tell(&self) {
        let of = |total: u64| if total > 0 { format!(" of {total}") } else { String::new() };
        let total = self.bar.length().unwrap_or(0);
        self.lines.say(|| format!("{}{} {}", self.bar.position(), of(total), self.what));
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar per epoch, with loss, examples per second and time left.
#[derive(Debug)]
pub struct TrainingBar {
    bar: ProgressBar,
    label: String,
    lines: Lines,
    /// Examples of this epoch after the first step of this process.
    seen: u64,
    /// The end of that step.
    since: Option<Instant>,
}

impl TrainingBar {
    /// A bar for a model of this name.
    pub fn new(label: &str) -> Self {
        let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} steps, {eta} left");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, label: label.to_owned(), lines: Lines::new(), seen: 0, since: None }
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
        let speed = match self.since {
            None => {
                self.since = Some(Instant::now());
                String::new()
            }
            Some(since) => {
                self.seen += info.examples;
                format!(", {:.0} examples/s", self.seen as f64 / since.elapsed().as_secs_f64().max(1e-9))
            }
        };
        let (name, epoch, loss) = (self.name(info.phase), info.epoch + 1, info.loss);
        let text = format!("{name} epoch {epoch} loss {loss:.4}{speed}");
        self.lines.say(|| format!("{text}, step {} of {}", info.step + 1, info.steps));
        self.bar.set_length(info.steps);
        self.bar.set_position(info.step + 1);
        self.bar.set_message(text);
    }

    fn epoch(&mut self, info: &EpochInfo) {
        self.bar.reset();
        (self.seen, self.since) = (0, None);
        let valid = info.valid.map_or_else(String::new, |metric| format!(", validation {metric:.4}"));
        tracing::info!("{} epoch {}: loss {:.4}{valid}", self.name(info.phase), info.epoch + 1, info.loss);
    }
}

impl Drop for TrainingBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
