//! Reading the text files.

use std::path::{Path, PathBuf};

use hashbrown::HashSet;

use super::TextFiles;
use super::described::{self, Described, Description};
use super::entries::for_each_entry;
use super::forms::{Sequences, word_list};
use super::grammar::{MOST_NUMBER, aligned_user, for_each_row, id, ids, queries, same_length, too_many};
use super::numbers::ItemNumbers;
use crate::error::{Error, Result};
use crate::ids::Vocabulary;
use crate::numbered::{Field, Numbered, Sampled};
use crate::prepare::{PrepareConfig, PrepareReport, Queries, Step, add_to_attributes, attribute_queries};
use crate::ragged::Ragged;
use crate::source::FileReport;
use crate::source::find::{expect, find, plain_or_gzip};

/// An imported data set.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The data. Items keep the files' numbers where these have no gaps; else they are numbered anew, in order of first appearance.
    pub data: Numbered,
    /// The number that the files give each item: entry `i` is that of id `i + 1`.
    pub item_numbers: Vec<u32>,
    /// What was read, noticed and left out.
    pub report: PrepareReport,
}

pub(super) fn import(files: &TextFiles) -> Result<Imported> {
    let mut import = Import {
        files,
        data: Numbered::default(),
        report: PrepareReport::default(),
        items: ItemNumbers::default(),
        words: Words::default(),
    };
    import.data.queries.push([]);
    import.sequences()?;
    import.attributes()?;
    let described = match import.find("_items.jsonl")? {
        Some(path) => described::read(&path, files, &mut import.report)?,
        None if files.fields.is_empty() => Described::default(),
        None => {
            let message = format!("there is no {}_items.jsonl to read them from", files.name);
            return Err(Error::Config { field: "fields", message });
        }
    };
    let fields = import.number_items(described);
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
    let Import { mut data, mut report, items, .. } = import;
    report.before = data.counts();
    report.steps.push(Step::new("reading", "", report.before));
    if !data.attribute_items.is_empty() {
        data.fields.push(attribute_field(&data));
    }
    let least = files.filters.min_attribute_items.max(2);
    add_to_attributes(&fields.iter().collect::<Vec<_>>(), least, &mut data);
    data.fields.extend(fields);
    let filters = PrepareConfig { drop_repeats: files.repeats, ..files.filters.clone() };
    let left = filters.thin(&mut data, &mut report)?;
    let item_numbers = left.iter().map(|&item| items.numbers[item as usize - 1]).collect();
    report.items_without_meta = without_meta(&data);
    Ok(Imported { data, item_numbers, report })
}

