//! Sections and figures as Markdown.

use std::collections::BTreeSet;

use anyhow::Context;

use super::Figures;
use super::figures::{Measured, Measurement};
use super::format::show;
use super::section::{Cell, Column, Origin, Published, Row, Section, is_outside_words};

/// Commands longer than this go on in a further line.
const WIDTH: usize = 140;
/// The program that measures, without its flags.
const MEASURE: &str = "cargo run --release --example results --";

const HEAD: &str = "# Results

Every measured figure is from a JSON file under [docs/results](results), which the measurement wrote; `cargo run --example results` renders this page from
them. Under each table stand the day, the commit and the machine. Figures of other people are marked as such, with their source. The commands run in the
root of the repository; `cargo run --release --example results -- --measure NAME` runs those of a section in a temporary folder and keeps what comes out.
";

/// The results page.
pub fn page(sections: &[(Section, Figures)]) -> String {
    let mut page = HEAD.to_owned();
    let mut missing = String::new();
    for (section, figures) in sections {
        if let Some(table) = table(section, figures) {
            page += &format!(
                "\n## {}\n\n{}{}\n{table}",
                section.title,
                paragraph(&section.text),
                commands(section)
            );
        }
        let rows: Vec<&Row> = section.rows.iter().filter(|row| figures.of(section, row).is_none()).collect();
        if !rows.is_empty() {
            missing += &not_measured(section, &rows);
        }
    }
    if !missing.is_empty() {
        page += &format!(
            "\n## Not measured\n\nNobody has run these on this code yet: `{MEASURE} …`, with these flags.\n\n{missing}"
        );
    }
    page
}

/// A page with the tables of sections between its markers, `<!-- results: NAME begin -->` and `<!-- end -->`.
///
/// # Errors
/// If a marker names no section, or has no end.
pub fn between_markers(text: &str, sections: &[(Section, Figures)]) -> anyhow::Result<String> {
    const END: &str = "<!-- end -->";
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!-- results: ") {
        let (name, after) = after.split_once(" begin -->").context("a marker without `begin -->`")?;
        let (_, after) = after.split_once(END).with_context(|| format!("`{name}` has no `{END}`"))?;
        let (section, figures) = sections
            .iter()
            .find(|(section, _)| section.name == name)
            .with_context(|| format!("there is no section `{name}`"))?;
        let table = table(section, figures).unwrap_or_else(|| {
            format!("Not measured on this code yet: `{MEASURE} {}`.\n", measuring(section, &[]))
        });
        out += &format!("{before}<!-- results: {name} begin -->\n{table}{END}");
        rest = after;
    }
    Ok(out + rest)
}

fn paragraph(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!("{text}\n\n") }
}

/// The flags that measure a section, or rows of it.
fn measuring(section: &Section, rows: &[&Row]) -> String {
    let rows: String = rows.iter().map(|row| format!(" --row \"{}\"", row.label)).collect();
    format!("--measure {}{rows}", section.name)
}

fn not_measured(section: &Section, missing: &[&Row]) -> String {
    let (title, labels) = (&section.title, missing.iter().map(|row| row.label.as_str()).collect::<Vec<_>>());
    match missing.len() == section.rows.len() {
        true => format!("- {title}: `{}`\n", measuring(section, &[])),
        false => format!("- {title}, {}: `{}`\n", labels.join(", "), measuring(section, missing)),
    }
}

/// The commands of a section as a block, each once, and what its variables stand for.
fn commands(section: &Section) -> String {
    let mut seen = BTreeSet::new();
    let all = section.setup.iter().chain(section.rows.iter().flat_map(|row| section.templates(row)));
    let lines: String =
        all.filter(|command| seen.insert(*command)).map(|command| wrapped(command) + "\n").collect();
    format!("```sh\n{lines}```\n{}", variables(section))
}

