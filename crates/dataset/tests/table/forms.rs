//! The same events in any form are the same data.

use std::io::Write;
use std::path::Path;

use proptest::prelude::*;
use seminar_dataset::{
    Column, Corpus, Error, EventTable, FieldColumn, Form, Interactions, ItemTable, ListForm, Numbered,
    PrepareConfig, Result, TableForm, TableSchema,
};

fn all() -> PrepareConfig {
    PrepareConfig { min_user_events: 1, min_item_events: 1, ..PrepareConfig::table() }
}

fn schema(file: &str) -> TableSchema {
    TableSchema {
        events: vec![EventTable { files: vec![file.into()], ..EventTable::default() }],
        items: Vec::new(),
    }
}

/// Prepares one file of events.
fn read(folder: &Path, file: &str, bytes: &[u8], change: impl FnOnce(&mut EventTable)) -> Result<Numbered> {
    std::fs::write(folder.join(file), bytes).unwrap();
    let mut schema = schema(file);
    change(&mut schema.events[0]);
    let source = Interactions::open(folder, "x", schema)?;
    Ok(all().prepare(&source)?.data)
}

fn hash(data: &Numbered) -> u64 {
    Corpus::in_memory(data).unwrap().fingerprint()
}

#[derive(Clone, Debug)]
struct Event {
    user: String,
    item: String,
    time: i64,
    query: String,
}

