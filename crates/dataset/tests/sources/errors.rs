//! Errors say what was expected, what came, where, and what to do.

use std::io::ErrorKind;

use seminar_dataset::s3rec::TextFiles;
use seminar_dataset::{
    AmazonReviews, Error, EventSource, KuaiSar, PrepareConfig, Queries, ReadOptions, Repeats, import_pth,
    import_tsv, s3rec,
};

use super::inputs::{Source, all, all_events};

fn source(name: &str) -> Source {
    all().into_iter().find(|source| source.name == name).unwrap()
}

/// The error of a source whose file has this text.
fn refused(name: &str, text: &str) -> String {
    let error = source(name).read_with(text.as_bytes(), &ReadOptions::default());
    error.map(|read| panic!("{name}: {text} was taken: {read}")).unwrap_err().to_string()
}

#[test]
fn missing_forbidden_and_misplaced_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("a_file"), "x").unwrap();
    std::fs::create_dir(path.join("Dir_5.json")).unwrap();
    std::fs::create_dir(path.join("Dir.txt")).unwrap();
    std::fs::create_dir(path.join("rec_inter.csv")).unwrap();
    std::fs::write(
        path.join("src_inter.csv"),
        "user_id,item_id,search_session_timestamp,click_cnt,keyword\n1,1,1,1,[]\n",
    )
    .unwrap();
    std::fs::write(path.join("Toys.csv"), "user_id,parent_asin,rating,timestamp\n").unwrap();
    std::fs::write(path.join("Toys_5.json.bz2"), "BZh91AY&SY").unwrap();
    let amazon = |folder: &std::path::Path, name: &str| -> seminar_dataset::Result<()> {
        let source = AmazonReviews::locate(folder, name)?;
        source.for_each_event(&mut |_| Ok(())).map(drop)
    };
    let kuaisar = |folder: &std::path::Path| KuaiSar::new(folder).for_each_event(&mut |_| Ok(())).map(drop);
    let texts = |folder: &std::path::Path, name: &str| s3rec::import(folder, name, Queries::None).map(drop);
    let none = |_: &str| Some(1);
    let absent = path.join("absent");
    let file = path.join("a_file");
    for (error, missing, said) in [
        (amazon(&absent, "X"), true, "absent"),
        (amazon(path, "Other"), true, "no review file: looked for Other_5.json.gz"),
        (amazon(path, "Toys"), false, "Toys.csv: a table of ratings without reviews"),
        (amazon(&file, "X"), false, "a_file: a file: name the folder that it lies in"),
        (amazon(path, "Dir"), false, "Dir_5.json: a folder: name the file in it"),
        (kuaisar(&absent), true, "absent"),
        (kuaisar(&file), false, "a_file: a file"),
        (kuaisar(path), false, "rec_inter.csv: a folder"),
        (texts(&absent, "X"), true, "absent"),
        (texts(path, "X"), true, "no text file: looked for X.txt, X.txt.gz; the folder has"),
        (texts(path, "Dir"), false, "Dir.txt: a folder"),
        (texts(&file, "X"), false, "a_file: a file"),
        (import_tsv(&absent, 1, none).map(drop), true, "cannot open"),
        (import_tsv(path, 1, none).map(drop), false, "a folder"),
        (import_pth(&absent, 1, none).map(drop), true, "cannot open"),
        (import_pth(path, 1, none).map(drop), false, "a folder"),
    ] {
        let error = error.unwrap_err();
        assert_eq!((error.is_not_found(), error.is_forbidden()), (missing, false), "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
    let similar = amazon(path, "toys_5").unwrap_err().to_string();
    assert!(similar.contains("the folder has Toys_5.json.bz2"), "{similar}");
    let forbidden =
        Error::Io { path: "x".into(), doing: "cannot open", source: ErrorKind::PermissionDenied.into() };
    assert!(forbidden.is_forbidden() && !forbidden.is_not_found());
}

#[test]
fn files_for_pytorch_vectors_are_named_if_they_are_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("X.pth");
    for (bytes, said) in [
        (&b""[..], "the file is empty"),
        (b"\x1F\x8B\x08", "gzip data: unpack it"),
        (b"<!DOCTYPE html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = import_pth(&path, 1, |_| Some(1)).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("X.pth"), "{error}");
    }
}

#[test]
fn every_refusal_has_its_value_and_place() {
    let review = |user: &str, item: &str, rating: &str, time: &str| {
        format!(r#"{{"reviewerID": {user}, "asin": {item}, "overall": {rating}, "unixReviewTime": {time}}}"#)
    };
    let of_2023 = |field: &str| format!(r#"{{"user_id": "u", "rating": 5, "timestamp": 5, {field}}}"#);
    for (line, said) in [
        (review("null", "\"i\"", "5", "5"), "`reviewerID` is missing (1), first in line 1"),
        (
            review("\"u\"", "[1, 2]", "5", "5"),
            "`asin` is neither text nor a whole number (1), first in line 1: `a list of 2`",
        ),
        (
            review("\"u\"", "\" \"", "5", "5"),
            "`asin` is neither text nor a whole number (1), first in line 1: `\" \"`",
        ),
        (
            review("\"u\"", "\"i\"", "\"good\"", "5"),
            "`overall` is no number (1), first in line 1: `\"good\"`",
        ),
        (review("\"u\"", "\"i\"", "NaN", "5"), "`overall` is missing"),
        (
            review("\"u\"", "\"i\"", "5", "\"2014-05-01\""),
            "`unixReviewTime` is no whole number from 0 to 2^53 (1), first in line 1: `\"2014-05-01\"`",
        ),
        (review("\"u\"", "\"i\"", "5", "-1"), "first in line 1: `-1`"),
        (of_2023(r#""asin": "i""#), "`parent_asin` is missing"),
        (
            "[1, 2]".into(),
            "not a JSON object (1), first in line 1: `[1, 2]`. The file seems to be one JSON array",
        ),
        ("{".into(), "indented JSON"),
        ("u,i,5,5".into(), "The file seems to be a table"),
        (format!("{{\"x\": \"{}", "y".repeat(500)), "yyyy…`"),
    ] {
        let message = refused("reviews of 2018", &format!("{line}\n"));
        assert!(message.contains("X_5.json: 1 of 1 lines cannot be used"), "{message}");
        assert!(message.contains(said) && message.contains("max_bad_lines"), "{said}\n{message}");
    }
    let header = "user_id,item_id,timestamp,click\n";
    for (row, said) in [
        ("x,1,1,1", "`user_id` is no whole number from 0 (1), first in line 2: `x`"),
        ("1,-1,1,1", "`item_id` is no whole number from 0 (1), first in line 2: `-1`"),
        ("1,1,NaN,1", "`timestamp` is no number of milliseconds from 0 to 2^53 (1), first in line 2: `NaN`"),
        ("1,1,1,", "`click` is empty (1), first in line 2"),
        (
            "1,1,1",
            "another number of columns than the header (1), first in line 2: `3 where the header has 4`",
        ),
    ] {
        let message = refused("KuaiSAR's clicks", &format!("{header}{row}\n"));
        assert!(message.contains(said), "{said}\n{message}");
    }
    let message = refused("KuaiSAR's clicks", "user_id;item_id;timestamp;click\n1;2;3;4\n");
    assert!(message.contains("separated by `;`: commas are expected"), "{message}");
    for (file, text, said) in [
        ("sequences", "1 1 2\n2 1 x\n", "line 2, byte 6: field 3: `x` where an id from 1 to"),
        ("sequences", "1 1 2\n2 1\n1 3\n", "line 3, byte 10: user 1 has line 1 already"),
        (
            "sequences",
            "1 1\n1 2\n2 1 3\n",
            "line 2, byte 4: user 1 has line 1 already: one line for each user is expected, or `user item` in every line (line 3 is no pair)",
        ),
        ("sequences", "1 1\n2 1\n1 3\n", "line 3, byte 8: user 1 comes after user 2"),
        ("sequences", "1,1,2\n", "line 1, byte 0: `1,1,2` where an id"),
        (
            "queries",
            "1 7,8 3 0 3\n2 3 0 7;8\n",
            "line 2, byte 12: field 4: `7;8` where keyword ids up to 10000000, joined by commas",
        ),
        (
            "attributes",
            "{\"1\": [1, 2],\n\"1\": [3]}",
            "line 2, byte 14: entry `1`: item 1 has a list already, in `[3]`",
        ),
        (
            "attributes",
            "{\"1\": [1, \"x\"]}",
            "entry `1`: `\"x\"` where a whole number is expected, in `[1, \"x\"]`",
        ),
        ("attributes", "{\"1\": [NaN]}", "entry `1`: `item` is missing"),
        (
            "dummy queries",
            "{\"1\": [7]}",
            "entry `1`: a list of 1 where keyword ids in quotes are expected, in `[7]`",
        ),
        (
            "items",
            "{\"item\": 1}\n{\"item\": \"x\"}\n",
            "line 2, byte 12: `\"x\"` where a whole number is expected",
        ),
        (
            "items",
            "{\"item\": 1}\n{\"item\": 2, \"asin\": }\n",
            "line 2, byte 12: column 21: expected value, in `{\"item\"",
        ),
        ("items", "{\"asin\": \"x\"}\n", "line 1, byte 0: `item` is missing"),
        ("vectors", "7\t1\t2\n8\t1\tx\n", "line 2, byte 6: field 3: `x` where a number is expected"),
    ] {
        let message = refused(file, text);
        assert!(message.contains(said), "{said}\n{message}");
    }
}

#[test]
fn nothing_left_shows_the_steps_and_names_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let review = |user: usize, rating: f64| {
        format!(
            "{{\"reviewerID\": \"u{user}\", \"asin\": \"i\", \"overall\": {rating:?}, \"unixReviewTime\": 5}}\n"
        )
    };
    let text: String = (0..30).map(|user| review(user, 3.0)).collect();
    std::fs::write(folder.path().join("X_5.json"), format!("{text}{{\n")).unwrap();
    let mut source = AmazonReviews::locate(folder.path(), "X").unwrap();
    let error = PrepareConfig::amazon().prepare(&source).unwrap_err();
    let Error::NothingLeft { step: "the core filter", settings, .. } = &error else { panic!("{error}") };
    assert_eq!(*settings, ["min_user_events", "min_item_events"]);
    let message = error.to_string();
    for said in [
        "nothing left after the core filter, which `min_user_events` and `min_item_events` decide",
        "X_5.json: 31 rows",
        "1 (3.2 %): not a JSON object; first in line 31: `{`",
        "30 users, 1 items, 30 events after reading (rating_above)",
        "0 users, 0 items, 0 events after the core filter (min_user_events 5, min_item_events 5)",
    ] {
        assert!(message.contains(said), "{said}\n{message}");
    }
    source.rating_above = 3.0;
    let error = PrepareConfig::amazon().prepare(&source).unwrap_err();
    assert!(
        matches!(error, Error::NothingLeft { step: "reading events", settings: ["rating_above"], .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("30: not above the rating threshold; first in line 1: `3`"),
        "{error}"
    );
}

#[test]
fn repeats_are_dropped_from_every_source() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // Item 7 at times 1, 1, 2 and 4, item 8 at time 3.
    let events = [(7, 1), (7, 1), (7, 2), (8, 3), (7, 4)];
    let line = |(item, time)| {
        format!(r#"{{"reviewerID": 1, "asin": {item}, "overall": 5, "unixReviewTime": {time}}}"#)
    };
    std::fs::write(path.join("X_5.json"), events.map(line).join("\n")).unwrap();
    let row = |(item, time)| format!("1,{item},{time},1\n");
    std::fs::write(
        path.join("rec_inter.csv"),
        "user_id,item_id,timestamp,click\n".to_owned() + &events.map(row).concat(),
    )
    .unwrap();
    std::fs::write(
        path.join("src_inter.csv"),
        "user_id,item_id,search_session_timestamp,click_cnt,keyword\n1,9,0,1,[]\n",
    )
    .unwrap();
    std::fs::write(path.join("X.txt"), "1 1 1 1 2 1\n").unwrap();
    std::fs::write(path.join("P.txt"), "1 1\n1 1\n1 1\n1 2\n1 1\n").unwrap();
    for (repeats, log, order) in
        [(Repeats::Keep, 5, 5), (Repeats::SameTime, 4, 3), (Repeats::Consecutive, 3, 3), (Repeats::All, 2, 2)]
    {
        let config = PrepareConfig { drop_repeats: repeats, ..all_events() };
        let amazon = config.prepare(&AmazonReviews::locate(path, "X").unwrap()).unwrap();
        assert_eq!(
            (amazon.data.event_items.len(), amazon.report.repeats_dropped),
            (log, 5 - log as u64),
            "{repeats:?}"
        );
        // One search of another item comes first.
        let kuaisar = config.prepare(&KuaiSar::new(path)).unwrap();
        assert_eq!(kuaisar.data.event_items.len(), log + 1, "{repeats:?}");
        for name in ["X", "P"] {
            let mut files = TextFiles::new(path, name);
            files.repeats = repeats;
            let imported = files.import().unwrap();
            assert_eq!(imported.data.event_items.len(), order, "{repeats:?}");
            assert_eq!(imported.report.repeats_dropped, 5 - order as u64);
        }
    }
}
