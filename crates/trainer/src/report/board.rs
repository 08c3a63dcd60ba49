//! The leaderboard of the page: means over seeds, one table per test mode, published metrics below.

use std::fmt::Write as _;

use seminar_dataset::TestMode;
use strum::VariantArray;

use super::chart::escape;
use super::summary::covered;
use super::{Report, RunResult, Summary, coverage, figure, interval, summarise};
use crate::metrics::{Metrics, check};

/// Columns after MRR.
const METRICS: [&str; 9] =
    ["HIT@1", "HIT@5", "NDCG@5", "HIT@10", "NDCG@10", "HIT@50", "NDCG@50", "AUC", "GAUC"];

fn cells(metrics: &Metrics) -> String {
    METRICS.iter().map(|name| format!("<td>{}</td>", figure(metrics.get(*name)))).collect()
}

fn head(columns: &[&str]) -> String {
    let metrics: String = METRICS.iter().map(|name| format!("<th>{name}</th>")).collect();
    let columns: String = columns.iter().map(|column| format!("<th>{column}</th>")).collect();
    format!(
        "<div class=\"wide\"><table><tr><th>model</th><th class=\"left\">sees</th><th>MRR</th>{columns}{metrics}</tr>"
    )
}

/// What a test mode means, as a heading.
fn heading(mode: TestMode) -> &'static str {
    match mode {
        TestMode::Recommendation => "Recommendation: candidates carry no query",
        TestMode::Search => "Search: all candidates carry the target event's query",
        TestMode::Pair => "Pair: each candidate carries its own query",
    }
}

pub(super) fn boards(report: &Report) -> String {
    let summaries = summarise(&report.rows);
    let mut html = String::new();
    let modes: Vec<TestMode> = summaries.iter().map(|s| s.test_mode).collect();
    let several = modes.iter().any(|&mode| mode != modes[0]);
    for &mode in TestMode::VARIANTS {
        let own: Vec<&Summary> = summaries.iter().filter(|s| s.test_mode == mode).collect();
        if own.is_empty() {
            continue;
        }
        if several {
            let _ = write!(html, "<h2>{}</h2>", heading(mode));
        }
        let published = if mode == TestMode::Recommendation { &report.published[..] } else { &[] };
        html.push_str(&board(&own, published));
    }
    if let Some(row) = report.rows.first() {
        let over = match summaries.iter().map(|s| s.seeds).max() {
            Some(seeds) if seeds > 1 => "95 % intervals of the mean over seeds, by Student's distribution",
            _ => "95 % intervals over users, by bootstrap",
        };
        let _ = write!(
            html,
            "<p class=\"note\">{} users, {} split of {}. {over}.</p>",
            row.users,
            <&str>::from(row.split),
            escape(&row.dataset)
        );
    }
    html.push_str(&coverage::html(&covered(&summaries)));
    for (name, metrics) in &report.published {
        if let Err(message) = check(metrics, 100) {
            let _ = write!(
                html,
                "<p class=\"note\">The published row of {} is impossible: {}.</p>",
                escape(name),
                escape(&message)
            );
        }
    }
    html
}

fn board(summaries: &[&Summary], published: &[(String, Metrics)]) -> String {
    let mut table = head(&["95 %", "seeds"]);
    for summary in summaries {
        let _ = write!(
            table,
            "<tr><td>{}</td><td class=\"left\">{}</td><td><b>{}</b></td><td>{}</td><td>{}</td>{}</tr>",
            escape(&summary.name()),
            escape(&summary.modalities),
            figure(summary.metrics.get("MRR")),
            interval(summary.ci95.get("MRR")),
            summary.seeds,
            cells(&summary.metrics),
        );
    }
    for (name, metrics) in published {
        let mrr = figure(metrics.get("MRR"));
        let _ = write!(
            table,
            "<tr class=\"published\"><td>{}</td><td class=\"left\">published</td><td>{mrr}</td><td></td><td></td>{}</tr>",
            escape(name),
            cells(metrics),
        );
    }
    table.push_str("</table></div>");
    table
}

/// One row per run; empty if each board row is a single run.
pub(super) fn every_run(rows: &[RunResult]) -> String {
    if summarise(rows).len() == rows.len() {
        return String::new();
    }
    let mut table = head(&["seed", "queries"]);
    for row in rows {
        let _ = write!(
            table,
            "<tr><td>{}</td><td class=\"left\">{}</td><td>{}</td><td>{}</td><td>{}</td>{}</tr>",
            escape(&row.name()),
            escape(&row.modalities),
            figure(row.metrics.get("MRR")),
            row.seed,
            <&str>::from(row.test_mode),
            cells(&row.metrics),
        );
    }
    table.push_str("</table></div>");
    table
}
