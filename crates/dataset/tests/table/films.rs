//! MovieLens and RecBole's files, counted a second time by other means. They may not be bundled: the tests run where the files are.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

use seminar_dataset::{Corpus, Interactions, PrepareConfig, Preset};

/// A folder that a variable names, if it does.
fn folder(variable: &str, what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from).filter(|folder| folder.is_dir());
    if folder.is_none() {
        eprintln!("not run: {variable} names no folder with {what}");
    }
    folder
}

fn text(path: PathBuf) -> String {
    let mut text = String::new();
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match bytes.starts_with(&[0x1F, 0x8B]) {
        true => flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap(),
        false => (&bytes[..]).read_to_string(&mut text).unwrap(),
    };
    text
}

/// User, item and time of each row, read by splitting.
type Rows = Vec<(String, String, i64)>;

/// Users, items and events after repeated passes.
fn core(mut rows: Rows, least: usize) -> (usize, usize, usize) {
    loop {
        let (mut users, mut items) = (BTreeMap::new(), BTreeMap::new());
        for (user, item, _) in &rows {
            *users.entry(user.clone()).or_insert(0) += 1;
            *items.entry(item.clone()).or_insert(0) += 1;
        }
        let before = rows.len();
        rows.retain(|(user, item, _)| users[user] >= least && items[item] >= least);
        if rows.len() == before {
            return (users.len(), items.len(), rows.len());
        }
    }
}

fn counts(source: &Interactions, least: u32) -> (usize, usize, usize) {
    let config = PrepareConfig { min_user_events: least, min_item_events: least, ..PrepareConfig::table() };
    let data = config.prepare(source).unwrap().data;
    (data.user_count(), data.item_count(), data.event_items.len())
}

#[test]
fn movielens_latest_small() {
    let Some(folder) = folder("SEMINAR_MOVIELENS", "MovieLens latest-small") else { return };
    let preset = Preset::named("movielens-latest").unwrap();
    let source = Interactions::open(&folder, "films", preset.schema()).unwrap();
    let plain = folder.join("ratings.csv");
    let ratings = text(if plain.exists() { plain } else { folder.join("ratings.csv.gz") });
    let rows: Rows = ratings
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            (cells[0].to_owned(), cells[1].to_owned(), cells[3].trim().parse().unwrap())
        })
        .collect();
    for (least, expected) in [(1, (610, 9_724, 100_836)), (5, (610, 3_650, 90_274))] {
        assert_eq!(core(rows.clone(), least as usize), expected);
        assert_eq!(counts(&source, least), expected);
    }
    let data = PrepareConfig::table().prepare(&source).unwrap().data;
    let corpus = Corpus::in_memory(&data).unwrap();
    assert!(corpus.has_times());
    let genres = corpus.field("genres").unwrap();
    let names: BTreeSet<&str> = genres.values().collect();
    assert_eq!(
        (names.len(), names.contains("Film-Noir"), names.contains("(no genres listed)")),
        (19, true, false)
    );
    let toy_story = (1..=corpus.item_count() as u32).find(|&item| corpus.item_name(item) == "1").unwrap();
    assert_eq!(corpus.title(toy_story), Some("Toy Story (1995)"));
    let own: Vec<_> = genres.of(toy_story).iter().map(|&value| genres.value(value).unwrap()).collect();
    assert_eq!(own, ["Adventure", "Animation", "Children", "Comedy", "Fantasy"]);
    // Each user's times, by sorting rows.
    for user in 0..corpus.user_count() {
        let kept: BTreeSet<&str> =
            (1..=corpus.item_count() as u32).map(|item| corpus.item_name(item)).collect();
        let mut times: Vec<i64> = rows
            .iter()
            .filter(|(name, item, _)| name == corpus.user_name(user) && kept.contains(item.as_str()))
            .map(|row| row.2)
            .collect();
        times.sort_unstable();
        assert_eq!(corpus.history(user).times, times);
        if user == 20 {
            break;
        }
    }
}

#[test]
fn recbole_ml_100k() {
    let Some(folder) = folder("SEMINAR_RECBOLE", "RecBole's ml-100k.inter and ml-100k.item") else { return };
    let preset = Preset::named("recbole").unwrap();
    let source = Interactions::open(&folder, "ml-100k", preset.schema()).unwrap();
    let rows: Rows = text(folder.join("ml-100k.inter"))
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            (cells[0].to_owned(), cells[1].to_owned(), cells[3].parse().unwrap())
        })
        .collect();
    for (least, expected) in [(1, (943, 1_682, 100_000)), (5, core(rows.clone(), 5))] {
        assert_eq!(core(rows.clone(), least as usize), expected);
        assert_eq!(counts(&source, least), expected);
    }
    let config = PrepareConfig { min_user_events: 1, min_item_events: 1, ..PrepareConfig::table() };
    let corpus = Corpus::in_memory(&config.prepare(&source).unwrap().data).unwrap();
    assert_eq!(corpus.fields().map(|field| field.name()).collect::<Vec<_>>(), ["release_year", "class"]);
    let item = (1..=corpus.item_count() as u32).find(|&item| corpus.item_name(item) == "2").unwrap();
    assert_eq!(corpus.title(item), Some("GoldenEye"));
    let class = corpus.field("class").unwrap();
    let own: Vec<_> = class.of(item).iter().map(|&value| class.value(value).unwrap()).collect();
    assert_eq!(own, ["Action", "Adventure", "Thriller"]);
}

#[cfg(feature = "parquet")]
#[test]
fn taobao_mm_demo() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    let Some(folder) = folder("SEMINAR_TAOBAO_MM", "the Parquet files of MUSE's data_demo") else { return };
    let rows = |file: &str| {
        let file = std::fs::File::open(folder.join(file)).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let rows = reader.get_row_iter(None).unwrap();
        let cells = |(name, cell): (&String, &Field)| (name.clone(), cell.clone());
        rows.map(|row| row.unwrap().get_column_iter().map(cells).collect::<BTreeMap<_, _>>())
            .collect::<Vec<_>>()
    };
    let elements = |list: &Field| match list {
        Field::ListInternal(list) => list.elements().iter().map(Field::to_string).collect::<Vec<_>>(),
        other => panic!("{other} is no list"),
    };
    let (mut users, mut items, mut events) = (BTreeSet::new(), BTreeSet::new(), 0);
    for part in ["train", "test"] {
        for row in rows(&format!("{part}_user_features.parquet")) {
            let own = elements(&row["150_2_180"]);
            events += own.len();
            users.insert(row["129_1"].to_string());
            items.extend(own);
        }
        for row in rows(&format!("{part}_samples.parquet")) {
            if elements(&row["label_0"]) == ["0", "1"] {
                events += 1;
                users.insert(row["129_1"].to_string());
                items.insert(row["205"].to_string());
            }
        }
    }
    let source = Interactions::open(&folder, "", Preset::named("taobao-mm").unwrap().schema()).unwrap();
    assert_eq!(counts(&source, 1), (users.len(), items.len(), events));
    assert!(events > 10_000, "{events}");
}