fn quoted(cell: &str) -> String {
    match cell.contains([',', '"', '\n', '\t']) || cell.starts_with(' ') {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

fn delimited(events: &[Event], separator: &str, end: &str) -> String {
    let row = |cells: [&str; 4]| cells.map(quoted).join(separator) + end;
    let rows = events.iter().map(|e| row([&e.user, &e.item, &e.time.to_string(), &e.query]));
    row(["user_id", "item_id", "timestamp", "words"]) + &rows.collect::<String>()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// The events as a file of Parquet; nothing without the feature.
#[cfg(feature = "parquet")]
fn parquet_file(events: &[Event]) -> Option<Vec<u8>> {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    let texts = |of: fn(&Event) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(events.iter().map(of)))
    };
    let times: ArrayRef = Arc::new(Int64Array::from_iter_values(events.iter().map(|e| e.time)));
    let columns = [
        ("words", texts(|e| &e.query)),
        ("timestamp", times),
        ("item_id", texts(|e| &e.item)),
        ("user_id", texts(|e| &e.user)),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    Some(bytes)
}

#[cfg(not(feature = "parquet"))]
fn parquet_file(_: &[Event]) -> Option<Vec<u8>> {
    None
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = ("[a-c]{1,2}", "[\"x-z0é,|]{1,3}", 0i64..40, "[ab,\"\n]{0,3}");
    prop::collection::vec(event, 1..30).prop_map(|all| {
        let event = |(user, item, time, query): (String, String, i64, String)| Event {
            user: format!("u{user}"),
            item: format!("i{item}"),
            time: 1_500_000_000 + time,
            query: if query.contains('\n') { format!("q{query}q") } else { query },
        };
        all.into_iter().map(event).collect()
    })
}

/// Each user with the events: item, time, action.
type Users = Vec<(String, Vec<(String, i64, String)>)>;

/// Users with their items and times, oldest first, in order of first appearance, by sorting.
fn naive(events: &[Event]) -> Users {
    let mut users: Users = Vec::new();
    for event in events {
        let own = (event.item.clone(), event.time, event.query.clone());
        match users.iter_mut().find(|(user, _)| *user == event.user) {
            Some((_, all)) => all.push(own),
            None => users.push((event.user.clone(), vec![own])),
        }
    }
    users.iter_mut().for_each(|(_, own)| own.sort_by_key(|event| event.1));
    users
}

fn told(data: &Numbered) -> Users {
    let corpus = Corpus::in_memory(data).unwrap();
    let words = |query: u32| {
        let words: Vec<&str> = corpus.query(query).iter().map(|&word| corpus.word(word).unwrap()).collect();
        words.join(" ")
    };
    (0..corpus.user_count())
        .map(|user| {
            let own = corpus.history(user);
            let event =
                |n: usize| (corpus.item_name(own.items[n]).to_owned(), own.times[n], words(own.queries[n]));
            (corpus.user_name(user).to_owned(), (0..own.items.len()).map(event).collect())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_form_gives_the_same_data(events in events(), packed in 0usize..3) {
        let folder = tempfile::tempdir().unwrap();
        let pack = [|b: &[u8]| b.to_vec(), gzip, zstd][packed];
        let query = |table: &mut EventTable| table.query = Column::from("words");
        let csv = read(folder.path(), "e.csv", &pack(delimited(&events, ",", "\n").as_bytes()), query).unwrap();
        prop_assert_eq!(told(&csv), naive(&events));
        let bom = format!("\u{feff}{}", delimited(&events, ",", "\r\n"));
        let json: String = events.iter().map(|e| {
            let line = serde_json::json!({"timestamp": e.time, "user_id": e.user, "words": e.query, "item_id": e.item, "x": null});
            format!("{line}\n")
        }).collect();
        let reordered = {
            let rows = events.iter().map(|e| [e.time.to_string(), e.item.clone(), e.query.clone(), e.user.clone()]);
            let rows: String = rows.map(|cells| cells.map(|cell| quoted(&cell)).join("\t") + "\n").collect();
            "timestamp\titem_id\twords\tuser_id\n".to_owned() + &rows
        };
        for (file, text) in [("e2.csv", bom), ("e.tsv", delimited(&events, "\t", "\n")), ("e.jsonl", json), ("r.tsv", reordered)] {
            let other = read(folder.path(), file, &pack(text.as_bytes()), query).unwrap();
            prop_assert_eq!(&other, &csv, "{}", file);
            prop_assert_eq!(hash(&other), hash(&csv));
        }
    }

    #[test]
    fn times_in_any_unit_give_the_same_seconds(times in prop::collection::vec(150_000_000i64..4_000_000_000, 1..12)) {
        let folder = tempfile::tempdir().unwrap();
        let write = |time: &dyn Fn(i64) -> String| {
            let rows: String = times.iter().enumerate().map(|(n, &t)| format!("u,{n},{}\n", time(t))).collect();
            read(folder.path(), "e.csv", format!("user,item,time\n{rows}").as_bytes(), |_| {}).unwrap()
        };
        let expected = write(&|t| t.to_string());
        let mut sorted = times.clone();
        sorted.sort_unstable();
        prop_assert_eq!(&expected.event_times, &sorted);
        for (unit, zeros) in [("ms", "000"), ("us", "000000"), ("ns", "000000000")] {
            prop_assert_eq!(&write(&|t| format!("{t}{zeros}")), &expected, "{}", unit);
        }
        prop_assert_eq!(&write(&|t| format!("{t}.0")), &expected);
        prop_assert_eq!(&write(&|t| format!("{:e}", t as f64)), &expected);
    }

    #[test]
    fn lists_in_cells_are_events_in_order(rows in prop::collection::vec(prop::collection::vec("[a-c]{1,2}", 1..5), 1..6)) {
        let folder = tempfile::tempdir().unwrap();
        let expected = Numbered::from_sequences(&rows);
        let list = |separator: &str| Some(ListForm { separator: separator.into(), label: None });
        for separator in ["|", " ", "^"] {
            let text: String = rows.iter().enumerate().map(|(n, items)| format!("{},{}\n", n + 1, items.join(separator))).collect();
            let data = read(folder.path(), "e.csv", format!("user,item\n{text}").as_bytes(), |table| table.list = list(separator)).unwrap();
            prop_assert_eq!(&data.event_items, &expected.event_items);
            prop_assert_eq!(&data.user_offsets, &expected.user_offsets);
            prop_assert!(!data.has_times);
        }
        let text: String = rows.iter().enumerate().map(|(n, items)| format!("{} {}\n", n + 1, items.join(" "))).collect();
        let data = read(folder.path(), "s.txt", text.as_bytes(), |table| table.sequence = true).unwrap();
        prop_assert_eq!(&data.event_items, &expected.event_items);
        let json: String = rows.iter().enumerate().map(|(n, items)| format!("{}\n", serde_json::json!({"user": n + 1, "item": items}))).collect();
        let data = read(folder.path(), "e.jsonl", json.as_bytes(), |table| table.list = list("|")).unwrap();
        prop_assert_eq!(&data.event_items, &expected.event_items);
        let python = |items: &[String]| items.iter().map(|item| format!("'{item}'")).collect::<Vec<_>>().join(", ");
        let text: String = rows.iter().enumerate().map(|(n, items)| format!("{}\t[{}]\n", n + 1, python(items))).collect();
        let data = read(folder.path(), "e.tsv", format!("user\titem\n{text}").as_bytes(), |table| table.list = list(" ")).unwrap();
        prop_assert_eq!(&data.event_items, &expected.event_items);
    }
}

#[test]
fn many_rows_of_any_form_are_one_corpus_with_any_number_of_threads() {
    let events: Vec<Event> = (0..30_000u64)
        .map(|n| {
            let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            Event {
                user: format!("u{}", mixed % 997),
                item: format!("ü{}", mixed % 1_499),
                time: 1_500_000_000 + (mixed % 100_000) as i64,
                query: if n % 5 == 0 { format!("two \"words\", {}", mixed % 50) } else { String::new() },
            }
        })
        .collect();
    let json = |e: &Event| {
        serde_json::json!({"user_id": e.user, "item_id": e.item, "timestamp": e.time, "words": e.query})
            .to_string()
            + "\n"
    };
    let (csv, tsv) = (delimited(&events, ",", "\n"), delimited(&events, "\t", "\r\n"));
    let json: String = events.iter().map(json).collect();
    let mut files = Vec::new();
    for (file, text) in [("e.csv", csv), ("e.tsv", tsv), ("e.jsonl", json)] {
        files.extend([|b: &[u8]| b.to_vec(), gzip, zstd].map(|pack| (file, pack(text.as_bytes()))));
    }
    files.extend(parquet_file(&events).map(|bytes| ("e.parquet", bytes)));
    let mut hashes = Vec::new();
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for (file, bytes) in &files {
            let folder = tempfile::tempdir().unwrap();
            let query = |table: &mut EventTable| table.query = Column::from("words");
            let data = pool.install(|| read(folder.path(), file, bytes, query).unwrap());
            if hashes.is_empty() {
                assert_eq!(told(&data), naive(&events));
            }
            hashes.push(hash(&data));
        }
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 1, "{hashes:?}");
}

#[test]
fn a_user_with_two_rows_of_a_list_is_an_error_unless_said() {
    let folder = tempfile::tempdir().unwrap();
    let text = "user,item\n1,a b\n2,c\n1,d\n";
    let list = Some(ListForm { separator: " ".into(), label: None });
    let error = read(folder.path(), "e.csv", text.as_bytes(), |table| table.list = list.clone())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 4") && error.contains("line 2 already") && error.contains("repeated_users"),
        "{error}"
    );
    let data = read(folder.path(), "e.csv", text.as_bytes(), |table| {
        (table.list, table.repeated_users) = (list.clone(), true);
    });
    assert_eq!(data.unwrap().user_offsets, [0, 3, 4]);
}

#[test]
fn labels_histories_and_times_of_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let text = "1\tU1\t11/11/2019 9:05:58 AM\tN1 N2\tN3-1 N4-0\n2\tU2\t11/12/2019 6:11:30 PM\t\tN5-1\n3\tU1\t11/10/2019 11:30:54 AM\tN1 N2\tN6-0 N7-1\n";
    std::fs::write(folder.path().join("behaviors.tsv"), text).unwrap();
    let preset = seminar_dataset::Preset::named("mind").unwrap();
    let source = Interactions::open(folder.path(), "mind", preset.schema()).unwrap();
    let data = all().prepare(&source).unwrap().data;
    let names =
        |user: usize| -> Vec<String> { told(&data)[user].1.iter().map(|event| event.0.clone()).collect() };
    assert_eq!(
        (names(0), names(1)),
        (vec!["N1".into(), "N2".into(), "N7".into(), "N3".into()], vec!["N5".to_owned()])
    );
    let list = |table: &mut EventTable| table.list = Some(ListForm { separator: "|".into(), label: None });
    let text = "user,item,time\nu,a|b|c,3|1|2\nv,a,5\n";
    let data = read(folder.path(), "t.csv", text.as_bytes(), list).unwrap();
    assert_eq!(told(&data)[0].1.iter().map(|event| event.0.as_str()).collect::<Vec<_>>(), ["b", "c", "a"]);
}

#[test]
fn ids_are_text() {
    let folder = tempfile::tempdir().unwrap();
    let data =
        read(folder.path(), "e.csv", "user,item\n1, 01\n1,1\n1,1.0\n01,é \n".as_bytes(), |_| {}).unwrap();
    let items: Vec<&[u8]> = data.texts.items.rows().collect();
    assert_eq!(items, ["01".as_bytes(), b"1", b"1.0", "é".as_bytes()]);
    assert_eq!(data.user_count(), 2);
}

#[test]
fn latin_1_is_read_when_said() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = b"user,item\n1,Caf\xE9\n";
    let error = read(folder.path(), "e.csv", bytes, |_| {}).unwrap_err();
    assert!(matches!(error, Error::Utf8 { ref at, bad: 0xE9 } if at.line == 2), "{error}");
    let data = read(folder.path(), "e.csv", bytes, |table| {
        table.format.encoding = seminar_dataset::Encoding::Latin1
    })
    .unwrap();
    assert_eq!(data.texts.items.row(0), "Café".as_bytes());
}

