//! The page and the plot.

use seminar_trainer::report::{chart, page as shell};

use super::Row;

/// Recall against latency, one point per method, as a file of its own.
pub fn plot(rows: &[Row]) -> String {
    chart::scatter_file(&points(rows), "seconds per target", "recall@K")
}

fn points(rows: &[Row]) -> Vec<(String, f64, f64)> {
    let seconds = |row: &Row| row.p50_us * 1e-6 / row.targets_per_search as f64;
    rows.iter().map(|row| (row.method.clone(), seconds(row), row.recall)).collect()
}

/// The whole report.
pub fn page(rows: &[Row]) -> String {
    shell("Retrieval", &format!("<h1>Retrieval</h1>{}", body(rows)))
}

/// The report below its heading.
pub fn body(rows: &[Row]) -> String {
    let escape = chart::escape;
    let mut body = String::new();
    if let Some(row) = rows.first() {
        body.push_str(&format!(
            "<p class=\"note\">{} data, L = {}, M = {}, d = {}, K = {}, {} targets. Times are of one thread, one search \
             at a time, tables included.</p>",
            escape(&row.data),
            row.length,
            row.modalities,
            row.dim,
            row.k,
            row.targets
        ));
    }
    body.push_str(&chart::scatter(&points(rows), "seconds per target", "recall@K"));
    body.push_str(
        "<div class=\"wide\"><table><tr><th>method</th><th>recall@K</th><th>±</th><th>ceiling</th><th>@1</th><th>@10</th>\
         <th>@100</th><th>attention</th><th>queries/s</th><th>all threads</th><th>p50 µs</th><th>p99 µs</th>\
         <th>append µs</th><th>bytes/item</th><th>build s</th></tr>",
    );
    for row in rows {
        let number =
            |value: Option<f64>, digits: usize| value.map_or_else(String::new, |v| format!("{v:.digits$}"));
        let at = |k: usize| number(row.recall_at.get(&k).copied(), 3);
        let cells = [
            format!("{:.4}", row.recall),
            format!("{:.4}", row.recall_error),
            number(row.ceiling, 4),
            at(1),
            at(10),
            at(100),
            format!("{:.4}", row.attention_mass),
            format!("{:.0}", row.queries_per_second),
            number(row.queries_per_second_all_threads, 0),
            format!("{:.1}", row.p50_us),
            format!("{:.1}", row.p99_us),
            number(row.append_us, 2),
            format!("{:.1}", row.bytes_per_item),
            format!("{:.3}", row.build_seconds),
        ];
        let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        body.push_str(&format!("<tr><td>{}</td>{cells}</tr>", escape(&row.method)));
    }
    body.push_str("</table></div>");
    body
}
