//! Reading the text files.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::TextFiles;
use super::entries::for_each_entry;
use super::forms::{Sequences, item_number, word_list};
use super::grammar::{aligned_user, for_each_row, ids, known_item, queries, same_length, too_many};
use crate::error::{Error, Result};
use crate::ids::Vocabulary;
use crate::numbered::{Numbered, Sampled};
use crate::prepare::{Counts, PrepareReport, Queries, Step, attribute_queries};
use crate::ragged::Ragged;
use crate::source::find::{expect, find, plain_or_gzip};
use crate::source::input::json::{Json, reason};
use crate::source::input::shown;
use crate::source::loose::Loose;
use crate::source::{FileReport, LineReader, MARKUP_TITLES, title_words};

/// An imported data set.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The data, under the files' own item numbers.
    pub data: Numbered,
    /// What was read, noticed and left out.
    pub report: PrepareReport,
}

pub(super) fn import(files: &TextFiles) -> Result<Imported> {
    let mut import = Import {
        files,
        data: Numbered::default(),
        report: PrepareReport::default(),
        words: Words::default(),
    };
    import.data.queries.push([]);
    import.sequences()?;
    import.attributes()?;
    import.items()?;
    match files.queries {
        Queries::Logged => {
            import.dummy_queries()?;
            import.event_queries()?;
        }
        Queries::Attributes => attribute_queries(5, &mut import.data),
        Queries::None => {}
        Queries::Description => {
            let message = "the text files hold no descriptions: use none, logged or attributes".into();
            return Err(Error::Config { field: "queries", message });
        }
    }
    import.samples(files.queries == Queries::Logged)?;
    let Import { mut data, mut report, .. } = import;
    report.before = counts(&data);
    report.steps.push(Step::new("reading", "", report.before));
    report.repeats_dropped = data.drop_repeats(files.repeats);
    if files.repeats != Default::default() {
        report.steps.push(Step::new("dropping repeats", "drop_repeats", counts(&data)));
    }
    report.items_without_meta = without_meta(&data);
    Ok(Imported { data, report })
}

/// Items that occur and have neither attributes nor texts.
fn without_meta(data: &Numbered) -> u64 {
    let mut without = vec![false; data.item_count() + 1];
    data.event_items.iter().for_each(|&item| without[item as usize] = true);
    data.attribute_items.iter().for_each(|&item| without[item as usize] = false);
    let bare = |texts: &Ragged<u8>, item: usize| texts.row(item).is_empty();
    let texts = &data.texts;
    (0..data.item_count())
        .filter(|&n| without[n + 1] && bare(&texts.titles, n) && bare(&texts.image_urls, n))
        .count() as u64
}

fn counts(data: &Numbered) -> Counts {
    let mut items = data.event_items.clone();
    items.sort_unstable();
    items.dedup();
    Counts {
        users: data.user_count() as u64,
        items: items.len() as u64,
        events: data.event_items.len() as u64,
    }
}

/// Largest item number that a file may have, however few events it holds.
const LEAST_ITEMS: usize = 100_000;
/// Largest item number per event in files with more events than that.
const ITEMS_PER_EVENT: usize = 8;

struct Import<'a> {
    files: &'a TextFiles,
    data: Numbered,
    report: PrepareReport,
    words: Words,
}

/// Rows of the query table by their keywords.
#[derive(Default)]
struct Words(Vocabulary);

impl Words {
    fn row(&mut self, words: &[u32], table: &mut Ragged<u32>) -> u32 {
        if words.is_empty() {
            return 0;
        }
        let row = self.0.insert(bytemuck::cast_slice::<u32, u8>(words));
        if row as usize == table.len() {
            table.push(words.iter().copied());
        }
        row
    }
}

