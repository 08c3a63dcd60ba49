//! Recommendations as text and HTML: a user's last items, the recommended items, and the events that they lean on.

use std::fmt::Write as _;

use super::html::escape;
use crate::recommender::{Because, Hit};

/// Recommendations for one user.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// Name of the user.
    pub name: String,
    /// Titles of the last items, oldest first.
    pub history: Vec<String>,
    /// Recommended items, best first.
    pub hits: Vec<Hit>,
}

/// A title, or the item's name where it has none.
fn title<'a>(title: &'a str, id: &'a str) -> &'a str {
    match title.trim() {
        "" => id,
        title => title,
    }
}

/// A text cut to `most` characters.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// The events that a hit leans on, with their attention weights in per cent.
fn leans_on(because: &[Because], most: usize) -> String {
    let event = |event: &Because| {
        format!("{} ({:.0} %)", cut(title(&event.title, &event.id), most), 100.0 * event.weight)
    };
    because.iter().map(event).collect::<Vec<_>>().join(", ")
}

/// Recommendations as text for a terminal.
pub fn people_text(people: &[Person]) -> String {
    let mut text = String::new();
    for person in people {
        let _ = writeln!(text, "{}, lately:", person.name);
        for item in &person.history {
            let _ = writeln!(text, "      · {}", cut(item.trim(), 72));
        }
        for (rank, hit) in person.hits.iter().enumerate() {
            let _ = writeln!(
                text,
                "{:>4}  {:>7.3}  {}",
                rank + 1,
                hit.score,
                cut(title(&hit.title, &hit.id), 72)
            );
            if !hit.because.is_empty() {
                let _ = writeln!(text, "               leans on {}", leans_on(&hit.because, 40));
            }
        }
        text.push('\n');
    }
    text
}

/// Recommendations as HTML: the content of a section of the page.
pub fn people_html(people: &[Person]) -> String {
    let mut html = String::new();
    for person in people {
        let last: Vec<String> = person.history.iter().map(|item| escape(item.trim())).collect();
        let _ = write!(
            html,
            "<h3>{}</h3><p class=\"note\">Lately: {}</p><div class=\"wide\"><table class=\"people\">\
             <tr><th>#</th><th class=\"left\">proposed</th><th>score</th><th class=\"left\">leans on</th></tr>",
            escape(&person.name),
            last.join(" · "),
        );
        for (rank, hit) in person.hits.iter().enumerate() {
            let _ = write!(
                html,
                "<tr><td>{}</td><td class=\"left\">{}</td><td>{:.3}</td><td class=\"left\">{}</td></tr>",
                rank + 1,
                escape(title(&hit.title, &hit.id)),
                hit.score,
                escape(&leans_on(&hit.because, 60)),
            );
        }
        html.push_str("</table></div>");
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        let because = Because { event: 0, id: "a".into(), title: "Nails & <more>".into(), weight: 0.25 };
        let hit = Hit { id: "b".into(), title: String::new(), score: 1.5, because: vec![because] };
        Person { name: "u\"1".into(), history: vec!["Nails & <more>".into()], hits: vec![hit] }
    }

    #[test]
    fn text_names_scores_and_reasons() {
        let text = people_text(&[person()]);
        assert!(
            text.contains("   1    1.500  b\n") && text.contains("leans on Nails & <more> (25 %)"),
            "{text}"
        );
    }

    #[test]
    fn titles_cannot_break_the_page() {
        let html = people_html(&[person()]);
        assert!(html.contains("Nails &amp; &lt;more&gt; (25 %)") && html.contains("u&quot;1"), "{html}");
        assert!(!html.contains("<more>"));
    }

    #[test]
    fn long_titles_are_cut_between_characters() {
        assert_eq!(cut("ääääää", 4), "äää…");
        assert_eq!(cut("ääää", 4), "ääää");
    }
}
