//! Reading the text files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entries::for_each_entry;
use super::grammar::{aligned_user, for_each_row, id, keywords, same_length, too_many};
use super::numbers::ItemNumbers;
use crate::error::{Error, Result};
use crate::ids::Vocabulary;
use crate::numbered::{Numbered, Sampled};
use crate::output::check_name;
use crate::prepare::{Queries, attribute_queries};
use crate::ragged::Ragged;
use crate::source::{LineReader, ReadOptions};

/// What an import noticed that is no error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportReport {
    /// The files read.
    pub files: Vec<String>,
    /// Oddities by kind, such as sampled negatives that are in the user's history.
    pub notes: BTreeMap<String, u64>,
}

/// An imported data set.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The data. Items keep the files' numbers where these have no gaps; else they are numbered anew, in order of first appearance.
    pub data: Numbered,
    /// The number that the files give each item: entry `i` is that of id `i + 1`.
    pub item_numbers: Vec<u32>,
    /// What was noticed.
    pub report: ImportReport,
}

/// Reads the files of data set `name` in `folder`.
///
/// # Errors
/// A missing `NAME.txt`, a line that does not fit the format, files that do not fit each other, or
/// [`Queries::Description`], which the text files cannot serve.
pub fn import(folder: &Path, name: &str, queries: Queries) -> Result<Imported> {
    check_name(name)?;
    let mut import = Import {
        folder,
        name,
        data: Numbered::default(),
        report: ImportReport::default(),
        items: ItemNumbers::default(),
        words: Words::default(),
    };
    import.data.queries.push([]);
    import.sequences()?;
    import.attributes()?;
    let described = import.descriptions()?;
    import.number_items(described);
    match queries {
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
    import.samples(queries == Queries::Logged)?;
    Ok(Imported { data: import.data, item_numbers: import.items.numbers, report: import.report })
}

struct Import<'a> {
    folder: &'a Path,
    name: &'a str,
    data: Numbered,
    report: ImportReport,
    items: ItemNumbers,
    words: Words,
}

/// A line of `NAME_items.jsonl`.
#[derive(Deserialize)]
struct Description {
    item: u32,
    asin: Option<String>,
    title: Option<String>,
    image_url: Option<String>,
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
    fn find(&mut self, ending: &str) -> Option<PathBuf> {
        let plain = self.folder.join(format!("{}{ending}", self.name));
        let gzip = self.folder.join(format!("{}{ending}.gz", self.name));
        let path = [plain, gzip].into_iter().find(|p| p.is_file())?;
        self.report.files.push(path.file_name()?.to_string_lossy().into_owned());
        Some(path)
    }

    fn sequences(&mut self) -> Result<()> {
        let Some(path) = self.find(".txt") else {
            let message = format!("neither {0}.txt nor {0}.txt.gz is here", self.name);
            return Err(Error::format(self.folder, 0, 0, message));
        };
        let (data, report) = (&mut self.data, &mut self.report);
        data.user_offsets.push(0);
        for_each_row(&path, |place, user, fields| {
            let before = data.event_items.len();
            for field in fields {
                data.event_items.push(id(field).map_err(|m| place.error(m))?);
            }
            if data.event_items.len() == before {
                note(report, "users without any item");
            }
            data.user_numbers.push(user);
            data.user_offsets.push(data.event_items.len() as u64);
            Ok(())
        })?;
        let events = data.event_items.len();
        if events == 0 {
            return Err(Error::format(&path, 0, 0, "no user has an item; a line is `user item item …`"));
        }
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
        let Some(path) = self.find("_item2attributes.json") else { return Ok(()) };
        let data = &mut self.data;
        for_each_entry(&path, |item: String, list: Vec<u32>| {
            let item = id(&item)?;
            if list.contains(&0) {
                return Err(format!("item {item}: attribute 0 is the padding"));
            }
            data.attribute_items.push(item);
            data.item_attributes.push(list);
            Ok(())
        })
    }

    fn descriptions(&mut self) -> Result<Vec<Description>> {
        let Some(path) = self.find("_items.jsonl") else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        let mut reader = LineReader::open(&path, &ReadOptions::default())?;
        while let Some(line) = reader.next_line()? {
            let error = |message| Error::format(&path, line.number, line.byte, message);
            let described: Description =
                serde_json::from_str(&line.text).map_err(|e| error(e.to_string()))?;
            id(&described.item.to_string()).map_err(error)?;
            all.push(described);
        }
        Ok(all)
    }

