//! The raw logs: Amazon's reviews and metadata, KuaiSAR's csv files.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use seminar_dataset::{AmazonReviews, Corpus, KuaiSar, PrepareConfig, Prepared};

use super::{Loader, Target, choice, chosen};
use crate::sample;

pub(super) const TARGETS: &[Target] = &[
    Target { name: "amazon_reviews", records: 64, seeds: review_lines, loader: reviews },
    Target { name: "amazon_meta", records: 64, seeds: meta_lines, loader: meta },
    Target { name: "amazon_gzip", records: 1, seeds: gzip_files, loader: gzip },
    Target { name: "kuaisar_rows", records: 64, seeds: csv_rows, loader: kuaisar_rows },
    Target { name: "kuaisar_files", records: 1, seeds: csv_files, loader: kuaisar_files },
];

fn review_lines() -> anyhow::Result<Vec<Vec<u8>>> {
    let odd = [
        r#"{"reviewerID": 17, "asin": ["B1"], "overall": "4.0", "unixReviewTime": "1500000000"}"#,
        r#"{"reviewerID": "\u00e9\ud83c\udfac", "asin": "B1", "overall": 1e0, "unixReviewTime": -5}"#,
        r#"{"asin": "B2", "image": ["a", {"b": [null, true, [[]]]}], "reviewerID": "A1", "unixReviewTime": 1}"#,
        "",
    ];
    let lines = odd.iter().map(|line| line.as_bytes().to_vec());
    Ok(lines.chain((0..4).map(|n| sample::review(n, n).trim_end().as_bytes().to_vec())).collect())
}

/// Takes a data set through everything that follows: preparing, writing, opening.
fn finish(prepared: seminar_dataset::Result<Prepared>, folder: &Path) -> bool {
    prepared
        .is_ok_and(|prepared| Corpus::write(&prepared.data, folder).is_ok() && Corpus::open(folder).is_ok())
}

fn tolerant(mut source: AmazonReviews) -> AmazonReviews {
    source.options.max_bad_lines = 1.0;
    source.options.lossy_utf8 = true;
    source
}

fn reviews(folder: &Path) -> anyhow::Result<Loader> {
    let (path, folder) = (folder.join("T_5.json"), folder.to_owned());
    let source = tolerant(AmazonReviews::new(&path, None));
    let sound = sample::reviews();
    Ok(Box::new(move |lines| {
        std::fs::write(&path, [sound.as_bytes(), lines].concat())?;
        Ok(finish(PrepareConfig::amazon().prepare(&source), &folder))
    }))
}

fn meta_lines() -> anyhow::Result<Vec<Vec<u8>>> {
    let lines = [
        r#"{"category": ["Movies", "Drama"], "description": ["A <b>film</b>", "of trains"], "title": "The General", "brand": "Keaton", "asin": "B1", "imageURLHighRes": ["http://a/b.jpg"], "imageURL": []}"#,
        r#"{'asin': 'B2', 'title': u'Caf\xe9 "Society"', 'categories': [['Movies', 'Comedy'], ['DVD']], 'imUrl': 'http://a/c.jpg', 'price': 1.5, 'salesRank': {'Movies': 12}, 'related': {'also': None}}"#,
        r#"{'asin': 'B3', 'title': 'It\'s', 'brand': None, 'x': True, 'y': (1, 2), 'z': -1e5, 'description': """long"""}"#,
        r#"{"asin": "B4", "title": null, "category": [], "description": "not a list", "brand": 7}"#,
    ];
    Ok(lines.iter().map(|line| line.as_bytes().to_vec()).collect())
}

fn meta(folder: &Path) -> anyhow::Result<Loader> {
    let (reviews, meta, folder) = (folder.join("T_5.json"), folder.join("meta_T.json"), folder.to_owned());
    std::fs::write(&reviews, sample::reviews())?;
    let source = tolerant(AmazonReviews::new(&reviews, Some(meta.clone())));
    Ok(Box::new(move |lines| {
        std::fs::write(&meta, lines)?;
        Ok(finish(PrepareConfig::amazon().prepare(&source), &folder))
    }))
}