/// The attribute lists as a field, whose values are their numbers.
fn attribute_field(data: &Numbered) -> Field {
    let mut slots = vec![None; data.item_count()];
    for (slot, &item) in data.attribute_items.iter().enumerate() {
        slots[item as usize - 1] = Some(slot);
    }
    let row =
        |slot: Option<usize>| slot.map_or(&[][..], |slot| data.item_attributes.row(slot)).iter().copied();
    Field {
        name: "attributes".to_owned(),
        values: Ragged::default(),
        items: slots.into_iter().map(row).collect(),
    }
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

struct Import<'a> {
    files: &'a TextFiles,
    data: Numbered,
    report: PrepareReport,
    items: ItemNumbers,
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
        for_each_row(&path, &self.files.options, true, |place, user, fields| {
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
        let events = data.event_items.len();
        if events == 0 {
            return Err(Error::format(&path, 0, 0, "no user has an item; a line is `user item item …`"));
        }
        let alone = data.user_offsets.windows(2).filter(|range| range[0] == range[1]).count() as u64;
        if alone > 0 {
            self.report.notes.insert("users without any item".into(), alone);
        }
        let data = &mut self.data;
        for range in data.user_offsets.windows(2) {
            data.event_times.extend(0..(range[1] - range[0]) as i64);
        }
        data.event_kinds = vec![0; events];
        data.event_queries = vec![0; events];
        data.texts.users = data.user_numbers.iter().map(|n| n.to_string().into_bytes()).collect();
        Ok(())
    }

    /// Attributes, under the file's item numbers.
    fn attributes(&mut self) -> Result<()> {
        let Some(path) = self.find("_item2attributes.json")? else { return Ok(()) };
        let mut report = FileReport::new(&path);
        let data = &mut self.data;
        let mut seen = HashSet::new();
        for_each_entry(&path, &self.files.options, |item: &str, list: Vec<super::forms::Whole>| {
            let item = id(item)?;
            if !seen.insert(item) {
                return Err(format!("item {item} has a list already"));
            }
            let list = list.into_iter().map(|whole| whole.0);
            data.item_attributes.push(list);
            let own = data.item_attributes.row(data.attribute_items.len());
            if own.contains(&0) {
                return Err("attribute 0 is the padding".into());
            }
            if let Some(large) = own.iter().find(|&&attribute| attribute > MOST_NUMBER) {
                return Err(format!("attribute {large}: numbers from 1 to {MOST_NUMBER} are expected"));
            }
            data.attribute_items.push(item);
            report.lines += 1;
            Ok(())
        })?;
        self.report.item_file(report);
        Ok(())
    }

    /// Gives every item of the catalogue its id, and what was said of it under its number. The named fields of items come back.
    fn number_items(&mut self, Described { items: described, fields }: Described) -> Vec<Field> {
        let data = &mut self.data;
        let listed: Vec<u32> =
            data.attribute_items.iter().copied().chain(described.iter().map(|d| d.item)).collect();
        let items = ItemNumbers::new(&data.event_items, &listed);
        data.event_items.iter_mut().chain(&mut data.attribute_items).for_each(|item| items.renumber(item));
        data.item_queries = vec![0; items.len() + 1];
        let mut texts: Vec<[String; 3]> =
            items.numbers.iter().map(|number| [number.to_string(), String::new(), String::new()]).collect();
        let mut values = vec![Vec::new(); items.len()];
        let (mut names, mut described_before) = (HashSet::new(), vec![false; items.len()]);
        for Description { mut item, asin, title, images, values: own } in described {
            items.renumber(&mut item);
            values[item as usize - 1] = own;
            let [name, own_title, own_images] = &mut texts[item as usize - 1];
            if std::mem::replace(&mut described_before[item as usize - 1], true) {
                self.report.items_described_twice += 1;
            }
            if !asin.is_empty() {
                // Names tell items apart: an item whose name another one has keeps its number.
                match names.insert(asin.clone()) || *name == asin {
                    true => *name = asin,
                    false => {
                        note(&mut self.report, "items whose asin another item has: they keep their numbers")
                    }
                }
            }
            (*own_title, *own_images) = (title, images);
        }
        let column = |at: usize| texts.iter().map(|own| own[at].bytes()).collect();
        (data.texts.items, data.texts.titles, data.texts.image_urls) = (column(0), column(1), column(2));
        let mut without_events = vec![true; items.len()];
        data.event_items.iter().for_each(|&item| without_events[item as usize - 1] = false);
        for _ in without_events.into_iter().filter(|&without| without) {
            note(&mut self.report, "listed items that no event has");
        }
        if !items.are_ids() {
            note(&mut self.report, "item numbers with gaps: items were numbered anew");
        }
        self.items = items;
        fields.finish(&values)
    }

    fn dummy_queries(&mut self) -> Result<()> {
        let Some(path) = self.find("_id2dummy_query.json")? else { return Ok(()) };
        let mut report = FileReport::new(&path);
        let (data, items, words) = (&mut self.data, &self.items, &mut self.words);
        for_each_entry(&path, &self.files.options, |item: &str, query: super::forms::QueryText| {
            let item = items.id(item)?;
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
        for_each_row(&path, &self.files.options, true, |place, number, fields| {
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
        let (data, items, report) = (&self.data, &self.items, &mut self.report);
        let mut sampled = Sampled::default();
        let mut user = 0;
        // A user who knows every item has no negatives: the line holds the user alone.
        for_each_row(&path, &self.files.options, true, |place, number, fields| {
            let index = aligned_user(&place, user, number, &data.user_numbers)?;
            let own =
                &data.event_items[data.user_offsets[index] as usize..data.user_offsets[index + 1] as usize];
            let mut row = Vec::with_capacity(99);
            for item in ids(&place, fields) {
                let item = items.id_of(item?).map_err(|m| place.error(m))?;
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
