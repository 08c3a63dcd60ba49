//! Exported tables of text.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::json;

use super::cells::{
    EventColumns, Negatives, attributes, in_order, kind_name, of_part, parts, query_text, targets,
};
use super::unwritable;
use crate::atomic;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::event::Part;

type Out<'a> = csv::Writer<&'a mut BufWriter<File>>;

/// Writes a table of cells.
fn table(
    path: &Path,
    separator: u8,
    quotes: bool,
    fill: impl FnOnce(&mut Out<'_>) -> csv::Result<()>,
) -> Result<()> {
    atomic::write_file(path, |out| {
        let style = if quotes { csv::QuoteStyle::Necessary } else { csv::QuoteStyle::Never };
        let mut writer = csv::WriterBuilder::new().delimiter(separator).quote_style(style).from_writer(out);
        let done = fill(&mut writer).map_err(std::io::Error::other).and_then(|()| writer.flush());
        done.map_err(Error::io(path, "cannot write"))
    })
}

/// A list as one cell.
fn list<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> String {
    let values: Vec<serde_json::Value> = values.into_iter().map(|value| value.as_ref().into()).collect();
    if values.is_empty() { String::new() } else { serde_json::Value::Array(values).to_string() }
}

/// Writes the csv files.
pub(super) fn csv(corpus: &Corpus, folder: &Path) -> Result<()> {
    for (stem, part) in parts(corpus) {
        table(&folder.join(format!("{stem}.csv")), b',', true, |out| events(corpus, part, out))?;
    }
    table(&folder.join("items.csv"), b',', true, |out| items(corpus, out))?;
    let name = |item: &u32| corpus.item_name(*item);
    table(&folder.join("sequences.csv"), b',', true, |out| {
        out.write_record(["user", "items"])?;
        (0..corpus.user_count()).try_for_each(|user| {
            out.write_record([corpus.user_name(user), &list(corpus.history(user).items.iter().map(name))])
        })
    })?;
    table(&folder.join("splits.csv"), b',', true, |out| {
        out.write_record(["user", "split", "position", "item"])?;
        for user in 0..corpus.user_count() {
            for (split, at) in targets(corpus, user) {
                let item = corpus.item_name(corpus.history(user).items[at]);
                out.write_record([corpus.user_name(user), split, &at.to_string(), item])?;
            }
        }
        Ok(())
    })?;
    table(&folder.join("negatives.csv"), b',', true, |out| {
        let mut negatives = Negatives::new(corpus);
        out.write_record(["user", "split", "items"])?;
        (0..corpus.user_count()).try_for_each(|user| {
            let items = negatives.of(user);
            out.write_record([corpus.user_name(user), "test", &list(items.iter().map(name))])
        })
    })
}

fn events(corpus: &Corpus, part: Option<Part>, out: &mut Out<'_>) -> csv::Result<()> {
    let columns = EventColumns::of(corpus);
    let optional = [
        (columns.times, "timestamp"),
        (columns.kinds, "kind"),
        (columns.queries, "query"),
        (columns.actions, "action"),
    ];
    let names = optional.into_iter().filter(|(there, _)| *there).map(|(_, name)| name);
    out.write_record(["user", "item"].into_iter().chain(names))?;
    for user in 0..corpus.user_count() {
        let history = corpus.history(user);
        for at in of_part(corpus, user, part) {
            out.write_field(corpus.user_name(user))?;
            out.write_field(corpus.item_name(history.items[at]))?;
            if columns.times {
                out.write_field(history.times[at].to_string())?;
            }
            if columns.kinds {
                out.write_field(kind_name(history.kind(at)))?;
            }
            if columns.queries {
                out.write_field(query_text(corpus, history.queries[at]))?;
            }
            if columns.actions {
                out.write_field(corpus.action(history.action(at)).unwrap_or_default())?;
            }
            out.write_record(None::<&[u8]>)?;
        }
    }
    Ok(())
}

fn items(corpus: &Corpus, out: &mut Out<'_>) -> csv::Result<()> {
    let fields: Vec<_> = corpus.fields().collect();
    let names = fields.iter().map(|field| format!("field:{}", field.name()));
    let fixed = ["item", "title", "image", "query", "attributes"].map(str::to_owned);
    out.write_record(fixed.into_iter().chain(names))?;
    for item in in_order(corpus) {
        out.write_field(corpus.item_name(item))?;
        out.write_field(corpus.title(item).unwrap_or_default())?;
        out.write_field(list(corpus.image_urls(item)))?;
        out.write_field(query_text(corpus, corpus.item_query(item)))?;
        out.write_field(list(attributes(corpus, item)))?;
        for field in &fields {
            let values = field.of(item).iter();
            out.write_field(list(
                values.map(|&v| field.value(v).map_or_else(|| v.to_string(), str::to_owned)),
            ))?;
        }
        out.write_record(None::<&[u8]>)?;
    }
    Ok(())
}

/// Writes RecBole's files.
pub(super) fn recbole(corpus: &Corpus, folder: &Path, name: &str) -> Result<()> {
    let columns = EventColumns::of(corpus);
    let breaks = |text: &str| text.contains(['\t', '\n', '\r']);
    let users = (0..corpus.user_count()).map(|user| ("user", corpus.user_name(user)));
    let named = (1..=corpus.item_count() as u32).map(|item| ("item", corpus.item_name(item)));
    if let Some((what, bad)) = users.chain(named).find(|(_, name)| breaks(name)) {
        return Err(unwritable(what, bad));
    }
    // A row is a line: in texts, which are no names, blanks take the place of what would end it.
    let line = |text: &str| text.replace(['\t', '\n', '\r'], " ");
    let rest = |stem: &str| match stem.strip_prefix("events") {
        Some(part) => format!("{name}{part}.inter"),
        None => format!("{name}.inter"),
    };
    for (stem, part) in parts(corpus) {
        table(&folder.join(rest(stem)), b'\t', false, |out| {
            let optional = [
                (columns.times, "timestamp:float"),
                (columns.kinds, "kind:token"),
                (columns.queries, "query:token_seq"),
                (columns.actions, "action:token"),
            ];
            let names = optional.into_iter().filter(|(there, _)| *there).map(|(_, name)| name);
            out.write_record(["user_id:token", "item_id:token"].into_iter().chain(names))?;
            for user in 0..corpus.user_count() {
                let history = corpus.history(user);
                for at in of_part(corpus, user, part) {
                    let mut row = vec![
                        corpus.user_name(user).to_owned(),
                        corpus.item_name(history.items[at]).to_owned(),
                    ];
                    row.extend(columns.times.then(|| history.times[at].to_string()));
                    row.extend(columns.kinds.then(|| kind_name(history.kind(at)).to_owned()));
                    row.extend(columns.queries.then(|| line(&query_text(corpus, history.queries[at]))));
                    row.extend(
                        columns.actions.then(|| line(corpus.action(history.action(at)).unwrap_or_default())),
                    );
                    out.write_record(row)?;
                }
            }
            Ok(())
        })?;
    }
    table(&folder.join(format!("{name}.item")), b'\t', false, |out| {
        let fields: Vec<_> = corpus.fields().collect();
        let names = fields.iter().map(|field| format!("field_{}:token_seq", line(field.name())));
        let fixed = [
            "item_id:token",
            "title:token_seq",
            "image:token_seq",
            "query:token_seq",
            "attributes:token_seq",
        ];
        out.write_record(fixed.map(str::to_owned).into_iter().chain(names))?;
        // Values with blanks would fall apart: they are a list in brackets.
        let seq = |values: Vec<String>| match values.iter().any(|value| value.contains([' ', '"', '[', '\'']))
        {
            true => line(&list(values)),
            false => values.join(" "),
        };
        for item in in_order(corpus) {
            let mut row = vec![
                corpus.item_name(item).to_owned(),
                line(corpus.title(item).unwrap_or_default()),
                line(&list(corpus.image_urls(item))),
                line(&query_text(corpus, corpus.item_query(item))),
                seq(attributes(corpus, item)),
            ];
            for field in &fields {
                let values = field.of(item).iter();
                row.push(seq(values
                    .map(|&v| field.value(v).map_or_else(|| v.to_string(), str::to_owned))
                    .collect()));
            }
            out.write_record(row)?;
        }
        Ok(())
    })
}

/// Writes a line of JSON for each item: its number, name, title and pictures, as text files have them beside.
pub(super) fn item_lines(corpus: &Corpus, path: &Path) -> Result<()> {
    atomic::write_file(path, |out| {
        let mut write = || {
            for item in 1..=corpus.item_count() as u32 {
                let images: Vec<&str> = corpus.image_urls(item).collect();
                let line = json!({
                    "item": item,
                    "asin": corpus.item_name(item),
                    "title": corpus.title(item),
                    "image_url": images,
                });
                writeln!(out, "{line}")?;
            }
            Ok(())
        };
        write().map_err(Error::io(path, "cannot write"))
    })
}
