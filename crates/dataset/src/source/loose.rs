//! A value as logs hold it: of any type, borrowed from its line where possible.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON or Python value whose type the reader does not want to prescribe.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Loose<'a> {
    /// `null`, `None`, or a missing field.
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number beyond [`Int`](Self::Int), such as a hashed id.
    Large(u64),
    Float(f64),
    Str(Cow<'a, str>),
    List(Vec<Loose<'a>>),
    Map(Vec<(Cow<'a, str>, Loose<'a>)>),
}

impl<'a> Loose<'a> {
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// A number, or a string that holds one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(i) => Some(*i as f64),
            Self::Large(i) => Some(*i as f64),
            Self::Float(f) => Some(*f),
            Self::Str(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The name of a user or item: text without surrounding blanks, or a whole number, which data frames may have turned
    /// into a float. The value itself comes back if it is neither.
    pub fn into_id(self) -> Result<Cow<'a, str>, Self> {
        const EXACT: f64 = (1u64 << 53) as f64;
        match self {
            Self::Str(Cow::Borrowed(text)) if is_trimmed(text) => Ok(Cow::Borrowed(text)),
            Self::Str(text) if text.trim().is_empty() => Err(Self::Str(text)),
            Self::Str(Cow::Borrowed(text)) => Ok(Cow::Borrowed(text.trim())),
            Self::Str(Cow::Owned(text)) => Ok(Cow::Owned(text.trim().to_owned())),
            Self::Int(number) => Ok(Cow::Owned(number.to_string())),
            Self::Large(number) => Ok(Cow::Owned(number.to_string())),
            // Beyond 2^53 a float may stand for several numbers.
            Self::Float(f) if f.fract() == 0.0 && f.abs() < EXACT => Ok(Cow::Owned((f as i64).to_string())),
            other => Err(other),
        }
    }

    /// A whole number between 0 and 2^53, also when written as a float or in a string.
    pub fn as_time(&self) -> Option<i64> {
        const LIMIT: f64 = (1u64 << 53) as f64;
        match self {
            Self::Int(i) => (0..=1 << 53).contains(i).then_some(*i),
            other => {
                other.as_f64().filter(|t| t.fract() == 0.0 && (0.0..=LIMIT).contains(t)).map(|t| t as i64)
            }
        }
    }

    /// The strings of a list; a lone string counts as a list of one.
    pub fn strings(&self) -> impl Iterator<Item = &str> {
        let items: &[Self] = match self {
            Self::List(items) => items,
            Self::Str(_) => std::slice::from_ref(self),
            _ => &[],
        };
        items.iter().filter_map(Self::as_str)
    }

    /// A field of a map; null where there is none.
    pub fn get(&self, key: &str) -> &Self {
        const NULL: &Loose<'static> = &Loose::Null;
        match self {
            Self::Map(entries) => {
                entries.iter().rev().find(|(name, _)| name == key).map_or(NULL, |(_, value)| value)
            }
            _ => NULL,
        }
    }

    /// Takes a field out of a map.
    pub fn take(&mut self, key: &str) -> Self {
        match self {
            Self::Map(entries) => entries
                .iter_mut()
                .rev()
                .find(|(name, _)| name == key)
                .map(|(_, value)| std::mem::take(value))
                .unwrap_or_default(),
            _ => Self::Null,
        }
    }
}

/// Whether a text plainly has no blanks around it: it begins and ends with a visible letter of ASCII.
fn is_trimmed(text: &str) -> bool {
    let ends = [text.as_bytes().first(), text.as_bytes().last()];
    ends.iter().all(|letter| letter.is_some_and(u8::is_ascii_graphic))
}

/// As messages show it.
impl fmt::Display for Loose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Large(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Str(text) => write!(f, "\"{text}\""),
            Self::List(items) => write!(f, "a list of {}", items.len()),
            Self::Map(entries) => write!(f, "an object of {} fields", entries.len()),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Loose<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Loose::Null)
            }
            fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
                Ok(Loose::Bool(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
                Ok(Loose::Int(v))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
                Ok(i64::try_from(v).map_or(Loose::Large(v), Loose::Int))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
                Ok(Loose::Float(v))
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Loose::Str(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Loose::Str(Cow::Owned(v.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Loose::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    entries.push((key, value));
                }
                Ok(Loose::Map(entries))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A key of a map, borrowed where it can be.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_text_or_whole_numbers() {
        let id = |text| serde_json::from_str::<Loose<'_>>(text).unwrap().into_id().ok().map(Cow::into_owned);
        for (json, expected) in [
            ("7", "7"),
            ("-7", "-7"),
            ("12.0", "12"),
            ("-0.0", "0"),
            ("18446744073709551615", "18446744073709551615"),
            ("\"01\"", "01"),
            ("\"12.0\"", "12.0"),
            ("\" a b\\t\"", "a b"),
        ] {
            assert_eq!(id(json).as_deref(), Some(expected), "{json}");
        }
        for json in ["null", "true", "1.5", "1e300", "9007199254740992.0", "\"\"", "\" \"", "[1]", "{}"] {
            assert_eq!(id(json), None, "{json}");
        }
    }

    #[test]
    fn times_are_whole_and_bounded() {
        let time = |text| serde_json::from_str::<Loose<'_>>(text).unwrap().as_time();
        assert_eq!(time("1529193600"), Some(1_529_193_600));
        assert_eq!(time("1529193600.0"), Some(1_529_193_600));
        assert_eq!(time("\"1529193600\""), Some(1_529_193_600));
        for bad in ["-1", "1.5", "1e300", "18446744073709551615", "\"x\"", "null", "[1]", "9007199254740994"]
        {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
