//! A value as logs hold it: of any type, borrowed from its line where possible.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A JSON or Python value whose type the reader does not want to prescribe.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Loose<'a> {
    /// `null`, `None`, or a missing field.
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Cow<'a, str>),
    List(Vec<Loose<'a>>),
    /// A map; only the Python dialect keeps its entries.
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
            Self::Float(f) => Some(*f),
            Self::Str(text) => text.trim().parse().ok(),
            _ => None,
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
                Ok(i64::try_from(v).map_or(Loose::Float(v as f64), Loose::Int))
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
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Loose::Map(Vec::new()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
