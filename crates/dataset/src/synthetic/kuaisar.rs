//! Synthetic logs in KuaiSAR's form.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use super::{SyntheticConfig, World, begin};
use crate::atomic;
use crate::error::{Error, Result};
use crate::rng::Stream;

const START_MS: u64 = 1_684_742_400_000;
/// Share of clicked events that a search led to.
const SEARCHED: f64 = 0.25;

/// Writes the five csv files into a folder, user by user. `progress` gets the number of events written.
///
/// Search events carry three words of the interest. As many items again are shown without a click.
///
/// # Errors
/// Settings that cannot work, or the file system's refusal.
pub fn write_kuaisar(config: &SyntheticConfig, folder: &Path, progress: &dyn Fn(u64)) -> Result<()> {
    let world = begin(config, folder, None)?;
    let both = folder.join("src_inter.csv");
    let recommended = folder.join("rec_inter.csv");
    // Both logs come out of one pass over the users: the outer file is renamed after the inner one.
    write(&both, |search| {
        write(&recommended, |recommend| {
            logs(&world, config, search, recommend, progress).map_err(Error::io(&both, "cannot write"))
        })
    })?;
    text(&folder.join("item_features.csv"), |out| items(&world, config, out))?;
    text(&folder.join("user_features.csv"), |out| {
        writeln!(out, "user_id,onehot_feat1,onehot_feat2,search_active_level,rec_active_level")?;
        (0..config.users).try_for_each(|u| writeln!(out, "{u},{},{},{},{}", u % 8, u % 3, u % 7, u % 4))
    })?;
    text(&folder.join("social_network.csv"), |out| {
        writeln!(out, "user_id,user_follow_id")?;
        (1..config.users.min(500)).try_for_each(|u| writeln!(out, "{u},{}", u - 1))
    })
}

type Out = BufWriter<File>;

fn write<T>(path: &Path, fill: impl FnOnce(&mut Out) -> Result<T>) -> Result<T> {
    atomic::write_file(path, fill)
}

fn text(path: &Path, fill: impl FnOnce(&mut Out) -> std::io::Result<()>) -> Result<()> {
    write(path, |out| fill(out).map_err(Error::io(path, "cannot write")))
}

fn logs(
    world: &World,
    config: &SyntheticConfig,
    search: &mut Out,
    recommend: &mut Out,
    progress: &dyn Fn(u64),
) -> std::io::Result<()> {
    writeln!(
        search,
        "user_id,search_session_id,search_session_timestamp,search_session_source,keyword,item_id,click_cnt,item_type,time"
    )?;
    writeln!(
        recommend,
        "user_id,item_id,duration_ms,playing_time,timestamp,forward,like,follow,search_item_related,search,click,time"
    )?;
    for (user, length) in world.lengths().enumerate() {
        let user = user as u64;
        let mut stream = Stream::new(&[config.seed, 6, user]);
        let mut time = START_MS + stream.below(86_400_000);
        for (session, event) in world.events(user, length).into_iter().enumerate() {
            time += 1 + stream.below(120_000);
            let shown = stream.below(config.items);
            if let Some(topic) = event.topic.filter(|_| stream.unit() < SEARCHED) {
                let words: Vec<u64> = (0..3).map(|_| 1 + topic * 8 + stream.below(8)).collect();
                let query = words.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
                for (item, clicks) in [(event.item, 1), (shown, 0)] {
                    writeln!(
                        search,
                        "{user},{session},{time},USER_INPUT,\"[{query}]\",{item},{clicks},VIDEO,2023-05-22 15:53:20"
                    )?;
                }
            } else {
                for (item, click) in [(event.item, 1), (shown, 0)] {
                    writeln!(
                        recommend,
                        "{user},{item},45400.0,60792.0,{time}.0,0,0,0,0,0,{click},2023-05-22 15:53:20"
                    )?;
                }
            }
        }
        progress(length);
    }
    Ok(())
}

fn items(world: &World, config: &SyntheticConfig, out: &mut Out) -> std::io::Result<()> {
    let levels = ["first", "second", "third", "fourth"];
    let mut header = "item_id,caption,author_id,item_type,upload_time,upload_type,music_id".to_owned();
    for level in levels {
        let _ = write!(header, ",{level}_level_category_id,{level}_level_category_name");
    }
    writeln!(out, "{header}")?;
    for item in 0..config.items {
        let (topic, (series, _)) = (world.topic(item), world.series(item));
        let caption = format!("[{}, {}, {}]", 1 + topic * 8 + item % 8, 1 + topic * 8, 10_000_000 + series);
        let author = 1 + topic * 3 + series % 3;
        write!(out, "{item},\"{caption}\",{author},NORMAL,2023-04-22,ShortImport,{}", series % 1000)?;
        for category in [topic / 64, topic / 8, topic, topic] {
            write!(out, ",{category},{}", world.word(&[7, category]))?;
        }
        writeln!(out)?;
    }
    Ok(())
}
