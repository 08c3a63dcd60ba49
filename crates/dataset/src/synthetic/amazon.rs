//! Synthetic reviews and metadata in Amazon's form.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use rayon::prelude::*;
use serde_json::json;

use super::{SyntheticConfig, World, begin};
use crate::atomic;
use crate::error::{Error, Result};
use crate::rng::Stream;

/// Users whose reviews are written together, in order of time; a gzip member each.
const BLOCK: u64 = 1024;
const DAY: u64 = 86_400;
const START: u64 = 946_684_800;

/// A release of Amazon's data, each of which has names of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AmazonRelease {
    /// Metadata as Python literals.
    In2014,
    /// JSON.
    #[default]
    In2018,
    /// JSON with other fields; times in milliseconds.
    In2023,
}

impl AmazonRelease {
    /// The names of the files that [`write_amazon_release`] writes: metadata, image vectors, reviews.
    pub fn files(self, name: &str) -> [String; 3] {
        let vectors = format!("{name}_image_vectors.tsv.gz");
        let meta = format!("meta_{name}.json");
        match self {
            Self::In2014 => [format!("{meta}.gz"), vectors, format!("reviews_{name}_5.json.gz")],
            Self::In2018 => [format!("{meta}.gz"), vectors, format!("{name}_5.json.gz")],
            Self::In2023 => [format!("{meta}l.gz"), vectors, format!("{name}.jsonl.gz")],
        }
    }
}

/// Writes metadata, image vectors and reviews of a release into a folder, under the names of [`AmazonRelease::files`].
///
/// Memory holds a few blocks of users, whatever the size. `progress` gets the number of events written.
///
/// # Errors
/// Settings that cannot work, or the file system's refusal.
pub fn write_amazon_release(
    config: &SyntheticConfig,
    release: AmazonRelease,
    folder: &Path,
    name: &str,
    progress: &dyn Fn(u64),
) -> Result<()> {
    let world = begin(config, folder, Some(name))?;
    let items: Vec<u64> = (0..config.items).collect();
    let write = |file: String, blocks: &mut dyn Iterator<Item = Vec<Vec<u8>>>| {
        let path = folder.join(file);
        atomic::write_file(&path, |out| {
            blocks
                .flatten()
                .try_for_each(|member| out.write_all(&member))
                .map_err(Error::io(&path, "cannot write"))
        })
    };
    let per_item = |text: &(dyn Fn(u64) -> String + Sync)| {
        items
            .chunks(64 * 1024)
            .map(|many| many.par_chunks(4096).map(|own| gzip(own.iter().map(|&i| text(i)))).collect())
            .collect::<Vec<Vec<Vec<u8>>>>()
    };
    let [meta_file, vectors, reviews_file] = release.files(name);
    write(meta_file, &mut per_item(&|item| meta(&world, release, item)).into_iter())?;
    write(vectors, &mut per_item(&|item| image(&world, item)).into_iter())?;

    let mut lengths = world.lengths().enumerate().map(|(user, length)| (user as u64, length));
    let mut blocks = std::iter::from_fn(|| {
        let users: Vec<(u64, u64)> = lengths.by_ref().take(8 * BLOCK as usize).collect();
        let members: Vec<Vec<u8>> =
            users.par_chunks(BLOCK as usize).map(|own| reviews(&world, release, config, own)).collect();
        progress(users.iter().map(|(_, length)| length).sum());
        (!users.is_empty()).then_some(members)
    });
    write(reviews_file, &mut blocks)
}

/// [`write_amazon_release`] for the release of 2018.
///
/// # Errors
/// The same.
pub fn write_amazon(
    config: &SyntheticConfig,
    folder: &Path,
    name: &str,
    progress: &dyn Fn(u64),
) -> Result<()> {
    write_amazon_release(config, AmazonRelease::In2018, folder, name, progress)
}

fn gzip(lines: impl Iterator<Item = String>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(4));
    for line in lines {
        // Writing to memory cannot fail.
        let _ = encoder.write_all(line.as_bytes());
    }
    encoder.finish().unwrap_or_default()
}

fn asin(item: u64) -> String {
    format!("B{item:09}")
}