    /// Gives every item of the catalogue its id, and what was said of it under its number.
    fn number_items(&mut self, described: Vec<Description>) {
        let data = &mut self.data;
        let listed: Vec<u32> =
            data.attribute_items.iter().copied().chain(described.iter().map(|d| d.item)).collect();
        let items = ItemNumbers::new(&data.event_items, &listed);
        data.event_items.iter_mut().chain(&mut data.attribute_items).for_each(|item| items.renumber(item));
        data.item_queries = vec![0; items.len() + 1];
        let mut texts: Vec<[String; 3]> =
            items.numbers.iter().map(|number| [number.to_string(), String::new(), String::new()]).collect();
        for Description { mut item, asin, title, image_url } in described {
            items.renumber(&mut item);
            let [name, own_title, own_image] = &mut texts[item as usize - 1];
            if let Some(asin) = asin.filter(|asin| !asin.is_empty()) {
                *name = asin;
            }
            (*own_title, *own_image) = (title.unwrap_or_default(), image_url.unwrap_or_default());
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
    }

    fn dummy_queries(&mut self) -> Result<()> {
        let Some(path) = self.find("_id2dummy_query.json") else { return Ok(()) };
        let (data, items, words) = (&mut self.data, &self.items, &mut self.words);
        for_each_entry(&path, |item: String, query: String| {
            let item = items.id(&item)?;
            data.item_queries[item as usize] = words.row(&keywords(&query)?, &mut data.queries);
            Ok(())
        })
    }

    fn event_queries(&mut self) -> Result<()> {
        let Some(path) = self.find("_queries.txt") else { return Ok(()) };
        let (data, words) = (&mut self.data, &mut self.words);
        let mut user = 0;
        for_each_row(&path, |place, number, fields| {
            let range = aligned_user(&place, user, number, &data.user_numbers)?;
            let range = data.user_offsets[range] as usize..data.user_offsets[range + 1] as usize;
            let mut events = range.clone();
            for field in fields {
                let Some(event) = events.next() else {
                    return Err(place.error(too_many("queries", range.len())));
                };
                let list = keywords(field).map_err(|m| place.error(m))?;
                data.event_queries[event] = words.row(&list, &mut data.queries);
            }
            if !events.is_empty() {
                let message = format!("{} queries for {} items", range.len() - events.len(), range.len());
                return Err(place.error(message));
            }
            user += 1;
            Ok(())
        })?;
        same_length(&path, user, self.data.user_count())
    }

    fn samples(&mut self, with_queries: bool) -> Result<()> {
        let Some(path) = self.find("_sample.txt") else { return Ok(()) };
        let (data, items, report) = (&self.data, &self.items, &mut self.report);
        let mut sampled = Sampled::default();
        let mut user = 0;
        for_each_row(&path, |place, number, fields| {
            let index = aligned_user(&place, user, number, &data.user_numbers)?;
            let own =
                &data.event_items[data.user_offsets[index] as usize..data.user_offsets[index + 1] as usize];
            let mut row = Vec::with_capacity(99);
            for field in fields {
                let item = items.id(field).map_err(|m| place.error(m))?;
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
        same_length(&path, user, data.user_count())?;
        if with_queries && let Some(path) = self.find("_sample_queries.txt") {
            self.sample_queries(&path, &mut sampled)?;
        }
        self.data.sampled = Some(sampled);
        Ok(())
    }

    fn sample_queries(&mut self, path: &Path, sampled: &mut Sampled) -> Result<()> {
        let (data, words) = (&mut self.data, &mut self.words);
        let mut user = 0;
        for_each_row(path, |place, number, fields| {
            let width = sampled.items.row(aligned_user(&place, user, number, &data.user_numbers)?).len();
            let before = sampled.queries.len();
            for field in fields {
                let list = keywords(field).map_err(|m| place.error(m))?;
                sampled.queries.push(words.row(&list, &mut data.queries));
            }
            let found = sampled.queries.len() - before;
            if found != width {
                return Err(place.error(format!("{found} queries for {width} sampled items")));
            }
            user += 1;
            Ok(())
        })?;
        same_length(path, user, data.user_count())
    }
}

fn note(report: &mut ImportReport, what: &str) {
    *report.notes.entry(what.to_owned()).or_default() += 1;
}
