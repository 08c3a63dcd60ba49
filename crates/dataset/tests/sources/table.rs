//! The table of sources × encodings and of sources × troubles.

use seminar_dataset::{Error, ReadOptions};

use super::encodings::{SAME, foreign};
use super::inputs::all;

fn lossy() -> ReadOptions {
    ReadOptions { lossy_utf8: true, ..ReadOptions::default() }
}

#[test]
fn encodings_change_nothing() {
    let mut inputs = 0;
    for source in all() {
        let expected = source.sound(&source.text);
        for (encoding, encode) in SAME {
            for options in [ReadOptions::default(), lossy()] {
                let read = source.read_with(&encode(source.text.as_bytes()), &options);
                let read = read.unwrap_or_else(|error| panic!("{}, {encoding}: {error}", source.name));
                assert!(read == expected, "{}, {encoding}: {read}\nwhere {expected}", source.name);
                inputs += 1;
            }
        }
    }
    assert_eq!(inputs, 18 * 17 * 2);
}

#[test]
fn foreign_forms_are_named_with_what_to_do() {
    let mut inputs = 0;
    for source in all() {
        for (bytes, form, remedy) in foreign(source.text.as_bytes()) {
            // What is replaced for the sake of one letter is not replaced in an archive.
            for options in [ReadOptions::default(), lossy()] {
                let error =
                    source.read_with(&bytes, &options).map(|read| panic!("{}, {form}: {read}", source.name));
                let error = error.unwrap_err().to_string();
                let said = [form, remedy, source.file].into_iter().all(|words| error.contains(words));
                assert!(said, "{}, {form}, {remedy}: {error}", source.name);
                inputs += 1;
            }
        }
    }
    assert_eq!(inputs, 18 * 30 * 2);
}

#[test]
fn latin_1_is_refused_with_its_place_or_replaced() {
    let mut inputs = 0;
    for source in all().into_iter().filter(|source| source.text.contains('é')) {
        let before = source.text.split('é').next().unwrap();
        let line = 1 + before.matches('\n').count() as u64;
        let latin: Vec<u8> = source.text.chars().map(|c| c as u8).collect();
        let replaced = source.sound(&source.text.replace('é', "\u{fffd}"));
        for (encoding, encode) in SAME.into_iter().filter(|(name, _)| !name.contains("blank")) {
            let bytes = encode(&latin);
            let error = source.read_with(&bytes, &ReadOptions::default()).unwrap_err();
            let Error::Utf8 { at, bad: 0xE9 } = &error else {
                panic!("{}, {encoding}: {error}", source.name)
            };
            // The header of a csv file is compared, not kept: the first row is where strictness begins.
            let line = if source.file == "src_inter.csv" { 2 } else { line };
            assert_eq!(at.line, line, "{}, {encoding}: {error}", source.name);
            assert!(error.to_string().contains("lossy_utf8"), "{error}");
            assert_eq!(source.read_with(&bytes, &lossy()).unwrap(), replaced, "{}, {encoding}", source.name);
            inputs += 1;
        }
    }
    assert_eq!(inputs, 11 * 15);
}

/// The same lines with a further field.
fn with_field(text: &str, field: &str) -> String {
    text.lines().map(|line| format!("{{{field}, {}\n", &line[1..])).collect()
}

#[test]
fn numbers_that_json_lacks_cost_no_line() {
    let mut inputs = 0;
    for source in all() {
        let (json, python) = (source.text.starts_with("{\""), source.text.starts_with("{'"));
        let one_object = source.file.starts_with("X_i") && source.file.ends_with(".json");
        if one_object || !(json || python) {
            continue;
        }
        let expected = source.sound(&source.text);
        let fields = if json {
            [r#""vote": NaN"#, r#""a": [Infinity, -Infinity, {"NaN": NaN}], "b": "\"NaN""#]
        } else {
            ["'vote': nan", "'a': [inf, -inf]"]
        };
        for field in fields {
            let text = with_field(&source.text, field);
            assert_eq!(source.sound(&text), expected, "{}: {field}", source.name);
            // In the first line alone, which once decided the form of all.
            let end = text.find('\n').unwrap();
            let rest = &source.text[source.text.find('\n').unwrap()..];
            assert_eq!(
                source.sound(&format!("{}{rest}", &text[..end])),
                expected,
                "{}: {field}",
                source.name
            );
            inputs += 2;
        }
    }
    assert_eq!(inputs, 7 * 4);
}

#[test]
fn whole_numbers_are_ids() {
    let mut inputs = 0;
    for source in all().into_iter().filter(|source| source.text.starts_with('{')) {
        let quote = &source.text[1..2];
        let expected = source.sound(&source.text);
        for field in ["reviewerID", "asin", "user_id", "parent_asin"] {
            let start = format!("{quote}{field}{quote}: {quote}");
            if !source.text.contains(&start) {
                continue;
            }
            for end in ["", ".0"] {
                let mut text = String::new();
                for (n, part) in source.text.split(&start).enumerate() {
                    let unquoted = part.replacen(quote, end, 1);
                    let digits = part.starts_with(|c: char| c.is_ascii_digit());
                    match (n, digits) {
                        (0, _) => text.push_str(part),
                        (_, true) => text += &format!("{quote}{field}{quote}: {unquoted}"),
                        (_, false) => text += &format!("{start}{part}"),
                    }
                }
                assert_eq!(source.sound(&text), expected, "{}: {field}{end}\n{text}", source.name);
                inputs += 1;
            }
        }
    }
    assert!(inputs >= 20, "{inputs}");
}
