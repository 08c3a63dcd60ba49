//! One line to one record: JSON, JSON as Python writes it, or a Python literal.

use serde::Deserialize;

use super::Refusal;
use super::input::json::Json;
use super::input::{Line, shown};
use super::loose::Loose;
use super::python_literal;

/// A record that both dialects can make.
pub(super) trait Record<'a>: Deserialize<'a> {
    fn from_literal(map: Loose<'a>) -> Self;
}

/// A record of which any field may be asked for.
impl<'a> Record<'a> for Loose<'a> {
    fn from_literal(map: Self) -> Self {
        map
    }
}

/// What the last line that could be read was; the next one is tried as that first.
#[derive(Default)]
pub(super) struct Dialect {
    python: bool,
    json: Json,
}

impl Dialect {
    /// Reads a line in either dialect.
    pub fn parse<'a, R: Record<'a>>(&'a mut self, line: &'a str) -> Result<R, Refusal> {
        let literal = || match python_literal::parse(line) {
            Ok(map @ Loose::Map(_)) => Some(R::from_literal(map)),
            _ => None,
        };
        if self.python
            && let Some(record) = literal()
        {
            return Ok(record);
        }
        // An array would do for serde: its fields by position.
        if line.trim_start().starts_with('{') {
            if let Ok(record) = self.json.parse(line) {
                self.python = false;
                return Ok(record);
            }
            if !self.python
                && let Some(record) = literal()
            {
                self.python = true;
                return Ok(record);
            }
        }
        let cause = if self.python { "not a Python dict" } else { "not a JSON object" };
        Err((cause.to_owned(), shown(line)))
    }
}

/// The value of a field that is needed, by `read`, or why there is none.
pub(super) fn needed<'a, T>(
    name: &str,
    value: Loose<'a>,
    expected: &str,
    read: impl FnOnce(Loose<'a>) -> Result<T, Loose<'a>>,
) -> Result<T, Refusal> {
    read(value).map_err(|value| match value {
        Loose::Null => (format!("`{name}` is missing"), String::new()),
        other => (format!("`{name}` is {expected}"), shown(&other.to_string())),
    })
}

/// What a line that is no record shows of the file's form.
pub(super) fn form_of(line: &Line<'_>) -> Option<&'static str> {
    if line.number > 1 {
        return None;
    }
    match line.text.trim() {
        "{" => Some("The file seems to be indented JSON: one object a line is expected, as `jq -c .` writes"),
        text if text.starts_with('[') => Some(
            "The file seems to be one JSON array: one object a line is expected, as `jq -c '.[]'` writes",
        ),
        text if text.starts_with('{') => None,
        text if text.contains([',', '\t']) => {
            Some("The file seems to be a table: one JSON object a line is expected")
        }
        _ => None,
    }
}
