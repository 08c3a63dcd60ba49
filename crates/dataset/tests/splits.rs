//! Splits never leak, negatives are what they promise, and batches are a pure function of their position.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use seminar_dataset::{BatchConfig, Batches, Corpus, NegativeSampler, Sampling, Split};

fn sequences() -> impl Strategy<Value = Vec<Vec<u32>>> {
    prop::collection::vec(prop::collection::vec(1u32..40, 1..14), 1..12).prop_map(numbered)
}

/// The same sequences under the numbers that a corpus of them gives: in order of first appearance, from 1.
fn numbered(mut sequences: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
    let mut seen = Vec::new();
    for item in sequences.iter_mut().flatten() {
        let found = seen.iter().position(|name| name == item);
        *item = 1 + found.unwrap_or_else(|| {
            seen.push(*item);
            seen.len() - 1
        }) as u32;
    }
    sequences
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_later_event_is_in_a_history_or_target(sequences in sequences(), targets in 1usize..20) {
        let folder = tempfile::tempdir().unwrap();
        let corpus = support::corpus_of(&sequences, folder.path());
        for (user, events) in sequences.iter().enumerate() {
            let n = events.len();
            let of = |split: Split, count| -> Vec<usize> {
                split.examples(&corpus, count).iter().filter(|e| e.user as usize == user).map(|e| e.target as usize).collect()
            };
            // The answers of test and validation are the last two events: training sees neither.
            prop_assert_eq!(of(Split::Test, targets), if n >= 3 { vec![n - 1] } else { vec![] });
            prop_assert_eq!(of(Split::Valid, targets), if n >= 3 { vec![n - 2] } else { vec![] });
            let train = of(Split::Train, targets);
            prop_assert_eq!(train.len(), if n >= 4 { targets.min(n - 3) } else { 0 });
            prop_assert!(train.iter().all(|&t| (1..n - 2).contains(&t)));
            prop_assert!(of(Split::Pretrain, 1).iter().all(|&t| t < n - 3));
        }
    }

    #[test]
    fn batches_hold_the_events_before_their_target(sequences in sequences(), length in 1usize..20) {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Arc::new(support::corpus_of(&sequences, folder.path()));
        let config = BatchConfig { batch_size: 3, history_length: length, targets_per_user: 4, ..BatchConfig::default() };
        for split in [Split::Train, Split::Valid, Split::Test] {
            let Ok(batches) = Batches::new(corpus.clone(), split, config.clone()) else { continue };
            for batch in batches.epoch(1).prefetch(0) {
                for (row, &user) in batch.users.iter().enumerate() {
                    let events = &sequences[user as usize];
                    let target = batch.candidates.row(row)[0];
                    let history: Vec<u32> = batch.history.row(row).iter().copied().skip_while(|&i| i == 0).collect();
                    prop_assert!(!history.contains(&0), "padding only on the left");
                    let last = match split { Split::Test => events.len() - 1, Split::Valid => events.len() - 2, _ => events.len() - 3 };
                    let fits = |at: usize| events[at] == target && events[at.saturating_sub(length)..at] == history[..];
                    prop_assert!((1..=last).any(fits), "{split:?}: {history:?} then {target} in {events:?}");
                    prop_assert!(split == Split::Train || fits(last));
                }
            }
        }
    }

    #[test]
    fn negatives_are_distinct_items_outside_the_history(
        sequences in sequences(), count in 0usize..60, popularity in any::<bool>(), seed in any::<u64>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let corpus = support::corpus_of(&sequences, folder.path());
        let sampling = if popularity { Sampling::Popularity } else { Sampling::Uniform };
        let sampler = NegativeSampler::new(&corpus, sampling, seed);
        let mut scratch = NegativeSampler::scratch(&corpus);
        for user in 0..corpus.user_count() {
            let own: BTreeSet<u32> = corpus.history(user).items.iter().copied().collect();
            let mut lists = Vec::new();
            for split in [Split::Valid, Split::Test] {
                let mut drawn = Vec::new();
                sampler.evaluation(user, split, count, &mut scratch, &mut drawn);
                let distinct: BTreeSet<u32> = drawn.iter().copied().collect();
                prop_assert_eq!(distinct.len(), drawn.len());
                prop_assert!(distinct.is_disjoint(&own));
                prop_assert!(drawn.iter().all(|&n| n >= 1 && n as usize <= corpus.item_count()));
                prop_assert_eq!(drawn.len(), count.min(corpus.item_count() - own.len()));
                lists.push(drawn);
            }
            // Whoever asks again, later and alone, gets the same list.
            let mut again = Vec::new();
            sampler.evaluation(user, Split::Valid, count, &mut NegativeSampler::scratch(&corpus), &mut again);
            prop_assert_eq!(&again, &lists[0]);
        }
    }
}

