//! Random logs with random troubles in random encodings, against what a few lines of naive code expect of them.

use std::path::Path;

use proptest::prelude::*;
use seminar_dataset::s3rec::TextFiles;
use seminar_dataset::{AmazonReviews, KuaiSar, Numbered, PrepareConfig, Repeats, Result};

use super::encodings::SAME;
use super::inputs::all_events;

#[derive(Clone, Copy, Debug)]
struct Event {
    user: u32,
    item: u32,
    time: i64,
    /// Which way of several the line is written in.
    way: usize,
}

/// Users with their items, oldest first, in order of first appearance.
type Histories = Vec<(u32, Vec<u32>)>;

fn naive(events: &[Event], repeats: Repeats, has_times: bool) -> Histories {
    let mut users: Vec<u32> = Vec::new();
    events.iter().for_each(|e| {
        if !users.contains(&e.user) {
            users.push(e.user)
        }
    });
    let history = |user: u32| {
        let mut own: Vec<&Event> = events.iter().filter(|e| e.user == user).collect();
        if has_times {
            own.sort_by_key(|e| e.time);
        }
        let mut kept: Vec<&Event> = Vec::new();
        for (n, e) in own.iter().enumerate() {
            let just_before = n > 0 && own[n - 1].item == e.item;
            let dropped = match repeats {
                Repeats::Keep => false,
                Repeats::SameTime if has_times => {
                    own[..n].iter().any(|o| o.item == e.item && o.time == e.time)
                }
                Repeats::SameTime | Repeats::Consecutive => just_before,
                Repeats::All => own[..n].iter().any(|o| o.item == e.item),
            };
            if !dropped {
                kept.push(e);
            }
        }
        (user, kept.iter().map(|e| e.item).collect())
    };
    users.into_iter().map(history).collect()
}

/// The same from what was read, by names.
fn histories(data: &Numbered) -> Histories {
    let number = |name: &[u8]| std::str::from_utf8(name).unwrap().parse::<u32>().unwrap();
    let own = |user: usize| {
        let range = data.user_offsets[user] as usize..data.user_offsets[user + 1] as usize;
        data.event_items[range].iter().map(|&item| number(data.texts.items.row(item as usize - 1))).collect()
    };
    (0..data.user_count()).map(|user| (number(data.texts.users.row(user)), own(user))).collect()
}

