//! Writing the text files.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::atomic;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::negatives::NegativeSampler;
use crate::output::check_name;

/// Evaluation negatives written per user.
const NEGATIVES: usize = 99;

/// Writes every text file that the corpus has content for.
///
/// Sampled negatives are those that were imported; else, with a sampler, its test negatives.
///
/// # Errors
/// If the name is a path, or the file system refuses; each file is whole or absent.
pub fn export(
    corpus: &Corpus,
    folder: &Path,
    name: &str,
    negatives: Option<&NegativeSampler<'_>>,
) -> Result<()> {
    check_name(name)?;
    let file = |ending: &str| folder.join(format!("{name}{ending}"));
    let has_queries = corpus.query_count() > 1;
    let has_item_queries = (1..=corpus.item_count() as u32).any(|item| corpus.item_query(item) != 0);
    write_rows(corpus, &file(".txt"), |out, user| {
        corpus.history(user).items.iter().try_for_each(|item| write!(out, " {item}"))
    })?;
    if has_queries {
        write_rows(corpus, &file("_queries.txt"), |out, user| {
            corpus
                .history(user)
                .queries
                .iter()
                .try_for_each(|&query| write_query(out, b" ", corpus.query(query)))
        })?;
    }
    if !corpus.attribute_items().is_empty() {
        write_object(&file("_item2attributes.json"), corpus.attribute_items(), |out, item| {
            let list: Vec<String> =
                corpus.attributes(item).unwrap_or_default().iter().map(u32::to_string).collect();
            write!(out, "[{}]", list.join(", "))
        })?;
    }
    if has_item_queries {
        let items: Vec<u32> = (1..=corpus.item_count() as u32).collect();
        write_object(&file("_id2dummy_query.json"), &items, |out, item| {
            write_query(out, b"\"", corpus.query(corpus.item_query(item)))?;
            out.write_all(b"\"")
        })?;
    }
    let imported = corpus.user_count() > 0 && corpus.sampled(0).is_some();
    if !imported && negatives.is_none() {
        return Ok(());
    }
    let mut scratch = NegativeSampler::scratch(corpus);
    let mut sampled = |user: usize, use_row: UseRow<'_>| {
        if let Some((items, queries)) = corpus.sampled(user) {
            return use_row(items, queries);
        }
        let mut items = Vec::with_capacity(NEGATIVES);
        if let Some(sampler) = negatives {
            sampler.evaluation(user, crate::Split::Test, NEGATIVES, &mut scratch, &mut items);
        }
        use_row(&items, None)
    };
    write_rows(corpus, &file("_sample.txt"), |out, user| {
        sampled(user, &mut |items, _| items.iter().try_for_each(|item| write!(out, " {item}")))
    })?;
    let imported_queries = imported && corpus.sampled(0).is_some_and(|(_, queries)| queries.is_some());
    if imported_queries || (!imported && has_item_queries) {
        write_rows(corpus, &file("_sample_queries.txt"), |out, user| {
            sampled(user, &mut |items, queries| match queries {
                Some(queries) => queries.iter().try_for_each(|&q| write_query(out, b" ", corpus.query(q))),
                None => items
                    .iter()
                    .try_for_each(|&item| write_query(out, b" ", corpus.query(corpus.item_query(item)))),
            })
        })?;
    }
    Ok(())
}

type Out = BufWriter<File>;
/// Takes a user's negatives, and their queries where those were imported.
type UseRow<'a> = &'a mut dyn FnMut(&[u32], Option<&[u32]>) -> std::io::Result<()>;

/// One line per user: its number, then what `fields` writes.
fn write_rows(
    corpus: &Corpus,
    path: &Path,
    mut fields: impl FnMut(&mut Out, usize) -> std::io::Result<()>,
) -> Result<()> {
    atomic::write_file(path, |out| {
        let mut write = || {
            for user in 0..corpus.user_count() {
                write!(out, "{}", corpus.user_number(user))?;
                fields(out, user)?;
                out.write_all(b"\n")?;
            }
            Ok(())
        };
        write().map_err(Error::io(path, "cannot write"))
    })
}

fn write_query(out: &mut Out, before: &[u8], words: &[u32]) -> std::io::Result<()> {
    out.write_all(before)?;
    match words {
        [] => out.write_all(b"0"),
        [first, rest @ ..] => {
            write!(out, "{first}")?;
            rest.iter().try_for_each(|word| write!(out, ",{word}"))
        }
    }
}

/// One JSON object on one line, without a final line end.
fn write_object(
    path: &Path,
    items: &[u32],
    mut value: impl FnMut(&mut Out, u32) -> std::io::Result<()>,
) -> Result<()> {
    atomic::write_file(path, |out| {
        let mut write = || {
            out.write_all(b"{")?;
            for (index, &item) in items.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                write!(out, "{comma}\"{item}\": ")?;
                value(out, item)?;
            }
            out.write_all(b"}")
        };
        write().map_err(Error::io(path, "cannot write"))
    })
}
