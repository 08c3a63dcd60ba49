//! Cells that hold several values.

use std::borrow::Cow;

use super::super::loose::Loose;
use super::super::python_literal;

/// The values of a cell, without empty ones. Those of a text have no blanks around them.
///
/// A list of JSON or Parquet gives its elements, and so does a text in brackets, as `[a, b]` and `['a', "b"]`. Another text is split
/// at the separator; without one it is one value.
pub(super) fn values<'a>(cell: Loose<'a>, separator: Option<&str>) -> Vec<Cow<'a, str>> {
    match cell {
        Loose::List(elements) => {
            let own = |element| match element {
                // An element is a whole value, blanks and brackets included.
                Loose::Str(text) => Vec::from_iter(Some(text).filter(|text| !text.trim().is_empty())),
                other => values(other, None),
            };
            elements.into_iter().flat_map(own).collect()
        }
        Loose::Str(Cow::Borrowed(text)) => texts(text, separator),
        Loose::Str(Cow::Owned(text)) => {
            texts(&text, separator).into_iter().map(|value| Cow::Owned(value.into_owned())).collect()
        }
        Loose::Null | Loose::Map(_) => Vec::new(),
        Loose::Float(number) if number.is_nan() => Vec::new(),
        other => vec![Cow::Owned(scalar(&other))],
    }
}

/// A number or a truth value as text; whole numbers without a point.
fn scalar(value: &Loose<'_>) -> String {
    match value {
        Loose::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => (*number as i64).to_string(),
        other => other.to_string(),
    }
}

fn texts<'a>(text: &'a str, separator: Option<&str>) -> Vec<Cow<'a, str>> {
    let text = text.trim();
    let inner = [('[', ']'), ('(', ')')]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close));
    // Brackets around one value, such as `(no genres listed)`, are a part of it.
    let brackets = inner.filter(|_| text.starts_with('[') || text.contains(','));
    let parts: Vec<&str> = match (brackets, separator) {
        (Some(inner), _) => {
            // Without quotes, what looks like a number stays the text that it is: `007` is an id.
            if inner.contains(['"', '\''])
                && let Ok(list @ Loose::List(_)) = python_literal::parse(text)
            {
                return values(list, None).into_iter().map(|value| Cow::Owned(value.into_owned())).collect();
            }
            match inner.contains(',') {
                true => inner.split(',').collect(),
                false => inner.split_ascii_whitespace().collect(),
            }
        }
        (None, Some(" ")) => text.split_ascii_whitespace().collect(),
        (None, Some(separator)) if !separator.is_empty() => text.split(separator).collect(),
        (None, _) => vec![text],
    };
    let bare = |part: &'a str| part.trim().trim_matches(['"', '\'']);
    let clean = |part: &'a str| if brackets.is_some() { bare(part) } else { part.trim() };
    parts.into_iter().map(clean).filter(|part| !part.is_empty()).map(Cow::Borrowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, separator: Option<&str>) -> Vec<String> {
        values(Loose::Str(Cow::Borrowed(text)), separator).into_iter().map(Cow::into_owned).collect()
    }

    proptest::proptest! {
        #[test]
        fn a_list_in_any_form_is_the_same_list(list in proptest::collection::vec("[a-z0-9é]{1,4}", 0..6)) {
            for separator in ["|", " ", "^", "::", ","] {
                assert_eq!(of(&list.join(separator), Some(separator)), list);
            }
            assert_eq!(of(&format!("[{}]", list.join(", ")), Some("|")), list);
            assert_eq!(of(&format!("[{}]", list.join(" ")), None), list);
            let quoted: Vec<String> = list.iter().map(|value| format!("'{value}'")).collect();
            assert_eq!(of(&format!(" [{}] ", quoted.join(",")), None), list);
            let json = serde_json::to_string(&list).unwrap();
            assert_eq!(of(&json, None), list);
            let parsed: Loose<'_> = serde_json::from_str(&json).unwrap();
            assert_eq!(values(parsed, Some("x")), list);
        }
    }

    #[test]
    fn brackets_are_a_list_only_around_one() {
        assert_eq!(of("(no genres listed)", Some("|")), ["(no genres listed)"]);
        assert_eq!(of("(10, 50]", None), ["(10, 50]"]);
        assert_eq!(of("(1, 'a b')", None), ["1", "a b"]);
        assert_eq!(of("12,65", Some(",")), ["12", "65"]);
        assert_eq!(of("a||b| ", Some("|")), ["a", "b"]);
        assert_eq!(of("", None), [""; 0]);
        assert_eq!(values(Loose::Float(12.0), None), ["12"]);
        assert_eq!(values(Loose::Bool(true), None), ["true"]);
    }
}
