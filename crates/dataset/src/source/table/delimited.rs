//! Rows of cells: splitting one row at its separator, with or without quotes.

use std::borrow::Cow;

use memchr::{memchr, memmem};

/// How the cells of a row are told apart.
#[derive(Clone, Debug)]
pub(super) struct Splitter {
    separator: Vec<u8>,
    quotes: bool,
}

impl Splitter {
    /// `separator` is not empty.
    pub fn new(separator: &str, quotes: bool) -> Self {
        Self { separator: separator.as_bytes().to_vec(), quotes }
    }

    /// The separator, where line ends may stand in quotes.
    pub fn quoted(&self) -> Option<&[u8]> {
        self.quotes.then_some(&self.separator)
    }

    /// Hands over each cell with its place from 0; returns how many there are.
    ///
    /// Quotes around a cell are taken away if it begins with them; two in a row between them stand for one. What stands behind the
    /// closing one belongs to the cell.
    pub fn split<'a>(&self, row: &'a str, mut cell: impl FnMut(usize, Cow<'a, str>)) -> usize {
        let (mut rest, mut count) = (row, 0);
        loop {
            if self.quotes && rest.as_bytes().first() == Some(&b'"') {
                let (text, behind) = self.quoted_cell(rest);
                cell(count, text);
                count += 1;
                match behind {
                    Some(behind) => rest = behind,
                    None => return count,
                }
                continue;
            }
            match self.find(rest) {
                Some(at) => {
                    cell(count, Cow::Borrowed(&rest[..at]));
                    rest = &rest[at + self.separator.len()..];
                    count += 1;
                }
                None => {
                    cell(count, Cow::Borrowed(rest));
                    return count + 1;
                }
            }
        }
    }

    fn find(&self, text: &str) -> Option<usize> {
        match self.separator.as_slice() {
            [byte] => memchr(*byte, text.as_bytes()),
            many => memmem::find(text.as_bytes(), many),
        }
    }

    /// A cell that begins with a quote, and what follows its separator; `None` at the end of the row.
    fn quoted_cell<'a>(&self, row: &'a str) -> (Cow<'a, str>, Option<&'a str>) {
        let mut owned: Option<String> = None;
        let mut start = 1;
        loop {
            let Some(close) = memchr(b'"', &row.as_bytes()[start..]).map(|at| start + at) else {
                // Rows whose quotes stay open are refused before; a row without its end is a cell.
                let text =
                    owned.map_or(Cow::Borrowed(&row[start..]), |text| Cow::Owned(text + &row[start..]));
                return (text, None);
            };
            let behind = &row[close + 1..];
            if behind.as_bytes().first() == Some(&b'"') {
                let text = owned.get_or_insert_default();
                text.push_str(&row[start..=close]);
                start = close + 2;
                continue;
            }
            let (tail, rest) = match self.find(behind) {
                Some(at) => (&behind[..at], Some(&behind[at + self.separator.len()..])),
                None => (behind, None),
            };
            let text = match owned {
                None if tail.is_empty() => Cow::Borrowed(&row[start..close]),
                owned => Cow::Owned(owned.unwrap_or_default() + &row[start..close] + tail),
            };
            return (text, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(row: &str, separator: &str, quotes: bool) -> Vec<String> {
        let mut all = Vec::new();
        let count = Splitter::new(separator, quotes).split(row, |at, cell| {
            assert_eq!(at, all.len());
            all.push(cell.into_owned());
        });
        assert_eq!(count, all.len());
        all
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]
        #[test]
        fn splits_as_the_csv_crate_does(row in "[ab\",é ]{0,14}") {
            let mut reader =
                csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(row.as_bytes());
            if let Some(expected) = reader.records().next() {
                let expected: Vec<String> = expected.unwrap().iter().map(str::to_owned).collect();
                proptest::prop_assert_eq!(cells(&row, ",", true), expected);
            }
        }

        #[test]
        fn without_quotes_it_is_a_split(row in "[ab\":é]{0,14}") {
            for separator in [":", "::", "a"] {
                let expected: Vec<String> = row.split(separator).map(str::to_owned).collect();
                proptest::prop_assert_eq!(cells(&row, separator, false), expected);
            }
        }
    }
}
