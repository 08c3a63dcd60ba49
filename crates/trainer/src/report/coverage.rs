//! Who is not in the figures of a table, and the figures of users with few candidates.

use std::fmt::Write as _;

use super::chart::escape;
use super::figure;
use crate::metrics::Coverage;

/// The metrics that are shown of short users.
const METRICS: [&str; 5] = ["HIT@1", "HIT@5", "HIT@10", "NDCG@10", "MRR"];

/// A ranking's name and whom it ranked.
pub(super) type Covered<'a> = (String, u64, &'a Coverage);

/// What is to be said of each ranking, without repetition.
fn facts(rows: &[Covered<'_>]) -> Vec<String> {
    let mut facts: Vec<String> = Vec::new();
    let mut say = |fact: String| {
        if !facts.contains(&fact) {
            facts.push(fact);
        }
    };
    for (name, users, coverage) in rows {
        if let Some(all) = coverage.sample_of {
            let apart = coverage.short.as_ref().map_or(0, |short| short.users);
            let drawn = users + apart + coverage.without_negatives;
            say(format!("{name}: a random sample of {drawn} of {all} users, drawn by the run's seed"));
        }
        if let (Some(short), Some(asked)) = (&coverage.short, coverage.negatives) {
            say(format!(
                "users with fewer than {asked} negatives ({} to {}, {:.1} in the mean): {}, not in the figures above but apart below",
                short.fewest, short.most, short.mean, short.users
            ));
        }
        if coverage.without_negatives > 0 {
            say(format!(
                "users without any negative, as they know every item or came with an empty list: {}, in no figure",
                coverage.without_negatives
            ));
        }
        if coverage.too_few_events > 0 {
            say(format!("users with too few events for this split: {}, not ranked", coverage.too_few_events));
        }
    }
    facts
}

/// The metrics of short users, of each ranking that has some.
fn apart(rows: &[Covered<'_>]) -> Vec<(String, u64, [String; METRICS.len()])> {
    let apart = |(name, _, coverage): &Covered<'_>| {
        let short = coverage.short.as_ref()?;
        Some((name.clone(), short.users, METRICS.map(|metric| figure(short.metrics.get(metric)))))
    };
    rows.iter().filter_map(apart).collect()
}

/// Lines for the terminal, below a table; empty if all users are in its figures.
pub(super) fn text(rows: &[Covered<'_>]) -> String {
    let mut text: String = facts(rows).iter().map(|fact| format!("{fact}\n")).collect();
    let apart = apart(rows);
    if !apart.is_empty() {
        let line = |name: &str, users: &str, cells: &[String]| {
            let cells: String = cells.iter().map(|cell| format!(" {cell:>7}")).collect();
            format!("{name:<34} {users:>7}{cells}\n")
        };
        text += &line("few candidates", "users", &METRICS.map(str::to_owned));
        for (name, users, figures) in apart {
            text += &line(&name, &users.to_string(), &figures);
        }
    }
    text
}

/// The same for a page.
pub(super) fn html(rows: &[Covered<'_>]) -> String {
    let note = |fact: &String| format!("<p class=\"note\">{}</p>", escape(fact));
    let mut html: String = facts(rows).iter().map(note).collect();
    let apart = apart(rows);
    if !apart.is_empty() {
        let names: String = METRICS.iter().map(|name| format!("<th>{name}</th>")).collect();
        let _ =
            write!(html, "<div class=\"wide\"><table><tr><th>few candidates</th><th>users</th>{names}</tr>");
        for (name, users, figures) in apart {
            let cells: String = figures.iter().map(|value| format!("<td>{value}</td>")).collect();
            let _ = write!(html, "<tr><td>{}</td><td>{users}</td>{cells}</tr>", escape(&name));
        }
        html.push_str("</table></div>");
    }
    html
}
