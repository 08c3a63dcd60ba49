//! The report as an HTML page.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Report, RunResult, board, chart, falling};
use crate::metrics::Group;

const STYLE: &str = "
:root{--bg:#fff;--fg:#1c2024;--soft:#5f6b76;--line:#d9dee3;--c0:#2463b0;--c1:#b8451f;--c2:#2c7a3f;--c3:#7a3fa0;--c4:#a07512;--c5:#1d7f88}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e6e9ec;--soft:#9aa5af;--line:#333a41;--c0:#74a9f2;--c1:#f0926d;--c2:#7cc68d;--c3:#c496e6;--c4:#dcb458;--c5:#6cc9d2}}
body{margin:0 auto;max-width:62rem;padding:1rem;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child,.left{text-align:left}tr.published td{color:var(--soft);font-style:italic}
svg{width:100%;max-width:40rem;height:auto}.grid{stroke:var(--line)}.axis{fill:var(--soft);font-size:11px}
.line{fill:none;stroke-width:2}.line.c0,.dot.c0{stroke:var(--c0)}.line.c1,.dot.c1{stroke:var(--c1)}.line.c2,.dot.c2{stroke:var(--c2)}
.line.c3,.dot.c3{stroke:var(--c3)}.line.c4,.dot.c4{stroke:var(--c4)}.line.c5,.dot.c5{stroke:var(--c5)}.dot{fill:var(--bg)}.bar{fill:var(--c0)}
.key{margin-right:1rem;white-space:nowrap}.key::before{content:'';display:inline-block;width:.8em;height:.8em;margin-right:.3em;background:currentColor}
.key.c0{color:var(--c0)}.key.c1{color:var(--c1)}.key.c2{color:var(--c2)}.key.c3{color:var(--c3)}.key.c4{color:var(--c4)}.key.c5{color:var(--c5)}
.people td{white-space:normal;vertical-align:top}h3{font-size:1rem}
p.note,.legend{color:var(--soft);font-size:.9rem}
";

/// Text that is safe inside elements and attributes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub(super) fn page(report: &Report) -> String {
    let mut body = format!("<h1>{}</h1>", escape(&report.title));
    body.push_str(&board::boards(report));
    // Training curves do not depend on the test mode, and one seed shows their shape.
    let trained: Vec<&RunResult> = report.rows.iter().filter(|row| !row.losses.is_empty()).collect();
    let shown = trained.first().map(|first| (first.seed, first.test_mode));
    let shown: Vec<&&RunResult> =
        trained.iter().filter(|row| Some((row.seed, row.test_mode)) == shown).collect();
    let curves = |values: fn(&RunResult) -> &Vec<f64>| -> Vec<(String, Vec<f64>)> {
        let own = shown.iter().filter(|row| !values(row).is_empty());
        own.map(|row| (row.name(), values(row).clone())).collect()
    };
    section(&mut body, "Loss by epoch", &chart::lines(&curves(|row| &row.losses)));
    section(&mut body, "Validation by epoch", &chart::lines(&curves(|row| &row.valid)));
    let best = report.rows.iter().filter(|row| !row.by_history.is_empty());
    if let Some(best) = best.min_by(|a, b| falling(a.metrics.get("MRR"), b.metrics.get("MRR"))) {
        let heading = |by: &str| format!("MRR of {} by {by}", best.name());
        section(&mut body, &heading("length of history"), &breakdown(&best.by_history));
        section(&mut body, &heading("training events of the target"), &breakdown(&best.by_popularity));
    }
    for (heading, content) in &report.sections {
        section(&mut body, heading, content);
    }
    section(&mut body, "Time and memory", &timings(report));
    section(&mut body, "Every run", &board::every_run(&report.rows));
    section(&mut body, "Settings", &object(&report.settings));
    section(&mut body, "Data", &object(&report.data));
    page_of(&report.title, &body)
}

/// A page around an HTML body. It has no scripts, loads nothing, and fits small screens and dark themes.
pub fn page_of(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title><style>{STYLE}</style></head>\
         <body>{body}</body></html>\n"
    )
}