/// Breaks a long command before its flags.
fn wrapped(command: &str) -> String {
    let mut lines = vec![String::new()];
    for (number, part) in command.split(" --").enumerate() {
        let part = if number == 0 { part.to_owned() } else { format!(" --{part}") };
        let last = lines.last_mut().expect("there is a first line");
        if last.is_empty() || last.chars().count() + part.chars().count() + 2 <= WIDTH {
            last.push_str(&part);
        } else {
            lines.push(format!(" {part}"));
        }
    }
    lines.join(" \\\n")
}

/// The values of variables that no column shows and commands hold.
fn variables(section: &Section) -> String {
    let shown: BTreeSet<&str> = section
        .columns
        .iter()
        .filter_map(|column| match &column.from {
            Origin::Variable(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let commands = section.rows.iter().flat_map(|row| section.templates(row));
    let words: BTreeSet<&str> = commands.flat_map(|command| command.split(is_outside_words)).collect();
    let names: BTreeSet<&str> =
        section.rows.iter().flat_map(|row| row.set.keys()).map(String::as_str).collect();
    let names = &names & &words;
    let lines = names.difference(&shown).map(|name| {
        // A row with commands of its own has no variable in them.
        let rows = section.rows.iter().filter(|row| row.run.is_empty());
        let values = rows.filter_map(|row| Some((row.set.get(*name)?, &row.label)));
        let values: Vec<String> = values.map(|(value, label)| format!("`{value}` ({label})")).collect();
        format!("\n`{name}`: {}.\n", values.join(", "))
    });
    lines.collect()
}

/// The table of a section with the sources of its figures; none if no row is measured.
fn table(section: &Section, figures: &Figures) -> Option<String> {
    let measured: Vec<(&Row, &Measurement, &Measured)> = section
        .rows
        .iter()
        .filter_map(|row| {
            figures.of(section, row).map(|(measurement, measured)| (row, measurement, measured))
        })
        .collect();
    if measured.is_empty() {
        return None;
    }
    let titles = std::iter::once(&section.label).chain(section.columns.iter().map(|column| &column.title));
    let mut table = line(titles.cloned());
    table += &format!("|{}\n", "---|".repeat(1 + section.columns.len()));
    for (row, _, measured) in &measured {
        let cells = section.columns.iter().map(|column| cell(section, row, measured, column));
        table += &line(std::iter::once(row.label.clone()).chain(cells));
    }
    for row in &section.published {
        let cells = section.columns.iter().map(|column| published(row, column));
        table += &line(std::iter::once(format!("*{}*", row.label)).chain(cells));
    }
    table += &sources(section);
    table += "\nMeasured ";
    let mut parts = Vec::new();
    for measurement in &figures.measurements {
        let rows: Vec<(&Row, &Measured)> = measured
            .iter()
            .filter(|(_, of, _)| std::ptr::eq(*of, measurement))
            .map(|&(row, _, measured)| (row, measured))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let labels: Vec<&str> = rows.iter().map(|(row, _)| row.label.as_str()).collect();
        let which =
            if rows.len() == measured.len() { String::new() } else { format!("{}: ", labels.join(", ")) };
        let (commit, changed) = match measurement.commit.strip_suffix('+') {
            Some(commit) => (commit, " with changes"),
            None => (measurement.commit.as_str(), ""),
        };
        let commit = commit.get(..12).unwrap_or(commit);
        let (date, machine) = (&measurement.date, &measurement.machine);
        let busy = if rows.iter().any(|(_, row)| row.busy) {
            ", beside other programs: times are too long"
        } else {
            ""
        };
        parts.push(format!("{which}{date}, commit `{commit}`{changed}, on {machine}{busy}"));
    }
    table += &format!("{}.\n", parts.join("; "));
    Some(table)
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// Where other people's figures are from, as a paragraph.
fn sources(section: &Section) -> String {
    let columns = section.columns.iter().filter_map(|column| match &column.from {
        Origin::Published(source) => Some((column.title.as_str(), source.as_str())),
        _ => None,
    });
    let rows = section.published.iter().map(|row| (row.label.as_str(), row.source.as_str()));
    // Neighbours often share their source.
    let mut found: Vec<(Vec<&str>, &str)> = Vec::new();
    for (of, source) in columns.chain(rows) {
        match found.iter_mut().find(|(_, known)| *known == source) {
            Some((all, _)) => all.push(of),
            None => found.push((vec![of], source)),
        }
    }
    let lines = found
        .into_iter()
        .map(|(of, source)| format!("\nNot measured here: *{}*, {source}.\n", of.join("*, *")));
    lines.collect()
}

fn cell(section: &Section, row: &Row, measured: &Measured, column: &Column) -> String {
    match &column.from {
        Origin::Variable(name) => row.set.get(name).map(|value| format!("`{value}`")).unwrap_or_default(),
        Origin::Words | Origin::Published(_) => {
            row.cells.get(&column.title).map(|cell| fixed(cell, column)).unwrap_or_default()
        }
        Origin::Ratio(_) => number(section, row, measured, &column.title)
            .map(|ratio| show(&ratio.into(), column.format, 1.0))
            .unwrap_or_default(),
        Origin::Pointer(_) | Origin::File(_) | Origin::Seconds => measured
            .figures
            .get(&column.title)
            .map(|value| show(value, column.format, column.scale))
            .unwrap_or_default(),
    }
}

fn published(row: &Published, column: &Column) -> String {
    row.cells.get(&column.title).map(|cell| fixed(cell, column)).unwrap_or_default()
}

fn fixed(cell: &Cell, column: &Column) -> String {
    match cell {
        Cell::Number(number) => show(&(*number).into(), column.format, 1.0),
        Cell::Text(text) => text.clone(),
    }
}

/// The number in a column, for ratios.
fn number(section: &Section, row: &Row, measured: &Measured, title: &str) -> Option<f64> {
    let column = section.columns.iter().find(|column| column.title == title)?;
    match &column.from {
        Origin::Ratio([above, below]) => {
            let [above, below] = [above, below].map(|title| number(section, row, measured, title));
            Some(above? / below? * column.scale)
        }
        Origin::Words | Origin::Published(_) => match row.cells.get(title)? {
            Cell::Number(number) => Some(*number),
            Cell::Text(_) => None,
        },
        Origin::Variable(_) => None,
        _ => Some(measured.figures.get(title)?.as_f64()? * column.scale),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::machine::Machine;
    use serde_json::{Value, json};

    const SECTION: &str = r#"
        title = "Toys"
        order = 1
        text = "Small ones."
        setup = ["make toys"]
        run = ["train MODEL"]
        output = "MODEL.json"
        label = "model"
        columns = [
            { title = "MODEL", from = "words" },
            { title = "MRR", from = { pointer = "/mrr" }, format = "share" },
            { title = "interval", from = { pointer = "/ci" }, format = "interval", optional = true },
            { title = "MB", from = { pointer = "/bytes" }, format = "count", scale = 1e-6 },
            { title = "s", from = "seconds" },
            { title = "theirs, s", from = { published = "their log" } },
            { title = "ratio", from = { ratio = ["theirs, s", "s"] } },
        ]
        rows = [
            { label = "A", set = { MODEL = "a" }, cells = { "theirs, s" = 60, MODEL = "x|y" } },
            { label = "B", set = { MODEL = "b" } },
        ]
        published = [{ label = "SASRec", source = "their page", cells = { MRR = 0.285 } }]
    "#;

    fn measured(labels: &[&str]) -> (Section, Figures) {
        let section = Section::parse("toys", SECTION).unwrap();
        let mut figures = Figures::default();
        for &label in labels {
            let row = section.rows.iter().find(|row| row.label == label).unwrap();
            let values = json!({ "MRR": 0.28501, "interval": if label == "A" { json!([0.1, 0.25]) } else { Value::Null },
                "MB": 1_234_567_890_u64, "s": 4.0 });
            let Value::Object(values) = values else { panic!("an object") };
            let one = Measured {
                commands: section.commands(row),
                seconds: 4.0,
                busy: label == "B",
                figures: values,
            };
            let measurement = Measurement {
                commit: "0123456789abcdef0123456789abcdef01234567".to_owned()
                    + if label == "A" { "" } else { "+" },
                date: "2026-11-26".into(),
                machine: Machine {
                    cores: 1,
                    processor: "P".into(),
                    build: "release".into(),
                    ..Machine::default()
                },
                setup: section.setup.clone(),
                rows: [(label.to_owned(), one)].into(),
            };
            figures.put(&section, measurement);
        }
        (section, figures)
    }

    const TABLE: &str = "\
| model | MODEL | MRR | interval | MB | s | theirs, s | ratio |
|---|---|---|---|---|---|---|---|
| A | x\\|y | .2850 | .1000 – .2500 | 1,235 | 4.00 | 60.0 | 15.0 |
";
    const BELOW: &str = "\
| *SASRec* |  | .2850 |  |  |  |  |  |

Not measured here: *theirs, s*, their log.

Not measured here: *SASRec*, their page.
";

    #[test]
    fn only_measured_rows_are_shown() {
        let page = page(&[measured(&["A"])]);
        let commands = "```sh\nmake toys\ntrain MODEL\n```\n\n`MODEL`: `a` (A), `b` (B).\n";
        let left = "- Toys, B: `--measure toys --row \"B\"`\n";
        let section = format!("\n## Toys\n\nSmall ones.\n\n{commands}\n{TABLE}{BELOW}\n");
        assert!(page.contains(&section), "{page}");
        assert!(page.ends_with(&format!("with these flags.\n\n{left}")), "{page}");
        assert!(page.contains("Measured 2026-11-26, commit `0123456789ab`, on 1 core of P"), "{page}");
    }

    #[test]
    fn rows_of_several_measurements_name_theirs() {
        let page = page(&[measured(&["A", "B"])]);
        assert!(page.contains("Measured A: 2026-11-26, commit `0123456789ab`, on 1 core"), "{page}");
        assert!(page.contains("; B: 2026-11-26, commit `0123456789ab` with changes, on 1 core"), "{page}");
        assert!(page.ends_with("release build, beside other programs: times are too long.\n"), "{page}");
        assert_eq!(page.matches("times are too long").count(), 1, "{page}");
        assert!(page.contains("| B |  | .2850 |  | 1,235 | 4.00 |  |  |\n"), "{page}");
        assert!(!page.contains("Not measured\n"), "{page}");
    }

    #[test]
    fn a_section_without_measured_rows_shows_no_figure() {
        let page = page(&[measured(&[])]);
        assert!(!page.contains("SASRec") && !page.contains("## Toys"), "{page}");
        assert!(page.ends_with("with these flags.\n\n- Toys: `--measure toys`\n"), "{page}");
    }

    #[test]
    fn tables_stand_between_markers() {
        let text = "a\n<!-- results: toys begin -->\nold\n<!-- end -->\nb <!-- x -->\n";
        let new = between_markers(text, &[measured(&["A"])]).unwrap();
        assert!(new.starts_with(&format!("a\n<!-- results: toys begin -->\n{TABLE}")), "{new}");
        assert!(new.ends_with("release build.\n<!-- end -->\nb <!-- x -->\n"), "{new}");
        assert_eq!(between_markers(&new, &[measured(&["A"])]).unwrap(), new);
        let new = between_markers(text, &[measured(&[])]).unwrap();
        assert!(new.contains("begin -->\nNot measured on this code yet: `cargo run"), "{new}");
        for wrong in [
            "<!-- results: other begin --><!-- end -->",
            "<!-- results: toys begin -->",
            "<!-- results: toys -->",
        ] {
            assert!(between_markers(wrong, &[measured(&[])]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn long_commands_break_before_flags() {
        let command = format!("run{}", " --flag with-a-value".repeat(20));
        let text = wrapped(&command);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().count() > 2, "{text}");
        assert_eq!(text.replace(" \\\n ", ""), command);
        assert_eq!(wrapped("cargo run -- --a b"), "cargo run -- --a b");
    }
}