/// A line of reviews; every fifth way is a line that cannot be used.
fn review(Event { user, item, time, way }: Event) -> (String, bool) {
    let lines = [
        format!(r#"{{"reviewerID": "{user}", "asin": "{item}", "overall": 4, "unixReviewTime": {time}}}"#),
        format!(
            r#"{{"vote": NaN, "reviewerID": {user}, "asin": {item}.0, "overall": "4", "unixReviewTime": "{time}"}}"#
        ),
        format!(
            "{{'reviewerID': u'{user}', 'asin': '{item}', 'overall': 4.0, 'unixReviewTime': {time}, 'x': None}}"
        ),
        format!(
            r#"{{"user_id": "{user} ", "asin": "v", "parent_asin": "{item}", "rating": 4.0, "timestamp": {time}000.0}}"#
        ),
        [
            format!(
                r#"{{"reviewerID": "{user}", "asin": "{item}", "overall": 4, "unixReviewTime": -{time}1}}"#
            ),
            format!(r#"{{"reviewerID": "{user}", "asin": null, "overall": 4, "unixReviewTime": {time}}}"#),
            format!(r#"{{"user_id": "{user}", "asin": "{item}", "rating": 4.0, "timestamp": {time}}}"#),
            format!(r#"["{user}", "{item}", 4, {time}]"#),
            "{'reviewerID': 'a".to_owned(),
        ][way / 5 % 5]
            .clone(),
    ];
    (lines[way % 5].clone(), way % 5 != 4)
}

fn click(Event { user, item, time, way }: Event) -> (String, bool) {
    let rows = [
        format!("{user},{item},{time},1,\"a, b\""),
        format!(" {user},{item}.0,{time}.9,2,"),
        format!("{user},{item},{time}e0,1.0,x"),
        format!("{user},{item},{time},0,x"),
        [
            format!("{user},{item},{time}"),
            format!("u{user},{item},{time},1,x"),
            format!("{user},,{time},1,x"),
        ][way / 5 % 3]
            .clone(),
    ];
    (rows[way % 5].clone(), way % 5 < 3)
}

fn written(folder: &Path, file: &str, text: &str, encoding: usize) {
    std::fs::write(folder.join(file), SAME[encoding % SAME.len()].1(text.as_bytes())).unwrap();
}

fn event() -> impl Strategy<Value = Event> {
    (1u32..6, 1u32..7, 0i64..9, 0usize..75).prop_map(|(user, item, time, way)| Event {
        user,
        item,
        time,
        way,
    })
}

fn rule() -> impl Strategy<Value = Repeats> {
    prop_oneof![Just(Repeats::Keep), Just(Repeats::SameTime), Just(Repeats::Consecutive), Just(Repeats::All)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn reviews(events in prop::collection::vec(event(), 1..40), encoding in 0usize..SAME.len(), repeats in rule()) {
        let folder = tempfile::tempdir().unwrap();
        let lines: Vec<(String, bool)> = events.iter().map(|&e| review(e)).collect();
        let text: String = lines.iter().map(|(line, _)| line.clone() + "\n").collect();
        written(folder.path(), "X_5.json", &text, encoding);
        let mut source = AmazonReviews::locate(folder.path(), "X").unwrap();
        source.options.max_bad_lines = 1.0;
        let config = PrepareConfig { drop_repeats: repeats, ..all_events() };
        let sound: Vec<Event> = events.iter().zip(&lines).filter(|(_, line)| line.1).map(|(&e, _)| e).collect();
        let read = config.prepare(&source);
        if sound.is_empty() {
            prop_assert!(read.is_err());
        } else {
            let read = read.unwrap();
            prop_assert_eq!(histories(&read.data), naive(&sound, repeats, true));
            prop_assert_eq!(read.report.files[0].bad() as usize, events.len() - sound.len());
        }
    }

    #[test]
    fn clicks(events in prop::collection::vec(event(), 1..40), encoding in 0usize..SAME.len(), repeats in rule()) {
        let folder = tempfile::tempdir().unwrap();
        let rows: Vec<(String, bool)> = events.iter().map(|&e| click(e)).collect();
        let text = "user_id,item_id,timestamp,click,note\n".to_owned()
            + &rows.iter().map(|(row, _)| row.clone() + "\n").collect::<String>();
        written(folder.path(), "rec_inter.csv", &text, encoding);
        let searches = "keyword,click_cnt,user_id,item_id,search_session_timestamp\n[],0,1,1,1\n";
        written(folder.path(), "src_inter.csv", searches, encoding + 5);
        let mut source = KuaiSar::new(folder.path());
        source.options.max_bad_lines = 1.0;
        let config = PrepareConfig { drop_repeats: repeats, ..all_events() };
        let sound: Vec<Event> = events.iter().zip(&rows).filter(|(_, row)| row.1).map(|(&e, _)| e).collect();
        let read = config.prepare(&source);
        if sound.is_empty() {
            prop_assert!(read.is_err());
        } else {
            prop_assert_eq!(histories(&read.unwrap().data), naive(&sound, repeats, true));
        }
    }

    #[test]
    fn lines_and_pairs(
        events in prop::collection::vec(event(), 1..30), encoding in 0usize..SAME.len(), repeats in rule(), pairs: bool,
        sorted: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut events = events;
        if sorted {
            events.sort_by_key(|e| e.user);
        }
        let rows: Vec<(u32, Vec<u32>)> = match pairs {
            true => events.iter().map(|e| (e.user, vec![e.item])).collect(),
            false => naive(&events, Repeats::Keep, false),
        };
        let line = |(user, items): &(u32, Vec<u32>)| {
            format!("{user} {}\n", items.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))
        };
        let text: String = rows.iter().map(line).collect();
        written(folder.path(), "X.txt", &text, encoding);
        let mut files = TextFiles::new(folder.path(), "X");
        files.repeats = repeats;
        let read: Result<Numbered> = files.import().map(|imported| imported.data);
        // Pairs in any order are lines of one item each, unless a user comes twice.
        let users: Vec<u32> = rows.iter().map(|row| row.0).collect();
        let repeated = (1..users.len()).any(|n| users[..n].contains(&users[n]));
        let falling = (1..users.len()).find(|&n| users[n] < users[n - 1]);
        match falling.filter(|_| repeated) {
            Some(line) => {
                let error = read.unwrap_err().to_string();
                let told = format!("user {} comes after user {}", users[line], users[line - 1]);
                prop_assert!(error.contains(&told), "{}: {}", told, error);
            }
            None => prop_assert_eq!(histories(&read.unwrap()), naive(&events, repeats, false)),
        }
    }
}