fn section(body: &mut String, heading: &str, content: &str) {
    if !content.is_empty() {
        let _ = write!(body, "<h2>{}</h2>{content}", escape(heading));
    }
}

fn breakdown(groups: &[Group]) -> String {
    let bar = |group: &Group| {
        (group.label.clone(), group.mrr, format!("{} users, HIT@10 {:.4}", group.users, group.hit_10))
    };
    chart::bars(&groups.iter().map(bar).collect::<Vec<_>>())
}

fn timings(report: &Report) -> String {
    let mut table = String::from(
        "<div class=\"wide\"><table><tr><th>model</th><th>epochs</th><th>steps</th><th>training s</th><th>steps alone s</th><th>examples/s</th><th>evaluation s</th><th>peak MB</th></tr>",
    );
    for row in report.rows.iter().filter(|row| row.steps > 0) {
        let _ = write!(
            table,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.1}</td><td>{:.1}</td><td>{:.0}</td><td>{:.1}</td><td>{:.0}</td></tr>",
            escape(&format!("{} · {}", row.name(), row.seed)),
            row.epochs,
            row.steps,
            row.seconds.train,
            row.seconds.train_steps,
            row.examples_per_second,
            row.seconds.evaluate,
            row.peak_rss_bytes as f64 / 1e6,
        );
    }
    table.push_str("</table></div>");
    if !report.stages.is_empty() {
        let stage = |(name, seconds): &(String, f64)| {
            format!("<tr><td>{}</td><td>{seconds:.1}</td></tr>", escape(name))
        };
        let stages: String = report.stages.iter().map(stage).collect();
        let _ = write!(table, "<table><tr><th>stage</th><th>s</th></tr>{stages}</table>");
    }
    table
}

/// An object as a table of two columns. Nested fields get dotted names.
fn object(value: &Value) -> String {
    fn walk(prefix: &str, value: &Value, rows: &mut String) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    walk(&format!("{prefix}{dot}{name}"), value, rows);
                }
            }
            other => {
                let text = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                let _ = write!(
                    rows,
                    "<tr><td>{}</td><td class=\"left\">{}</td></tr>",
                    escape(prefix),
                    escape(&text)
                );
            }
        }
    }
    let mut rows = String::new();
    if value.is_object() {
        walk("", value, &mut rows);
    }
    if rows.is_empty() { rows } else { format!("<div class=\"wide\"><table>{rows}</table></div>") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Evaluation, Metrics};
    use seminar_dataset::{Split, TestMode};

    #[test]
    fn a_page_stands_alone_and_escapes_names() {
        let evaluation = Evaluation {
            users: 3,
            metrics: Metrics::from([("MRR".into(), 0.25), ("HIT@1".into(), 0.1), ("tied".into(), 0.0)]),
            by_history: vec![Group { label: "2 – 3".into(), users: 3, mrr: 0.25, hit_10: 0.5 }],
            ..Evaluation::default()
        };
        let row = |mode| RunResult::new("a<b", "toy", Split::Test, mode, evaluation.clone()).unwrap();
        let mut rows = vec![row(TestMode::Search), row(TestMode::Recommendation)];
        rows[0].losses = vec![0.7, 0.5];
        let impossible = Metrics::from([("HIT@1".into(), 0.2), ("MRR".into(), 0.1)]);
        let published =
            vec![("SIM".to_owned(), Metrics::from([("MRR".into(), 0.3473)])), ("TWIN".into(), impossible)];
        let settings = serde_json::json!({ "model": { "width": 64 }, "text": "<script>" });
        let stages = vec![("prepare".to_owned(), 12.5)];
        let sections = vec![("Retrieval".to_owned(), "<p>as it is</p>".to_owned())];
        let title = "Toy & co".into();
        let page = Report { title, rows, published, settings, stages, sections, ..Report::default() }.html();
        for part in [
            "Search: all candidates",
            "a&lt;b (search)",
            "row of TWIN is impossible",
            "<p>as it is</p>",
            "12.5",
            "Toy &amp; co",
            "0.2500",
            "0.3473",
            "model.width",
            "&lt;script&gt;",
            "<polyline",
            "<rect",
            "prefers-color-scheme",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("<script") && !page.contains("http"), "nothing is fetched or run");
    }
}
