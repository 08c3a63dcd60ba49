//! What a run leaves for people: a table for the terminal, one self-contained page for the browser.

mod board;
pub mod chart;
mod html;
mod people;
mod row;
mod summary;

use serde_json::Value;

pub use html::page_of as page;
pub use people::{Person, people_html, people_text};
pub use row::{RunResult, Seconds, leaderboard};
pub use summary::{Summary, summarise, summary_table};

/// Everything that a page shows.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Heading.
    pub title: String,
    /// Runs and baselines.
    pub rows: Vec<RunResult>,
    /// Published figures to stand beside, with the names of [`RunResult`]'s metrics.
    pub published: Vec<(String, crate::Metrics)>,
    /// Settings, an object.
    pub settings: Value,
    /// Statistics of the data, an object.
    pub data: Value,
    /// Seconds of what was done beside training and evaluating, by name.
    pub stages: Vec<(String, f64)>,
    /// Sections of HTML to follow the figures, by heading.
    pub sections: Vec<(String, String)>,
}

impl Report {
    /// The page: no script, no request to any other place, readable on a phone and in the dark.
    pub fn html(&self) -> String {
        html::page(self)
    }
}
