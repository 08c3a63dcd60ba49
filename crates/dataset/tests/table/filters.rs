//! Filters and splits against naive code.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use seminar_dataset::{
    Column, Corpus, Error, EventTable, FieldColumn, Interactions, ItemTable, PrepareConfig, ReadOptions,
    Repeats, Split, SplitAt, TableSchema,
};

#[derive(Clone, Debug)]
struct Event {
    user: String,
    item: String,
    time: i64,
    rating: i32,
}

fn log() -> impl Strategy<Value = Vec<Event>> {
    let event = ("[a-d]", "[p-u]", 0i64..30, 1i32..11);
    let event = event.prop_map(|(user, item, time, rating)| Event { user, item, time, rating });
    prop::collection::vec(event, 1..60)
}

/// Each user's events by name, oldest first.
type Users = BTreeMap<String, Vec<(String, i64)>>;

fn naive(log: &[Event], above: Option<f64>, config: &PrepareConfig) -> Users {
    let mut users = Users::new();
    for event in log {
        let rated = above.is_none_or(|above| f64::from(event.rating) / 2.0 > above);
        let inside = config.after.is_none_or(|after| event.time >= after)
            && config.before.is_none_or(|before| event.time < before);
        if rated && inside {
            users.entry(event.user.clone()).or_default().push((event.item.clone(), event.time));
        }
    }
    for own in users.values_mut() {
        own.sort_by_key(|event| event.1);
        let mut kept: Vec<(String, i64)> = Vec::new();
        for event in own.iter() {
            let repeats = match config.drop_repeats {
                Repeats::Keep => false,
                Repeats::SameTime => kept.contains(event),
                Repeats::Consecutive => kept.last().is_some_and(|last| last.0 == event.0),
                Repeats::All => kept.iter().any(|other| other.0 == event.0),
            };
            if !repeats {
                kept.push(event.clone());
            }
        }
        let most = config.max_user_events.map_or(kept.len(), |most| most as usize);
        *own = kept.split_off(kept.len().saturating_sub(most));
    }
    // The core, by fixed point: all that is too rare falls, until nothing does.
    loop {
        let mut items: BTreeMap<String, u32> = BTreeMap::new();
        users.values().flatten().for_each(|(item, _)| *items.entry(item.clone()).or_default() += 1);
        let before = users.values().flatten().count();
        users.retain(|_, own| own.len() >= (config.min_user_events as usize).max(1));
        users.values_mut().for_each(|own| own.retain(|(item, _)| items[item] >= config.min_item_events));
        if users.values().flatten().count() == before {
            return users;
        }
    }
}

fn source(folder: &Path, log: &[Event], above: Option<f64>) -> Interactions {
    let row = |e: &Event| format!("{},{},{},{}\n", e.user, e.item, e.time, f64::from(e.rating) / 2.0);
    let rows: String = log.iter().map(row).collect();
    std::fs::write(folder.join("e.csv"), format!("user,item,time,stars\n{rows}")).unwrap();
    let table =
        EventTable { files: vec!["e.csv".into()], rating: Column::from("stars"), ..EventTable::default() };
    let schema = TableSchema { events: vec![table], items: Vec::new() };
    Interactions::open_with(folder, "x", schema, above, ReadOptions::default()).unwrap()
}

fn told(corpus: &Corpus) -> Users {
    let own = |user: usize| {
        let own = corpus.history(user);
        own.items
            .iter()
            .zip(own.times)
            .map(|(&item, &time)| (corpus.item_name(item).to_owned(), time))
            .collect()
    };
    (0..corpus.user_count()).map(|user| (corpus.user_name(user).to_owned(), own(user))).collect()
}

