//! The dialect of the 2014 Amazon metadata: one Python literal a line.
//!
//! A parser for strings, numbers, lists, tuples, dicts and the three constants. Nothing is evaluated.

use std::borrow::Cow;

use super::loose::Loose;

/// Deepest nesting accepted; real metadata has three levels.
const MAX_DEPTH: usize = 64;

/// Parses one literal that fills the whole text.
pub(crate) fn parse(text: &str) -> Result<Loose<'_>, String> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(value),
        Some(other) => Err(format!("`{}` after the literal, at byte {}", other as char, parser.at)),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.eat(byte) { Ok(()) } else { Err(format!("expected `{}` at byte {}", byte as char, self.at)) }
    }

    fn value(&mut self, depth: usize) -> Result<Loose<'a>, String> {
        if depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.dict(depth),
            Some(b'[') => self.list(b']', depth),
            Some(b'(') => self.list(b')', depth),
            Some(b'\'' | b'"') => self.string().map(Loose::Str),
            Some(b'u' | b'b') if matches!(self.text.as_bytes().get(self.at + 1), Some(b'\'' | b'"')) => {
                self.at += 1;
                self.string().map(Loose::Str)
            }
            Some(_) => self.word(),
            None => Err("the text ends where a value should stand".into()),
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Loose<'a>, String> {
        self.expect(b'{')?;
        let mut entries = Vec::new();
        while !self.eat(b'}') {
            let key = match self.value(depth + 1)? {
                Loose::Str(key) => key,
                other => return Err(format!("a key that is not a string: {other:?}")),
            };
            self.expect(b':')?;
            entries.push((key, self.value(depth + 1)?));
            if !self.eat(b',') {
                self.expect(b'}')?;
                break;
            }
        }
        Ok(Loose::Map(entries))
    }

    fn list(&mut self, close: u8, depth: usize) -> Result<Loose<'a>, String> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.eat(close) {
            items.push(self.value(depth + 1)?);
            if !self.eat(b',') {
                self.expect(close)?;
                break;
            }
        }
        Ok(Loose::List(items))
    }

    fn word(&mut self) -> Result<Loose<'a>, String> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| ",:]})".contains(c) || c.is_ascii_whitespace()).unwrap_or(rest.len());
        let word = &rest[..end];
        let value = match word {
            "None" => Loose::Null,
            "True" => Loose::Bool(true),
            "False" => Loose::Bool(false),
            number => {
                let number = number.trim_end_matches('L');
                match (number.parse::<i64>(), number.parse::<u64>(), number.parse::<f64>()) {
                    (Ok(int), ..) => Loose::Int(int),
                    (_, Ok(large), _) => Loose::Large(large),
                    (.., Ok(float)) => Loose::Float(float),
                    _ => return Err(format!("`{word}` is no literal, at byte {}", self.at)),
                }
            }
        };
        self.at += end;
        Ok(value)
    }

    fn string(&mut self) -> Result<Cow<'a, str>, String> {
        let quote = self.text.as_bytes()[self.at];
        let start = self.at + 1;
        let rest = &self.text.as_bytes()[start..];
        let plain = memchr::memchr2(quote, b'\\', rest).ok_or("a string without its closing quote")?;
        if rest[plain] == quote {
            self.at = start + plain + 1;
            return Ok(Cow::Borrowed(&self.text[start..start + plain]));
        }
        let mut out = self.text[start..start + plain].to_owned();
        let mut chars = self.text[start + plain..].char_indices();
        while let Some((index, c)) = chars.next() {
            if c as u32 == u32::from(quote) {
                self.at = start + plain + index + 1;
                return Ok(Cow::Owned(out));
            }
            if c != '\\' {
                out.push(c);
                continue;
            }
            let (_, escape) = chars.next().ok_or("a string that ends in a backslash")?;
            let mut hex = |digits: usize| -> Result<char, String> {
                let text: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                let code = u32::from_str_radix(&text, 16).ok().filter(|_| text.len() == digits);
                // Lone halves of a surrogate pair cannot stand in UTF-8: replaced.
                code.map(|c| char::from_u32(c).unwrap_or('\u{FFFD}'))
                    .ok_or(format!("bad escape digits `{text}`"))
            };
            match escape {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'x' => out.push(hex(2)?),
                'u' => out.push(hex(4)?),
                'U' => out.push(hex(8)?),
                '\\' | '\'' | '"' => out.push(escape),
                '\n' => {}
                other => out.extend(['\\', other]),
            }
        }
        Err("a string without its closing quote".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_of_2014_metadata() {
        let line = r#"{'asin': '0001', 'title': "Bob\'s \xe9t\u00e9", 'price': 9.5, 'n': -3, 'big': 12L,
            'categories': [['Movies & TV', 'Art'], ('x',)], 'salesRank': {}, 'none': None, 't': True}"#;
        let mut value = parse(line).unwrap();
        assert_eq!(value.take("title").as_str(), Some("Bob's été"));
        assert_eq!(value.take("price"), Loose::Float(9.5));
        assert_eq!(value.take("n"), Loose::Int(-3));
        assert_eq!(value.take("big"), Loose::Int(12));
        let Loose::List(paths) = value.take("categories") else { panic!() };
        assert_eq!(paths[0].strings().collect::<Vec<_>>(), ["Movies & TV", "Art"]);
        assert_eq!(value.take("none"), Loose::Null);
        assert_eq!(value.take("absent"), Loose::Null);
    }

    #[test]
    fn refuses_what_is_no_literal() {
        for bad in ["", "{'a': open('x')}", "{'a' 1}", "['a'", "'a", "{'a': 1} x", "{1: 2}", "'\\x4'", "'\\"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"[".repeat(100_000)).unwrap_err().contains("nested"));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[\\[\\]{}(),:'\"\\\\a-fuxNone0-9 é]{0,60}") {
            let _ = parse(&text);
        }
    }
}