fn toy(folder: &std::path::Path) -> Arc<Corpus> {
    let sequences: Vec<Vec<u32>> =
        (0..50).map(|u| (0..5 + u % 9).map(|i| 1 + (u * 17 + i * 29) % 200).collect()).collect();
    Arc::new(support::corpus_of(&sequences, folder))
}

#[test]
fn an_epoch_visits_every_example_once_and_resumes_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = toy(folder.path());
    let config = BatchConfig { batch_size: 7, targets_per_user: 3, ..BatchConfig::default() };
    let batches = Batches::new(corpus.clone(), Split::Train, config).unwrap();
    let epochs: Vec<Vec<_>> = (0..2).map(|e| batches.epoch(e).prefetch(0).collect()).collect();
    let rest: Vec<_> = batches.epoch(1).prefetch(4).collect();
    assert_eq!(rest, epochs[1][4..], "a resumed epoch continues as the whole one does");
    let users = |epoch: &[seminar_dataset::Batch]| {
        let mut users: Vec<u32> = epoch.iter().flat_map(|b| b.users.clone()).collect();
        let order = users.clone();
        users.sort_unstable();
        (users, order)
    };
    let (first, second) = (users(&epochs[0]), users(&epochs[1]));
    assert_eq!(first.0, second.0);
    assert_ne!(first.1, second.1, "epochs are shuffled differently");
    assert_eq!(first.0.len(), batches.example_count());
    let mut scratch = NegativeSampler::scratch(&corpus);
    assert_eq!(batches.epoch(1).batch(2, &mut scratch), epochs[1][2]);
}

#[test]
fn a_sample_of_examples_is_random_seeded_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = toy(folder.path());
    let users = |seed, examples| -> Vec<u32> {
        let config = BatchConfig { batch_size: 7, seed, ..BatchConfig::default() };
        let batches = Batches::new(corpus.clone(), Split::Test, config).unwrap().sample(examples);
        assert_eq!(batches.example_count(), examples.min(50));
        batches.epoch(0).prefetch(0).flat_map(|batch| batch.users).collect()
    };
    let mut drawn = [0u32; 50];
    for seed in 0..1000 {
        let own = users(seed, 20);
        assert!(own.len() == 20 && own.windows(2).all(|pair| pair[0] < pair[1]), "{own:?}");
        own.iter().for_each(|&user| drawn[user as usize] += 1);
    }
    // Standard deviation 15.5: the first users are drawn as often as others.
    assert!(drawn.iter().all(|&n| n.abs_diff(400) < 78), "{drawn:?}");
    assert_eq!(users(3, 20), users(3, 20));
    assert_eq!(users(3, 50), (0..50).collect::<Vec<_>>());
    assert_eq!(users(3, 51), users(4, 50));
}

#[test]
fn pretraining_histories_end_in_eos() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = toy(folder.path());
    let config = BatchConfig { history_length: 6, ..BatchConfig::default() };
    let batches = Batches::new(corpus.clone(), Split::Pretrain, config).unwrap();
    let batch = batches.epoch(0).prefetch(0).next().unwrap();
    for row in 0..batch.users.len() {
        assert_eq!(batch.history.row(row)[5] as usize, corpus.item_count() + 1);
    }
}

#[test]
fn uniform_negatives_are_uniform_and_popular_ones_popular() {
    let folder = tempfile::tempdir().unwrap();
    let mut sequences: Vec<Vec<u32>> = vec![vec![1, 2, 3]; 300];
    sequences.push((1..=20).collect());
    sequences.push(vec![20]);
    let corpus = support::corpus_of(&sequences, folder.path());
    let draw = |sampling| {
        let sampler = NegativeSampler::new(&corpus, sampling, 1);
        let mut scratch = NegativeSampler::scratch(&corpus);
        let mut counts = [0u32; 21];
        for seed in 0..4000 {
            let mut out = Vec::new();
            let example = seminar_dataset::Example { user: 301, target: 0 };
            sampler.training(example, seed, 1, false, &mut scratch, &mut out);
            counts[out[0] as usize] += 1;
        }
        counts
    };
    let uniform = draw(Sampling::Uniform);
    assert!(uniform[1..20].iter().all(|&n| n.abs_diff(4000 / 19) < 80), "{uniform:?}");
    assert!(draw(Sampling::Popularity)[1] > 1200);
}

