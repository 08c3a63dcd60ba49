//! Small charts as inline SVG. Colours are classes, so that the page's style sheet can follow the reader's theme.

use std::fmt::Write as _;

pub use super::html::escape;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 52.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 10.0;

/// Lines over epochs, one per label. Colours repeat after six.
pub fn lines(series: &[(String, Vec<f64>)]) -> String {
    let longest = series.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    let finite = || series.iter().flat_map(|(_, values)| values).copied().filter(|v| v.is_finite());
    let (low, high) =
        finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if longest == 0 || low > high {
        return String::new();
    }
    let span = (high - low).max(1e-9);
    let x = |epoch: usize| LEFT + (WIDTH - LEFT - 12.0) * epoch as f64 / (longest.max(2) - 1) as f64;
    let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (value - low) / span);
    let mut body = axis(low, high, y);
    let step = longest.div_ceil(10);
    for epoch in (0..longest).step_by(step) {
        let _ = write!(
            body,
            r#"<text class="axis" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            x(epoch),
            HEIGHT - 8.0,
            epoch + 1
        );
    }
    let mut legend = String::new();
    for (number, (label, values)) in series.iter().enumerate() {
        let points: Vec<String> =
            values.iter().enumerate().map(|(epoch, &v)| format!("{:.1},{:.1}", x(epoch), y(v))).collect();
        let class = number % 6;
        let _ = write!(body, r#"<polyline class="line c{class}" points="{}"/>"#, points.join(" "));
        for point in &points {
            let (px, py) = point.split_once(',').unwrap_or_default();
            let _ = write!(body, r#"<circle class="dot c{class}" cx="{px}" cy="{py}" r="2.5"/>"#);
        }
        let _ = write!(legend, r#"<span class="key c{class}">{}</span> "#, escape(label));
    }
    format!(r#"{}<p class="legend">{legend}</p>"#, svg(&body))
}

/// Bars, one per label, each with a note.
pub fn bars(values: &[(String, f64, String)]) -> String {
    let high = values.iter().map(|(_, value, _)| *value).fold(0.0, f64::max);
    if values.is_empty() || high <= 0.0 {
        return String::new();
    }
    let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value / high);
    let mut body = axis(0.0, high, y);
    let slot = (WIDTH - LEFT) / values.len() as f64;
    for (number, (label, value, note)) in values.iter().enumerate() {
        let left = LEFT + slot * (number as f64 + 0.15);
        let _ = write!(
            body,
            r#"<rect class="bar" x="{left:.1}" y="{:.1}" width="{:.1}" height="{:.1}"><title>{}: {value:.4}, {}</title></rect>"#,
            y(*value),
            slot * 0.7,
            (HEIGHT - BOTTOM - y(*value)).max(0.0),
            escape(label),
            escape(note),
        );
        let _ = write!(
            body,
            r#"<text class="axis" x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            left + slot * 0.35,
            HEIGHT - 8.0,
            escape(label)
        );
    }
    svg(&body)
}

/// Points, one per label, with `x` on a logarithmic scale. Points are numbered; the legend below lists the labels.
pub fn scatter(points: &[(String, f64, f64)], x_name: &str, y_name: &str) -> String {
    let (body, shown) = scatter_body(points);
    if shown.is_empty() {
        return String::new();
    }
    let key = |(number, label): (usize, &&str)| {
        format!(r#"<span class="key c{}">{} {}</span> "#, number % 6, number + 1, escape(label))
    };
    let legend: String = shown.iter().enumerate().map(key).collect();
    format!(
        r#"{}<p class="legend">{} against {} (logarithmic). {legend}</p>"#,
        svg(&body),
        escape(y_name),
        escape(x_name)
    )
}

/// [`scatter`] as a file of its own, with the legend inside the drawing.
pub fn scatter_file(points: &[(String, f64, f64)], x_name: &str, y_name: &str) -> String {
    const LINE: f64 = 15.0;
    let (mut body, shown) = scatter_body(points);
    let heading = format!("{y_name} against {x_name} (logarithmic)");
    let lines: Vec<String> =
        shown.iter().enumerate().map(|(number, label)| format!("{} {label}", number + 1)).collect();
    for (number, line) in std::iter::once(&heading).chain(&lines).enumerate() {
        let y = HEIGHT + LINE * (number as f64 + 1.0);
        let _ = write!(body, r#"<text x="{LEFT}" y="{y:.1}">{}</text>"#, escape(line));
    }
    let height = HEIGHT + LINE * (lines.len() as f64 + 2.0);
    let style = "text{font:11px sans-serif;fill:#5f6b76}.grid{stroke:#d9dee3}.dot{fill:#2463b0}";
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\"><style>{style}</style>{body}</svg>\n"
    )
}

/// The drawing, and the labels of the points that it shows.
fn scatter_body(points: &[(String, f64, f64)]) -> (String, Vec<&str>) {
    let shown: Vec<&(String, f64, f64)> =
        points.iter().filter(|(_, x, y)| *x > 0.0 && x.is_finite() && y.is_finite()).collect();
    let fold = |start, pick: fn(&(String, f64, f64)) -> f64, keep: fn(f64, f64) -> f64| {
        shown.iter().map(|point| pick(point)).fold(start, keep)
    };
    let (left, right) =
        (fold(f64::INFINITY, |p| p.1, f64::min).log10(), fold(0.0, |p| p.1, f64::max).log10());
    let (low, high) = (fold(f64::INFINITY, |p| p.2, f64::min), fold(f64::NEG_INFINITY, |p| p.2, f64::max));
    if shown.is_empty() {
        return (String::new(), Vec::new());
    }
    let (left, right) = (left.floor(), right.ceil().max(left.floor() + 1.0));
    let span = (high - low).max(1e-3);
    let x = |value: f64| LEFT + (WIDTH - LEFT - 24.0) * (value.log10() - left) / (right - left);
    let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (value - low) / span);
    let mut body = axis(low, low + span, y);
    for power in left as i32..=right as i32 {
        let at = x(10f64.powi(power));
        let _ = write!(
            body,
            r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{:.1}"/><text class="axis" x="{at:.1}" y="{:.1}" text-anchor="middle">1e{power}</text>"#,
            HEIGHT - BOTTOM,
            HEIGHT - 8.0
        );
    }
    for (number, (label, px, py)) in shown.iter().enumerate() {
        let class = number % 6;
        let _ = write!(
            body,
            r#"<circle class="dot c{class}" cx="{:.1}" cy="{:.1}" r="4"><title>{}</title></circle><text class="axis" x="{:.1}" y="{:.1}">{}</text>"#,
            x(*px),
            y(*py),
            escape(label),
            x(*px) + 5.0,
            y(*py) + 12.0,
            number + 1
        );
    }
    (body, shown.into_iter().map(|(label, ..)| label.as_str()).collect())
}

fn axis(low: f64, high: f64, y: impl Fn(f64) -> f64) -> String {
    let mut body = String::new();
    for tick in 0..=4 {
        let value = low + (high - low) * f64::from(tick) / 4.0;
        let at = y(value);
        let _ = write!(
            body,
            r#"<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{at:.1}" y2="{at:.1}"/><text class="axis" x="{:.1}" y="{:.1}" text-anchor="end">{value:.3}</text>"#,
            LEFT - 6.0,
            at + 4.0
        );
    }
    body
}

fn svg(body: &str) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{body}</svg>"#)
}
