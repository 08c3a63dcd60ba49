//! Whether a row of a table ends within quotes.

/// Follows the quotes of a row of which more and more is read.
#[derive(Default)]
pub(super) struct QuoteScan {
    /// How much was looked at.
    at: usize,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    /// At the start of a cell.
    #[default]
    Start,
    /// In a cell without quotes, or behind the closing one.
    Plain,
    Quoted,
    /// Behind a quote in quotes: it closes them, or is the first of two that stand for one.
    Closing,
}

impl QuoteScan {
    /// Whether quotes are open at the end of `row`, of which earlier calls have seen the beginning.
    ///
    /// A quote opens only at the start of a cell. Two in a row between quotes stand for one.
    pub fn is_open(&mut self, row: &[u8], separator: &[u8]) -> bool {
        if self.at == 0 && memchr::memchr(b'"', row).is_none() {
            // Nothing to follow, and more is not asked for.
            return false;
        }
        while let Some(&byte) = row.get(self.at) {
            let mut step = 1;
            self.state = match (self.state, byte) {
                (State::Quoted, b'"') => State::Closing,
                (State::Quoted, _) => {
                    step = memchr::memchr(b'"', &row[self.at..]).unwrap_or(row.len() - self.at);
                    State::Quoted
                }
                (State::Closing, b'"') => State::Quoted,
                (State::Start, b'"') => State::Quoted,
                _ if row[self.at..].starts_with(separator) => {
                    step = separator.len().max(1);
                    State::Start
                }
                _ => State::Plain,
            };
            self.at += step;
        }
        if self.state == State::Closing {
            // A line end follows: the quotes are closed.
            return false;
        }
        self.state == State::Quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_open_at_the_start_of_a_cell_only() {
        let open = |row: &str| QuoteScan::default().is_open(row.as_bytes(), b",");
        for row in ["a,\"b", "\"", "\"\"\"", "a,\"b\"\"", "a,\"b\"\",c", "\"a,b"] {
            assert!(open(row), "{row}");
        }
        for row in ["", "a", "5\",6", "a,\"b\"", "a,\"\"", "\"a\"\"b\"", "\"a\"b\",c"] {
            assert!(!open(row), "{row}");
        }
        assert!(QuoteScan::default().is_open(b"a::\"b:", b"::"));
        assert!(!QuoteScan::default().is_open(b"a:\"b", b"::"));
    }
}
