//! Values as the tables show them.

use serde_json::Value;

use super::section::Format;

/// A value in its format; text as it is, nothing for null.
pub(super) fn show(value: &Value, format: Format, scale: f64) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(ends) if format == Format::Interval => {
            let ends: Vec<String> = ends.iter().map(|end| show(end, Format::Share, scale)).collect();
            ends.join(" – ")
        }
        other => match other.as_f64() {
            Some(number) => digits(number * scale, format),
            None => other.to_string(),
        },
    }
}

fn digits(number: f64, format: Format) -> String {
    match format {
        Format::Share | Format::Interval => {
            let text = format!("{number:.4}");
            match (text.strip_prefix("0."), text.strip_prefix("-0.")) {
                (Some(rest), _) => format!(".{rest}"),
                (_, Some(rest)) => format!("-.{rest}"),
                _ => text,
            }
        }
        Format::Count => grouped(number, 0),
        Format::Number if number == 0.0 => "0".into(),
        Format::Number => {
            let before = number.abs().log10().floor();
            grouped(number, (2.0 - before).clamp(0.0, 6.0) as usize)
        }
    }
}

/// A number with commas between thousands.
fn grouped(number: f64, places: usize) -> String {
    let text = format!("{:.places$}", number.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = if number < 0.0 { "-".to_owned() } else { String::new() };
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_each_format() {
        let number = [
            (0.0, "0"),
            (0.05123, "0.0512"),
            (16.94, "16.9"),
            (123.4, "123"),
            (1285.4, "1,285"),
            (-1.5, "-1.50"),
            (1e6, "1,000,000"),
        ];
        let share =
            [(0.28501, ".2850"), (1.0, "1.0000"), (0.0, ".0000"), (-0.25, "-.2500"), (0.99996, "1.0000")];
        let count = [(22_363.0, "22,363"), (999.6, "1,000"), (12.2, "12")];
        for (cases, format) in
            [(&number[..], Format::Number), (&share, Format::Share), (&count, Format::Count)]
        {
            for &(value, text) in cases {
                assert_eq!(digits(value, format), text, "{format:?}");
            }
        }
    }
}