fn meta(world: &World, release: AmazonRelease, item: u64) -> String {
    let (topic, (series, part)) = (world.topic(item), world.series(item));
    let words: Vec<String> = (0..4).map(|i| world.word(&[0, topic, i])).collect();
    let own = world.word(&[1, series]);
    let brand = world.word(&[2, topic, series % 3]);
    let title = format!("{} {} {own} part {}", words[(part % 2) as usize], words[2], part + 1);
    let text: Vec<&str> = (0..30).map(|i| words[((item + i * i) % 4) as usize].as_str()).collect();
    let description = format!("{own} {} {} {}", words[0], words[1], text.join(" "));
    let categories = ["Synthetic".to_owned(), world.word(&[3, topic / 8]), words[0].clone()];
    let (picture, dollars) = (format!("synthetic:{item}"), 5 + item % 40);
    match release {
        // Synthetic words need no escapes: a list of strings in JSON is one in Python, too.
        AmazonRelease::In2014 => format!(
            "{{'asin': '{}', 'title': '{title}', 'brand': '{brand}', 'categories': [{}], 'description': '{description}', \
             'imUrl': '{picture}', 'price': {dollars}.99}}\n",
            asin(item),
            json!(categories)
        ),
        AmazonRelease::In2018 => {
            let value = json!({
                "asin": asin(item),
                "title": title,
                "brand": brand,
                "category": categories,
                "description": [description],
                "imageURLHighRes": [picture],
                "imageURL": [],
                "rank": [],
                "price": format!("${dollars}.99"),
            });
            format!("{value}\n")
        }
        AmazonRelease::In2023 => {
            let value = json!({
                "parent_asin": asin(item),
                "title": title,
                "store": brand,
                "categories": categories,
                "description": [description],
                "images": [{"large": picture, "variant": "MAIN"}],
                "features": [],
                "price": dollars as f64 + 0.99,
            });
            format!("{value}\n")
        }
    }
}

fn image(world: &World, item: u64) -> String {
    let mut line = asin(item);
    for x in world.image(item) {
        let _ = write!(line, "\t{x:.5}");
    }
    line.push('\n');
    line
}

fn reviews(world: &World, release: AmazonRelease, config: &SyntheticConfig, users: &[(u64, u64)]) -> Vec<u8> {
    let common: Vec<String> = (0..2000).map(|rank| world.word(&[4, rank])).collect();
    let mut lines: Vec<(u64, String)> = Vec::new();
    for &(user, length) in users {
        let mut stream = Stream::new(&[config.seed, 5, user]);
        let mut time = START + DAY * stream.below(3000);
        for event in world.events(user, length) {
            // Several reviews a day are common in the real files.
            time += DAY * if stream.unit() < 0.5 { 0 } else { stream.below(30) };
            let count = (config.review_words * (0.9 * stream.normal() - 0.4).exp()) as u64;
            let mut text = String::new();
            for _ in 0..count {
                let rank = (stream.unit().powi(3) * common.len() as f64) as usize;
                text.push_str(&common[rank]);
                text.push(' ');
            }
            let rating = 1 + (stream.unit().sqrt() * 5.0) as u64;
            let (asin, verified) = (asin(event.item), stream.unit() < 0.8);
            let (text, name) = (text.trim_end(), &common[stream.below(2000) as usize]);
            let summary = text.split(' ').take(4).collect::<Vec<_>>().join(" ");
            let line = match release {
                AmazonRelease::In2014 | AmazonRelease::In2018 => format!(
                    "{{\"overall\": {rating}.0, \"verified\": {verified}, \"reviewTime\": \"01 1, 2018\", \"reviewerID\": \"A{user:012}\", \"asin\": \"{asin}\", \"style\": {{\"Format:\": \" Disc\"}}, \"reviewerName\": \"{name}\", \"reviewText\": \"{text}\", \"summary\": \"{summary}\", \"unixReviewTime\": {time}}}\n"
                ),
                AmazonRelease::In2023 => format!(
                    "{{\"rating\": {rating}.0, \"title\": \"{summary}\", \"text\": \"{text}\", \"images\": [], \"asin\": \"{asin}\", \"parent_asin\": \"{asin}\", \"user_id\": \"A{user:012}\", \"timestamp\": {time}000, \"verified_purchase\": {verified}}}\n"
                ),
            };
            lines.push((time, line));
        }
    }
    lines.sort_by_key(|(time, _)| *time);
    gzip(lines.into_iter().map(|(_, line)| line))
}
