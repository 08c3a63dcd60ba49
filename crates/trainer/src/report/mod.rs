//! Reports of runs: a table for the terminal and a self-contained page for the browser.

mod board;
pub mod chart;
mod coverage;
mod html;
mod people;
mod row;
mod summary;

use serde_json::Value;

pub use html::page_of as page;
pub use people::{Person, people_html, people_text};
pub use row::{RunResult, Seconds, leaderboard};
pub use summary::{Summary, summarise, summary_table};

/// The content of a page.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Heading.
    pub title: String,
    /// Runs and baselines.
    pub rows: Vec<RunResult>,
    /// Published metrics by model name, for comparison, under the names of [`RunResult`]'s metrics.
    pub published: Vec<(String, crate::Metrics)>,
    /// Settings, an object.
    pub settings: Value,
    /// Statistics of the data, an object.
    pub data: Value,
    /// Seconds of the stages besides training and evaluation, by name.
    pub stages: Vec<(String, f64)>,
    /// Further sections: heading and HTML.
    pub sections: Vec<(String, String)>,
}

impl Report {
    /// The page. It has no scripts, loads nothing, and fits small screens and dark themes.
    pub fn html(&self) -> String {
        html::page(self)
    }
}

/// Four decimals of a metric; a dash where it is undefined.
fn figure(value: Option<&f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
}

/// An interval likewise.
fn interval(bounds: Option<&[f64; 2]>) -> String {
    bounds.map_or_else(|| "–".to_owned(), |[low, high]| format!("{low:.4} – {high:.4}"))
}

/// Larger values first, undefined ones last.
fn falling(a: Option<&f64>, b: Option<&f64>) -> std::cmp::Ordering {
    let value = |value: Option<&f64>| value.copied().unwrap_or(f64::NEG_INFINITY);
    value(b).total_cmp(&value(a))
}
