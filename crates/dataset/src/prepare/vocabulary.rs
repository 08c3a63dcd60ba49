//! `vocabulary.tsv`: which number stands for which name, for people and for reading tables back.

use std::io::Write;
use std::path::Path;

use super::Numbers;
use crate::atomic;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::source::{LineReader, ReadOptions};

/// Name of the file.
pub(crate) const VOCABULARY: &str = "vocabulary.tsv";
const HEADER: &str = "kind\tnumber\tname";
/// What the kind of a field's values begins with.
const FIELD: &str = "field:";

/// Writes the numbers and names of a corpus: a line `kind`, number and name, separated by tabs, for each user, item, word,
/// attribute, action and value of a field. A tab, line end or backslash in a name is written as `\t`, `\n`, `\r`, `\\`.
pub(crate) fn write(corpus: &Corpus, path: &Path) -> Result<()> {
    atomic::write_file(path, |out| {
        writeln!(out, "{HEADER}").map_err(Error::io(path, "cannot write"))?;
        let mut line =
            |kind: &str, number: u32, name: &str| writeln!(out, "{kind}\t{number}\t{}", escaped(name));
        let mut lines = || {
            for user in 0..corpus.user_count() {
                line("user", corpus.user_number(user), corpus.user_name(user))?;
            }
            for item in 1..=corpus.item_count() as u32 {
                line("item", item, corpus.item_name(item))?;
            }
            // Where the log's own numbers stand for words and attributes, they are their names.
            let named =
                |name: Option<&str>, number: u32| name.map_or_else(|| number.to_string(), str::to_owned);
            for word in 1..=corpus.word_count() as u32 {
                line("word", word, &named(corpus.word(word), word))?;
            }
            for attribute in 1..=corpus.attribute_count() as u32 {
                line("attribute", attribute, &named(corpus.attribute_name(attribute), attribute))?;
            }
            for (action, name) in (1..).zip(corpus.actions()) {
                line("action", action, name)?;
            }
            for field in corpus.fields() {
                let kind = format!("{FIELD}{}", field.name());
                for value in 1..=field.size() as u32 {
                    line(&kind, value, &named(field.value(value), value))?;
                }
            }
            Ok(())
        };
        lines().map_err(Error::io(path, "cannot write"))
    })?;
    Ok(())
}

fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

/// The name that was escaped; `None` for an escape that there is not.
fn plain(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        name.push(match letter {
            '\\' => match letters.next()? {
                '\\' => '\\',
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            letter => letter,
        });
    }
    Some(name)
}

impl Numbers {
    /// Reads a `vocabulary.tsv`, as it lies beside text files and exports.
    ///
    /// # Errors
    /// A line of another form, numbers of a kind that are not 1, 2, 3 …, or two users or items of one name.
    pub fn read(path: &Path) -> Result<Self> {
        let mut lines = LineReader::open(path, &ReadOptions::default())?;
        let mut numbers = Self::default();
        while let Some(line) = lines.next_line()? {
            let fail = |message: String| Error::format(path, line.number, line.byte, message);
            let mut parts = line.text.splitn(3, '\t');
            let (Some(kind), Some(number), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
                return Err(fail(format!(
                    "three cells between tabs are expected: {}",
                    HEADER.replace('\t', ", ")
                )));
            };
            if kind == "kind" {
                continue;
            }
            let name = plain(name)
                .ok_or_else(|| fail(format!("`{name}` has an escape other than \\t, \\n, \\r and \\\\")))?;
            let parsed = number.parse::<u32>().ok().filter(|&n| n > 0);
            let number = parsed.ok_or_else(|| fail(format!("`{number}` is no number from 1")))?;
            let list = match kind {
                "user" => {
                    numbers.user_numbers.push(number);
                    numbers.users.push(name);
                    continue;
                }
                "item" => &mut numbers.items,
                "word" => &mut numbers.words,
                "attribute" => &mut numbers.attributes,
                "action" => &mut numbers.actions,
                other => {
                    let Some(field) = other.strip_prefix(FIELD) else {
                        return Err(fail(format!(
                            "`{other}` is none of user, item, word, attribute, action and {FIELD}NAME"
                        )));
                    };
                    let at = numbers.fields.iter().position(|(name, _)| name == field).unwrap_or_else(|| {
                        numbers.fields.push((field.to_owned(), Vec::new()));
                        numbers.fields.len() - 1
                    });
                    &mut numbers.fields[at].1
                }
            };
            let expected = list.len() + 1;
            if number as usize != expected {
                return Err(fail(format!(
                    "{kind} {number} where {expected} is expected: they are numbered in order"
                )));
            }
            list.push(name);
        }
        numbers.check()?;
        Ok(numbers)
    }
}