#[test]
fn without_a_header_columns_have_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let text = "a::7::5::978300760\nb::8::3::978300761\n";
    let by_number = |table: &mut EventTable| {
        (table.user, table.item, table.time) = (Column::from("1"), Column::from("2"), Column::from("4"));
    };
    let data = read(folder.path(), "ratings.dat", text.as_bytes(), by_number).unwrap();
    assert_eq!((data.user_count(), data.event_times[0]), (2, 978_300_760));
    // The same columns by number, where the first row is a header.
    let data =
        read(folder.path(), "h.csv", "who,what,x,when\na,7,5,978300760\n".as_bytes(), by_number).unwrap();
    assert_eq!((data.user_count(), data.event_items.len()), (1, 1));
    let error = read(folder.path(), "n.csv", b"1,2,3\n4,5,6\n", |table| table.format.header = Some(false))
        .unwrap_err()
        .to_string();
    assert!(error.contains("no header") && error.contains("1 to 3"), "{error}");
}

#[test]
fn what_cannot_be_used_is_skipped_with_its_cause_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = "user,item,time,rating\nu,a,5,4\nu,,5,4\nu,b,soon,4\nu,c,5\n,d,5,4\nu,e,7,3\nu,f,9,x\n";
    std::fs::write(folder.path().join("e.csv"), text).unwrap();
    let source =
        Interactions::open_with(folder.path(), "x", schema("e.csv"), Some(3.5), Default::default()).unwrap();
    let report = all().prepare(&source).unwrap().report;
    let skipped: Vec<(&str, u64, &str)> = report.files[0]
        .skipped
        .iter()
        .map(|(cause, seen)| (cause.as_str(), seen.first_line, seen.first_value.as_str()))
        .collect();
    assert_eq!(
        skipped,
        [
            ("`item` is missing", 3, ""),
            ("`rating` is no number", 8, "\"x\""),
            ("`time` is no time", 4, "soon"),
            ("`user` is missing", 6, ""),
            ("another number of columns than expected", 5, "3 where the header has 4"),
        ]
    );
    assert_eq!(report.files[0].notes["not above the rating threshold"].count, 1);
    let table = report.table();
    assert!(
        table.contains("cells between commas, user = user, item = item, time = time, rating = rating"),
        "{table}"
    );
}