impl Import<'_> {
    /// The path of a file of this data set, plain or gzip, if it is there.
    fn find(&self, ending: &str) -> Result<Option<PathBuf>> {
        find(&self.files.folder, &plain_or_gzip(&format!("{}{ending}", self.files.name)))
    }

    fn sequences(&mut self) -> Result<()> {
        let name = &self.files.name;
        let path = expect(&self.files.folder, &plain_or_gzip(&format!("{name}.txt")), "text file", name)?;
        let mut read = Sequences::default();
        for_each_row(&path, &self.files.options, false, |place, user, fields| {
            let before = read.items.len();
            for item in ids(&place, fields) {
                read.items.push(item?);
            }
            read.end_line(&place, user, before)
        })?;
        let mut report = FileReport::new(&path);
        report.lines = read.lines();
        let data = &mut self.data;
        (data.user_numbers, data.user_offsets, data.event_items) = read.users(&path, &mut report)?;
        self.report.files.push(report);
        let items = data.event_items.iter().max().map_or(0, |&i| i as usize);
        let events = data.event_items.len();
        // Everything below has a place for each item number: a number alone must not decide how much memory is taken.
        if items > LEAST_ITEMS.max(ITEMS_PER_EVENT * events) {
            let message =
                format!("item {items} in {events} events: items are numbered from 1, without large gaps");
            return Err(Error::format(&path, 0, 0, message));
        }
        for range in data.user_offsets.windows(2) {
            data.event_times.extend(0..(range[1] - range[0]) as i64);
        }
        data.event_kinds = vec![0; events];
        data.event_queries = vec![0; events];
        data.item_queries = vec![0; items + 1];
        data.texts.users = data.user_numbers.iter().map(|n| n.to_string().into_bytes()).collect();
        data.texts.items = (1..=items).map(|n| n.to_string().into_bytes()).collect();
        data.texts.titles = (0..items).map(|_| []).collect();
        data.texts.image_urls = data.texts.titles.clone();
        Ok(())
    }

    fn attributes(&mut self) -> Result<()> {
        let Some(path) = self.find("_item2attributes.json")? else { return Ok(()) };
        let items = self.data.item_count();
        let mut report = FileReport::new(&path);
        let data = &mut self.data;
        let mut seen = vec![false; items + 1];
        for_each_entry(&path, &self.files.options, |item: &str, list: Vec<super::forms::Whole>| {
            let item = known_item(item, items)?;
            if std::mem::replace(&mut seen[item as usize], true) {
                return Err(format!("item {item} has a list already"));
            }
            let list = list.into_iter().map(|whole| whole.0);
            data.item_attributes.push(list);
            if data.item_attributes.row(data.attribute_items.len()).contains(&0) {
                return Err("attribute 0 is the padding".into());
            }
            data.attribute_items.push(item);
            report.lines += 1;
            Ok(())
        })?;
        self.report.item_file(report);
        Ok(())
    }

    fn items(&mut self) -> Result<()> {
        #[derive(Deserialize)]
        struct Item<'a> {
            #[serde(borrow, default)]
            item: Loose<'a>,
            #[serde(borrow, default)]
            asin: Loose<'a>,
            #[serde(borrow, default)]
            title: Loose<'a>,
            #[serde(borrow, default)]
            image_url: Loose<'a>,
        }
        let Some(path) = self.find("_items.jsonl")? else { return Ok(()) };
        let items = self.data.item_count();
        let mut texts: Vec<[String; 3]> = vec![Default::default(); items];
        let mut reader = LineReader::open(&path, &self.files.options)?;
        let mut report = FileReport::new(&path);
        let mut json = Json::default();
        while let Some(line) = reader.next_line()? {
            report.lines += 1;
            let fail = |message: String| Error::format(&path, line.number, line.byte, message);
            let parsed: Item<'_> = json.parse(&line.text).map_err(|e| {
                fail(format!("column {}: {}, in `{}`", e.column(), reason(&e), shown(&line.text)))
            })?;
            let number = item_number(&parsed.item).map_err(fail)?;
            let Some(slot) = texts.get_mut((number as usize).wrapping_sub(1)) else {
                report.note(line.number, "described items that no event has", &number.to_string());
                continue;
            };
            let title = parsed.title.as_str().unwrap_or_default();
            let words = title_words(title);
            if words.is_none() {
                report.note(line.number, MARKUP_TITLES, title);
            }
            let asin = parsed.asin.into_id().unwrap_or_default();
            let images: Vec<&str> = parsed.image_url.strings().filter(|url| !url.is_empty()).collect();
            *slot = [asin, words.unwrap_or_default(), images.join("\n").into()].map(Cow::into_owned);
        }
        let own = &mut self.data.texts;
        let names = texts.iter().enumerate().map(|(i, t)| match t[0].as_str() {
            "" => (i + 1).to_string().into_bytes(),
            asin => asin.as_bytes().to_vec(),
        });
        own.items = names.collect();
        own.titles = texts.iter().map(|t| t[1].bytes()).collect();
        own.image_urls = texts.iter().map(|t| t[2].bytes()).collect();
        self.report.item_file(report);
        Ok(())
    }

    fn dummy_queries(&mut self) -> Result<()> {
        let Some(path) = self.find("_id2dummy_query.json")? else { return Ok(()) };
        let items = self.data.item_count();
        let mut report = FileReport::new(&path);
        let (data, words) = (&mut self.data, &mut self.words);
        for_each_entry(&path, &self.files.options, |item: &str, query: super::forms::QueryText| {
            let item = known_item(item, items)?;
            data.item_queries[item as usize] = words.row(&word_list(&query)?, &mut data.queries);
            report.lines += 1;
            Ok(())
        })?;
        self.report.files.push(report);
        Ok(())
    }

    fn event_queries(&mut self) -> Result<()> {
        let Some(path) = self.find("_queries.txt")? else { return Ok(()) };
        let (data, words) = (&mut self.data, &mut self.words);
        let mut user = 0;
        for_each_row(&path, &self.files.options, false, |place, number, fields| {
            let range = aligned_user(&place, user, number, &data.user_numbers)?;
            let range = data.user_offsets[range] as usize..data.user_offsets[range + 1] as usize;
            let mut events = range.clone();
            for list in queries(&place, fields) {
                let Some(event) = events.next() else {
                    return Err(place.error(too_many("queries", range.len())));
                };
                data.event_queries[event] = words.row(&list?, &mut data.queries);
            }
            if !events.is_empty() {
                let message = format!("{} queries for {} items", range.len() - events.len(), range.len());
                return Err(place.error(message));
            }
            user += 1;
            Ok(())
        })?;
        self.report.read(&path, user);
        same_length(&path, user, self.data.user_count())
    }

    fn samples(&mut self, with_queries: bool) -> Result<()> {
        let Some(path) = self.find("_sample.txt")? else { return Ok(()) };
        let (data, report) = (&mut self.data, &mut self.report);
        let items = data.item_count();
        let mut sampled = Sampled::default();
        let mut user = 0;
        // A user who knows every item has no negatives: the line holds the user alone.
        for_each_row(&path, &self.files.options, true, |place, number, fields| {
            let index = aligned_user(&place, user, number, &data.user_numbers)?;
            let own =
                &data.event_items[data.user_offsets[index] as usize..data.user_offsets[index + 1] as usize];
            let mut row = Vec::with_capacity(99);
            for item in ids(&place, fields) {
                let item = item?;
                if item as usize > items {
                    return Err(
                        place.error(format!("item {item} is not among the {items} items of the events"))
                    );
                }
                if own.contains(&item) {
                    note(report, "sampled negatives in the user's history");
                }
                if row.contains(&item) {
                    note(report, "sampled negatives that repeat");
                }
                row.push(item);
            }
            if row.len() != 99 {
                note(report, "rows without exactly 99 sampled negatives");
            }
            sampled.items.push(row);
            user += 1;
            Ok(())
        })?;
        report.read(&path, user);
        same_length(&path, user, data.user_count())?;
        if with_queries && let Some(path) = self.find("_sample_queries.txt")? {
            self.sample_queries(&path, &mut sampled)?;
        }
        self.data.sampled = Some(sampled);
        Ok(())
    }

    fn sample_queries(&mut self, path: &Path, sampled: &mut Sampled) -> Result<()> {
        let (data, words) = (&mut self.data, &mut self.words);
        let mut user = 0;
        for_each_row(path, &self.files.options, true, |place, number, fields| {
            let width = sampled.items.row(aligned_user(&place, user, number, &data.user_numbers)?).len();
            let before = sampled.queries.len();
            for list in queries(&place, fields) {
                sampled.queries.push(words.row(&list?, &mut data.queries));
            }
            let found = sampled.queries.len() - before;
            if found != width {
                return Err(place.error(format!("{found} queries for {width} sampled items")));
            }
            user += 1;
            Ok(())
        })?;
        self.report.read(path, user);
        same_length(path, user, self.data.user_count())
    }
}

fn note(report: &mut PrepareReport, what: &str) {
    *report.notes.entry(what.to_owned()).or_default() += 1;
}
