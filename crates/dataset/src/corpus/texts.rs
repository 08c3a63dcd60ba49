//! `texts.bin`: names and texts, a column per kind.

use std::path::Path;

use crate::container::{Container, ContainerWriter, TextColumn};
use crate::error::Result;
use crate::numbered::Texts;

const TEXTS: &[u8; 8] = b"texts   ";

/// Offsets and bytes of each kind: the names of their sections.
const USERS: [&str; 2] = ["user_offsets", "user_names"];
const ITEMS: [&str; 2] = ["item_offsets", "item_names"];
const WORDS: [&str; 2] = ["word_offsets", "words"];
const ATTRIBUTES: [&str; 2] = ["attr_offsets", "attr_names"];
const TITLES: [&str; 2] = ["title_offsets", "titles"];
const IMAGE_URLS: [&str; 2] = ["image_offsets", "image_urls"];

/// Writes the file atomically.
pub(super) fn write(texts: &Texts, path: &Path) -> Result<()> {
    let columns = [
        (USERS, &texts.users),
        (ITEMS, &texts.items),
        (WORDS, &texts.words),
        (ATTRIBUTES, &texts.attributes),
        (TITLES, &texts.titles),
        (IMAGE_URLS, &texts.image_urls),
    ];
    let empty = ContainerWriter::new(TEXTS);
    let writer = columns.into_iter().fold(empty, |writer, ([offsets, bytes], column)| {
        writer.section(offsets, &column.offsets).section(bytes, &column.values)
    });
    writer.write(path)
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
}

impl TextFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = Container::open(path, TEXTS)?;
        let column = |[offsets, bytes]: [&str; 2]| TextColumn::open(&file, offsets, bytes);
        Ok(Self {
            users: column(USERS)?,
            items: column(ITEMS)?,
            words: column(WORDS)?,
            attributes: column(ATTRIBUTES)?,
            titles: column(TITLES)?,
            image_urls: column(IMAGE_URLS)?,
            file,
        })
    }
}
