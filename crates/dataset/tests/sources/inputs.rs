//! A small sound input of each reader, and how it is read.

use std::path::Path;

use seminar_dataset::s3rec::TextFiles;
use seminar_dataset::{
    AmazonReviews, EmbeddingTable, EventSource, KuaiSar, PrepareConfig, Queries, ReadOptions, Result,
    import_tsv_with,
};

/// One file of one source.
pub struct Source {
    pub name: &'static str,
    /// The file under test.
    pub file: &'static str,
    pub text: String,
    /// The files that it needs beside it.
    pub beside: Vec<(&'static str, String)>,
    /// Reads the folder; what comes out is compared as text.
    pub read: fn(&Path, &ReadOptions) -> Result<String>,
}

const ALL: PrepareConfig = PrepareConfig {
    min_user_events: 1,
    min_item_events: 1,
    queries: Queries::Logged,
    query_words: 5,
    min_attribute_items: 0,
    raw_keyword_numbers: false,
    drop_repeats: seminar_dataset::Repeats::Keep,
    after: None,
    before: None,
    max_user_events: None,
    split: None,
};

pub fn all_events() -> PrepareConfig {
    ALL
}

fn prepared(source: &impl EventSource) -> Result<String> {
    ALL.prepare(source).map(|prepared| format!("{:?}", prepared.data))
}

fn amazon(folder: &Path, options: &ReadOptions) -> Result<String> {
    let mut source = AmazonReviews::locate(folder, "X")?;
    source.options = options.clone();
    prepared(&source)
}

fn kuaisar(folder: &Path, options: &ReadOptions) -> Result<String> {
    let mut source = KuaiSar::new(folder);
    source.options = options.clone();
    prepared(&source)
}

fn text_files(folder: &Path, options: &ReadOptions) -> Result<String> {
    let mut files = TextFiles::new(folder, "X");
    files.options = options.clone();
    files.import().map(|imported| format!("{:?}", imported.data))
}

fn vectors(folder: &Path, options: &ReadOptions) -> Result<String> {
    let item =
        |key: &str| ["7", "8", "Café", "Caf\u{fffd}"].iter().position(|&k| k == key).map(|n| n as u32 + 1);
    let read: Result<(EmbeddingTable, u64)> = import_tsv_with(&folder.join("X.tsv"), 4, options, item);
    read.map(|read| format!("{read:?}"))
}

/// Users, items and times of the logs.
pub const EVENTS: [(u32, u32, i64); 6] =
    [(1, 7, 30), (1, 8, 20), (2, 7, 10), (2, 9, 10), (1, 7, 20), (3, 9, 5)];

pub fn lines(line: impl Fn(u32, u32, i64) -> String) -> String {
    EVENTS.iter().map(|&(user, item, time)| line(user, item, time) + "\n").collect()
}

pub fn all() -> Vec<Source> {
    let of_2018 = lines(|u, i, t| {
        format!(
            r#"{{"reviewerID": "{u}", "asin": "{i}", "overall": 5.0, "unixReviewTime": {t}, "reviewText": "é"}}"#
        )
    });
    let of_2014 = lines(|u, i, t| {
        format!(
            "{{'reviewerID': '{u}', 'asin': '{i}', 'overall': 5.0, 'unixReviewTime': {t}, 'reviewText': u'é'}}"
        )
    });
    let of_2023 = lines(|u, i, t| {
        format!(
            r#"{{"rating": 5.0, "title": "é", "images": [], "asin": "v{t}", "parent_asin": "{i}", "user_id": "{u}", "timestamp": {t}}}"#
        )
    });
    let items = |line: fn(u32) -> String| (7..10).map(|item| line(item) + "\n").collect::<String>();
    let meta_2018 = items(|i| {
        format!(
            r#"{{"asin": "{i}", "title": "Café {i}", "brand": "Acme", "category": ["A", "B{i}"], "imageURL": ["u{i}"]}}"#
        )
    });
    let meta_2014 = items(|i| {
        format!(
            "{{'asin': '{i}', 'title': 'Café {i}', 'brand': 'Acme', 'categories': [['A', 'B{i}']], 'imUrl': 'u{i}'}}"
        )
    });
    let meta_2023 = items(|i| {
        format!(
            r#"{{"parent_asin": "{i}", "title": "Café {i}", "store": "Acme", "categories": ["A", "B{i}"], "images": [{{"large": "u{i}", "hi_res": null, "variant": "MAIN"}}]}}"#
        )
    });
    let searches = "keyword,item_id,click_cnt,user_id,search_session_timestamp,é\n\"[5, 6]\",8,1,1,25,é\n[],9,1,2,40,é\n";
    let clicks = "user_id,item_id,timestamp,click,note\n".to_owned()
        + &lines(|u, i, t| format!("{u},{i},{t},1,\"é, {u}\""));
    let features = "item_id,caption,author_id,first_level_category_id,second_level_category_id,third_level_category_id\n7,\"[5, 6]\",é,1,2,3\n8,[],4,1,2,3\n";
    let log = || vec![("rec_inter.csv", clicks.clone()), ("src_inter.csv", searches.to_owned())];
    let texts = || vec![("X.txt", "1 1 2 3 2\n2 2 1 3\n".to_owned())];
    let with = |mut files: Vec<(&'static str, String)>, file, text: &str| {
        files.push((file, text.to_owned()));
        files
    };
    let sample = "1 4 4\n2 4\n";
    // Item 4 stands in an item's line alone.
    let four = || vec![("X.txt", "1 1 2 3 2\n2 2 1 4 3\n".to_owned())];
    let source =
        |name, file, text: &str, beside, read| Source { name, file, text: text.to_owned(), beside, read };
    vec![
        source("reviews of 2018", "X_5.json", &of_2018, vec![], amazon),
        source("reviews of 2014", "X_5.json", &of_2014, vec![], amazon),
        source("reviews of 2023", "X.jsonl", &of_2023, vec![], amazon),
        source("metadata of 2018", "meta_X.json", &meta_2018, vec![("X_5.json", of_2018.clone())], amazon),
        source("metadata of 2014", "meta_X.json", &meta_2014, vec![("X_5.json", of_2014.clone())], amazon),
        source("metadata of 2023", "meta_X.jsonl", &meta_2023, vec![("X.jsonl", of_2023.clone())], amazon),
        source("KuaiSAR's clicks", "rec_inter.csv", &clicks, log(), kuaisar),
        source("KuaiSAR's searches", "src_inter.csv", searches, log(), kuaisar),
        source("KuaiSAR's items", "item_features.csv", features, log(), kuaisar),
        source("sequences", "X.txt", "1 1 2 3 2\n2 2 1 3\n", vec![], text_files),
        source("SASRec's pairs", "X.txt", "1 1\n1 2\n1 3\n2 2\n2 1\n", vec![], text_files),
        source("queries", "X_queries.txt", "1 7,8 3 0 3\n2 3 0 7,8\n", texts(), text_files),
        source("negatives", "X_sample.txt", sample, four(), text_files),
        source(
            "their queries",
            "X_sample_queries.txt",
            "1 5 0\n2 5,6\n",
            with(four(), "X_sample.txt", sample),
            text_files,
        ),
        source(
            "attributes",
            "X_item2attributes.json",
            "{\"1\": [1, 2],\n\"3\": [3], \"2\": []}",
            texts(),
            text_files,
        ),
        source(
            "dummy queries",
            "X_id2dummy_query.json",
            "{\"1\": \"7,8\",\n\"2\": \"3\", \"3\": \"0\"}",
            texts(),
            text_files,
        ),
        source(
            "items",
            "X_items.jsonl",
            "{\"item\": 1, \"asin\": \"7\", \"title\": \"Café\", \"image_url\": \"u\"}\n{\"item\": 2, \"asin\": \"8\", \"title\": null}\n",
            texts(),
            text_files,
        ),
        source("vectors", "X.tsv", "7\t1\t-2.5\nCafé\t3\t4e-1\n8\t0\t1\n", vec![], vectors),
    ]
}

impl Source {
    /// Reads the source with other bytes in the file under test.
    pub fn read_with(&self, bytes: &[u8], options: &ReadOptions) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in self.beside.iter().filter(|(file, _)| *file != self.file) {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        std::fs::write(folder.path().join(self.file), bytes).unwrap();
        (self.read)(folder.path(), options)
    }

    /// What is read from the sound text, or a changed one.
    pub fn sound(&self, text: &str) -> String {
        self.read_with(text.as_bytes(), &ReadOptions::default())
            .unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }
}
