//! Tables of events in any form, presets and vocabularies.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use seminar_dataset::{
    Column, Corpus, EventTable, FieldColumn, Interactions, ItemTable, ListForm, Numbers, PrepareConfig,
    Preset, ReadOptions, TableSchema,
};

use super::{Loader, Target, choice, chosen};

pub(super) const TARGETS: &[Target] = &[
    Target { name: "table_rows", records: 64, seeds: rows, loader: table_rows },
    Target { name: "table_files", records: 1, seeds: files, loader: table_files },
    Target { name: "table_items", records: 64, seeds: item_rows, loader: table_items },
    Target { name: "preset", records: 1, seeds: presets, loader: preset },
    Target { name: "vocabulary", records: 1, seeds: vocabularies, loader: vocabulary },
];

const HEADER: &str = "user_id,item_id,timestamp,rating,query,history\n";

fn row(number: usize) -> String {
    let (user, item) = (number % 3, number % 7);
    let times =
        ["1500000000", "2019-11-10 11:30:54", "1.52309e+12", "11/10/2019 11:30:54 AM", "1500000000000.5"];
    format!("u{user},i{item},{},4.5,\"red, \"\"x\"\"\",\"[1, '2']\"\n", times[number % times.len()])
}

fn sound() -> String {
    std::iter::once(HEADER.to_owned()).chain((0..12).map(row)).collect()
}

fn rows() -> anyhow::Result<Vec<Vec<u8>>> {
    Ok((0..5).map(|number| row(number).trim_end().as_bytes().to_vec()).collect())
}

fn options() -> ReadOptions {
    ReadOptions { max_bad_lines: 1.0, lossy_utf8: true, ..ReadOptions::default() }
}

/// Takes a folder of tables through everything that follows: opening, preparing, writing.
fn read(folder: &Path, schema: TableSchema) -> bool {
    let source = Interactions::open_with(folder, "t", schema, Some(1.0), options());
    let prepared = source.and_then(|source| PrepareConfig::all().prepare(&source));
    prepared.is_ok_and(|prepared| Corpus::in_memory(&prepared.data).is_ok())
}

fn events(file: &str) -> EventTable {
    EventTable { files: vec![file.into()], query: Column::from("query"), ..EventTable::default() }
}

fn table_rows(folder: &Path) -> anyhow::Result<Loader> {
    let folder = folder.to_owned();
    let mut turn = 0;
    Ok(Box::new(move |rows| {
        turn = (turn + 1) % 2;
        std::fs::write(folder.join("t.csv"), [sound().as_bytes(), rows].concat())?;
        let mut table = events("t.csv");
        if turn == 1 {
            table.item = Column::from("history");
            table.list = Some(ListForm { separator: "|".into(), label: Some("-".into()) });
            table.repeated_users = true;
        }
        Ok(read(&folder, TableSchema { events: vec![table], items: Vec::new() }))
    }))
}

/// Whole files in each form; the first byte says whether they are read as lines of JSON, as sequences, or as they come.
fn files() -> anyhow::Result<Vec<Vec<u8>>> {
    let csv = sound();
    let json: String = (0..6)
        .map(|n| {
            format!(
                "{{\"user\": {n}, \"item\": \"i{n}\", \"time\": {}, \"rating\": 5.0, \"query\": [\"a\"]}}\n",
                1_500_000_000 + n
            )
        })
        .collect();
    let python = "{'user': u'a', 'item': 7, 'time': '2018-01-02', 'rating': 3}\n";
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(csv.as_bytes())?;
    // A frame of zstd with one raw block.
    let block = |text: &[u8]| {
        let head = ((text.len() as u32) << 3 | 1).to_le_bytes();
        [&[0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x58][..], &head[..3], text].concat()
    };
    let typed = "user_id:token\titem_id:token\ttimestamp:float\trating:float\tquery:token_seq\n1\t2\t881250949\t3\ta b\n";
    Ok(vec![
        chosen(0, csv.as_bytes()),
        chosen(0, csv.replace(',', "\t").as_bytes()),
        chosen(0, typed.as_bytes()),
        chosen(0, &packed.finish()?),
        chosen(0, &block(csv.as_bytes())),
        chosen(1, json.as_bytes()),
        chosen(1, python.as_bytes()),
        chosen(2, b"1 2 3 4\n2 3 4 5\n"),
    ])
}