fn gzip_files() -> anyhow::Result<Vec<Vec<u8>>> {
    let pack = |level: u32, text: &str| -> anyhow::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(text.as_bytes())?;
        Ok(encoder.finish()?)
    };
    let text = sample::reviews();
    let (first, second) = text.split_at(text.len() / 2);
    // Members one after another are one file as well; so is nothing compressed at all.
    let members = [pack(6, first)?, pack(9, second)?].concat();
    Ok(vec![pack(1, &text)?, pack(9, &text)?, pack(0, &text)?, members, pack(6, "")?])
}

fn gzip(folder: &Path) -> anyhow::Result<Loader> {
    let (path, folder) = (folder.join("T_5.json.gz"), folder.to_owned());
    let source = tolerant(AmazonReviews::new(&path, None));
    Ok(Box::new(move |bytes| {
        std::fs::write(&path, bytes)?;
        Ok(finish(PrepareConfig::amazon().prepare(&source), &folder))
    }))
}

const NAMES: [&str; 3] = ["rec_inter.csv", "src_inter.csv", "item_features.csv"];
const HEADERS: [&str; 3] = [
    "user_id,item_id,duration_ms,playing_time,timestamp,forward,like,follow,search_item_related,search,click,time\n",
    "user_id,search_session_id,search_session_timestamp,search_session_source,keyword,item_id,click_cnt,item_type,time\n",
    "item_id,caption,author_id,item_type,upload_time,upload_type,music_id,first_level_category_id,first_level_category_name,second_level_category_id,second_level_category_name,third_level_category_id,third_level_category_name,fourth_level_category_id,fourth_level_category_name\n",
];

fn row(file: usize, number: usize) -> String {
    match file {
        0 => format!(
            "{},{},45400.0,60792.0,16847424{number:05}.0,0,0,0,0,0,1,2023-05-22 15:53:20\n",
            number % 3,
            number % 7
        ),
        1 => format!(
            "{},{number},16847424{number:05},USER_INPUT,\"[12, 7, {number}]\",{},1,VIDEO,2023-05-22 15:53:20\n",
            number % 3,
            number % 7
        ),
        _ => format!(
            "{number},\"[3, 4, {number}]\",{number},NORMAL,2023-04-22,ShortImport,2,1,a,2,b,3,\"c, d\",4,e\n"
        ),
    }
}

fn sound_csv(file: usize) -> String {
    let rows = (0..12).map(|number| row(file, number));
    std::iter::once(HEADERS[file].to_owned()).chain(rows).collect()
}

/// A row behind a letter that says which file it is of.
fn csv_rows() -> anyhow::Result<Vec<Vec<u8>>> {
    Ok((0..3).flat_map(|file| (0..2).map(move |n| row(file, n).trim_end().as_bytes().to_vec())).collect())
}

fn kuaisar(folder: &Path) -> anyhow::Result<KuaiSar> {
    for (file, name) in NAMES.iter().enumerate() {
        std::fs::write(folder.join(name), sound_csv(file))?;
    }
    let mut source = KuaiSar::new(folder);
    source.options.max_bad_lines = 1.0;
    source.options.lossy_utf8 = true;
    Ok(source)
}

/// The same rows in each file in turn: what fits none of its columns has to be skipped as well.
fn kuaisar_rows(folder: &Path) -> anyhow::Result<Loader> {
    let (source, folder) = (kuaisar(folder)?, folder.to_owned());
    let mut turn = 0;
    Ok(Box::new(move |rows| {
        turn = (turn + 1) % NAMES.len();
        std::fs::write(folder.join(NAMES[turn]), [sound_csv(turn).as_bytes(), rows].concat())?;
        let accepted = finish(PrepareConfig::kuaisar().prepare(&source), &folder);
        std::fs::write(folder.join(NAMES[turn]), sound_csv(turn))?;
        Ok(accepted)
    }))
}

fn csv_files() -> anyhow::Result<Vec<Vec<u8>>> {
    Ok((0..3).map(|file| chosen(file as u8, sound_csv(file).as_bytes())).collect())
}

fn kuaisar_files(folder: &Path) -> anyhow::Result<Loader> {
    let (source, folder) = (kuaisar(folder)?, folder.to_owned());
    Ok(Box::new(move |input| {
        let (which, bytes) = choice(input);
        let file = which as usize % NAMES.len();
        std::fs::write(folder.join(NAMES[file]), bytes)?;
        let accepted = finish(PrepareConfig::kuaisar().prepare(&source), &folder);
        std::fs::write(folder.join(NAMES[file]), sound_csv(file))?;
        Ok(accepted)
    }))
}
