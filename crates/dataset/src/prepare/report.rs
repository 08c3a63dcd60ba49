//! What preparing saw and left out, as a table and as warnings.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::source::{FileReport, LOSSES};
use crate::statistics::Statistics;

/// Losses of this share and more are warnings, in percent.
const WARNED_PERCENT: u64 = 1;

/// Users, items and events at some step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Distinct users.
    pub users: u64,
    /// Distinct items.
    pub items: u64,
    /// Events.
    pub events: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} users, {} items, {} events", self.users, self.items, self.events)
    }
}

/// What a step left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The step.
    pub step: String,
    /// The settings that decide what it leaves; empty if there are none.
    pub settings: String,
    /// What is left after it.
    pub left: Counts,
}

impl Step {
    pub(crate) fn new(step: &str, settings: impl Into<String>, left: Counts) -> Self {
        Self { step: step.to_owned(), settings: settings.into(), left }
    }
}

/// What preparing saw and left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrepareReport {
    /// Each file read, with the lines skipped.
    pub files: Vec<FileReport>,
    /// What each step left, in their order.
    pub steps: Vec<Step>,
    /// How many of the files describe items.
    pub item_files: u64,
    /// Counts before repeats were dropped and the core filter.
    pub before: Counts,
    /// Events dropped as repeats.
    pub repeats_dropped: u64,
    /// Items of the events that no item file describes.
    pub items_without_meta: u64,
    /// Items that the item file holds more than once; the last counts.
    pub items_described_twice: u64,
    /// Attributes before rare ones were left out.
    pub attributes_before_core: u64,
    /// Users and items that had a number before and have no event in this log.
    #[serde(default)]
    pub numbers_without_events: [u64; 2],
    /// Oddities of the data by kind, such as sampled negatives that are in the user's history.
    pub notes: BTreeMap<String, u64>,
}

impl PrepareReport {
    /// Takes in a file that describes items.
    pub(crate) fn item_file(&mut self, file: FileReport) {
        self.files.push(file);
        self.item_files += 1;
    }

    /// Takes in a file of which every line was used.
    pub(crate) fn read(&mut self, path: &Path, lines: usize) {
        self.files.push(FileReport { lines: lines as u64, ..FileReport::new(path) });
    }

    /// Takes in what a filter left, which may not be nothing.
    pub(crate) fn filtered(
        &mut self,
        step: &'static str,
        settings: &'static [&'static str],
        told: String,
        left: Counts,
    ) -> crate::error::Result<()> {
        self.steps.push(Step::new(step, told, left));
        if left.events == 0 { Err(self.nothing_left(step, settings)) } else { Ok(()) }
    }

    pub(crate) fn nothing_left(&self, step: &'static str, settings: &'static [&'static str]) -> Error {
        Error::NothingLeft { step, settings, table: self.table().trim_end().to_owned() }
    }

    /// What was read, skipped and left, step by step: a row for each, with a line end.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for file in &self.files {
            let read_as = if file.read_as.is_empty() { String::new() } else { format!("; {}", file.read_as) };
            row(&mut table, "read", format_args!("{}: {} rows{read_as}", file.file, file.lines));
            for (cause, seen) in &file.skipped {
                let share = percent(seen.count, file.lines);
                row(&mut table, "  skipped", format_args!("{} ({share}): {cause}; {seen}", seen.count));
            }
            for (what, seen) in &file.notes {
                let first = seen.to_string();
                let first = if first.is_empty() { first } else { format!("; {first}") };
                row(&mut table, "  noted", format_args!("{}: {what}{first}", seen.count));
            }
        }
        for Step { step, settings, left } in &self.steps {
            let by = if settings.is_empty() { String::new() } else { format!(" ({settings})") };
            row(&mut table, "left", format_args!("{left} after {step}{by}"));
        }
        for (what, count) in &self.notes {
            row(&mut table, "noted", format_args!("{count}: {what}"));
        }
        table
    }

    /// What should not be overlooked: losses of 1 % and more by one cause, missing metadata, answers that repeat.
    pub fn warnings(&self, statistics: &Statistics) -> Vec<String> {
        let heavy = |part: u64, whole: u64| part > 0 && part * 100 >= whole * WARNED_PERCENT;
        let mut warnings = Vec::new();
        for file in &self.files {
            let lost = file.notes.iter().filter(|(what, _)| LOSSES.contains(&what.as_str()));
            for (cause, seen) in
                file.skipped.iter().chain(lost).filter(|(_, seen)| heavy(seen.count, file.lines))
            {
                let share = percent(seen.count, file.lines);
                let (name, lines) = (&file.file, file.lines);
                warnings
                    .push(format!("{name}: {} of {lines} rows ({share}) lost: {cause}; {seen}", seen.count));
            }
        }
        for pair in self.steps.windows(2).filter(|pair| pair[1].step == "the core filter") {
            let [before, after] = [pair[0].left.events, pair[1].left.events];
            if heavy(before - after, before) {
                let share = percent(before - after, before);
                let lost = before - after;
                warnings.push(format!(
                    "the core filter dropped {lost} of {before} events ({share}): `min_user_events` and `min_item_events` \
                     decide"
                ));
            }
        }
        let [users, items] = self.numbers_without_events;
        if users + items > 0 {
            warnings.push(format!(
                "{users} users and {items} items of the older corpus have no event here: they keep their numbers, and such items may be \
                 drawn as negatives and recommended; give the whole log, with what was in it before"
            ));
        }
        if statistics.users > 0 && statistics.users_too_short[0] == statistics.users {
            warnings
                .push("no user has an event to test on: nothing can be evaluated on this data".to_owned());
        }
        if self.item_files == 0 {
            warnings
                .push("no metadata file was found: items have no titles, attributes and pictures".to_owned());
        } else if heavy(self.items_without_meta, statistics.items) {
            let share = percent(self.items_without_meta, statistics.items);
            let (without, items) = (self.items_without_meta, statistics.items);
            warnings.push(format!("{without} of {items} items ({share}) have no metadata"));
        }
        if statistics.targets_in_history > 0 {
            let tested = statistics.users - statistics.users_too_short[0];
            let share = percent(statistics.targets_in_history, tested);
            let repeated = statistics.targets_in_history;
            warnings.push(format!(
                "{repeated} of {tested} test answers ({share}) are in their user's history already: `drop_repeats` drops \
                 repeats, its rule `all` every one"
            ));
        }
        warnings
    }
}

/// A share in percent.
fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// Appends a row of a table.
fn row(table: &mut String, name: &str, text: fmt::Arguments<'_>) {
    let _ = writeln!(table, "{name:<11} {text}");
}
