//! `texts.bin`: names and texts, a column per kind.

use std::path::Path;

use super::VERSION;
use crate::container::{Column, Container, ContainerWriter, TextColumn};
use crate::error::Result;
use crate::numbered::Numbered;
use crate::ragged::Ragged;

const TEXTS: &[u8; 8] = b"texts   ";

/// Offsets and bytes of each kind: the names of their sections.
const USERS: [&str; 2] = ["user_offsets", "user_names"];
const ITEMS: [&str; 2] = ["item_offsets", "item_names"];
const WORDS: [&str; 2] = ["word_offsets", "words"];
const ATTRIBUTES: [&str; 2] = ["attr_offsets", "attr_names"];
const TITLES: [&str; 2] = ["title_offsets", "titles"];
const IMAGE_URLS: [&str; 2] = ["image_offsets", "image_urls"];

const ACTIONS: [&str; 2] = ["action_offsets", "actions"];
const FIELD_NAMES: [&str; 2] = ["field_offsets", "field_names"];
const FIELD_VALUES: [&str; 2] = ["value_offsets", "field_values"];
/// Of each field, its first value; and the end of the last one.
const VALUE_STARTS: &str = "value_starts";

/// Hands over the sections of the file.
pub(super) fn with_file<T>(data: &Numbered, take: impl FnOnce(ContainerWriter<'_>) -> T) -> T {
    let texts = &data.texts;
    let names: Ragged<u8> = data.fields.iter().map(|field| field.name.bytes()).collect();
    let values: Ragged<u8> =
        data.fields.iter().flat_map(|field| field.values.rows()).map(|value| value.iter().copied()).collect();
    let ends = data.fields.iter().scan(0, |end, field| {
        *end += field.values.len() as u64;
        Some(*end)
    });
    let starts: Vec<u64> = std::iter::once(0).chain(ends).collect();
    let columns = [
        (USERS, &texts.users),
        (ITEMS, &texts.items),
        (WORDS, &texts.words),
        (ATTRIBUTES, &texts.attributes),
        (TITLES, &texts.titles),
        (IMAGE_URLS, &texts.image_urls),
        (ACTIONS, &texts.actions),
        (FIELD_NAMES, &names),
        (FIELD_VALUES, &values),
    ];
    let empty = ContainerWriter::new(TEXTS).version(VERSION);
    let writer = columns.into_iter().fold(empty, |writer, ([offsets, bytes], column)| {
        writer.section(offsets, &column.offsets).section(bytes, &column.values)
    });
    take(writer.section(VALUE_STARTS, &starts))
}

/// The opened file. Row `i` of a numbered kind belongs to id `i + 1`.
#[derive(Debug)]
pub(crate) struct TextFile {
    pub file: Container,
    pub users: TextColumn,
    pub items: TextColumn,
    pub words: TextColumn,
    pub attributes: TextColumn,
    pub titles: TextColumn,
    pub image_urls: TextColumn,
    pub actions: TextColumn,
    pub field_names: TextColumn,
    pub field_values: TextColumn,
    pub value_starts: Column<u64>,
}

impl TextFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::of(Container::open_until(path, TEXTS, VERSION)?)
    }

    pub(super) fn of(file: Container) -> Result<Self> {
        let new = |[offsets, bytes]: [&str; 2]| match file.version() {
            1 => Ok(TextColumn::default()),
            _ => TextColumn::open(&file, offsets, bytes),
        };
        let column = |[offsets, bytes]: [&str; 2]| TextColumn::open(&file, offsets, bytes);
        Ok(Self {
            users: column(USERS)?,
            items: column(ITEMS)?,
            words: column(WORDS)?,
            attributes: column(ATTRIBUTES)?,
            titles: column(TITLES)?,
            image_urls: column(IMAGE_URLS)?,
            actions: new(ACTIONS)?,
            field_names: new(FIELD_NAMES)?,
            field_values: new(FIELD_VALUES)?,
            value_starts: file.column_since(2, VALUE_STARTS)?,
            file,
        })
    }
}
