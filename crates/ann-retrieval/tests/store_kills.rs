//! A process that writes to a store is killed at random moments: what it had acknowledged is there, and nothing is half
//! there.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use seminar_ann_retrieval::*;
use support::clustered;

const FOLDER: &str = "SEMINAR_STORE_KILLS";
const USERS: u64 = 5;
const WIDTH: usize = 8;

fn store(folder: &Path) -> HistoryStore<Whole> {
    let kept = Kept::CodesAndRows { factor: 2 };
    let store = match folder.join("store").exists() {
        true => HistoryStore::open(folder).unwrap(),
        false => HistoryStore::create(folder, Whole::new(WIDTH).into(), 2, kept).unwrap(),
    };
    // Small limits: logs become segments and segments are merged all the time.
    store.with_limits(StoreLimits { log_bytes: 6_000, segments: 3 })
}

/// The row of an event: it can be checked without having been kept.
fn row(rows: &Vectors, event: u64) -> &[f32] {
    rows.row(event as usize % rows.len())
}

/// Not a test: the process that is killed. Each line is written before and after a call.
#[test]
#[ignore = "started by the tests of this file"]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = store(folder.as_ref());
    let rows = clustered(97, WIDTH, 1);
    let mut say = std::io::stdout();
    let mut rng = ChaCha8Rng::seed_from_u64(std::process::id().into());
    let mut held: Vec<Vec<u64>> = (0..USERS).map(|user| store.get(user).unwrap().events()).collect();
    let mut next = held.iter().flatten().max().map_or(0, |last| last + 1);
    loop {
        let user = rng.random_range(0..USERS);
        let own = &mut held[user as usize];
        match rng.random_range(0..20) {
            0..14 => {
                let count = rng.random_range(1..20);
                writeln!(say, "? append {user} {next} {count}").unwrap();
                let names: Vec<(u64, u64)> = (next..next + count).map(|event| (user, event)).collect();
                let batch: Vec<f32> =
                    names.iter().flat_map(|&(_, event)| row(&rows, event)).copied().collect();
                store.append_many(&names, &batch).unwrap();
                own.extend(next..next + count);
                next += count;
            }
            14..18 if !own.is_empty() => {
                let event = own.remove(rng.random_range(0..own.len()));
                writeln!(say, "? delete {user} {event} 1").unwrap();
                store.delete(user, event).unwrap();
            }
            18 if own.len() > 300 => {
                writeln!(say, "? erase {user} 0 0").unwrap();
                store.erase(user).unwrap();
                own.clear();
            }
            _ => {
                writeln!(say, "? compact 0 0 0").unwrap();
                store.compact().unwrap();
            }
        }
        writeln!(say, "!").unwrap();
        say.flush().unwrap();
    }
}

type Held = BTreeMap<u64, Vec<u64>>;

/// Applies what the process said of a call.
fn apply(held: &mut Held, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let [user, event, count] = [2, 3, 4].map(|i| words[i].parse::<u64>().unwrap());
    let own = held.entry(user).or_default();
    match words[1] {
        "append" => own.extend(event..event + count),
        "delete" => own.retain(|&old| old != event),
        "erase" => own.clear(),
        "compact" => {}
        other => panic!("unknown call {other}"),
    }
}

/// Kills the process again and again on one folder. Returns how often it was in the middle of a call whose changes were
/// on the disk, and how often an incomplete frame was cut off.
fn kills(count: usize, seed: u64) -> [usize; 3] {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rows = clustered(97, WIDTH, 1);
    let mut held = Held::new();
    let (mut unanswered, mut cut_off, mut calls) = (0, 0, 0);
    drop(store(&path));
    for _ in 0..count {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(FOLDER, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            let lines = output.lines().map_while(std::io::Result::ok);
            lines.filter(|line| line.starts_with(['?', '!'])).collect::<Vec<_>>()
        });
        std::thread::sleep(Duration::from_micros(rng.random_range(1_000..250_000)));
        // On Unix this is SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        let lines = reader.join().unwrap();
        let mut open = None;
        for line in &lines {
            match open.take() {
                None => open = Some(line),
                Some(call) => {
                    assert_eq!(line, "!");
                    calls += 1;
                    apply(&mut held, call);
                }
            }
        }
        let store = store(&path);
        let found = |user: u64| store.get(user).unwrap().events();
        let now: Held = (0..USERS).map(|user| (user, found(user))).collect();
        held.extend(
            (0..USERS)
                .filter(|user| !held.contains_key(user))
                .map(|user| (user, Vec::new()))
                .collect::<Held>(),
        );
        if now != held {
            // The call that was under way may be done, but not in part, and it is the only one.
            apply(&mut held, open.expect("no call was under way"));
            assert_eq!(now, held);
            unanswered += 1;
        }
        cut_off += usize::from(store.cut_off() > 0);
        let target = [0.3, -0.2, 0.9, 0.1, 0.5, 0.5, -0.7, 0.2];
        let mut exact = ExactHistory::exact(2, WIDTH / 2).unwrap();
        held[&1].iter().for_each(|&event| assert!(exact.append(row(&rows, event)).is_ok()));
        let best = exact.top_k(&exact.prepare(&target, &[0.5, 0.5]).unwrap(), 20).unwrap();
        let prepared = store.prepare(&target, &[0.5, 0.5]).unwrap();
        let found = store.get(1).unwrap().top_k(&prepared, 20).unwrap();
        let named = |n: Neighbor| Neighbor { id: held[&1][n.id as usize], ..n };
        assert_eq!(found, best.into_iter().map(named).collect::<Vec<_>>());
    }
    assert!(calls > count, "{calls} calls in {count} lives are too few to say anything");
    [calls, unanswered, cut_off]
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    kills(20, 1);
}

#[test]
#[ignore = "a minute; cargo test --release -p seminar-ann-retrieval --test store_kills -- --ignored two_hundred --nocapture"]
fn two_hundred_kills() {
    let [calls, unanswered, cut_off] = kills(200, 2);
    println!(
        "200 kills: {calls} calls acknowledged, {unanswered} done but not, {cut_off} incomplete frames cut off"
    );
}