fn rule() -> impl Strategy<Value = Repeats> {
    prop::sample::select(vec![Repeats::Keep, Repeats::SameTime, Repeats::Consecutive, Repeats::All])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn filters_leave_what_naive_filters_leave(
        log in log(),
        above in prop::option::of(prop::sample::select(vec![0.5, 1.0, 2.25, 3.5])),
        core in (1u32..5, 1u32..5),
        times in (prop::option::of(0i64..12), prop::option::of(12i64..31)),
        most in prop::option::of(1u32..8),
        drop_repeats in rule(),
    ) {
        let config = PrepareConfig {
            min_user_events: core.0, min_item_events: core.1, after: times.0, before: times.1,
            max_user_events: most, drop_repeats, ..PrepareConfig::table()
        };
        let folder = tempfile::tempdir().unwrap();
        let expected = naive(&log, above, &config);
        match config.prepare(&source(folder.path(), &log, above)) {
            Ok(prepared) => {
                let corpus = Corpus::in_memory(&prepared.data).unwrap();
                prop_assert_eq!(&told(&corpus), &expected);
                // The catalogue is what occurs.
                let items: std::collections::BTreeSet<&str> =
                    expected.values().flatten().map(|(item, _)| item.as_str()).collect();
                prop_assert_eq!(corpus.item_count(), items.len());
            }
            Err(error) => {
                prop_assert!(matches!(error, Error::NothingLeft { .. }), "{}", error);
                prop_assert!(expected.is_empty(), "{:?}", expected);
            }
        }
    }

    #[test]
    fn a_split_by_time_trains_on_nothing_from_its_instant_on(log in log(), valid in 0i64..32, length in 0i64..10) {
        let split = SplitAt { valid, test: valid + length };
        let config = PrepareConfig { split: Some(split), ..PrepareConfig::all() };
        let folder = tempfile::tempdir().unwrap();
        let prepared = config.prepare(&source(folder.path(), &log, None)).unwrap();
        let corpus = Corpus::in_memory(&prepared.data).unwrap();
        for split in [Split::Pretrain, Split::Train] {
            for example in split.examples(&corpus, 100) {
                let times = corpus.history(example.user as usize).times;
                prop_assert!(times[..=example.target as usize].iter().all(|&time| time < valid));
            }
        }
        // The target is the first event of its part, if anything is before it.
        let first = |own: &[i64], from: i64, to: i64| own.iter().position(|&t| (from..to).contains(&t)).filter(|&at| at > 0);
        let last = |own: &[i64]| own.iter().rposition(|&time| time < valid);
        for user in 0..corpus.user_count() {
            let own = corpus.history(user).times;
            prop_assert_eq!(Split::Valid.target_of(&corpus, user), first(own, valid, split.test));
            prop_assert_eq!(Split::Test.target_of(&corpus, user), first(own, split.test, i64::MAX));
            prop_assert_eq!(Split::Train.target_of(&corpus, user), last(own).filter(|&at| at > 0));
            let before = last(own).and_then(|at| at.checked_sub(1)).filter(|&at| at > 0);
            prop_assert_eq!(Split::Pretrain.target_of(&corpus, user), before);
        }
    }

    #[test]
    fn fields_hold_the_values_of_their_cells(rows in prop::collection::vec(("[p-t]", prop::collection::vec("[x-z ]{0,2}", 0..4)), 1..10)) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("e.csv"), "user,item\n1,p\n1,q\n2,r\n2,s\n2,t\n").unwrap();
        let lines: String = rows.iter().map(|(item, values)| format!("{item},{}\n", values.join("|"))).collect();
        std::fs::write(folder.path().join("i.csv"), format!("id,genres\n{lines}")).unwrap();
        let genres = FieldColumn { name: "genres".into(), separator: Some("|".into()), ..FieldColumn::default() };
        let schema = TableSchema {
            events: vec![EventTable { files: vec!["e.csv".into()], ..EventTable::default() }],
            items: vec![ItemTable { files: vec!["i.csv".into()], fields: vec![genres], ..ItemTable::default() }],
        };
        let source = Interactions::open(folder.path(), "x", schema).unwrap();
        let corpus = Corpus::in_memory(&PrepareConfig::all().prepare(&source).unwrap().data).unwrap();
        let field = corpus.field("genres").unwrap();
        let mut all: Vec<u32> = Vec::new();
        for item in 1..=5u32 {
            // Rows of an item add to each other; each value once, in the order of the cells.
            let own = rows.iter().filter(|(name, _)| name == corpus.item_name(item));
            let mut expected: Vec<&str> = Vec::new();
            for value in own.flat_map(|(_, values)| values).map(|value| value.trim()) {
                if !value.is_empty() && !expected.contains(&value) {
                    expected.push(value);
                }
            }
            let values: Vec<&str> = field.of(item).iter().map(|&value| field.value(value).unwrap()).collect();
            prop_assert_eq!(&values, &expected);
            all.extend_from_slice(field.of(item));
        }
        // Values are numbered as they appear along the items, without a gap.
        let mut next = 1;
        for value in all {
            prop_assert!(value <= next);
            next += u32::from(value == next);
        }
        prop_assert_eq!(field.size(), next as usize - 1);
    }
}
