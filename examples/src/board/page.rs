//! The board as tables: Markdown for a README, and a page for the browser.

use std::fmt::Write as _;

use seminar_trainer::report::{RunResult, Summary, chart::escape, page, summarise};
use serde::Serialize;

use super::Cell;

/// Metrics of a protocol, in the order of columns.
const METRICS: [&str; 4] = ["MRR", "NDCG@10", "HIT@1", "HIT@10"];
/// Heads of the columns of costs.
const COSTS: [&str; 4] = ["CPU s", "peak MB", "examples/s", "µs a request"];
/// What the tables mean.
const NOTE: &str = "Intervals are 95 %: of the mean over seeds, or over users where there is one seed. Sampled: the test item among 99 items \
    that the user never touched. Full: among all of them; items of the user's history are left out, as if scored −∞. Costs are means: \
    processor time of training and evaluation, and one user with a hundred candidates.";

/// A model on a data set under one protocol: means over seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The data set.
    pub dataset: String,
    /// Users in the catalogue's ranking, or `None` for sampled negatives.
    pub full: Option<u64>,
    /// Metrics with intervals.
    pub summary: Summary,
    /// Processor seconds, peak bytes, examples per second of training, microseconds a request.
    pub costs: [f64; 4],
}

/// The lines of the board, data set by data set, sampled before full, best first.
pub fn lines(cells: &[Cell]) -> Vec<Line> {
    let mut names: Vec<&str> = Vec::new();
    for cell in cells {
        if !names.contains(&cell.sampled.dataset.as_str()) {
            names.push(&cell.sampled.dataset);
        }
    }
    let mut lines = Vec::new();
    for name in names {
        let own: Vec<&Cell> = cells.iter().filter(|cell| cell.sampled.dataset == name).collect();
        let sampled: Vec<RunResult> = own.iter().map(|cell| cell.sampled.clone()).collect();
        let full: Vec<RunResult> = own.iter().filter_map(|cell| cell.full.clone()).collect();
        for (rows, is_full) in [(sampled, false), (full, true)] {
            lines.extend(summarise(&rows).into_iter().map(|summary| {
                let seeds: Vec<&&Cell> =
                    own.iter().filter(|cell| cell.sampled.model == summary.model).collect();
                let mean = |value: &dyn Fn(&Cell) -> f64| {
                    seeds.iter().map(|cell| value(cell)).sum::<f64>() / (seeds.len() as f64).max(1.0)
                };
                Line {
                    dataset: name.to_owned(),
                    full: is_full.then_some(summary.users),
                    costs: [
                        mean(&|cell| cell.cpu_seconds),
                        mean(&|cell| cell.sampled.peak_rss_bytes as f64 / 1e6),
                        mean(&|cell| cell.sampled.examples_per_second),
                        mean(&|cell| cell.request_micros),
                    ],
                    summary,
                }
            }));
        }
    }
    lines
}

/// Lines of one data set and protocol, with a heading.
fn groups(lines: &[Line]) -> Vec<(String, &[Line])> {
    lines
        .chunk_by(|a, b| a.dataset == b.dataset && a.full.is_some() == b.full.is_some())
        .map(|group| {
            let protocol = match group[0].full {
                None => "99 sampled negatives".to_owned(),
                Some(users) => format!("all items, {users} users"),
            };
            (format!("{}: {protocol}", group[0].dataset), group)
        })
        .collect()
}

fn metric(line: &Line, name: &str) -> String {
    line.summary.metric(name).map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"))
}

fn interval(line: &Line) -> String {
    let bounds = line.summary.ci95.get("MRR");
    bounds.map_or_else(|| "–".to_owned(), |[low, high]| format!("{low:.4} – {high:.4}"))
}

/// A cost to three digits or so; nothing for what was not measured.
fn cost(value: f64) -> String {
    match value {
        none if none == 0.0 || !none.is_finite() => String::new(),
        small if small < 10.0 => format!("{small:.1}"),
        large => format!("{large:.0}"),
    }
}

/// The cells of a line, from left to right.
fn columns(line: &Line) -> Vec<String> {
    let summary = &line.summary;
    let mut columns = vec![summary.name(), summary.modalities.clone()];
    columns.extend([metric(line, "MRR"), interval(line)]);
    columns.extend(METRICS[1..].iter().map(|name| metric(line, name)));
    columns.push(summary.seeds.to_string());
    columns.extend(line.costs.map(cost));
    columns
}

/// The heads of the columns.
fn heads() -> Vec<&'static str> {
    ["model", "sees", "MRR", "95 %"]
        .into_iter()
        .chain(METRICS[1..].iter().copied())
        .chain(["seeds"])
        .chain(COSTS)
        .collect()
}

/// The tables in Markdown.
pub fn markdown(lines: &[Line]) -> String {
    let mut text = String::new();
    for (heading, group) in groups(lines) {
        let heads = heads();
        let _ = writeln!(text, "### {heading}\n\n| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()));
        for line in group {
            let _ = writeln!(text, "| {} |", columns(line).join(" | "));
        }
        text.push('\n');
    }
    text + NOTE + "\n"
}

/// The page.
pub(super) fn html(lines: &[Line], cells: &[Cell]) -> String {
    let mut body = format!("<h1>Leaderboard</h1><p class=\"note\">{NOTE}</p>");
    let row = |tag: &str, columns: &[String]| {
        let cells: String = columns.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect();
        format!("<tr>{cells}</tr>")
    };
    for (heading, group) in groups(lines) {
        let heads: Vec<String> = heads().into_iter().map(str::to_owned).collect();
        let rows: String = group.iter().map(|line| row("td", &columns(line))).collect();
        let _ = write!(
            body,
            "<h2>{}</h2><div class=\"wide\"><table>{}{rows}</table></div>",
            escape(&heading),
            row("th", &heads)
        );
    }
    let heads =
        ["data", "model", "seed", "MRR", "NDCG@10, all items", "epochs", "train s"].map(str::to_owned);
    let every = cells.iter().map(|cell| {
        let of = |row: Option<&RunResult>, name: &str| {
            row.and_then(|row| row.metrics.get(name)).map_or_else(String::new, |value| format!("{value:.4}"))
        };
        let own = &cell.sampled;
        row(
            "td",
            &[
                own.dataset.clone(),
                own.name(),
                own.seed.to_string(),
                of(Some(own), "MRR"),
                of(cell.full.as_ref(), "NDCG@10"),
                own.epochs.to_string(),
                cost(own.seconds.train),
            ],
        )
    });
    let every: String = every.collect();
    let _ = write!(
        body,
        "<h2>Every run</h2><div class=\"wide\"><table>{}{every}</table></div>",
        row("th", &heads)
    );
    page("Leaderboard", &body)
}