fn table_files(folder: &Path) -> anyhow::Result<Loader> {
    let folder = folder.to_owned();
    Ok(Box::new(move |input| {
        let (which, bytes) = choice(input);
        std::fs::write(folder.join("t.txt"), bytes)?;
        let mut table = events("t.txt");
        if which % 3 == 2 {
            table = EventTable { files: table.files, sequence: true, ..EventTable::default() };
            let source = TableSchema { events: vec![table], items: Vec::new() };
            let source = Interactions::open_with(&folder, "t", source, None, options());
            return Ok(source.and_then(|source| PrepareConfig::all().prepare(&source)).is_ok());
        }
        Ok(read(&folder, TableSchema { events: vec![table], items: Vec::new() }))
    }))
}

fn item_rows() -> anyhow::Result<Vec<Vec<u8>>> {
    let rows = [
        "i1,\"A, b\",x|y,3.5,\"[\"\"u1\"\", \"\"u2\"\"]\"",
        "i2,<span class=\"cut,,-1e5,http://a",
        "i3,Café,(none),NaN,",
        "i4,,\"['x', \"\"y\"\"]\",0,[]",
    ];
    Ok(rows.iter().map(|row| row.as_bytes().to_vec()).collect())
}

fn table_items(folder: &Path) -> anyhow::Result<Loader> {
    let folder = folder.to_owned();
    std::fs::write(folder.join("t.csv"), sound())?;
    let genres = FieldColumn { name: "genres".into(), separator: Some("|".into()), ..FieldColumn::default() };
    let price = FieldColumn { name: "price".into(), buckets: Some(3), ..FieldColumn::default() };
    Ok(Box::new(move |rows| {
        std::fs::write(folder.join("i.csv"), [b"id,title,genres,price,image\ni0,T,z,1,u\n", rows].concat())?;
        let fields = vec![genres.clone(), price.clone()];
        let items = ItemTable { files: vec!["i.csv".into()], fields, ..ItemTable::default() };
        Ok(read(&folder, TableSchema { events: vec![events("t.csv")], items: vec![items] }))
    }))
}

fn presets() -> anyhow::Result<Vec<Vec<u8>>> {
    Ok(Preset::names().filter_map(Preset::file).map(|text| text.as_bytes().to_vec()).collect())
}

fn preset(folder: &Path) -> anyhow::Result<Loader> {
    let folder = folder.to_owned();
    for file in ["ratings.csv", "t.inter", "t.txt", "u.data"] {
        std::fs::write(folder.join(file), sound())?;
    }
    Ok(Box::new(move |bytes| {
        let path = folder.join("preset.toml");
        std::fs::write(&path, bytes)?;
        // What can be read may describe anything: opening its files must not panic either.
        Ok(Preset::read(&path).is_ok_and(|preset| {
            let _ = read(&folder, preset.schema());
            true
        }))
    }))
}

fn vocabularies() -> anyhow::Result<Vec<Vec<u8>>> {
    let text = "kind\tnumber\tname\nuser\t7\tu0\nitem\t1\ta\\tb\nitem\t2\tb\nword\t1\tred\nattribute\t1\tx:y\naction\t1\tclick\nfield:x\t1\ty\n";
    Ok(vec![text.as_bytes().to_vec()])
}

fn vocabulary(folder: &Path) -> anyhow::Result<Loader> {
    let folder = folder.to_owned();
    std::fs::write(folder.join("t.csv"), sound())?;
    let schema = TableSchema { events: vec![events("t.csv")], items: Vec::new() };
    let source = Interactions::open(&folder, "t", schema)?;
    Ok(Box::new(move |bytes| {
        let path = folder.join("vocabulary.tsv");
        std::fs::write(&path, bytes)?;
        let prepared =
            Numbers::read(&path).and_then(|numbers| PrepareConfig::all().prepare_from(&source, &numbers));
        Ok(prepared.is_ok_and(|prepared| Corpus::in_memory(&prepared.data).is_ok()))
    }))
}