#[test]
fn as_published_training_shows_the_negatives_of_pretraining_again() {
    let folder = tempfile::tempdir().unwrap();
    let sequences: Vec<Vec<u32>> =
        (0..60).map(|user| (0..8).map(|n| 1 + (user + 7 * n) % 200).collect()).collect();
    let corpus = std::sync::Arc::new(support::corpus_of(&sequences, folder.path()));
    let negatives = |split, config: &BatchConfig| {
        let batches = Batches::new(corpus.clone(), split, config.clone()).unwrap();
        let pairs = batches.epoch(3).prefetch(0).flat_map(|batch| {
            let negative = |row: usize| (batch.users[row], batch.candidates.pair(row, 1).0);
            (0..batch.users.len()).map(negative).collect::<Vec<_>>()
        });
        pairs.collect::<Vec<_>>()
    };
    let same = |config: BatchConfig| negatives(Split::Pretrain, &config) == negatives(Split::Train, &config);
    assert!(same(BatchConfig::published()), "two runs from one seed draw the same");
    assert!(!same(BatchConfig::default()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// One pass holds each target of separate examples once, with the same candidates and the events before it.
    #[test]
    fn one_pass_holds_the_targets_of_separate_examples(
        sequences in sequences(), length in 1usize..9, most in 1usize..12, compared in 0usize..4, epoch in 0u64..3,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Arc::new(support::corpus_of(&sequences, folder.path()));
        let alone = BatchConfig {
            batch_size: 3, history_length: length, targets_per_user: 100, training_negatives: 2, ..BatchConfig::default()
        };
        let together = BatchConfig {
            one_pass: true, compared_targets: compared, targets_per_user: most, shared_negatives: 4, ..alone.clone()
        };
        let Ok(batches) = Batches::new(corpus.clone(), Split::Train, alone) else { return Ok(()) };
        let mut separate: Vec<(u32, Vec<u32>, Vec<u32>)> = Vec::new();
        for batch in batches.epoch(epoch).prefetch(0) {
            for (row, &user) in batch.users.iter().enumerate() {
                let history = batch.history.row(row).iter().copied().filter(|&item| item != 0).collect();
                separate.push((user, history, batch.candidates.row(row).to_vec()));
            }
        }
        let batches = Batches::new(corpus.clone(), Split::Train, together).unwrap();
        let mut found = Vec::new();
        let mut newest = 0;
        for batch in batches.epoch(epoch).prefetch(0) {
            newest += batch.users.len();
            prop_assert!(compared == 0 || batch.candidates.width <= 3 * compared);
            prop_assert!((0..batch.users.len()).all(|row| batch.sees[row * batch.candidates.width] as usize == batch.history.width));
            prop_assert!(batch.shared.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(batch.shared.iter().all(|&item| (1..=corpus.item_count() as u32).contains(&item)));
            let width = batch.candidates.width;
            prop_assert_eq!(width % 3, 0);
            let targets: Vec<usize> = (0..batch.users.len())
                .map(|row| batch.candidates.row(row).chunks(3).filter(|group| group[0] != 0).count())
                .collect();
            prop_assert_eq!(targets.iter().max(), Some(&(width / 3)), "no column is padding alone");
            for (row, &user) in batch.users.iter().enumerate() {
                for (at, group) in batch.candidates.row(row).chunks(3).enumerate().take(targets[row]) {
                    let sees = &batch.sees[row * width + 3 * at..][..3];
                    prop_assert!(sees[0] == sees[1] && sees[1] == sees[2]);
                    let seen = &batch.history.row(row)[..sees[0] as usize];
                    let history: Vec<u32> = seen.iter().copied().filter(|&item| item != 0).collect();
                    prop_assert!(!history.is_empty());
                    found.push((user, history, group.to_vec()));
                }
            }
        }
        // A later target of the example takes the place of the oldest events: what is seen is the end of what an example alone sees.
        separate.sort();
        found.sort_by_key(|(user, history, group)| (*user, history.clone(), group.clone()));
        if compared == 0 {
            prop_assert_eq!(separate.len(), found.len());
        }
        let mut left = separate.clone();
        for (user, history, group) in &found {
            let same = left.iter().position(|(u, h, g)| u == user && g == group && h.ends_with(history));
            prop_assert!(same.is_some(), "{user}: {history:?} then {group:?}");
            left.swap_remove(same.unwrap());
        }
        prop_assert_eq!(newest, batches.example_count());
        // The order depends on the seed and the epoch alone.
        let again: Vec<_> = batches.epoch(epoch).prefetch(0).collect();
        let mut scratch = NegativeSampler::scratch(&corpus);
        let epoch = batches.epoch(epoch);
        let direct: Vec<_> = (0..epoch.len()).rev().map(|index| epoch.batch(index, &mut scratch)).collect();
        prop_assert!(again.iter().eq(direct.iter().rev()));
    }
}
