//! Known data sets as descriptions in files: names of files and columns, units, defaults, where they come from and how to cite them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::prepare::{PrepareConfig, Queries, Repeats};
use crate::source::{EventTable, ItemTable, TableSchema};

/// The descriptions that come with the crate, by name.
macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        const PRESETS: &[(&str, &str)] = &[$(($name, include_str!(concat!("../presets/", $name, ".toml")))),*];
    };
}

presets![
    "amazon-2014",
    "amazon-2018",
    "amazon-2023",
    "amazon-2023-splits",
    "kuaisar",
    "kuairand",
    "lastfm-2k",
    "merrec",
    "microvideo",
    "mind",
    "movielens-100k",
    "movielens-1m",
    "movielens-20m",
    "movielens-latest",
    "recbole",
    "s3rec",
    "sasrec",
    "steam",
    "taobao-mm",
    "yambda",
    "yelp",
];

/// What reads a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reader {
    /// [`Interactions`](crate::Interactions), by the description.
    #[default]
    Table,
    /// [`AmazonReviews`](crate::AmazonReviews).
    Amazon,
    /// [`KuaiSar`](crate::KuaiSar).
    Kuaisar,
    /// [`TextFiles`](crate::s3rec::TextFiles).
    S3rec,
}

/// Settings of preparation that suit a data set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// See [`PrepareConfig`].
    pub min_user_events: Option<u32>,
    /// See [`PrepareConfig`].
    pub min_item_events: Option<u32>,
    /// See [`PrepareConfig`].
    pub queries: Option<Queries>,
    /// See [`PrepareConfig`].
    pub drop_repeats: Option<Repeats>,
    /// See [`PrepareConfig`].
    pub query_words: Option<usize>,
}

/// A known data set, described.
///
/// ```
/// # fn main() -> seminar_dataset::Result<()> {
/// use seminar_dataset::Preset;
/// let preset = Preset::named("movielens-latest")?;
/// assert_eq!(preset.schema().events[0].files, ["ratings.csv"]);
/// assert!(preset.citation.contains("Harper"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(default)]
    pub title: String,
    /// Where it comes from.
    #[serde(default)]
    pub url: String,
    /// Its licence.
    #[serde(default)]
    pub licence: String,
    /// What to cite.
    #[serde(default)]
    pub citation: String,
    /// What reads it.
    #[serde(default)]
    pub reader: Reader,
    /// A file in the folder that holds numbers which are to be kept, as an export writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<String>,
    /// Settings that suit it.
    #[serde(default)]
    pub defaults: Defaults,
    /// Files of events.
    #[serde(default)]
    pub events: Vec<EventTable>,
    /// Files that describe items.
    #[serde(default)]
    pub items: Vec<ItemTable>,
}

impl Preset {
    /// The names of those that come with the crate, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// The file of one that comes with the crate.
    pub fn file(name: &str) -> Option<&'static str> {
        PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    /// One that comes with the crate.
    ///
    /// # Errors
    /// If there is none of this name; the message lists the names.
    pub fn named(name: &str) -> Result<Self> {
        let Some(text) = Self::file(name) else {
            let names: Vec<&str> = Self::names().collect();
            let message = format!("`{name}` is none of {}", names.join(", "));
            return Err(Error::Config { field: "preset", message });
        };
        Self::parse(text, Path::new(name))
    }

    /// Reads a description from a file of one's own.
    ///
    /// # Errors
    /// If it cannot be read, is no TOML, or has a field that no description has; with the line.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "cannot read"))?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            let byte = error.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(byte).filter(|&b| b == b'\n').count();
            Error::format(path, line as u64, byte as u64, error.message())
        })
    }

    /// What its tables look like.
    pub fn schema(&self) -> TableSchema {
        TableSchema { events: self.events.clone(), items: self.items.clone() }
    }

    /// The settings that suit it.
    pub fn config(&self) -> PrepareConfig {
        let base = match self.reader {
            Reader::Amazon => PrepareConfig::amazon(),
            Reader::Kuaisar => PrepareConfig::kuaisar(),
            Reader::Table | Reader::S3rec => PrepareConfig::table(),
        };
        let own = &self.defaults;
        PrepareConfig {
            min_user_events: own.min_user_events.unwrap_or(base.min_user_events),
            min_item_events: own.min_item_events.unwrap_or(base.min_item_events),
            queries: own.queries.unwrap_or(base.queries),
            drop_repeats: own.drop_repeats.unwrap_or(base.drop_repeats),
            query_words: own.query_words.unwrap_or(base.query_words),
            ..base
        }
    }

    /// Whether names of its files hold that of the data set.
    pub fn needs_name(&self) -> bool {
        let files = self.events.iter().flat_map(|table| &table.files);
        let mut all = files.chain(self.items.iter().flat_map(|table| &table.files));
        matches!(self.reader, Reader::Amazon | Reader::S3rec) || all.any(|file| file.contains("{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_come_with_the_crate_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let mut names: Vec<&str> = Preset::names().collect();
        names.sort_unstable();
        assert_eq!(names, files, "each file of the folder is listed");
        for name in names {
            let preset = Preset::named(name).unwrap();
            assert_eq!(preset.name, name);
            for told in [&preset.title, &preset.url, &preset.licence, &preset.citation] {
                assert!(!told.is_empty(), "{name} says where it comes from");
            }
            assert_eq!(preset.events.is_empty(), preset.reader != Reader::Table, "{name}");
            let again: Preset = toml::from_str(&toml::to_string(&preset).unwrap()).unwrap();
            assert_eq!(again, preset, "{name} can be written and read");
        }
    }

    #[test]
    fn errors_name_the_line_and_the_field() {
        let error = Preset::parse("name = \"x\"\n\n[[events]]\nusr = 1\n", Path::new("my.toml"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("my.toml, line 4") && error.contains("`usr`"), "{error}");
        let error = Preset::parse("name = \"x\"\n[[events]]\nuser = 0\n", Path::new("my.toml"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 3") && error.contains("count from 1"), "{error}");
        let error = Preset::named("netflix").unwrap_err().to_string();
        assert!(error.contains("movielens-latest"), "{error}");
    }
}