#[test]
fn wrong_forms_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let said = |file: &str, bytes: &[u8]| read(folder.path(), file, bytes, |_| {}).unwrap_err().to_string();
    assert!(said("z.csv", b"PK\x03\x04x").contains("a zip archive: unpack it"));
    assert!(said("u.csv", b"\xFF\xFEu\0s\0").contains("UTF-16"));
    assert!(said("e.csv", b"").contains("the file is empty"));
    assert!(said("q.csv", b"user,item\n1,\"a\n2,b\n").contains("line 2"));
    let missing = said("m.csv", b"a,b\n1,2\n");
    assert!(missing.contains("user") && missing.contains("the header has: a, b"), "{missing}");
    let array = said("a.json", b"[{\"user\": 1, \"item\": 2}]\n");
    assert!(array.contains("user"), "{array}");
    let json = |table: &mut EventTable| table.format.form = Form::JsonLines;
    let error =
        read(folder.path(), "a.json", b"[{\"user\": 1, \"item\": 2}]\n", json).unwrap_err().to_string();
    assert!(error.contains("an array of JSON"), "{error}");
    let error = Interactions::open(folder.path(), "x", schema("absent.csv")).unwrap_err().to_string();
    assert!(error.contains("absent.csv"), "{error}");
}

#[test]
fn item_files_add_to_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    write("e.csv", "user,item\n1,a\n1,b\n1,c\n");
    write("items.csv", "id,title,genres,price\na,\"A, b\",x|y,3\nb,<span class=\"cut,y,1\nd,none,z,\n");
    write(
        "more.jsonl",
        "{\"id\": \"a\", \"image\": [\"u1\", \"u2\"], \"genres\": [\"z\", \"x\"]}\n{\"id\": \"c\", \"title\": \"C\"}\n",
    );
    let genres = FieldColumn { name: "genres".into(), separator: Some("|".into()), ..FieldColumn::default() };
    let price = FieldColumn { name: "price".into(), buckets: Some(2), ..FieldColumn::default() };
    let table = |file: &str, fields: Vec<FieldColumn>| ItemTable {
        files: vec![file.into()],
        fields,
        ..ItemTable::default()
    };
    let schema = TableSchema {
        items: vec![
            table("items.csv", vec![genres.clone(), price]),
            ItemTable { format: TableForm::default(), ..table("more.jsonl", vec![genres]) },
        ],
        ..schema("e.csv")
    };
    let prepared = all().prepare(&Interactions::open(folder.path(), "x", schema).unwrap()).unwrap();
    let corpus = Corpus::in_memory(&prepared.data).unwrap();
    assert_eq!((corpus.title(1), corpus.title(2), corpus.title(3)), (Some("A, b"), None, Some("C")));
    assert_eq!(corpus.image_urls(1).collect::<Vec<_>>(), ["u1", "u2"]);
    let field = corpus.field("genres").unwrap();
    let names =
        |item: u32| field.of(item).iter().map(|&value| field.value(value).unwrap()).collect::<Vec<_>>();
    assert_eq!((names(1), names(2), names(3)), (vec!["x", "y", "z"], vec!["y"], vec![]));
    let price = corpus.field("price").unwrap();
    assert_eq!((price.of(1), price.of(2), price.value(2)), (&[2][..], &[1][..], Some("from 3")));
    assert_eq!(corpus.attribute_name(1), Some("genres:x"));
    assert_eq!(prepared.report.items_without_meta, 0);
}

