//! Titles that are markup: what a scraper cut out of a page where the title should have been.

use std::borrow::Cow;

/// Elements of HTML that pages have around titles. Other words in angle brackets belong to a title: `<Untitled>`.
const ELEMENTS: &[&str] = &[
    "a", "abbr", "article", "b", "big", "body", "br", "button", "center", "dd", "div", "dl", "dt", "em",
    "font", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "i",
    "iframe", "img", "input", "label", "li", "link", "main", "meta", "nav", "noscript", "ol", "option", "p",
    "pre", "s", "script", "section", "select", "small", "span", "strong", "style", "sub", "sup", "table",
    "tbody", "td", "th", "thead", "title", "tr", "tt", "u", "ul",
];

/// What scripts and the middle of a tag look like; no title has such words.
const REMAINS: &[&str] = &[
    "getTime()",
    "(function(",
    "function()",
    "class=\"",
    "class='",
    "style=\"",
    "href=\"",
    "src=\"",
    "=\"a-",
];

/// The words of a title, or `None` if it is markup: a cut tag, a script, or tags around nothing.
///
/// Whole tags are removed around words that they mark. Entities such as `&amp;` belong to a title and stay as they are.
pub(crate) fn words_of(title: &str) -> Option<Cow<'_, str>> {
    let plain = || !title.bytes().any(|byte| matches!(byte, b'<' | b'=' | b'(' | b'&'));
    if plain() {
        return Some(Cow::Borrowed(title));
    }
    // A page may have been escaped as a whole.
    let escaped = ["&lt;", "&#60;", "&quot;"].iter().any(|entity| title.contains(entity));
    let text: Cow<'_, str> = match escaped {
        false => Cow::Borrowed(title),
        true => {
            let open = title.replace("&lt;", "<").replace("&#60;", "<").replace("&gt;", ">");
            Cow::Owned(open.replace("&quot;", "\""))
        }
    };
    let (words, tags) = without_tags(&text)?;
    if REMAINS.iter().any(|remain| words.contains(remain)) {
        return None;
    }
    match tags {
        0 => Some(Cow::Borrowed(title)),
        _ if words.trim().is_empty() => None,
        _ => Some(Cow::Owned(words.split_whitespace().collect::<Vec<_>>().join(" "))),
    }
}

/// The text without its whole tags, and how many there were; `None` if a tag is cut or holds a script.
fn without_tags(text: &str) -> Option<(String, usize)> {
    let (mut words, mut tags, mut rest) = (String::new(), 0, text);
    while let Some(at) = rest.find('<') {
        words.push_str(&rest[..at]);
        let tag = &rest[at..];
        let Some(name) = element(tag) else {
            words.push('<');
            rest = &tag[1..];
            continue;
        };
        match tag.find('>') {
            Some(_) if name == "script" || name == "style" => return None,
            Some(end) => rest = &tag[end + 1..],
            // `a <b c` is no tag, for want of an attribute; `<span` at the end of a title is one.
            None => {
                let behind = tag[1..].trim_start_matches('/')[name.len()..].trim();
                let cut = behind.contains('=')
                    || at == 0 && words.trim().is_empty()
                    || behind.is_empty() && name.len() > 2;
                if cut {
                    return None;
                }
                words.push_str(tag);
                rest = "";
                continue;
            }
        }
        words.push(' ');
        tags += 1;
    }
    words.push_str(rest);
    Some((words, tags))
}

/// The name of the element whose tag, comment or declaration begins here.
fn element(tag: &str) -> Option<&'static str> {
    if tag.starts_with("<!--") || tag.get(..9).is_some_and(|t| t.eq_ignore_ascii_case("<!doctype")) {
        return Some("");
    }
    let name = tag[1..].strip_prefix('/').unwrap_or(&tag[1..]);
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    let closes = name[end..].chars().next().is_none_or(|c| c == '>' || c == '/' || c.is_whitespace());
    ELEMENTS.iter().copied().find(|element| closes && element.eq_ignore_ascii_case(&name[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_tags_and_scripts_are_no_titles() {
        for markup in [
            r#"<span class="a-size-medium a-color-secondary""#,
            r#"<span class="a-size-medium a-color-secondary a-text-normal">"#,
            r#"  <div id="dp" class="a-section"#,
            "</span>",
            "<img src='x.jpg' />",
            "<br><br/>",
            "<span",
            "Toy car <span class=\"a",
            "Toy car <span",
            "<!-- a comment -->",
            "<!DOCTYPE html>",
            "<script>var x = 1;</script>",
            r#"a-size-medium" class="a-color">"#,
            "var aPageStart = (new Date()).getTime();",
            "&lt;span class=&quot;a-size-medium&quot;",
            "<SPAN CLASS=x",
        ] {
            assert_eq!(words_of(markup), None, "{markup}");
        }
    }

    #[test]
    fn titles_with_angles_entities_and_whole_tags_are_titles() {
        for title in [
            "Salt &amp; Pepper",
            "Maggiano&#39;s Gift Card",
            "I <3 You",
            "5 < 6 > 4",
            "<Untitled>",
            "<<rewind<<",
            "A &lt; B",
            "x <b y",
            "E=mc² (paperback)",
            "Sizes S<M<L",
            "",
        ] {
            assert_eq!(words_of(title).as_deref(), Some(title));
        }
        assert_eq!(words_of("<b>Red</b> doll<br>with hat").as_deref(), Some("Red doll with hat"));
        assert_eq!(words_of(r#"<span class="a-size-large">Thing 1</span>"#).as_deref(), Some("Thing 1"));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[<>/=!\"'a-cé&;() -]{0,30}|<(span|a|!--)[ =\"é]{0,9}") {
            let _ = words_of(&text);
        }
    }
}
