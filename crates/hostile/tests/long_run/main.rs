//! Train, kill, resume, evaluate, index, append, delete, save and open, in random order over a synthetic set; everything is
//! checked after each step. Twenty seconds, or `SEMINAR_LONG_RUN_SECONDS`.

mod retrieval;
mod training;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use retrieval::{Histories, Indexes};
use seminar_dataset::rng::Stream;
use seminar_dataset::{AmazonReviews, Corpus, PrepareConfig, SyntheticConfig, synthetic};
use training::Training;

#[test]
fn a_long_life_in_random_order() {
    let seconds = std::env::var("SEMINAR_LONG_RUN_SECONDS").map_or(20, |text| text.parse().unwrap());
    let seed = std::env::var("SEMINAR_LONG_RUN_SEED").map_or(1, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let world =
        SyntheticConfig { users: 60, items: 40, events: 1_200, review_words: 5.0, ..Default::default() };
    synthetic::write_amazon(&world, folder.path(), "World", &|_| ()).unwrap();
    let source = AmazonReviews::locate(folder.path(), "World").unwrap();
    Corpus::write(&PrepareConfig::amazon().prepare(&source).unwrap().data, folder.path()).unwrap();
    let corpus = Arc::new(Corpus::open(folder.path()).unwrap());

    let mut training = Training::new(corpus, folder.path());
    let items = training.items();
    let mut indexes = Indexes::new(items.clone(), folder.path());
    let mut histories = Histories::new(items, folder.path());
    let mut stream = Stream::new(&[seed, 0x6c69_6665]);
    let (begin, mut steps) = (Instant::now(), BTreeMap::<&str, u64>::new());
    while begin.elapsed() < Duration::from_secs(seconds) {
        let step = match stream.below(100) {
            0 => training.step(&mut stream),
            1 => training.evaluate(),
            2..50 => indexes.step(&mut stream),
            _ => histories.step(&mut stream),
        };
        *steps.entry(step).or_default() += 1;
    }
    println!("{seconds} s, seed {seed}: {steps:?}");
    let needed = [
        "killed",
        "finished",
        "evaluated",
        "index saved",
        "vector removed",
        "history saved",
        "behaviour deleted",
    ];
    assert!(needed.iter().all(|step| steps.contains_key(step)), "too short a life: {steps:?}");
}
