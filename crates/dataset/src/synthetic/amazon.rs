//! Synthetic reviews and metadata in Amazon's form.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use rayon::prelude::*;
use serde_json::json;

use super::{SyntheticConfig, World};
use crate::atomic;
use crate::error::{Error, Result};
use crate::output::check_name;
use crate::rng::Stream;

/// Users whose reviews are written together, in order of time; a gzip member each.
const BLOCK: u64 = 1024;
const DAY: u64 = 86_400;
const START: u64 = 946_684_800;

/// Writes `NAME_5.json.gz`, `meta_NAME.json.gz` and `NAME_image_vectors.tsv.gz` into a folder.
///
/// Memory holds a few blocks of users, whatever the size. `progress` gets the number of events written.
///
/// # Errors
/// Settings that cannot work, or the file system's refusal.
pub fn write_amazon(
    config: &SyntheticConfig,
    folder: &Path,
    name: &str,
    progress: &dyn Fn(u64),
) -> Result<()> {
    config.validate()?;
    check_name(name)?;
    std::fs::create_dir_all(folder).map_err(Error::io(folder, "cannot create"))?;
    let world = World::new(config);
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
    write(format!("meta_{name}.json.gz"), &mut per_item(&|item| meta(&world, item)).into_iter())?;
    write(format!("{name}_image_vectors.tsv.gz"), &mut per_item(&|item| image(&world, item)).into_iter())?;

    let mut lengths = world.lengths().enumerate().map(|(user, length)| (user as u64, length));
    let mut blocks = std::iter::from_fn(|| {
        let users: Vec<(u64, u64)> = lengths.by_ref().take(8 * BLOCK as usize).collect();
        let members: Vec<Vec<u8>> =
            users.par_chunks(BLOCK as usize).map(|own| reviews(&world, config, own)).collect();
        progress(users.iter().map(|(_, length)| length).sum());
        (!users.is_empty()).then_some(members)
    });
    write(format!("{name}_5.json.gz"), &mut blocks)
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

fn meta(world: &World, item: u64) -> String {
    let (topic, (series, part)) = (world.topic(item), world.series(item));
    let words: Vec<String> = (0..4).map(|i| world.word(&[0, topic, i])).collect();
    let own = world.word(&[1, series]);
    let brand = world.word(&[2, topic, series % 3]);
    let title = format!("{} {} {own} part {}", words[(part % 2) as usize], words[2], part + 1);
    let text: Vec<&str> = (0..30).map(|i| words[((item + i * i) % 4) as usize].as_str()).collect();
    let value = json!({
        "asin": asin(item),
        "title": title,
        "brand": brand,
        "category": ["Synthetic", world.word(&[3, topic / 8]), words[0]],
        "description": [format!("{own} {} {} {}", words[0], words[1], text.join(" "))],
        "imageURLHighRes": [format!("synthetic:{item}")],
        "imageURL": [],
        "rank": [],
        "price": format!("${}.99", 5 + item % 40),
    });
    format!("{value}\n")
}

fn image(world: &World, item: u64) -> String {
    let mut line = asin(item);
    for x in world.image(item) {
        let _ = write!(line, "\t{x:.5}");
    }
    line.push('\n');
    line
}

fn reviews(world: &World, config: &SyntheticConfig, users: &[(u64, u64)]) -> Vec<u8> {
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
            let line = format!(
                "{{\"overall\": {rating}.0, \"verified\": {}, \"reviewTime\": \"01 1, 2018\", \"reviewerID\": \"A{user:012}\", \"asin\": \"{}\", \"style\": {{\"Format:\": \" Disc\"}}, \"reviewerName\": \"{}\", \"reviewText\": \"{}\", \"summary\": \"{}\", \"unixReviewTime\": {time}}}\n",
                stream.unit() < 0.8,
                asin(event.item),
                common[stream.below(2000) as usize],
                text.trim_end(),
                text.split(' ').take(4).collect::<Vec<_>>().join(" "),
            );
            lines.push((time, line));
        }
    }
    lines.sort_by_key(|(time, _)| *time);
    gzip(lines.into_iter().map(|(_, line)| line))
}
