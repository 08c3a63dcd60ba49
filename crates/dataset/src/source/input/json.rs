//! JSON as Python's `json` writes it: with `NaN`, `Infinity` and `-Infinity`, which are read as `null`.

use serde::Deserialize;

/// A parser that keeps the text of a line that had to be changed.
#[derive(Default)]
pub(crate) struct Json {
    changed: String,
}

impl Json {
    /// Parses one value that fills the whole text.
    pub fn parse<'a, T: Deserialize<'a>>(&'a mut self, text: &'a str) -> serde_json::Result<T> {
        match serde_json::from_str(text) {
            Err(_) if replace_non_numbers(text, &mut self.changed) => serde_json::from_str(&self.changed),
            parsed => parsed,
        }
    }
}

/// Writes `text` with `null` for each number that JSON does not have; returns whether there was one.
fn replace_non_numbers(text: &str, out: &mut String) -> bool {
    out.clear();
    let (mut quoted, mut kept, mut at) = (false, 0, 0);
    while let Some(&byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => at += 1,
            b'N' | b'I' | b'-' if !quoted => {
                let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|w| text[at..].starts_with(w));
                if let Some(word) = word {
                    out.push_str(&text[kept..at]);
                    out.push_str("null");
                    at += word.len();
                    kept = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(&text[kept..]);
    kept > 0
}

/// What a parser found wrong, without the place: it was given one line or value of the file.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(told, _)| told).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_lacks_are_null_outside_strings() {
        let mut json = Json::default();
        let text = r#"{"a": NaN, "NaN": [Infinity,-Infinity , -1], "b\"NaN": "NaN \\", "c": "é"}"#;
        let value: serde_json::Value = json.parse(text).unwrap();
        let expected = r#"{"a": null, "NaN": [null, null, -1], "b\"NaN": "NaN \\", "c": "é"}"#;
        assert_eq!(value, serde_json::from_str::<serde_json::Value>(expected).unwrap());
        for bad in
            ["{\"a\": Nan}", "{\"a\": NaNa}", "{\"a\": --Infinity}", "NaN NaN", "\"\\", "N", "{\"a\": -"]
        {
            assert!(json.parse::<serde_json::Value>(bad).is_err(), "{bad}");
        }
    }
}