#[test]
fn fields_within_fields_and_several_rows_of_an_item() {
    let folder = tempfile::tempdir().unwrap();
    let lines =
        "{\"user\": {\"id\": \"u\"}, \"item\": \"a\"}\n{\"user\": {\"id\": \"v\"}, \"item\": \"b\"}\n";
    let data = read(folder.path(), "e.jsonl", lines.as_bytes(), |table| table.user = Column::from("user.id"));
    assert_eq!(told(&data.unwrap()).iter().map(|user| user.0.as_str()).collect::<Vec<_>>(), ["u", "v"]);

    std::fs::write(folder.path().join("t.csv"), "id,tag,price\na,x,3\nb,z,cheap\na,y,\n").unwrap();
    let field = |name: &str, buckets| FieldColumn { name: name.into(), buckets, ..FieldColumn::default() };
    let items = ItemTable {
        files: vec!["t.csv".into()],
        fields: vec![field("tag", None), field("price", Some(2))],
        ..ItemTable::default()
    };
    std::fs::write(folder.path().join("e.csv"), "user,item\n1,a\n1,b\n").unwrap();
    let schema = TableSchema { items: vec![items], ..schema("e.csv") };
    let prepared = all().prepare(&Interactions::open(folder.path(), "x", schema).unwrap()).unwrap();
    let corpus = Corpus::in_memory(&prepared.data).unwrap();
    let tag = corpus.field("tag").unwrap();
    let names = |item| tag.of(item).iter().map(|&value| tag.value(value).unwrap()).collect::<Vec<_>>();
    assert_eq!((names(1), names(2)), (vec!["x", "y"], vec!["z"]));
    let table = prepared.report.files[1].notes.clone();
    assert!(
        table.iter().any(|(what, seen)| what.contains("`price` is no number") && seen.count == 1),
        "{table:?}"
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.csv");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let error = Interactions::open(folder.path(), "x", schema("e.csv")).unwrap_err().to_string();
    assert!(error.contains("a pipe or a device") && error.contains("to a file first"), "{error}");
}
